// Calls that wait for a background copy-up (VFS/BackgroundCopyUp.swift), and the thread that copies. Neither the tree lock nor a
// notification can be held so long: the guest sleeps in the kernel (`Outcome.sleep`) and makes its call again when the copy
// has ended.

public import Gate
import Kernel
import LinuxABI
import VFS

/// The background copy-ups of one sandbox, and who waits for which. Used under the tree lock.
public final class BackgroundCopyUps {
  private struct Waiter {
    let thread: ThreadID
    let call: SystemCall
    let copyUp: BackgroundCopyUp
    let since = MonotonicClock.coarse()
    /// Other calls that the thread has made since the copy ended.
    var others = 0

    func isIn(_ call: SystemCall, of thread: ThreadID) -> Bool {
      self.thread == thread && self.call.number == call.number && self.call.arguments == call.arguments
    }
  }
  private var waiters: [Waiter] = []
  /// What the call being served needs before it can be served: set by `begin`, and taken by `wait`.
  private var needed: BackgroundCopyUp?
  private let queue = CopyQueue()
  private weak var source: (any CopyUpSource)?
  /// To whom the copying thread reports an end; set before the first guest runs.
  public weak var owner: (any CoherenceOwner)?
  /// A thread that has made this many other calls will not come back: a handler has jumped out of the call it waited in.
  private static let patience = 1000
  /// A handler that jumps out of one wait after another leaves each behind as long as the copying lasts: of so many calls of one
  /// thread the oldest is forgotten. If it comes back after all, it waits anew.
  static let limitPerThread = 16

  init(_ source: (any CopyUpSource)?) { self.source = source }

  /// No call waits.
  public var isEmpty: Bool { waiters.isEmpty }

  /// Who waits still, for an inspection.
  public func forEachWaiting(_ body: (_ thread: ThreadID, _ copyUp: BackgroundCopyUp, _ since: UInt64) -> Void) {
    for waiter in waiters where !waiter.copyUp.hasEnded { body(waiter.thread, waiter.copyUp, waiter.since) }
  }

  func threads(waitingFor copyUp: BackgroundCopyUp) -> [ThreadID] {
    waiters.filter { $0.copyUp === copyUp }.map(\.thread)
  }

  /// The call being served needs this copy-up. False if the system has no thread to copy on.
  func begin(_ copyUp: BackgroundCopyUp, _ control: any GuestControl) -> Bool {
    if threads(waitingFor: copyUp).isEmpty {
      let ended: @Sendable (BackgroundCopyUp) -> Void = { [weak owner] copyUp in
        guard let owner else { return }
        for sleeper in owner.withCoherence({ $0.copyUps.ended(copyUp) }) { control.wake(sleeper) }
      }
      if !queue.add(copyUp, control, ended) { return false }
    }
    needed = copyUp
    return true
  }

  /// A call is about to be served.
  public func callBegins() { if needed != nil { needed = nil } }

  /// The call being served cannot be served before a copy-up has ended: it is to be interrupted, whatever its handler answers.
  public var isNeeded: Bool { needed != nil }

  /// The call has been interrupted: the thread sleeps in it until the copy has ended.
  public func wait(_ thread: ThreadID, in call: SystemCall) {
    guard let copyUp = needed.take() else { return }
    if !waiters.contains(where: { $0.isIn(call, of: thread) && $0.copyUp === copyUp }) {
      waiters.append(Waiter(thread: thread, call: call, copyUp: copyUp))
    }
    remove { $0.isIn(call, of: thread) && $0.copyUp !== copyUp }
    var excess = waiters.lazy.filter { $0.thread == thread }.count - Self.limitPerThread
    guard excess > 0 else { return }
    remove { waiter in
      guard excess > 0, waiter.thread == thread else { return false }
      excess -= 1
      return true
    }
  }

  /// A call has been answered: the one the thread waited in, or one that a signal's handler makes meanwhile.
  public func answered(_ call: SystemCall, of thread: ThreadID) {
    remove { waiter in
      if waiter.isIn(call, of: thread) { return true }
      guard waiter.thread == thread, waiter.copyUp.hasEnded else { return false }
      waiter.others += 1
      return waiter.others > Self.patience
    }
  }

  public func exited(_ thread: ThreadID) {
    if !waiters.isEmpty { remove { $0.thread == thread } }
  }

  /// The copying has ended. Returns who is to be woken.
  func ended(_ copyUp: BackgroundCopyUp) -> [ThreadID] {
    let threads = threads(waitingFor: copyUp)
    if threads.isEmpty { source?.cancel(copyUp) }
    return threads
  }

  /// Ends waits. Copy-ups that no call waits for any more are cancelled.
  private func remove(where isDone: (inout Waiter) -> Bool) {
    var done: [BackgroundCopyUp] = []
    waiters = waiters.compactMap { waiter in
      var waiter = waiter
      guard isDone(&waiter) else { return waiter }
      done.append(waiter.copyUp)
      return nil
    }
    for copyUp in done where !waiters.contains(where: { $0.copyUp === copyUp }) { source?.cancel(copyUp) }
  }
}

/// Copies, a slice of each copy-up in turn, on a thread that exists as long as there is something to copy.
final class CopyQueue: Sendable {
  private struct State {
    var copyUps: [BackgroundCopyUp] = []
    var isRunning = false
  }
  private let state = Lock(.copyQueue, State())

  /// False if the system has no thread to give. `ended` is called on the copying thread.
  func add(
    _ copyUp: BackgroundCopyUp, _ control: any GuestControl, _ ended: @escaping @Sendable (BackgroundCopyUp) -> Void
  ) -> Bool {
    let wasRunning = state.withLock { state in
      state.copyUps.append(copyUp)
      defer { state.isRunning = true }
      return state.isRunning
    }
    if wasRunning || control.inBackground({ [self] in run(ended) }) { return true }
    state.withLock { $0 = State() }
    return false
  }

  private func run(_ ended: @Sendable (BackgroundCopyUp) -> Void) {
    while let copyUp = next() {
      if copyUp.copySlice() { state.withLock { $0.copyUps.append(copyUp) } } else { ended(copyUp) }
    }
  }

  private func next() -> BackgroundCopyUp? {
    state.withLock { state in
      state.isRunning = !state.copyUps.isEmpty
      return state.isRunning ? state.copyUps.removeFirst() : nil
    }
  }
}
