import CLinux
import HostFS
import Kernel
import LinuxABI
import OverlayFS
import Testing
import VFS

/// What copy-up copies, what it leaves out, and what a failure leaves behind.
@Suite struct CopyUpTests {
  static let kinds = UpperKind.allCases

  @Test(arguments: kinds) func holesTimesAndAttributesComeAlong(_ kind: UpperKind) throws {
    let stage = try Stage(
      kind,
      """
      truncate -s 8M f && printf tail | dd of=f bs=1 seek=5000000 conv=notrunc status=none
      chown 5:6 f && chmod 4750 f && touch -d '2001-02-03 04:05:06.789' f
      """)
    try stage.client.setLowerAttribute(stage, "f", "user.mine", "value")
    let before = try stage.client.stat("f")
    let writer = try stage.client.at("f").open(.readWrite)
    let after = try stage.client.stat("f")
    #expect(after.size == 8 << 20 && after.blocks < 200)
    #expect(after.permissions == before.permissions && after.owner == 5 && after.group == 6)
    #expect(after.modificationTime == before.modificationTime && after.accessTime == before.accessTime)
    #expect(after.changeTime == before.changeTime && after.birthTime == before.birthTime)
    #expect(try stage.client.attribute("f", "user.mine") == "value")
    #expect(try Client.read(stage.client.at("f")).hasSuffix(String(repeating: "\0", count: 1000)))
    try Host.truncate(writer.rawValue, to: 5_000_004)
    #expect(try Client.read(stage.client.at("f")).hasSuffix("\0tail"))
    #expect(try stage.client.stat("f").size == 5_000_004)
  }

  @Test func attributesAreCopiedApartFromContentInMemory() throws {
    let stage = try Stage(.memory, "head -c 3000000 /dev/urandom > f && chmod 644 f")
    let observer = Observer(stage.overlay)
    try stage.client.chmod("f", 0o600)
    try stage.client.rename("f", "g")
    try stage.client.link("g", "h")
    #expect(observer.count == 0)
    #expect(stage.upperTree.output("find upper -type f -size +0") == "")
    #expect(try stage.client.stat("h").size == 3_000_000)
    #expect(try stage.client.stat("g").permissions.rawValue == 0o600)
    let content = try stage.client.read("g")
    try stage.client.append("h", "x")
    #expect(observer.count == 1)
    #expect(try stage.client.read("g") == content + "x")
    #expect(try stage.client.stat("g").permissions.rawValue == 0o600)
    #expect(try stage.client.stat("g").linkCount == 2)
  }

  @Test(arguments: kinds) func truncatingOpenCopiesNoContent(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "truncate -s 100G f")
    let observer = Observer(stage.overlay)
    observer.onCopyUp = { file, from, to in #expect(file.content === to && from === file.lower) }
    try stage.client.write("f", "short")
    #expect(try stage.client.read("f") == "short")
    #expect(observer.count == 1)
  }

  @Test(arguments: kinds) func copyingUpAFileLeavesItsDirectoriesTimes(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir -p a/b && echo x > a/b/f && touch -d 2001-01-01 a/b a")
    let (a, b) = (try stage.client.stat("a"), try stage.client.stat("a/b"))
    try stage.client.append("a/b/f", "y")
    #expect(try stage.client.stat("a").modificationTime == a.modificationTime)
    #expect(try stage.client.stat("a/b").modificationTime == b.modificationTime)
    try stage.client.unlink("a/b/f")
    #expect(try stage.client.stat("a/b").modificationTime > b.modificationTime)
  }

  /// The upper directory refuses the last step, when all else has been prepared.
  @Test(arguments: kinds) func failedCopyUpLeavesNothing(_ kind: UpperKind) throws {
    let stage = try Stage(
      kind, "echo x > f && ln f g && mkdir -p d && echo y > h && echo z > d/i && ln -s h s && mkfifo p && touch -h s p")
    _ = try stage.client.list("")
    stage.upperTree("chmod 555 upper; chattr +i upper 2>/dev/null || true")
    defer { stage.upperTree("chattr -i upper 2>/dev/null; chmod 755 upper") }
    try #require(
      stage.upperTree.output("touch upper/probe 2>/dev/null || echo refused") != "",
      "the file system knows no immutable directories")
    let before = try stage.client.listing()
    #expect(throws: Errno.self) { try stage.client.append("h", "z") }
    #expect(throws: Errno.self) { try stage.client.chmod("h", 0o600) }
    #expect(throws: Errno.self) { try stage.client.append("d/i", "z") }
    #expect(throws: Errno.self) { try stage.client.chmod("d", 0o700) }
    #expect(throws: Errno.self) { try stage.client.chmod("p", 0o600) }
    #expect(throws: Errno.self) { try stage.client.rename("h", "other") }
    #expect(throws: Errno.self) { try stage.client.link("h", "other") }
    #expect(throws: Errno.self) { try stage.client.unlink("h") }
    var times = AttributeChange()
    times.modificationTime = .now
    #expect(throws: Errno.self) { try stage.client.at("s").setAttributes(times) }
    #expect(try stage.client.listing() == before)
    #expect(try stage.client.read("h") == "y\n")
    #expect(
      stage.upperTree.output("ls -A upper; find work -name 'prepared*'; ls -A work/overflow 2>/dev/null || true") == "")
    // And nothing stands in the way of the next try.
    stage.upperTree("chattr -i upper 2>/dev/null; chmod 755 upper")
    try stage.client.append("h", "z")
    try stage.client.append("d/i", "z")
    #expect(try stage.client.read("h") == "y\nz")
  }

  /// The lower file vanishes while it is being copied: by then the copy has a name in the work directory.
  @Test(arguments: kinds) func copyUpOfAVanishedFileLeavesNothing(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "echo x > f && ln f g && echo y > h && mkfifo p")
    for name in ["f", "h", "p"] { _ = try stage.client.stat(name) }
    let held = try ["f", "h", "p"].map { try stage.client.at($0) }
    stage.lowerTrees[0]("rm f g h p")
    for inode in held {
      var change = AttributeChange()
      change.permissions = Permissions(rawValue: 0o600)
      #expect(throws: Errno.noSuchFileOrDirectory) { try inode.setAttributes(change) }
    }
    #expect(stage.upperTree.output("ls -A upper; find work ! -type d ! -name lock ! -name bases") == "")
  }

  @Test(arguments: kinds) func deepTreesAreCopiedUp(_ kind: UpperKind) throws {
    let stage = try Stage(
      kind, "p=.; for i in $(seq 1 40); do p=$p/directory-with-a-long-name-$i; done; mkdir -p $p; echo x > $p/f")
    let path = (1...40).map { "directory-with-a-long-name-\($0)" }.joined(separator: "/") + "/f"
    try stage.client.append(path, "y\n")
    #expect(try stage.client.read(path) == "x\ny\n")
  }

  @Test func vanishedLowerGivesAnErrnoAndNoCrash() throws {
    let stage = try Stage(.memory, "mkdir d && echo x > d/f && echo y > g")
    let held = try stage.client.at("d/f")
    stage.lowerTrees[0]("rm -r d && rm g && mkdir g")
    #expect(throws: Errno.noSuchFileOrDirectory) { _ = try held.open([]) }
    #expect(throws: Errno.self) { _ = try held.open(.readWrite) }
    #expect(try stage.client.find("d/f") == nil || true)
    #expect(throws: Errno.self) { try stage.client.append("g", "x") }
  }
}

extension Client {
  /// Names, numbers, modes and link counts of a whole tree.
  func listing(_ path: String = "") throws -> [String] {
    try list(path).sorted().flatMap { name in
      let child = path.isEmpty ? name : "\(path)/\(name)"
      let found = try stat(child)
      let line = "\(child) \(found.type) \(found.permissions) \(found.number) \(found.linkCount) \(found.size)"
      return [line] + (found.type == .directory ? try listing(child) : [])
    }
  }

  /// Sets an attribute in the lower directory itself, behind the overlay.
  func setLowerAttribute(_ stage: Stage, _ path: String, _ name: String, _ value: String) throws {
    let lower = Client(try HostFilesystem.store(stage.lowerTrees[0]))
    let before = try lower.stat(path)
    try lower.setAttribute(path, name, value)
    var change = AttributeChange()
    change.modificationTime = .set(before.modificationTime)
    try lower.at(path).setAttributes(change)
  }
}
