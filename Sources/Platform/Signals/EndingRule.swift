// When a run is ended by force (`SignalForwarder`): the rule without the signals.

import Kernel
import LinuxABI

/// Fed with SIGTERM, SIGINT and SIGHUP as they come, and asked again and again while `isWatching`.
struct EndingRule {
  private let threads: [Progress]
  private var watch: ProgressWatch?
  private var last = Signal.terminate
  /// When the signals came that count, at most three.
  private var times: [UInt64] = []
  private var watchedUntil: UInt64 = 0

  /// So many signals within so many nanoseconds end the run.
  private static let count = 3
  private static let window: UInt64 = 5_000_000_000
  /// Two within this time are one: who signals a process and its group sends two.
  private static let gap: UInt64 = 100_000_000
  /// How long after a signal a stuck thread is looked for.
  private static let watchTime: UInt64 = 10_000_000_000

  init(_ threads: [Progress]) { self.threads = threads }

  var isWatching: Bool { watch != nil }

  /// A signal has come. The terminal's are sent by a person at the keys of a program that may use them, and are not counted.
  mutating func came(_ signal: Signal, isByTerminal: Bool, now: UInt64 = MonotonicClock.now()) {
    last = signal
    watchedUntil = now &+ Self.watchTime
    if watch == nil { watch = ProgressWatch(threads, now: now) }
    guard !isByTerminal else { return }
    if let latest = times.last, now &- latest < Self.gap { return }
    times.removeAll { now &- $0 > Self.window }
    times.append(now)
  }

  /// The signal by which the run is to end now, if it is.
  mutating func isDue(now: UInt64 = MonotonicClock.now()) -> Signal? {
    if times.count >= Self.count {
      times = []
      return last
    }
    guard let stuck = watch?.stuck(now: now) else { return nil }
    if !stuck.isEmpty { return last }
    if now >= watchedUntil { watch = nil }
    return nil
  }
}
