import CLinux
import Glibc
import HostFS
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

@testable import OverlayFS

/// An upper directory that one run leaves and another takes up.
@Suite struct PersistenceTests {
  @Test func everythingIsThereAfterARestart() throws {
    let stage = try Stage(
      .store,
      "mkdir -p d/sub/deep e && echo 1 > d/sub/deep/f && echo 2 > d/g && echo 3 > e/h && ln e/h hard && ln -s d s")
    let client = stage.client
    try client.append("d/sub/deep/f", "more\n")
    try client.rename("d", "moved")
    try client.rename("moved/sub", "e/sub")
    try client.unlink("moved/g")
    try client.append("hard", "x\n")
    try client.write("e/new", "n")
    try client.mkdir("d")
    try client.rename("s", "e/s")
    try client.chmod("e/new", 0o4711)
    try client.setAttribute("e/new", "security.thing", "v")
    let paths = ["", "d", "e", "e/h", "e/new", "e/s", "e/sub", "e/sub/deep", "e/sub/deep/f", "hard", "moved"]
    func state(_ client: Client) throws -> [String] {
      try paths.map { path in
        let found = try client.stat(path)
        let names = found.type == .directory ? try client.list(path).joined(separator: " ") : ""
        let listed = found.type == .directory ? try client.entries(path).map { "\($0.name)=\($0.number)" }.sorted() : []
        return "\(path) \(found.type) \(found.permissions) \(found.number) \(found.linkCount) \(names) \(listed)"
      }
    }
    let before = try state(client)
    try stage.restart()
    #expect(try state(stage.client) == before)
    #expect(try stage.client.read("e/sub/deep/f") == "1\nmore\n")
    #expect(try stage.client.read("e/h") == "3\nx\n")
    #expect(try stage.client.attribute("e/new", "security.thing") == "v")
    #expect(try stage.client.list("d") == [])
    // And what is changed now stays changed: the links are still links, the moved directories still merged.
    try stage.client.append("e/h", "y\n")
    #expect(try stage.client.read("hard") == "3\nx\ny\n")
    try stage.client.rename("e/sub", "again")
    try stage.restart()
    #expect(try stage.client.read("again/deep/f") == "1\nmore\n")
    #expect(try stage.client.find("e/sub") == nil)
  }

  @Test func linkCountOfALowerFileSurvives() throws {
    let stage = try Stage(.store, "echo x > one && ln one two && ln one three")
    try stage.client.unlink("one")
    try stage.restart()
    #expect(try stage.client.stat("two").linkCount == 2)
    try stage.client.append("two", "y\n")
    try stage.restart()
    #expect(try stage.client.stat("three").linkCount == 2)
    #expect(try stage.client.read("three") == "x\ny\n")
    try stage.client.unlink("two")
    try stage.restart()
    #expect(try stage.client.stat("three").linkCount == 1)
    #expect(try stage.client.list("") == ["three"])
  }

  /// The count is known only once the link has had the file copied up.
  @Test func aNewNameOfALowerFileWithSeveralIsCountedInTheNextRun() throws {
    let stage = try Stage(.store, "echo x > one && ln one two")
    try stage.client.link("one", "three")
    #expect(try stage.client.stat("two").linkCount == 3)
    try stage.restart()
    for name in ["one", "two", "three"] { #expect(try stage.client.stat(name).linkCount == 3) }
  }

  @Test func busyUpperIsRefused() throws {
    let stage = try Stage(.store, "touch f")
    #expect(throws: OverlayError.upperIsBusy) {
      try OverlayFilesystem(
        upper: .store(HostFilesystem.store(stage.upperTree)), lowers: [HostFilesystem.lower(stage.lowerTrees[0])])
    }
  }

  @Test func layersThatCannotWorkAreRefused() throws {
    let tree = TemporaryTree()
    tree("mkdir lower upper && echo x > file")
    func open(_ name: String, _ policy: HostFilesystem.Policy, writable: Bool = false) throws -> HostFilesystem {
      try HostFilesystem(
        rootDescriptor: try Host.openTrusted("\(tree.path)/\(name)", [.path]), policy: policy, writable: writable)
    }
    #expect(throws: Errno.notDirectory) { try open("file", .immutable) }
    #expect(throws: OverlayError.noLayers) { try OverlayFilesystem(upper: nil, lowers: []) }
    #expect(throws: OverlayError.lowerIsDynamic(1)) {
      try OverlayFilesystem(upper: nil, lowers: [open("lower", .immutable), open("lower", .shared)])
    }
    #expect(throws: OverlayError.upperIsReadOnly) {
      try OverlayFilesystem(upper: .store(open("upper", .immutable)), lowers: [open("lower", .immutable)])
    }
    let inner = try OverlayFilesystem(upper: .store(open("upper", .immutable, writable: true)), lowers: [])
    #expect(throws: OverlayError.upperIsOverlay) { try OverlayFilesystem(upper: .memory(inner), lowers: []) }
  }

  /// How many: VEDETTE_DELETES; a store of ext4 has room for about forty whiteouts in a directory's attributes.
  @Test func manyDeletesInOneDirectory() throws {
    let count = getenv("VEDETTE_DELETES").flatMap { Int(String(cString: $0)) } ?? 1000
    // Every fifth name has 255 bytes, and so none that a whiteout's attribute could have.
    func name(_ number: Int) -> [UInt8] {
      let short = [UInt8]("a-rather-long-name-of-a-file-\(number)".utf8)
      return number % 5 == 0 ? short + [UInt8](repeating: 0x6e, count: 255 - short.count) : short
    }
    let stage = try Stage(.store, "mkdir d")
    let lower = stage.lowerTrees[0]
    lower(
      """
      cd d && seq 1 \(count) | awk '{ s = "a-rather-long-name-of-a-file-" $1; if ($1 % 5 == 0) while (length(s) < 255) s = s "n"; print s }' | xargs touch
      """)
    let directory = try stage.client.at("d")
    for number in 1...count {
      try Name.with(name(number)) { name throws(Errno) in
        guard let file = try directory.lookup(name) else { throw .noSuchFileOrDirectory }
        try directory.unlink(name, file)
        if try directory.lookup(name) != nil { throw .fileExists }
      }
    }
    #expect(try stage.client.list("d") == [])
    try stage.restart()
    #expect(try stage.client.list("d") == [])
    for number in [1, 5, count] {
      #expect(try Name.with(name(number)) { name throws(Errno) in try stage.client.at("d").lookup(name) } == nil)
    }
    try stage.client.rmdir("d")
    #expect(try stage.client.list("") == [])
    #expect(stage.upperTree.output("ls work/overflow") == "")
    #expect(lower.output("ls d | wc -l") == "\(count)\n")
  }

  /// Follow-ups of a step that was taken are finished by the next run; those of one that was not are dropped.
  @Test func anIntentIsFinishedOrDropped() throws {
    let stage = try Stage(.store, "echo x > one && ln one two && ln one three && echo y > other")
    let number = try stage.client.stat("one").number
    func intend(_ proof: OverlayIntent.Proof, _ path: String, _ steps: OverlayIntent.FollowUp...) throws {
      stage.overlay.close()
      let bytes = OverlayIntent(proof, [UInt8](path.utf8), steps).encoded
      let file = try Host.openTrusted("\(stage.upperTree.path)/work/intent", [.writeOnly, .create], mode: 0o600)
      try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
        try Host.write(UnsafeRawBufferPointer(bytes), to: file.rawValue)
      }
      try stage.restart()
    }
    #expect(
      OverlayIntent(OverlayIntent(.holds(7), [0x61, 0x2f, 0xff], [.forget(9), .mode([])]).encoded)?.path == [
        0x61, 0x2f, 0xff,
      ])
    // The whiteout was never written: three links.
    try intend(.isWhiteout, "one", .links(number: number, count: 2))
    #expect(try stage.client.stat("two").linkCount == 3)
    try stage.client.unlink("one")
    #expect(try stage.client.stat("two").linkCount == 2)
    try intend(.isWhiteout, "one", .links(number: number, count: 2))
    #expect(try stage.client.stat("two").linkCount == 2)
    // Taken: the count is what the intent says, and stays it.
    try stage.client.unlink("two")
    try intend(.isWhiteout, "two", .links(number: number, count: 1))
    #expect(try stage.client.stat("three").linkCount == 1)
    try stage.restart()
    #expect(try stage.client.stat("three").linkCount == 1)
    // A torn one, and noise, mean nothing.
    for bytes in [
      [UInt8](OverlayIntent(.taken, [], [.links(number: number, count: 9)]).encoded.dropLast(3)), [1, 2, 3],
      [UInt8](repeating: 0xff, count: 100),
    ] {
      #expect(OverlayIntent(bytes) == nil)
    }
    try intend(.holds(1), "no/such/path", .links(number: number, count: 9))
    #expect(try stage.client.stat("three").linkCount == 1)
  }

  @Test func longestAndStrangestNamesCanBeDeleted() throws {
    let long = String(repeating: "n", count: 255)
    let stage = try Stage(.store, "touch \(long) 'a\nb' \"$(printf '\\\\377x')\"")
    let names = try stage.client.at("").withNames()
    #expect(names.count == 3)
    let root = try stage.client.at("")
    for name in names {
      try Name.with(name) { name throws(Errno) in
        let inode = try root.lookup(name)
        try root.unlink(name, inode ?? root)
      }
    }
    try stage.restart()
    #expect(try stage.client.list("") == [])
  }

  @Test func foreignMarksAreHarmless() throws {
    let stage = try Stage(.store, "mkdir -p d/e r && echo 1 > d/f && echo 3 > r/f")
    try stage.client.append("d/f", "2\n")
    try stage.client.chmod("r", 0o700)
    let store = Client(try HostFilesystem.store(stage.upperTree))
    let prefix = "trusted.overlay."
    try store.setAttribute("upper/d/f", prefix + "origin", "not a number")
    // A directory whose lowers are not known would show less than it holds.
    try store.setAttribute("upper/r", prefix + "redirect", "77/nowhere\0" + "x/y\0" + "0/../../etc")
    try store.setAttribute("upper/d", prefix + "links", "\u{1}\u{2}")
    stage.upperTree("printf 'garbage that is no record' > work/overflow/ff")
    stage.upperTree("touch work/prepared-77; mkdir work/prepared-78")
    try stage.restart()
    #expect(try stage.client.read("d/f") == "1\n2\n")
    #expect(try stage.client.list("d") == ["e", "f"])
    #expect(throws: Errno(rawValue: EUCLEAN)) { try stage.client.list("r") }
    #expect(try stage.client.list("") == ["d", "r"])
    #expect(stage.upperTree.output("ls work") == "bases\nindex\nlock\noverflow\n")
  }

  /// A lower on tmpfs holds attributes that no ext4 inode has room for.
  @Test func attributesThatTheUpperRefusesAreKept() throws {
    let tree = TemporaryTree()
    let lower = TemporaryTree(inMemory: true)
    let big = String(repeating: "v", count: 20_000)
    let long = "user." + String(repeating: "n", count: 250)
    lower("echo x > f && mkfifo p")
    let below = Client(
      try HostFilesystem(
        rootDescriptor: Host.openTrusted(lower.path, [.path, .directory]), policy: .immutable, writable: true,
        keepsOwners: true))
    try below.setAttribute("f", "user.big", big)
    try below.setAttribute("f", long, "l")
    func open() throws -> OverlayFilesystem {
      try OverlayFilesystem(upper: .store(HostFilesystem.store(tree)), lowers: [HostFilesystem.lower(lower)])
    }
    var overlay = try open()
    var client = Client(overlay)
    try client.append("f", "y")
    try client.setAttribute("f", "security." + String(repeating: "s", count: 246), "s")
    try client.setAttribute("f", "user.second", big)
    #expect(try client.attribute("f", "user.big") == big)
    for _ in 0..<2 {
      #expect(try client.attribute("f", "user.big").count == 20_000)
      #expect(try client.attribute("f", long) == "l")
      #expect(try client.attributeNames("f").count == 4)
      #expect(try client.attribute("f", "security." + String(repeating: "s", count: 246)) == "s")
      overlay.close()
      overlay = try open()
      client = Client(overlay)
    }
    try client.setAttribute("f", "user.big", "small now")
    #expect(try client.attribute("f", "user.big") == "small now")
    for name in ["user.big", "user.second"] {
      try client.removeAttribute("f", name)
      #expect(throws: Errno.noData) { _ = try client.attribute("f", name) }
      #expect(throws: Errno.noData) { try client.removeAttribute("f", name) }
    }
    #expect(try client.attributeNames("f").count == 2)
    try client.unlink("f")
    #expect(tree.output("ls work/overflow") == "")
    overlay.close()
  }

  @Test func ownersAreKeptWithoutTheRightToGiveFilesAway() throws {
    let tree = TemporaryTree()
    let lower = TemporaryTree()
    lower("mkdir d && echo x > d/f && chmod 640 d/f && chown 7:8 d/f")
    func open() throws -> OverlayFilesystem {
      try OverlayFilesystem(
        upper: .store(
          HostFilesystem(
            rootDescriptor: Host.openTrusted(tree.path, [.path, .directory]), policy: .immutable, writable: true,
            keepsOwners: false)), lowers: [HostFilesystem.lower(lower)])
    }
    func check(_ client: Client) throws {
      let f = try client.stat("d/f")
      #expect(f.owner == 7 && f.group == 8 && f.permissions.rawValue == 0o640)
      let new = try client.stat("new")
      #expect(new.owner == 1234 && new.permissions.rawValue == 0)
      let null = try client.stat("null")
      #expect(null.type == .characterDevice && null.device == 0x103 && null.permissions.rawValue == 0o666)
      let entry = try client.entries("").first { $0.name == "null" }
      #expect(entry?.type == .characterDevice && entry?.number == null.number)
      #expect(try client.stat("suid").permissions.rawValue == 0o4755)
    }
    let overlay = try open()
    let client = Client(overlay)
    try client.append("d/f", "y\n")
    try client.create("new", mode: 0o600)
    var change = AttributeChange()
    change.owner = 1234
    change.permissions = []
    try client.at("new").setAttributes(change)
    try client.create("null", .node(.characterDevice, device: 0x103), mode: 0o666)
    try client.create("suid", mode: 0o4755)
    try check(client)
    overlay.close()
    let again = Client(try open())
    try check(again)
    #expect(tree.output("stat -c '%a %u' upper/new").split(separator: " ").first == "600")
    #expect(try again.read("new") == "")
  }
}

extension Inode {
  func withNames() throws(Errno) -> [[UInt8]] {
    var result: [[UInt8]] = []
    try iterate(from: 0) { entry in
      result.append(entry.name.copy)
      return true
    }
    return result
  }
}
