// How long a run may take (`SignalForwarder`): the rule without the signals.

import Kernel
import LinuxABI

/// SIGTERM when the time is over, SIGKILL after a grace: as `timeout(1)` with --kill-after.
struct TimeLimit {
  /// What is to be done now.
  enum Step {
    /// The command is asked to end.
    case terminate
    /// Every guest is killed.
    case kill
  }

  private var steps: [(step: Step, at: UInt64)] = []

  /// Between SIGTERM and SIGKILL, in nanoseconds.
  static let grace: UInt64 = 5_000_000_000

  /// - Parameter nanoseconds: from `now` on; nil for no limit.
  init(_ nanoseconds: UInt64?, now: UInt64 = MonotonicClock.now()) {
    guard let nanoseconds else { return }
    let end = now.addingClamped(nanoseconds)
    steps = [(.terminate, end), (.kill, end.addingClamped(Self.grace))]
  }

  /// The step that is due, once.
  mutating func due(now: UInt64 = MonotonicClock.now()) -> Step? {
    guard let next = steps.first, now >= next.at else { return nil }
    return steps.removeFirst().step
  }

  /// Nanoseconds until the next step, at most `most`.
  func wait(atMost most: UInt64, now: UInt64 = MonotonicClock.now()) -> UInt64 {
    guard let next = steps.first else { return most }
    return next.at > now ? min(next.at - now, most) : 0
  }
}
