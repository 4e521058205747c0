// Whether the threads that serve guests get on: what the signal thread looks at when somebody wants the sandbox to end.

import LinuxABI
import Synchronization

/// Of one serving thread. Written by that thread only.
final class Progress: Sendable {
  /// Even while the thread serves, odd while it waits for guests (or for the other one, which then serves).
  private let turns = Atomic<UInt64>(0)

  /// The thread has nothing to do.
  func beginWait() { turns.store(turns.load(ordering: .relaxed) | 1, ordering: .relaxed) }

  /// The thread has something to do.
  func endWait() { turns.store((turns.load(ordering: .relaxed) | 1) &+ 1, ordering: .relaxed) }

  /// One step of longer work is done.
  func step() { turns.store(turns.load(ordering: .relaxed) &+ 2, ordering: .relaxed) }

  fileprivate var turn: UInt64 { turns.load(ordering: .relaxed) }
}

/// Looks at several threads, again and again.
struct ProgressWatch {
  private let threads: [Progress]
  private var seen: [(turn: UInt64, since: UInt64)]

  /// Nanoseconds in one piece of work before a thread counts as stuck: far more than the longest (16 MiB of a copy, a sync of
  /// an upper on a slow disk).
  static let limit: UInt64 = 3_000_000_000

  init(_ threads: [Progress], now: UInt64 = MonotonicClock.now()) {
    self.threads = threads
    seen = threads.map { ($0.turn, now) }
  }

  /// The threads, by index, that are in the same piece of work for `time` at the least.
  mutating func stuck(for time: UInt64 = limit, now: UInt64 = MonotonicClock.now()) -> [Int] {
    threads.indices.filter { index in
      let turn = threads[index].turn
      if turn != seen[index].turn { seen[index] = (turn, now) }
      return turn & 1 == 0 && now >= seen[index].since && now - seen[index].since >= time
    }
  }
}
