// Opening a FIFO waits for the other end (`man 7 fifo`). The tree lock cannot be held for that, and neither can the
// notification: the guest sleeps in the kernel (`Outcome.sleep`) and makes its call again when it is woken.
//
// What the kernel counts while an open waits is kept here. A waiting reader has its read end already, held by us, so
// that a writer finds somebody; a waiting writer gets its write end the moment a reader comes, before that reader can
// see an end of file.

import Gate
import Kernel
import LinuxABI
import VFS

/// The opens of FIFOs that wait.
final class FIFOWaits {
  private final class Waiter {
    let thread: ThreadID
    let inode: Inode
    let position: Position
    let isReader: Bool
    let since = MonotonicClock.coarse()
    /// The open file, once there is one.
    var descriptor: OwnedDescriptor?
    /// The other end has come; the guest has been woken.
    var isReady = false

    init(
      _ thread: ThreadID, _ inode: Inode, at position: Position, isReader: Bool,
      _ descriptor: consuming OwnedDescriptor?
    ) {
      self.thread = thread
      self.inode = inode
      self.position = position
      self.isReader = isReader
      self.descriptor = consume descriptor
    }
  }
  /// A thread waits in one open at a time.
  private var waiters: [ThreadID: Waiter] = [:]

  var isEmpty: Bool { waiters.isEmpty }

  /// The opens that wait still, for an inspection.
  func forEachWaiting(_ body: (_ thread: ThreadID, _ position: Position, _ isReader: Bool, _ since: UInt64) -> Void) {
    for waiter in waiters.values where !waiter.isReady {
      body(waiter.thread, waiter.position, waiter.isReader, waiter.since)
    }
  }

  /// What `thread` waited for is of no interest any more: it has gone, or makes another call.
  func forget(_ thread: ThreadID, but inode: Inode? = nil) {
    guard let waiter = waiters[thread], inode == nil || waiter.inode !== inode else { return }
    waiters[thread] = nil
  }

  /// The open file, or nil if the thread has to sleep first.
  ///
  /// - Throws: `.noSuchAddressOrDevice` for O_WRONLY | O_NONBLOCK without a reader, and what the inode's `open` throws.
  func open(
    _ inode: Inode, at position: Position, _ flags: OpenFlags, by thread: ThreadID, wake: (ThreadID) -> Void
  ) throws(Errno) -> OwnedDescriptor? {
    forget(thread, but: inode)
    let isBlocking = !flags.contains(.nonBlocking)
    // Another open than the one that waited: a handler has jumped out of that.
    if let waiter = waiters[thread], !isBlocking || flags.access != (waiter.isReader ? .read : .write) {
      forget(thread)
    }
    if let waiter = waiters[thread] {
      guard waiter.isReady else { return nil }
      waiters[thread] = nil
      return waiter.descriptor.take()
    }
    if flags.access != .write { dropStale(inode, readers: false) }
    if flags.access != .read { dropStale(inode, readers: true) }
    if flags.access == .read {
      let end = try inode.open(flags)
      let met = try complete(inode, readers: false, wake)
      if !isBlocking || met { return end }
      if try Self.hasWriter(end.rawValue) { return end }
      waiters[thread] = Waiter(thread, inode, at: position, isReader: true, end)
      return nil
    }
    if flags.access == .write {
      do throws(Errno) {
        let end = try inode.open(flags)
        _ = try complete(inode, readers: true, wake)
        return end
      } catch {
        guard error == .noSuchAddressOrDevice, isBlocking else { throw error }
        waiters[thread] = Waiter(thread, inode, at: position, isReader: false, nil)
        return nil
      }
    }
    let both = try inode.open(flags)
    _ = try complete(inode, readers: true, wake)
    _ = try complete(inode, readers: false, wake)
    return both
  }

  /// A signal may have ended a wait without our knowing: such a thread is somewhere else by now. Of the side that an open is
  /// about to meet, which waits no more after it, so that each wait is asked about once however many there are.
  private func dropStale(_ inode: Inode, readers: Bool) {
    for waiter in waiters.values where waiter.inode === inode && waiter.isReader == readers && !waiter.isReady {
      if !Self.isAsleep(waiter.thread) { waiters[waiter.thread] = nil }
    }
  }

  /// Lets go on who waited for the other end that has just come. True if anybody did.
  private func complete(_ inode: Inode, readers: Bool, _ wake: (ThreadID) -> Void) throws(Errno) -> Bool {
    var found = false
    for waiter in waiters.values where waiter.inode === inode && waiter.isReader == readers && !waiter.isReady {
      if !waiter.isReader { waiter.descriptor = try inode.open(.writeOnly) }
      waiter.isReady = true
      found = true
      wake(waiter.thread)
    }
    return found
  }

  /// Whether a FIFO's read end has a writer: `tee(2)` of nothing is 0 at an end of file, EAGAIN if somebody may write.
  private static func hasWriter(_ end: CInt) throws(Errno) -> Bool {
    let pipe = try Host.makePipe(.nonBlocking)
    let read = OwnedDescriptor(pipe.reading)
    let write = OwnedDescriptor(pipe.writing)
    _ = read.rawValue
    do throws(Errno) {
      return try Host.tee(from: end, to: write.rawValue, count: 1, .nonBlocking) != 0
    } catch {
      return true
    }
  }

  /// Whether a thread may still be in the sleep it was sent to: in pause(2), or on its way there.
  private static func isAsleep(_ thread: ThreadID) -> Bool {
    do throws(Errno) {
      let text = try Host.readFile("/proc/\(thread)/syscall")
      let number = String(decoding: text.prefix { $0 != 0x20 && $0 != 0x0a }, as: UTF8.self)
      if number == "running" || number == "-1" { return true }
      let calls: [SystemCallNumber] = [.pause, .open, .openat, .openat2]
      return calls.contains { number == "\($0.index)" }
    } catch {
      return error != .noSuchFileOrDirectory && error != .noSuchProcess
    }
  }
}
