import CLinux
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

@testable import HostFS

extension TemporaryTree {
  fileprivate func open(
    _ policy: HostFilesystem.Policy, writable: Bool = false, ownership: IdentityMap? = nil,
    descriptors: Int = 512
  ) throws -> HostFilesystem {
    try HostFilesystem(
      rootDescriptor: Host.openTrusted(path, [.path, .directory]), policy: policy, writable: writable,
      ownership: ownership, directoryDescriptors: descriptors)
  }
}

extension Filesystem {
  fileprivate func at(_ path: String) throws(Errno) -> Inode? {
    var inode = root
    for component in path.utf8.split(separator: 0x2f) {
      let parent = inode
      guard let next = try Name.with([UInt8](component), { name throws(Errno) in try parent.lookup(name) }) else {
        return nil
      }
      inode = next
    }
    return inode
  }

  fileprivate func found(_ path: String) throws(Errno) -> Inode {
    guard let inode = try at(path) else { throw .noSuchFileOrDirectory }
    return inode
  }
}

private func content(_ inode: Inode) throws(Errno) -> String {
  let descriptor = try inode.open([])
  return String(decoding: try Host.readAll(descriptor.rawValue), as: UTF8.self)
}

@Suite struct HostFilesystemTests {
  @Test func lookupNeverFollowsAndShowsWhatStatShows() throws {
    let tree = TemporaryTree()
    tree("mkdir d && echo hello > d/f && ln -s d l && ln -s /etc/passwd out && chmod 3751 d")
    tree("touch -d '1999-01-02 03:04:05.5' d/f")
    let host = try tree.open(.immutable)
    #expect(try host.found("l").type == .symlink)
    #expect(try host.found("out").readlink() == [UInt8]("/etc/passwd".utf8))
    #expect(throws: Errno.notDirectory) { _ = try host.at("l/f") }
    #expect(try host.found("d").permissions.rawValue == 0o3751)
    let facts = try host.found("d/f").attributes()
    #expect(facts.size == 6 && facts.modificationTime.nanoseconds == 500_000_000)
    #expect(try content(host.found("d/f")) == "hello\n")
    #expect(try host.at("d/none") == nil)
  }

  @Test func immutableTreeIsNeverWritten() throws {
    let tree = TemporaryTree()
    tree("echo x > f && mkdir d")
    let host = try tree.open(.immutable)
    let file = try host.found("f")
    #expect(host.isReadOnly && !host.revalidates)
    #expect(throws: Errno.readOnlyFileSystem) { _ = try file.open(.readWrite) }
    #expect(throws: Errno.readOnlyFileSystem) { _ = try file.open(.truncate) }
    #expect(throws: Errno.readOnlyFileSystem) { try file.setAttributes(AttributeChange()) }
    #expect(throws: Errno.readOnlyFileSystem) { try file.truncate(to: 0) }
    #expect(throws: Errno.readOnlyFileSystem) {
      try Name.with("user.x") { name throws(Errno) in try file.setExtendedAttribute(name, to: [], []) }
    }
    #expect(throws: Errno.readOnlyFileSystem) {
      try Name.with("f") { name throws(Errno) in try host.root.unlink(name, file) }
    }
    #expect(try content(file) == "x\n")
  }

  @Test func nodesAreShownAndNeverOpened() throws {
    let tree = TemporaryTree()
    tree("mkfifo p && (mknod n c 1 3 || touch n)")
    let host = try tree.open(.immutable)
    #expect(try host.found("p").type == .fifo)
    #expect(throws: Errno.noSuchAddressOrDevice) { _ = try host.found("p").open([]) }
    let node = try host.found("n")
    if node.type == .characterDevice {
      #expect(try node.attributes().device == 0x103)
      #expect(throws: Errno.permissionDenied) { _ = try node.open([]) }
    }
  }

  @Test func sharedTreeSeesTheHostsChanges() throws {
    let tree = TemporaryTree()
    tree("echo one > f && mkdir d && echo x > d/g")
    let host = try tree.open(.shared, writable: true)
    #expect(host.revalidates)
    let file = try host.found("f")
    func isValid(_ name: StaticString, _ inode: Inode) -> Bool {
      Name.with(name) { host.root.isValid(child: inode, name: $0) }
    }
    #expect(isValid("f", file))
    tree("echo longer > f && chmod 600 f")
    #expect(isValid("f", file))
    #expect(try file.attributes().size == 7)
    #expect(file.permissions.rawValue == 0o600)
    tree("rm f && mkfifo f")
    #expect(!isValid("f", file))
    #expect(throws: Errno.self) { _ = try file.open([]) }
    #expect(try file.attributes().linkCount == 0)
    let directory = try host.found("d")
    tree("mv d e")
    #expect(!isValid("d", directory))
    #expect(try content(host.found("e/g")) == "x\n")
  }

  @Test func changesThroughABindReachTheHost() throws {
    let tree = TemporaryTree()
    tree("mkdir d")
    let host = try tree.open(.shared, writable: true)
    let directory = try host.found("d")
    let made = try Name.with("f") { name throws(Errno) in
      try directory.create(name, NewInode(.regular, permissions: Permissions(rawValue: 0o640), owner: 0, group: 0))
    }
    tree("test -f d/f && test $(stat -c %a d/f) = 640")
    try Name.with("g") { name throws(Errno) in try host.root.link(name, to: made) }
    #expect(try host.found("g") === made)
    #expect(try made.attributes().linkCount == 2)
    try Name.with("f") { name throws(Errno) in try directory.unlink(name, made) }
    #expect(try made.attributes().linkCount == 1)
    let held = try host.found("g")
    try Name.with("g") { name throws(Errno) in try host.root.unlink(name, held) }
    #expect(try held.attributes().linkCount == 0)
    let writer = try held.open(.readWrite)
    try Host.truncate(writer.rawValue, to: 3)
    #expect(try held.attributes().size == 3)
    tree("test ! -e g && test ! -e d/f")
  }

  @Test func hostsPrivateAttributesAreHidden() throws {
    let tree = TemporaryTree()
    tree("touch f")
    let store = try tree.open(.immutable, writable: true)
    let file = try store.found("f")
    for name in ["user.mine", "trusted.hidden"] {
      try Name.with([UInt8](name.utf8)) { name throws(Errno) in try file.setExtendedAttribute(name, to: [1], []) }
    }
    for policy in [HostFilesystem.Policy.immutable, .shared] {
      let host = try tree.open(policy, writable: policy == .shared)
      #expect(try host.found("f").extendedAttributeNames() == [[UInt8]("user.mine".utf8)])
      #expect(throws: Errno.noData) {
        _ = try Name.with("trusted.hidden") { name throws(Errno) in try host.found("f").extendedAttribute(name) }
      }
    }
  }

  @Test func manyDirectoriesNeedFewDescriptors() throws {
    let tree = TemporaryTree()
    tree("for i in $(seq 1 60); do mkdir -p d$i/e/f; echo $i > d$i/e/f/g; done")
    let host = try tree.open(.immutable, descriptors: 8)
    var files: [Inode] = []
    for number in 1...60 { files.append(try host.found("d\(number)/e/f/g")) }
    for (index, file) in files.enumerated() { #expect(try content(file) == "\(index + 1)\n") }
    let open = try Host.readDescriptorCount(beneath: tree.path)
    #expect(open <= 8)
  }

  /// What has lost its name and is still in use keeps its own descriptor: the table that each eviction looks through does
  /// not grow with it.
  @Test func removedDirectoriesAreNotInTheTable() throws {
    let tree = TemporaryTree()
    tree("mkdir -p $(seq -f 'd%g' 1 40)")
    let host = try tree.open(.immutable, writable: true, descriptors: 8)
    var removed: [Inode] = []
    for number in 1...40 {
      let directory = try host.found("d\(number)")
      try Name.with([UInt8]("d\(number)".utf8)) { name throws(Errno) in
        try host.root.removeDirectory(name, directory)
      }
      removed.append(directory)
    }
    #expect(host.descriptors.count <= 8)
    for directory in removed { #expect(try directory.attributes().linkCount == 0) }
    #expect(host.orphans.count == 40)
    removed = []
    #expect(host.orphans.count == 0)
    #expect(try Host.readDescriptorCount(beneath: tree.path) <= 8)
  }

  @Test func aRemovalThatFailsKeepsNoDescriptor() throws {
    let tree = TemporaryTree()
    tree("mkdir -p d/e; touch d/f")
    let host = try tree.open(.shared, writable: true, descriptors: 8)
    let directory = try host.found("d")
    for _ in 0..<20 {
      #expect(throws: Errno.directoryNotEmpty) {
        try Name.with("d") { name throws(Errno) in try host.root.removeDirectory(name, directory) }
      }
    }
    #expect(host.orphans.count == 0)
    tree("mv d moved")
    #expect(try host.at("d") == nil)
    #expect(try host.found("moved/f").attributes().type == .regular)
  }

  @Test func pathsLongerThanTheKernelTakes() throws {
    let tree = TemporaryTree()
    let host = try tree.open(.immutable, writable: true, descriptors: 4)
    var directory = host.root
    for _ in 0..<600 {
      let parent = directory
      directory = try Name.with("a-name-of-some-length") { name throws(Errno) in
        try parent.create(name, NewInode(.directory, permissions: Permissions(rawValue: 0o755), owner: 0, group: 0))
      }
    }
    let leaf = directory
    #expect(try leaf.attributes().type == .directory)
    var count = 0
    try leaf.iterate(from: 0) { _ in
      count += 1
      return true
    }
    #expect(count == 0)
  }

  @Test func hostMountsAreCrossedWithNumbersOfTheirOwn() throws {
    let host = try HostFilesystem(
      rootDescriptor: Host.openTrusted("/", [.path, .directory]), policy: .immutable, writable: false)
    let root = try host.root.attributes().number
    let proc = try host.found("proc").attributes().number
    #expect(proc != root && proc >= 1 << 40)
    #expect(try host.found("proc").attributes().number == proc)
    #expect(try host.found("etc/passwd").attributes().number < 1 << 40)
  }

  @Test func callersFilesAreTheInsideUsers() throws {
    let tree = TemporaryTree()
    tree("touch f && (chown 1234:1234 f || true)")
    let host = try tree.open(
      .shared, writable: true, ownership: .init(hostUser: 1234, hostGroup: 1234, user: 0, group: 0))
    if geteuid() == 0 {
      #expect(try host.found("f").owner == 0 && host.found("f").group == 0)
      let made = try Name.with("g") { name throws(Errno) in
        try host.root.create(name, NewInode(.regular, permissions: Permissions(rawValue: 0o600), owner: 0, group: 0))
      }
      #expect(made.owner == 0)
      tree("test $(stat -c %u g) = 1234")
    }
  }

  @Test func largeListingsGoOnWhereTheyStopped() throws {
    let tree = TemporaryTree()
    tree("seq 1 5000 | xargs touch")
    for policy in [HostFilesystem.Policy.immutable, .shared] {
      let host = try tree.open(policy)
      var seen: Set<[UInt8]> = []
      var cursor: Int64 = 0
      var isDone = false
      while !isDone {
        var count = 0
        isDone = true
        try host.root.iterate(from: cursor) { entry in
          if count == 111 {
            isDone = false
            return false
          }
          #expect(seen.insert(entry.name.copy).inserted)
          cursor = entry.next
          count += 1
          return true
        }
      }
      #expect(seen.count == 5000)
    }
  }

  /// What has been read ahead is not shown once it is gone; a store changes through us only.
  @Test func aStoreListsNoRemovedName() throws {
    let tree = TemporaryTree()
    tree("seq 1 2000 | xargs touch")
    let host = try tree.open(.immutable, writable: true)
    var seen: [[UInt8]] = []
    var cursor: Int64 = 0
    func show(_ limit: Int) throws(Errno) {
      var count = 0
      try host.root.iterate(from: cursor) { entry in
        if count == limit { return false }
        seen.append(entry.name.copy)
        cursor = entry.next
        count += 1
        return true
      }
    }
    try show(10)
    var removed: Set<[UInt8]> = []
    for index in 1...2000 where index % 3 == 0 {
      let name = Array("\(index)".utf8)
      if seen.contains(name) { continue }
      try Name.with(name) { name throws(Errno) in
        guard let file = try host.root.lookup(name) else { throw .noSuchFileOrDirectory }
        try host.root.unlink(name, file)
      }
      removed.insert(name)
    }
    try show(.max)
    #expect(removed.isDisjoint(with: seen))
    #expect(seen.count == 2000 - removed.count)
    #expect(Set(seen).count == seen.count)
  }

  /// Two directories read in turns, each in small pieces, and one of them from the start again.
  @Test func listingsInTurnsDoNotDisturbEachOther() throws {
    let tree = TemporaryTree()
    tree("mkdir a b; cd a; seq 1 3000 | xargs touch; cd ../b; seq 3001 6000 | xargs touch")
    for isWritable in [false, true] {
      let host = try tree.open(.immutable, writable: isWritable)
      let directories = [try host.found("a"), try host.found("b")]
      var seen: [[[UInt8]]] = [[], []]
      var cursors: [Int64] = [0, 0]
      for turn in 0..<400 {
        let which = turn / 3 % 2
        var count = 0
        try directories[which].iterate(from: cursors[which]) { entry in
          if count == 37 { return false }
          seen[which].append(entry.name.copy)
          cursors[which] = entry.next
          count += 1
          return true
        }
      }
      var again: [[UInt8]] = []
      try directories[0].iterate(from: 0) { entry in
        again.append(entry.name.copy)
        return true
      }
      #expect(again == seen[0])
      #expect(Set(seen[0]).count == 3000 && Set(seen[1]).count == 3000)
      #expect(Set(seen[0]).isDisjoint(with: seen[1]))
    }
  }
}

extension Host {
  /// How many descriptors of this process lead beneath `path`.
  fileprivate static func readDescriptorCount(beneath path: String) throws -> Int {
    let descriptors = try openTrusted("/proc/self/fd", [.path, .directory])
    var count = 0
    for number in 0..<4096 {
      guard let target = try? readlink("\(number)", in: descriptors.rawValue) else { continue }
      if String(decoding: target, as: UTF8.self).hasPrefix(path) { count += 1 }
    }
    return count
  }
}
