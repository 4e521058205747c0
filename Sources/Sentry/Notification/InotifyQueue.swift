// One inotify instance: its watches, and the queue of events that the guest reads. The guest holds the read end of a pipe
// in packet mode (`man 2 pipe`, O_DIRECT): each event is one packet and never split, so read, poll, epoll and FIONREAD are
// the kernel's own. What the pipe has no room for waits here. The write end never blocks.
//
// Part of the sentry's state, under the tree lock.

import Kernel
import LinuxABI
import VFS

/// One event as a guest reads it (`struct inotify_event`).
struct InotifyEvent {
  var descriptor: Int32
  var mask: InotifyMask
  var cookie: UInt32 = 0
  var name: [UInt8] = []

  /// The kernel's bytes: the name is followed by NULs up to a multiple of the structure's size (`round_event_name_len`).
  var record: [UInt8] {
    let length = name.isEmpty ? 0 : (name.count + 16) & ~15
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16 + length)
    let header = InotifyEventHeader(watch: descriptor, mask: mask, cookie: cookie, nameLength: UInt32(length))
    withUnsafeBytes(of: header) { bytes.append(contentsOf: $0) }
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: repeatElement(0, count: length - name.count))
    return bytes
  }

  /// The same again is reported once (`inotify_merge`; the cookie is not compared there either).
  func repeats(_ other: InotifyEvent) -> Bool {
    !other.mask.contains(.ignored) && mask == other.mask && descriptor == other.descriptor && name == other.name
  }
}

/// The queue and the watches of one instance.
final class InotifyQueue: WatchReceiver {
  private unowned let vfs: VirtualFileSystem
  private let writeEnd: OwnedDescriptor
  /// At most so many events wait (fs.inotify.max_queued_events); one more is an overflow.
  private let bound: Int
  private(set) var watches: [Int32: Watch] = [:]
  private var lastDescriptor: Int32 = 0
  /// What the pipe had no room for: from `head` on.
  private var waiting: [[UInt8]] = []
  private var head = 0
  /// What was added last, read or not.
  private var last: InotifyEvent?
  /// An overflow waits already: one is enough.
  private var hasOverflowed = false
  /// For the watches and what waits.
  private var charge: MemoryCharge
  /// Called when events begin to wait for room, and when none does any more.
  var onWaiting: ((Bool) -> Void)?

  init(vfs: VirtualFileSystem, writeEnd: consuming OwnedDescriptor, bound: Int) {
    self.vfs = vfs
    self.writeEnd = writeEnd
    self.bound = bound
    charge = MemoryCharge(vfs.root.mount.filesystem.budget)
  }

  var writeDescriptor: CInt { writeEnd.rawValue }

  /// A pipe as described at the head of this file.
  static func pipe(nonBlocking: Bool) throws(Errno) -> (reading: CInt, writing: CInt) {
    let ends = try Host.makePipe([.direct, .nonBlocking])
    // The mode is the write end's; F_GETFL of the guest's end is to say what inotify_init1(2) was asked for.
    try? Host.setOpenFlags(of: ends.reading, to: nonBlocking ? .nonBlocking : [])
    // A page for each of more events than the default of 16. What the user's limits refuse waits here.
    Host.setPipeSize(ends.writing, to: 64 * 4096)
    return ends
  }

  // MARK: - Watches

  /// `inotify_add_watch(2)` of an inode that has been found and may be read.
  ///
  /// - Throws: `.fileExists` with IN_MASK_CREATE; `.noSpace` if a new watch may not be added.
  func watch(_ inode: Inode, _ mask: InotifyMask, mayAdd: Bool) throws(Errno) -> Int32 {
    let wanted = mask.intersection([.allEvents, .excludeUnlinked, .oneShot])
    if let known = inode.watches.first(where: { $0.receiver === self }) {
      if mask.contains(.maskCreate) { throw .fileExists }
      known.mask = mask.contains(.maskAdd) ? known.mask.union(wanted) : wanted
      return known.descriptor
    }
    guard mayAdd, lastDescriptor < .max, charge.grow(MemoryCost.watch) else { throw .noSpace }
    lastDescriptor += 1
    let watch = Watch(inode: inode, receiver: self, descriptor: lastDescriptor, mask: wanted)
    watches[lastDescriptor] = watch
    vfs.attach(watch)
    return lastDescriptor
  }

  /// `inotify_rm_watch(2)`. - Throws: `.invalidArgument` for a number that is none of this instance's.
  func remove(_ descriptor: Int32) throws(Errno) {
    guard let watch = watches[descriptor] else { throw .invalidArgument }
    end(watch)
  }

  private func end(_ watch: Watch) {
    vfs.detach(watch)
    if watches.removeValue(forKey: watch.descriptor) != nil { charge.add(-MemoryCost.watch) }
    add(InotifyEvent(descriptor: watch.descriptor, mask: .ignored))
  }

  /// The last descriptor of the instance has been closed.
  func close() {
    for watch in watches.values { vfs.detach(watch) }
    watches = [:]
    waiting = []
    head = 0
    hasOverflowed = false
    charge.clear()
  }

  // MARK: - Events

  func receive(_ event: InotifyMask, cookie: UInt32, name: [UInt8], from watch: Watch) {
    // These two never say IN_ISDIR (`inotify_handle_inode_event`).
    let mask = event.isDisjoint(with: [.deleteSelf, .moveSelf]) ? event : event.subtracting(.isDirectory)
    add(InotifyEvent(descriptor: watch.descriptor, mask: mask, cookie: cookie, name: name))
    if watch.mask.contains(.oneShot) { end(watch) }
  }

  func inodeIsGone(_ watch: Watch) { end(watch) }

  /// Something may have been missed.
  func overflow() {
    if hasOverflowed { return }
    append(InotifyEvent(descriptor: -1, mask: .queueOverflow))
    hasOverflowed = waitingCount > 0
  }

  private func add(_ event: InotifyEvent) {
    if let last, event.repeats(last), hasUnread { return }
    if waitingCount >= bound || !charge.hasRoom(for: Self.eventCost) { return overflow() }
    append(event)
  }

  /// An event that waits, with the longest name.
  private static let eventCost = 352

  private func append(_ event: InotifyEvent) {
    last = event
    if waitingCount == 0, write(event.record) { return }
    charge.add(Self.eventCost)
    waiting.append(event.record)
    if waitingCount == 1 { onWaiting?(true) }
  }

  private var waitingCount: Int { waiting.count - head }

  /// The guest has not yet read all that was added. FIONREAD of a pipe counts the bytes in it.
  private var hasUnread: Bool { waitingCount > 0 || Host.unreadCount(of: writeEnd.rawValue) > 0 }

  /// False if there is no room. Without a reader (EPIPE) no event is missed.
  private func write(_ record: [UInt8]) -> Bool {
    record.withUnsafeBytes { record in
      do throws(Errno) {
        _ = try Host.write(once: record, to: writeEnd.rawValue)
        return true
      } catch {
        return error != .resourceTemporarilyUnavailable
      }
    }
  }

  /// There is room in the pipe: what waits moves on, in order.
  func feed() {
    guard waitingCount > 0 else { return }
    while head < waiting.count, write(waiting[head]) {
      head += 1
      charge.add(-Self.eventCost)
    }
    if head == waiting.count {
      waiting = []
      head = 0
      hasOverflowed = false
      onWaiting?(false)
    } else if head >= 4096 {
      waiting.removeFirst(head)
      head = 0
    }
  }
}
