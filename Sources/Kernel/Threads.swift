// Threads of this process, and the timers that signal one of them.

import CLinux
public import LinuxABI

/// A thread that runs one closure and is waited for in the end.
public struct JoinableThread: ~Copyable, Sendable {
  private let thread: pthread_t

  private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// `pthread_create(3)`.
  ///
  /// - Throws: `.resourceTemporarilyUnavailable` if the system has no thread to give.
  public init(_ body: @escaping @Sendable () -> Void) throws(Errno) {
    let start = Unmanaged.passRetained(Start(body))
    var thread = pthread_t()
    let result = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, start.toOpaque())
    if result != 0 {
      start.release()
      throw Errno(rawValue: result)
    }
    self.thread = thread
  }

  /// One that nobody waits for: `pthread_detach(3)`.
  deinit { pthread_detach(thread) }

  /// `pthread_kill(3)`.
  public func send(_ signal: Signal) { pthread_kill(thread, signal.rawValue) }

  /// `pthread_join(3)`: waits for its end.
  public consuming func join() {
    pthread_join(thread, nil)
    discard self
  }
}

extension Host {
  /// Has `signal` interrupt the blocking calls of the calling thread, whatever its signal mask was: a thread pool's threads
  /// block everything. The handler does nothing but end an `interruptibleCall` (`ThreadFlag`) that has not begun; `sigaction(2)`
  /// without SA_RESTART.
  public static func allowInterruption(by signal: Signal) {
    _ = vd_install_interrupt(signal.rawValue)
    _ = try? changeSignalMask(.unblock, SignalSet([signal]))
  }

  /// `nanosleep(2)`; a signal ends it early.
  public static func sleep(nanoseconds: UInt64) {
    var time = TimeSpecification(nanoseconds: nanoseconds)
    _ = withUnsafeMutablePointer(to: &time) { raw(.nanosleep, Int(bitPattern: $0), 0) }
  }
}

/// A timer of CLOCK_MONOTONIC whose signal goes to the thread that made it.
public struct ThreadTimer: ~Copyable {
  private let number: CInt

  /// `timer_create(2)` with SIGEV_THREAD_ID.
  public init(_ signal: Signal) throws(Errno) {
    var event = SignalEvent(signal, to: Host.ownThread)
    var number: CInt = 0
    _ = try withUnsafeMutablePointer(to: &event) { event throws(Errno) in
      try withUnsafeMutablePointer(to: &number) { number throws(Errno) in
        try Host.call(.timer_create, 1, Int(bitPattern: event), Int(bitPattern: number))
      }
    }
    self.number = number
  }

  /// `timer_delete(2)`.
  deinit { Host.raw(.timer_delete, Int(number)) }

  /// `timer_settime(2)`.
  public borrowing func set(_ times: TimerSpecification) throws(Errno) {
    var times = times
    _ = try withUnsafeMutablePointer(to: &times) { times throws(Errno) in
      try Host.call(.timer_settime, Int(number), 0, Int(bitPattern: times))
    }
  }
}
