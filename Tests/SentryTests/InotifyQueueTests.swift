// The queue of an inotify instance: the records' bytes, merging, order over a full pipe, overflow, the end of watches; and
// to whom the VFS reports.

import CLinux
import Kernel
import LinuxABI
import Testing
import VFS

@testable import Sentry

private final class PlainFilesystem: Filesystem {
  private lazy var top = Inode(
    filesystem: self, type: .directory, number: 1, permissions: Permissions(rawValue: 0o755), owner: 0, group: 0)
  init() { super.init(typeName: "plain") }
  override var root: Inode { top }
}

/// An instance with both ends of its pipe.
private final class Instance {
  let filesystem = PlainFilesystem()
  let vfs: VirtualFileSystem
  let queue: InotifyQueue
  private let readEnd: OwnedDescriptor

  init(bound: Int = 16384) throws {
    vfs = VirtualFileSystem(root: filesystem, source: [])
    let ends = try InotifyQueue.pipe(nonBlocking: true)
    readEnd = OwnedDescriptor(ends.reading)
    queue = InotifyQueue(vfs: vfs, writeEnd: OwnedDescriptor(ends.writing), bound: bound)
  }

  var root: Inode { filesystem.root }

  /// Watches the root; the first watch is number 1.
  func watch(_ mask: InotifyMask) throws -> Watch {
    let number = try queue.watch(root, mask, mayAdd: true)
    return try #require(queue.watches[number])
  }

  /// The next event as it is read; nil if there is none.
  func next() -> (descriptor: Int32, mask: InotifyMask, cookie: UInt32, name: [UInt8])? {
    withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { buffer in
      let count = vd_syscall(
        Int(SYS_read), Int(readEnd.rawValue), Int(bitPattern: buffer.baseAddress), buffer.count, 0, 0, 0)
      guard count >= 16 else { return nil }
      let length = Int(buffer.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
      #expect(count == 16 + length)
      return (
        buffer.loadUnaligned(fromByteOffset: 0, as: Int32.self),
        InotifyMask(rawValue: buffer.loadUnaligned(fromByteOffset: 4, as: UInt32.self)),
        buffer.loadUnaligned(fromByteOffset: 8, as: UInt32.self), Array(buffer[16..<count].prefix { $0 != 0 })
      )
    }
  }
}

@Suite struct InotifyQueueTests {
  @Test(arguments: [(0, 16), (1, 32), (15, 32), (16, 48), (31, 48), (32, 64), (255, 272)])
  func recordsArePaddedAsTheKernelPadsThem(_ nameLength: Int, _ size: Int) {
    let event = InotifyEvent(
      descriptor: 7, mask: .create, cookie: 9, name: [UInt8](repeating: 0x61, count: nameLength))
    let record = event.record
    #expect(record.count == size)
    #expect(
      record[..<16].elementsEqual([
        7, 0, 0, 0, 0, 1, 0, 0, 9, 0, 0, 0, UInt8((size - 16) & 255), UInt8((size - 16) >> 8), 0, 0,
      ]))
    #expect(record[16...].prefix(nameLength).allSatisfy { $0 == 0x61 })
    #expect(record[(16 + nameLength)...].allSatisfy { $0 == 0 })
  }

  @Test func theSameIsToldOnceUntilItIsRead() throws {
    let instance = try Instance()
    let watch = try instance.watch(.allEvents)
    for _ in 0..<3 { instance.queue.receive(.modify, cookie: 0, name: [], from: watch) }
    #expect(instance.next()?.mask == .modify)
    #expect(instance.next() == nil)
    instance.queue.receive(.modify, cookie: 0, name: [], from: watch)
    instance.queue.receive(.modify, cookie: 0, name: [0x61], from: watch)
    instance.queue.receive(.modify, cookie: 0, name: [], from: watch)
    #expect(instance.next()?.name == [])
    #expect(instance.next()?.name == [0x61])
    #expect(instance.next()?.name == [])
  }

  @Test func eventsKeepTheirOrderWhenThePipeIsFull() throws {
    let instance = try Instance()
    let watch = try instance.watch(.allEvents)
    var reported: [Bool] = []
    instance.queue.onWaiting = { reported.append($0) }
    let count = 1000
    for index in 0..<count {
      instance.queue.receive(.modify, cookie: UInt32(index), name: Array("\(index)".utf8), from: watch)
    }
    #expect(reported == [true])
    var seen = 0
    while seen < count {
      guard let event = instance.next() else {
        instance.queue.feed()
        continue
      }
      #expect(event.cookie == UInt32(seen))
      seen += 1
    }
    instance.queue.feed()
    #expect(instance.next() == nil)
    #expect(reported == [true, false])
  }

  @Test func aQueueThatIsFullEndsWithOneOverflow() throws {
    let instance = try Instance(bound: 10)
    let watch = try instance.watch(.allEvents)
    for index in 0..<500 { instance.queue.receive(.modify, cookie: 0, name: Array("\(index)".utf8), from: watch) }
    var seen: [InotifyMask] = []
    for _ in 0..<1000 {
      if let event = instance.next() { seen.append(event.mask) } else { instance.queue.feed() }
    }
    #expect(seen.last == .queueOverflow)
    #expect(seen.filter { $0 == .queueOverflow }.count == 1)
    #expect(seen.count < 100)
    instance.queue.receive(.create, cookie: 0, name: [], from: watch)
    #expect(instance.next()?.mask == .create)
    instance.queue.overflow()
    #expect(instance.next()?.mask == .queueOverflow)
    instance.queue.overflow()
    #expect(instance.next()?.mask == .queueOverflow)
  }

  @Test func masksAreReplacedAddedToAndCreatedOnce() throws {
    let instance = try Instance()
    let watch = try instance.watch([.create, .dontFollow, .onlyDirectory])
    #expect(watch.mask == .create)
    #expect(try instance.queue.watch(instance.root, [.delete, .maskAdd], mayAdd: false) == watch.descriptor)
    #expect(watch.mask == [.create, .delete])
    #expect(try instance.queue.watch(instance.root, .open, mayAdd: false) == watch.descriptor)
    #expect(watch.mask == .open)
    #expect(throws: Errno.fileExists) {
      try instance.queue.watch(instance.root, [.open, .maskCreate], mayAdd: true)
    }
    #expect(instance.vfs.watchCount == 1)
    try instance.queue.remove(watch.descriptor)
    #expect(instance.next()?.mask == .ignored)
    #expect(throws: Errno.invalidArgument) { try instance.queue.remove(watch.descriptor) }
    #expect(throws: Errno.noSpace) { try instance.queue.watch(instance.root, .open, mayAdd: false) }
    #expect(try instance.queue.watch(instance.root, .open, mayAdd: true) == watch.descriptor + 1)
    instance.queue.close()
    #expect(instance.vfs.watchCount == 0)
  }

  @Test func theVFSTellsWhoAsksAndOneShotEnds() throws {
    let instance = try Instance()
    _ = try instance.watch([.attributes, .oneShot])
    instance.vfs.report(.modify, of: instance.root, at: nil)
    #expect(instance.next() == nil)
    instance.vfs.report(.attributes, of: instance.root, at: nil)
    instance.vfs.report(.attributes, of: instance.root, at: nil)
    #expect(instance.next()?.mask == [.attributes, .isDirectory])
    #expect(instance.next()?.mask == .ignored)
    #expect(instance.next() == nil)
    #expect(instance.vfs.watchCount == 0)
    _ = try instance.watch(.deleteSelf)
    instance.vfs.reportDeletion(of: instance.root)
    #expect(instance.next()?.mask == .deleteSelf)
    #expect(instance.next()?.mask == .ignored)
  }
}
