// Something that is done again and again beside the serving of guests, on a thread of its own.

import Kernel

/// Calls a closure at regular intervals until it is stopped.
public final class Ticker: Sendable {
  private let stopping: ThreadFlag
  private let thread: WorkerThread

  /// Nil if the system has no thread to give.
  public init?(everyMilliseconds interval: Int, _ body: @escaping @Sendable () -> Void) {
    let stopping = ThreadFlag()
    let thread = WorkerThread {
      while !stopping.wait(milliseconds: interval) { body() }
    }
    guard let thread else { return nil }
    self.stopping = stopping
    self.thread = thread
  }

  /// The closure is not running, and will not run again, when this returns.
  public func stop() {
    stopping.raiseForWaiters()
    thread.stop()
  }
}

/// How guests number a thread.
public enum InsideNumber {
  /// From the host's /proc; nil if the thread is gone.
  public static func of(_ thread: Int32) -> Int32? {
    ThreadState(thread).map { Int32(truncatingIfNeeded: $0.insideThread) }
  }
}
