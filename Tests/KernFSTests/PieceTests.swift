// The pieces for file systems that generate what they show.

import Kernel
import KernFS
import LinuxABI
import Testing
import TestSupport
import VFS

private final class Generated: KernFilesystem {
  private var top: StaticDirectory?
  var reads = 0

  init(_ store: BackingStore) {
    super.init(typeName: "generated", store: store)
    let top = StaticDirectory(self)
    top.populate(
      "count",
      ProducedFile(self) { [unowned self] () throws(Errno) in
        reads += 1
        return Array("\(reads)\n".utf8)
      })
    let sub = Name.with("sub") { top.directory($0) }
    sub.populate("writable", ProducedFile(self, permissions: Permissions(rawValue: 0o644)) { () throws(Errno) in [] })
    top.populate("link", MagicLink(self, text: { () throws(Errno) in Array("there".utf8) }))
    self.top = top
  }

  override var root: Inode { top ?? super.root }
}

struct PieceTests {
  @Test func contentIsMadeAtEachOpen() throws {
    let scratch = try Scratch()
    let filesystem = Generated(scratch.store)
    let file = try filesystem.root.walk("count")
    #expect(try file.text() == "1\n")
    #expect(try file.text() == "2\n")
    #expect(try file.attributes().size == 0)
    #expect(errno { () throws(Errno) in _ = try file.open([.writeOnly]) } == .permissionDenied)
  }

  @Test func writableFileTakesAndForgets() throws {
    let scratch = try Scratch()
    let file = try Generated(scratch.store).root.walk("sub/writable")
    let descriptor = try file.open([.writeOnly, .truncate])
    try Array("x".utf8).withUnsafeBufferPointer { bytes throws(Errno) in
      try Host.write(UnsafeRawBufferPointer(bytes), to: descriptor.rawValue)
    }
    #expect(try file.text() == "")
  }

  @Test func staticDirectoryListsWhatItFinds() throws {
    let scratch = try Scratch()
    let root = Generated(scratch.store).root
    let entries = try root.entries()
    #expect(entries.map(\.name) == ["count", "sub", "link"])
    for entry in entries { #expect(try root.find(entry.name)?.number == entry.number) }
    #expect(try root.entries(from: entries[0].next).map(\.name) == ["sub", "link"])
    #expect(try root.attributes().linkCount == 3)
    #expect(try root.walk("link").target() == "there")
    let leadsNowhere = try root.walk("link").magicTarget() == nil
    #expect(leadsNowhere)
  }

  @Test func nothingCanBeChanged() throws {
    let scratch = try Scratch()
    let root = Generated(scratch.store).root
    let new = NewInode(.regular, permissions: [], owner: 0, group: 0)
    #expect(
      errno { () throws(Errno) in _ = try Name.with("x") { name throws(Errno) in try root.create(name, new) } } != nil)
    #expect(errno { () throws(Errno) in try root.setAttributes(AttributeChange()) } == .notPermitted)
  }

  @Test func inodeNumbersAreUnique() {
    let block = InodeNumbers.reserve(100)
    #expect(InodeNumbers.next() >= block + 100)
  }
}
