// A thread of ours, and the signal that ends its blocking system calls. What a thread waits in is either a call of
// `ThreadFlag.interruptibleCall`, which misses no signal, or must bear that one came too early.

import Kernel
import LinuxABI

/// A joinable thread that runs one closure.
final class WorkerThread: Sendable {
  /// The signal that interrupts blocking calls of one thread. Not a real-time signal: those queue up, and a thread that
  /// is slow to take them would use up what the user may have pending (RLIMIT_SIGPENDING).
  static let interruption = Signal.urgent

  private let handle: Lock<JoinableThread?>
  private let end: ThreadFlag

  /// Starts the thread; nil if the system has none to give.
  init?(_ body: @escaping @Sendable () -> Void) {
    let end = ThreadFlag()
    self.end = end
    do throws(Errno) {
      handle = Lock(
        .threadHandle,
        try JoinableThread {
          WorkerThread.allowInterruption()
          body()
          end.raiseForWaiters()
        })
    } catch { return nil }
  }

  /// A thread that must be there.
  static func start(_ body: @escaping @Sendable () -> Void) throws(LaunchError) -> WorkerThread {
    if let thread = WorkerThread(body) { return thread }
    throw LaunchError(
      .system, "no thread for the supervisor (ulimit -u, pids.max)", errno: .resourceTemporarilyUnavailable)
  }

  /// Lets that signal through in the calling thread; a thread pool's threads block everything.
  static func allowInterruption() { Host.allowInterruption(by: interruption) }

  /// It will not run anything of ours any more.
  var hasEnded: Bool { end.isRaised }

  /// Interrupts the thread until it has ended, and joins it.
  func stop() {
    guard let thread = handle.withLock({ $0.take() }) else { return }
    while !end.isRaised {
      thread.send(Self.interruption)
      end.wait(milliseconds: 1)
    }
    thread.join()
  }
}
