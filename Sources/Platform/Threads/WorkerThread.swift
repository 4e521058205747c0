// A thread of ours, and the signal that ends its blocking system calls. What a thread waits in is either a call of
// `Flag.interruptibleCall`, which misses no signal, or must bear that one came too early.

import CLinux
import Kernel
import LinuxABI

/// A joinable thread that runs one closure.
final class WorkerThread: Sendable {
  /// The signal that interrupts blocking calls of one thread. Not a real-time signal: those queue up, and a thread that
  /// is slow to take them would use up what the user may have pending (RLIMIT_SIGPENDING).
  static let interruption: CInt = SIGURG

  private final class Start {
    let body: @Sendable () -> Void
    let end: Flag
    init(_ body: @escaping @Sendable () -> Void, _ end: Flag) {
      self.body = body
      self.end = end
    }
  }

  private let handle: Lock<pthread_t?>
  private let end = Flag()

  /// Starts the thread; nil if the system has none to give.
  init?(_ body: @escaping @Sendable () -> Void) {
    handle = Lock(.threadHandle, nil)
    let start = Unmanaged.passRetained(Start(body, end))
    var thread = pthread_t()
    let result = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        WorkerThread.allowInterruption()
        start.body()
        start.end.raiseForWaiters()
        return nil
      }, start.toOpaque())
    if result != 0 {
      start.release()
      return nil
    }
    let created = thread
    handle.withLock { $0 = created }
  }

  /// A thread that must be there.
  static func start(_ body: @escaping @Sendable () -> Void) throws(LaunchError) -> WorkerThread {
    if let thread = WorkerThread(body) { return thread }
    throw LaunchError(
      .system, "no thread for the supervisor (ulimit -u, pids.max)", errno: .resourceTemporarilyUnavailable)
  }

  /// Lets that signal through in the calling thread; a thread pool's threads block everything.
  static func allowInterruption() {
    _ = vd_install_interrupt(interruption)
    var mask: UInt64 = 1 << (UInt64(interruption) - 1)
    _ = withUnsafeMutablePointer(to: &mask) {
      vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_UNBLOCK), Int(bitPattern: $0), 0, 8, 0, 0)
    }
  }

  /// It will not run anything of ours any more.
  var hasEnded: Bool { end.isRaised }

  /// Interrupts the thread until it has ended, and joins it.
  func stop() {
    guard let thread = handle.withLock({ $0.take() }) else { return }
    while !end.isRaised {
      pthread_kill(thread, Self.interruption)
      end.wait(milliseconds: 1)
    }
    pthread_join(thread, nil)
  }
}
