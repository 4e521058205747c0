// What the threads that serve guests are doing, published for other threads to read without a lock: the signal thread, which
// looks whether they get on when somebody wants the sandbox to end, and inspections (Inspection/).

import Gate
import Kernel
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

  /// It waits for guests, or for the other serving thread.
  var isWaiting: Bool { turn & 1 == 1 }

  // MARK: - What it does

  /// Something done for one guest thread.
  struct Work: Equatable {
    var thread: ThreadID
    /// The call's number.
    var number: Int
    /// Nanoseconds of CLOCK_MONOTONIC.
    var since: UInt64
  }

  /// Published as three words; `thread` is 0 while there is nothing.
  private struct Board: ~Copyable {
    let thread = Atomic<ThreadID>(0)
    let number = Atomic<Int>(0)
    let since = Atomic<UInt64>(0)

    func begin(_ number: Int, _ thread: ThreadID) {
      self.since.store(MonotonicClock.coarse(), ordering: .relaxed)
      self.number.store(number, ordering: .relaxed)
      self.thread.store(thread, ordering: .releasing)
    }

    func end() { thread.store(0, ordering: .releasing) }

    /// Nil also while it changes too fast to be read whole.
    var work: Work? {
      for _ in 0..<8 {
        let thread = thread.load(ordering: .acquiring)
        if thread == 0 { return nil }
        let work = Work(
          thread: thread, number: number.load(ordering: .acquiring), since: since.load(ordering: .acquiring))
        if self.thread.load(ordering: .acquiring) == thread, since.load(ordering: .relaxed) == work.since {
          return work
        }
      }
      return nil
    }
  }

  private let served = Board()
  private let injected = Board()

  /// A guest's call is being served, its outcome's application included.
  func beginCall(_ number: Int, of thread: ThreadID) { served.begin(number, thread) }
  func endCall() { served.end() }

  /// A stopped guest thread makes a call of ours (RemoteThread).
  func beginInjection(_ number: Int, in thread: ThreadID) { injected.begin(number, thread) }
  func endInjection() { injected.end() }

  var servedCall: Work? { served.work }
  var injectedCall: Work? { injected.work }
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
