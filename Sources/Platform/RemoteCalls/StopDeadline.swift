// How long the tracer waits for one thread. A thread that is to stop, or to run one call for us, needs some microseconds of
// its own time, however long a busy machine lets it wait for a CPU: so what counts is the time that it has run, and time
// on the clock only where it does not run at all.

import Gate
import Kernel
import LinuxABI

/// What one thread may use up before its process is killed.
struct StopDeadline {
  /// User and system time of a thread, in nanoseconds.
  struct Usage: Equatable {
    var user: UInt64
    var system: UInt64
  }

  /// Guest code runs although the thread was asked to stop, or to make a call.
  static let userLimit: UInt64 = 500_000_000
  /// One call works in the kernel: to unmap a hundred gigabytes takes it about two seconds.
  static let systemLimit: UInt64 = 10_000_000_000
  /// It does neither, as in a file system that does not answer.
  static let clockLimit: UInt64 = 30_000_000_000

  private let thread: ThreadID
  private let start = MonotonicClock.now()
  private var first: Usage?

  init(_ thread: ThreadID) { self.thread = thread }

  /// Whether the thread has had its time. The first look is where counting begins, so that a wait that is short costs nothing.
  mutating func isOver() -> Bool {
    let usage = ProcessFile.withText(thread, "stat", size: 1024, Self.parse)
    defer { if first == nil { first = usage } }
    return Self.isOver(from: first, to: usage, clock: MonotonicClock.now() &- start)
  }

  static func isOver(from first: Usage?, to now: Usage?, clock: UInt64) -> Bool {
    if clock >= clockLimit { return true }
    guard let first, let now else { return false }
    return now.user &- first.user >= userLimit && now.user >= first.user
      || now.system &- first.system >= systemLimit && now.system >= first.system
  }

  /// Fields 14 and 15 of /proc/THREAD/stat (`man 5 proc_pid_stat`), in hundredths of a second; nil if the thread is gone.
  static func parse(_ text: KernelText) -> Usage? {
    var text = text
    guard text.findLast(UInt8(ascii: ")")) else { return nil }
    for _ in 3...14 { guard text.find(" ") else { return nil } }
    guard let user = text.number(), text.take(UInt8(ascii: " ")), let system = text.number() else { return nil }
    return Usage(user: user &* 10_000_000, system: system &* 10_000_000)
  }
}
