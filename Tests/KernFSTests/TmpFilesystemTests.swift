// What a guest sees of a tmpfs, through the inode interface.

import Glibc
import Kernel
import KernFS
import LinuxABI
import Testing
import TestSupport
import VFS

struct TmpFilesystemTests {
  @Test func fileHoldsItsBytesAndAttributes() throws {
    let stage = try Stage()
    let file = try stage.root.make("a", .file(0o640))
    try file.write("hello")
    let attributes = try file.attributes()
    #expect(attributes.size == 5)
    #expect(attributes.blocks > 0)
    #expect(attributes.permissions.rawValue == 0o640)
    #expect(attributes.owner == 1 && attributes.group == 2)
    #expect(attributes.linkCount == 1)
    #expect(try file.text() == "hello")
    #expect(try stage.root.find("a") === file)
    #expect(try stage.root.find("b") == nil)
    try file.truncate(to: 2)
    #expect(try file.text() == "he")
  }

  @Test func directoryCountsItsSubdirectories() throws {
    let stage = try Stage()
    let directory = try stage.root.make("d", .directory)
    #expect(try directory.attributes().linkCount == 2)
    #expect(try directory.attributes().size == 40)
    _ = try directory.make("sub", .directory)
    _ = try directory.make("file")
    #expect(try directory.attributes().linkCount == 3)
    #expect(try stage.root.attributes().linkCount == 3)
    #expect(errno { () throws(Errno) in try stage.root.drop("d") } == .directoryNotEmpty)
    try directory.drop("sub")
    try directory.drop("file")
    try stage.root.drop("d")
    #expect(try directory.attributes().linkCount == 0)
    #expect(try stage.root.attributes().linkCount == 2)
    #expect(errno { () throws(Errno) in _ = try directory.make("late") } == .noSuchFileOrDirectory)
  }

  @Test func hardLinksShareOneInode() throws {
    let stage = try Stage()
    let file = try stage.root.make("a")
    try Name.with(Array("b".utf8)) { name throws(Errno) in try stage.root.link(name, to: file) }
    #expect(try file.attributes().linkCount == 2)
    #expect(try stage.root.find("b") === file)
    try stage.root.drop("a")
    #expect(try file.attributes().linkCount == 1)
    try file.write("still")
    #expect(try file.text() == "still")
  }

  @Test func unlinkedFileLivesAsLongAsItsInode() throws {
    let stage = try Stage()
    var file: Inode? = try stage.root.make("a")
    try file?.write("data")
    try stage.root.drop("a")
    #expect(try file?.attributes().linkCount == 0)
    #expect(try file?.attributes().size == 4)
    #expect(try file?.text() == "data")
    let descriptor = try #require(file).open([])
    #expect(stage.scratch.storedFiles() == 1)
    #expect(stage.filesystem.store.orphanCount == 1)
    #expect(stage.filesystem.store.orphanBytes == 4096)
    file = nil
    #expect(stage.filesystem.store.orphanCount == 0)
    #expect(stage.filesystem.store.orphanBytes == 0)
    #expect(stage.scratch.storedFiles() == 0)
    #expect(try Host.readAll(descriptor.rawValue) == Array("data".utf8))
  }

  @Test func temporaryFileCanBeLinked() throws {
    let stage = try Stage()
    let file = try stage.root.createTemporary(.file())
    #expect(try file.attributes().linkCount == 0)
    try file.write("x")
    try Name.with(Array("named".utf8)) { name throws(Errno) in try stage.root.link(name, to: file) }
    #expect(try file.attributes().linkCount == 1)
    #expect(try stage.root.find("named")?.text() == "x")
  }

  @Test func writingMovesTheTimesOfTheInode() throws {
    let stage = try Stage()
    let file = try stage.root.make("a")
    var change = AttributeChange()
    change.accessTime = .set(Timestamp(seconds: 100, nanoseconds: 5))
    change.modificationTime = .set(Timestamp(seconds: 200, nanoseconds: 7))
    try file.setAttributes(change)
    let old = try file.attributes()
    #expect(old.accessTime == Timestamp(seconds: 100, nanoseconds: 5))
    #expect(old.modificationTime == Timestamp(seconds: 200, nanoseconds: 7))
    #expect(old.changeTime > Timestamp(seconds: 1_000_000, nanoseconds: 0))
    try file.write("new")
    #expect(
      try file.attributes().modificationTime > old.changeTime
        || (try file.attributes().modificationTime.seconds) >= old.changeTime.seconds)
    #expect(try file.attributes().changeTime >= old.changeTime)
  }

  @Test func changeOfModeMovesOnlyTheChangeTime() throws {
    let stage = try Stage()
    let file = try stage.root.make("a")
    let old = try file.attributes()
    usleep(20_000)
    var change = AttributeChange()
    change.permissions = Permissions(rawValue: 0o600)
    change.owner = 77
    try file.setAttributes(change)
    let new = try file.attributes()
    #expect(new.permissions.rawValue == 0o600 && new.owner == 77 && new.group == 2)
    #expect(new.modificationTime == old.modificationTime)
    #expect(new.changeTime > old.changeTime)
  }

  /// The kernel clears the bits of the store's file for a writer without CAP_FSETID; here its place is taken by hand.
  @Test func setIDBitsGoWithANativeWrite() throws {
    let stage = try Stage()
    let file = try stage.root.make("a")
    var change = AttributeChange()
    change.permissions = Permissions(rawValue: 0o6755)
    try file.setAttributes(change)
    #expect(try file.attributes().permissions.rawValue == 0o6755)
    let descriptor = try file.open([.writeOnly])
    #expect(try Host.stat(descriptor.rawValue).mode & 0o7777 == 0o6610)
    #expect(fchmod(descriptor.rawValue, 0o610) == 0)
    #expect(try file.attributes().permissions.rawValue == 0o755)
  }

  @Test func renameMovesAndReplaces() throws {
    let stage = try Stage()
    let root = stage.root
    let a = try root.make("a", .directory)
    let b = try root.make("b", .directory)
    let file = try a.make("f")
    let victim = try b.make("g")
    try a.move("f", to: b, "g")
    #expect(try a.names() == [])
    #expect(try b.names() == ["g"])
    #expect(try b.find("g") === file)
    #expect(try victim.attributes().linkCount == 0)
    let sub = try a.make("sub", .directory)
    try a.move("sub", to: b, "sub2")
    #expect(try a.attributes().linkCount == 2)
    #expect(try b.attributes().linkCount == 3)
    #expect(try sub.attributes().linkCount == 2)
    _ = try a.make("over", .directory)
    try b.move("sub2", to: a, "over")
    #expect(try a.attributes().linkCount == 3)
    #expect(try b.attributes().linkCount == 2)
    #expect(try a.find("over") === sub)
    _ = try sub.make("x")
    _ = try b.make("dir", .directory)
    #expect(errno { () throws(Errno) in try b.move("dir", to: a, "over") } == .directoryNotEmpty)
    #expect(try b.find("dir") != nil)
  }

  @Test func renameWithinADirectoryKeepsTheCursor() throws {
    let stage = try Stage()
    for index in 0..<20 { _ = try stage.root.make("n\(index)") }
    var renamed = 0
    var cursor: Int64 = 0
    var seen = 0
    while true {
      var current: String?
      try stage.root.iterate(from: cursor) { entry in
        if current != nil { return false }
        current = String(decoding: entry.name.bytes, as: UTF8.self)
        cursor = entry.next
        return true
      }
      guard let current else { break }
      seen += 1
      #expect(seen <= 20)
      if seen > 20 { break }
      try stage.root.move(current, to: stage.root, "renamed\(renamed)")
      renamed += 1
    }
    #expect(renamed == 20)
  }

  @Test func exchangeSwapsTheNames() throws {
    let stage = try Stage()
    let root = stage.root
    let directory = try root.make("d", .directory)
    let inner = try directory.make("inner", .directory)
    let file = try root.make("f")
    try root.move("f", to: directory, "inner", .exchange)
    #expect(try root.find("f") === inner)
    #expect(try directory.find("inner") === file)
    #expect(try directory.attributes().linkCount == 2)
    #expect(try root.attributes().linkCount == 4)
    #expect(try inner.attributes().linkCount == 2)
    #expect(try file.attributes().linkCount == 1)
  }

  @Test func renameWithWhiteoutLeavesADevice() throws {
    let stage = try Stage()
    let root = stage.root
    let file = try root.make("f")
    try root.move("f", to: root, "g", .whiteout)
    #expect(try root.find("g") === file)
    let whiteout = try #require(try root.find("f"))
    #expect(whiteout.type == .characterDevice)
    #expect(try whiteout.attributes().device == 0)
    #expect(try whiteout.attributes().linkCount == 1)
  }

  @Test func extendedAttributesFollowTheirFlags() throws {
    let stage = try Stage()
    let file = try stage.root.make("a")
    let before = stage.filesystem.budget.used
    #expect(errno { () throws(Errno) in _ = try file.xattr("user.x") } == .noData)
    #expect(errno { () throws(Errno) in try file.setXattr("user.x", [1], .replace) } == .noData)
    try file.setXattr("user.x", [1, 2, 3], .create)
    #expect(errno { () throws(Errno) in try file.setXattr("user.x", [1], .create) } == .fileExists)
    try file.setXattr("trusted.any thing", [])
    #expect(try file.xattr("user.x") == [1, 2, 3])
    #expect(try file.xattr("trusted.any thing") == [])
    #expect(try file.extendedAttributeNames().count == 2)
    #expect(
      errno { () throws(Errno) in try file.setXattr("user.y", [UInt8](repeating: 0, count: 65537)) } == .argListTooLong)
    try file.removeXattr("user.x")
    #expect(errno { () throws(Errno) in try file.removeXattr("user.x") } == .noData)
    try file.removeXattr("trusted.any thing")
    #expect(stage.filesystem.budget.used == before)
  }

  @Test func symlinksAndNodes() throws {
    let stage = try Stage()
    let link = try stage.root.make(
      "l", NewInode(.symlink(target: Array("/a/b".utf8)), permissions: Permissions(rawValue: 0o777), owner: 0, group: 0)
    )
    #expect(try link.readlink() == Array("/a/b".utf8))
    #expect(try link.attributes().size == 4)
    let node = try stage.root.make(
      "n", NewInode(.node(.blockDevice, device: 0x0801), permissions: Permissions(rawValue: 0o660), owner: 0, group: 6))
    #expect(try node.attributes().device == 0x0801)
    #expect(errno { () throws(Errno) in _ = try node.open([]) } == .permissionDenied)
    let fifo = try stage.root.make(
      "p", NewInode(.node(.fifo, device: 0), permissions: Permissions(rawValue: 0o600), owner: 0, group: 0))
    #expect(errno { () throws(Errno) in _ = try fifo.open([.writeOnly]) } == .noSuchAddressOrDevice)
    let reader = try fifo.open([])
    #expect(fcntl(reader.rawValue, F_GETFL) & O_NONBLOCK == 0)
    let both = try fifo.open([.readWrite])
    #expect(try Host.stat(both.rawValue).mode & 0o170000 == 0o010000)
    let socket = try stage.root.make(
      "s", NewInode(.node(.socket, device: 0), permissions: Permissions(rawValue: 0o700), owner: 0, group: 0))
    #expect(errno { () throws(Errno) in _ = try socket.open([]) } == .noSuchAddressOrDevice)
  }

  @Test func limitsAreNoSpace() throws {
    let stage = try Stage(inodeLimit: 3)
    _ = try stage.root.make("a")
    _ = try stage.root.make("b", .directory)
    #expect(errno { () throws(Errno) in _ = try stage.root.make("c", .directory) } == .noSpace)
    try stage.root.drop("a")
    _ = try stage.root.make("c")
    #expect(try stage.filesystem.statistics().freeFiles == 0)
  }

  /// What is kept in memory for a guest has an end, and each thing that goes gives back what it took.
  @Test func memoryIsBounded() throws {
    let stage = try Stage(memory: 64 << 10)
    let file = try stage.root.make("a")
    #expect(
      errno { () throws(Errno) in try file.setXattr("user.x", [UInt8](repeating: 0, count: 65_000)) } == .noSpace)
    for kind in 0..<6 {
      let before = stage.filesystem.budget.used
      var count = 0
      var end: Errno?
      while end == nil, count < 1000 {
        do throws(Errno) {
          try makeOne(kind, "n\(count)", stage.root, file)
          count += 1
        } catch {
          end = error
        }
      }
      #expect(end == .noSpace && count > 20)
      for index in 0..<count {
        if kind < 5 { try stage.root.drop("n\(index)") } else { try file.removeXattr("user.n\(index)") }
      }
      #expect(stage.filesystem.budget.used == before)
    }
  }

  private func makeOne(_ kind: Int, _ name: String, _ root: Inode, _ file: Inode) throws(Errno) {
    switch kind {
    case 0: _ = try root.make(name, .directory)
    case 1: _ = try root.make(name)
    case 2: try Name.with(Array(name.utf8)) { name throws(Errno) in try root.link(name, to: file) }
    case 3:
      _ = try root.make(name, NewInode(.symlink(target: Array("/a".utf8)), permissions: [], owner: 0, group: 0))
    case 4:
      _ = try root.make(name, NewInode(.node(.fifo, device: 0), permissions: [], owner: 0, group: 0))
    default: try file.setXattr("user.\(name)", [])
    }
  }

  /// A tree that is dropped as a whole must not unwind on the stack.
  @Test func deepTreeEndsByItself() throws {
    let stage = try Stage()
    let before = stage.filesystem.inodeCount
    var top: OrderedDirectory? = OrderedDirectory(stage.filesystem, rootPermissions: Permissions(rawValue: 0o755))
    var directory: Inode? = top
    for _ in 0..<100_000 { directory = try directory?.make("d", .directory) }
    directory = nil
    #expect(stage.filesystem.inodeCount == before + 100_001)
    top = nil
    #expect(stage.filesystem.inodeCount == before)
    #expect(stage.filesystem.budget.used == 0)
  }

  @Test func tornDownTreeLeavesNothing() throws {
    let stage = try Stage()
    let filesystem = stage.filesystem
    var directory = stage.root
    for _ in 0..<20_000 {
      directory = try directory.make("d", .directory)
      if directory.number % 100 == 0 { _ = try directory.make("f") }
    }
    directory = stage.root
    stage.filesystem.tearDown()
    #expect(stage.scratch.storedFiles() == 0)
    #expect(filesystem.inodeCount == 1)
    #expect(filesystem.budget.used == 0)
  }

  @Test func manyFilesNeedFewDescriptors() throws {
    let stage = try Stage()
    for index in 0..<5000 { _ = try stage.root.make("f\(index)") }
    for index in 0..<5000 {
      let file = try #require(try stage.root.find("f\(index)"))
      _ = try file.attributes()
      _ = try file.attributes()
      _ = try file.attributes()
    }
    // Other tests run at the same time: only descriptors of this store count.
    #expect(stage.scratch.openDescriptors() < 900)
    for index in 0..<5000 { try stage.root.drop("f\(index)") }
    #expect(stage.scratch.storedFiles() == 0)
    #expect(stage.filesystem.inodeCount == 1)
    #expect(stage.filesystem.budget.used == 0)
  }
}
