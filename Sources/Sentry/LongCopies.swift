// Calls that wait for a long copy (VFS/LongCopy.swift), and the thread that makes the copies. The tree lock cannot be held
// for one, and neither can a notification: the guest sleeps in the kernel (`Outcome.sleep`) and makes its call again when
// the copy has ended.

import CLinux
import Gate
import LinuxABI
import Synchronization
public import VFS

/// Makes copies, a slice of each in turn, on a thread that exists as long as there are any.
final class Copier: Sendable {
  private struct Queue {
    var copies: [any LongCopy] = []
    var isRunning = false
  }
  private let queue = Mutex(Queue())
  private let ended: @Sendable (any LongCopy) -> Void

  /// `ended` is called on the copier's thread.
  init(_ ended: @escaping @Sendable (any LongCopy) -> Void) { self.ended = ended }

  /// To be called under the tree lock. False if the system has no thread to give.
  func add(_ copy: any LongCopy, _ control: any GuestControl) -> Bool {
    let wasRunning = queue.withLock { queue in
      queue.copies.append(copy)
      defer { queue.isRunning = true }
      return queue.isRunning
    }
    if wasRunning || control.inBackground({ [self] in run() }) { return true }
    queue.withLock { $0 = Queue() }
    return false
  }

  private func run() {
    while let copy = next() {
      if copy.proceed() { queue.withLock { $0.copies.append(copy) } } else { ended(copy) }
    }
  }

  private func next() -> (any LongCopy)? {
    queue.withLock { queue in
      queue.isRunning = !queue.copies.isEmpty
      return queue.isRunning ? queue.copies.removeFirst() : nil
    }
  }
}

/// Who waits for which copy; under the tree lock.
final class CopyWaits {
  private struct Waiter {
    let thread: ThreadID
    let call: SystemCall
    let copy: any LongCopy
    /// Other calls that the thread has made since the copy ended.
    var others = 0

    func isIn(_ call: SystemCall, of thread: ThreadID) -> Bool {
      self.thread == thread && self.call.number == call.number && self.call.arguments == call.arguments
    }
  }
  private var waiters: [Waiter] = []
  /// A thread that has made this many other calls will not come back: a handler has jumped out of the call it waited in.
  private static let patience = 1000

  var isEmpty: Bool { waiters.isEmpty }

  func threads(waitingFor copy: any LongCopy) -> [ThreadID] {
    waiters.filter { $0.copy === copy }.map(\.thread)
  }

  /// The thread sleeps in `call` until the copy has ended. Gives back the copies that nobody waits for any more.
  func add(_ thread: ThreadID, _ call: SystemCall, _ copy: any LongCopy) -> [any LongCopy] {
    if !waiters.contains(where: { $0.isIn(call, of: thread) && $0.copy === copy }) {
      waiters.append(Waiter(thread: thread, call: call, copy: copy))
    }
    return remove { $0.isIn(call, of: thread) && $0.copy !== copy }
  }

  /// A call has been answered: the one the thread waited in, or one that a signal's handler makes meanwhile.
  func answered(_ call: SystemCall, of thread: ThreadID) -> [any LongCopy] {
    remove { waiter in
      if waiter.isIn(call, of: thread) { return true }
      guard waiter.thread == thread, waiter.copy.hasEnded else { return false }
      waiter.others += 1
      return waiter.others > Self.patience
    }
  }

  func exited(_ thread: ThreadID) -> [any LongCopy] { remove { $0.thread == thread } }

  private func remove(where isDone: (inout Waiter) -> Bool) -> [any LongCopy] {
    var done: [any LongCopy] = []
    waiters = waiters.compactMap { waiter in
      var waiter = waiter
      guard isDone(&waiter) else { return waiter }
      done.append(waiter.copy)
      return nil
    }
    return done.filter { copy in !waiters.contains { $0.copy === copy } }
  }
}

extension SentryState {
  /// The call that is being served needs this copy: true if it is on its way, and the call is to be given up until then.
  /// For the overlay's hook.
  public func awaitsCopy(_ copy: any LongCopy) -> Bool {
    guard let task = current, !task.isLoading, HandlerTable.mayWait(currentNumber), let control, let copier else {
      return false
    }
    // A filter of the guest's own may forbid it to sleep.
    guard let status = try? ProcessStatus(of: task.thread), status.number("Seccomp_filters:") <= guestFilters else {
      return false
    }
    if copyWaits.threads(waitingFor: copy).isEmpty, !copier.add(copy, control) { return false }
    awaited = copy
    return true
  }

  /// The call being served has been given up: its thread sleeps.
  func sleep(_ thread: ThreadID, in call: SystemCall) -> Outcome {
    if let copy = awaited {
      awaited = nil
      giveUp(copyWaits.add(thread, call, copy))
    }
    return .sleep(isSlow: false)
  }

  func giveUp(_ copies: [any LongCopy]) {
    for copy in copies { giveUpCopy?(copy) }
  }

  /// On the copier's thread. Returns who is to be woken.
  func ended(_ copy: any LongCopy) -> [ThreadID] {
    let threads = copyWaits.threads(waitingFor: copy)
    if threads.isEmpty { giveUpCopy?(copy) }
    return threads
  }
}
