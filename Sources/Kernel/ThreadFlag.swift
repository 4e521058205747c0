// A word that one thread raises and another one waits for, in the kernel and not by looking again and again.

public import CLinux
public import LinuxABI

/// Lowered at first. What was written before `raise` is seen by the thread that finds it raised.
public final class ThreadFlag: Sendable {
  /// Owned; touched by atomic operations only.
  @usableFromInline nonisolated(unsafe) let word: UnsafeMutablePointer<UInt32>

  public init() {
    word = .allocate(capacity: 1)
    word.initialize(to: 0)
  }

  deinit { word.deallocate() }

  @inlinable
  public var isRaised: Bool { vd_flag_is_raised(word) != 0 }

  /// Raises it, for a thread whose `interruptibleCall` is interrupted then.
  @inlinable
  public func raise() { vd_flag_raise(word) }

  /// Raises it, for threads in `wait`: FUTEX_WAKE of `futex(2)`.
  public func raiseForWaiters() { vd_flag_raise_for_waiters(word) }

  /// Lowers it; true if it was raised.
  @inlinable
  public func take() -> Bool { vd_flag_take(word) != 0 }

  /// Sleeps until it is raised, by FUTEX_WAIT of `futex(2)`; false if that takes longer.
  @discardableResult
  public func wait(milliseconds: Int = -1) -> Bool { vd_flag_wait(word, milliseconds) != 0 }

  /// A system call of at most four arguments that is -EINTR if the flag is raised, or if the signal of `Host.allowInterruption`
  /// comes, before it or meanwhile. Raise first and interrupt then: nothing is missed.
  @inlinable
  package func interruptibleCall(_ number: SystemCallNumber, _ a: Int, _ b: Int, _ c: Int, _ d: Int = 0) -> Int {
    vd_interruptible_call(word, number.index, a, b, c, d)
  }
}
