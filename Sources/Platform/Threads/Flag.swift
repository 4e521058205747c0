// A word that one thread raises and another one waits for, in the kernel and not by looking again and again.

import CLinux

/// Lowered at first. What was written before `raise` is seen by the thread that finds it raised.
final class Flag: Sendable {
  /// Owned; touched by atomic operations only.
  nonisolated(unsafe) private let word: UnsafeMutablePointer<UInt32>

  init() {
    word = .allocate(capacity: 1)
    word.initialize(to: 0)
  }

  deinit { word.deallocate() }

  var isRaised: Bool { vd_flag_is_raised(word) != 0 }

  /// Raises it, for a thread whose `interruptibleCall` is interrupted then.
  func raise() { vd_flag_raise(word) }

  /// Raises it, for threads in `wait`.
  func raiseForWaiters() { vd_flag_raise_for_waiters(word) }

  /// Lowers it; true if it was raised.
  func take() -> Bool { vd_flag_take(word) != 0 }

  /// Sleeps until it is raised; false if that takes longer.
  @discardableResult
  func wait(milliseconds: Int = -1) -> Bool { vd_flag_wait(word, milliseconds) != 0 }

  /// A system call of at most four arguments that is -EINTR if the flag is raised, or if `WorkerThread.interruption` comes, before it
  /// or meanwhile. Raise first and interrupt then: nothing is missed.
  func interruptibleCall(_ number: CInt, _ a: Int, _ b: Int, _ c: Int, _ d: Int = 0) -> Int {
    vd_interruptible_call(word, Int(number), a, b, c, d)
  }
}
