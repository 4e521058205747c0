import CLinux
import Gate
import Kernel
import LinuxABI
import Testing

@testable import Platform

/// How long a guest is waited for, and when a run is ended by force.
@Suite struct StopDeadlineTests {
  private static let second: UInt64 = 1_000_000_000

  @Test func timeOfAThreadIsReadBehindAnyName() {
    let fields = (3...52).map { $0 == 3 ? "R" : "\($0)" }.joined(separator: " ")
    for name in ["cat", "a) b 1 2 3", "(", "\n"] {
      let usage = TimeoutTests.bytes("12 (\(name)) \(fields)\n", StopDeadline.parse)
      #expect(usage == StopDeadline.Usage(user: 140_000_000, system: 150_000_000))
    }
    #expect(TimeoutTests.bytes("12 (cat) R 1 2", StopDeadline.parse) == nil)
    #expect(TimeoutTests.bytes("", StopDeadline.parse) == nil)
  }

  /// What a thread has run counts, not how long a busy machine has kept it from running.
  @Test func onlyTheThreadsOwnTimeCountsUntilMuchTimeHasPassed() {
    let start = StopDeadline.Usage(user: 5 * Self.second, system: 7 * Self.second)
    var later = start
    #expect(!StopDeadline.isOver(from: start, to: later, clock: StopDeadline.clockLimit - 1))
    #expect(StopDeadline.isOver(from: start, to: later, clock: StopDeadline.clockLimit))
    later.user += StopDeadline.userLimit - 1
    #expect(!StopDeadline.isOver(from: start, to: later, clock: Self.second))
    later.user += 1
    #expect(StopDeadline.isOver(from: start, to: later, clock: Self.second))
    later = start
    later.system += StopDeadline.systemLimit
    #expect(StopDeadline.isOver(from: start, to: later, clock: Self.second))
    #expect(!StopDeadline.isOver(from: nil, to: later, clock: Self.second))
    #expect(!StopDeadline.isOver(from: start, to: nil, clock: Self.second))
    #expect(!StopDeadline.isOver(from: later, to: start, clock: Self.second))
  }

  @Test func threadThatRunsOnIsFoundOut() {
    var deadline = StopDeadline(TracerRequests.ownThread)
    let isOver = deadline.isOver()
    #expect(!isOver)
    let start = MonotonicClock.now()
    while !deadline.isOver() { if MonotonicClock.now() - start > 20 * Self.second { break } }
    #expect(MonotonicClock.now() - start < StopDeadline.clockLimit / 2)
  }

  // MARK: - Ending a run

  @Test func timeIsOverTwice() {
    var limit = TimeLimit(10 * Self.second, now: 5)
    #expect(limit.wait(atMost: Self.second, now: 5) == Self.second)
    #expect(limit.wait(atMost: Self.second, now: 10 * Self.second) == 5)
    #expect(limit.due(now: 10 * Self.second + 4) == nil)
    #expect(limit.due(now: 10 * Self.second + 5) == .terminate)
    #expect(limit.due(now: 10 * Self.second + 6) == nil)
    #expect(limit.due(now: 15 * Self.second + 5) == .kill)
    #expect(limit.due(now: .max) == nil)
    #expect(limit.wait(atMost: 7, now: .max) == 7)
    var none = TimeLimit(nil)
    #expect(none.due(now: .max) == nil)
    var endless = TimeLimit(.max, now: 7)
    #expect(endless.due(now: .max - 1) == nil)
  }

  @Test func threeSignalsApartFromEachOtherEndARun() {
    var rule = EndingRule([])
    for moment in 0..<3 {
      do {
        let found = rule.isDue(now: UInt64(moment + 1) * Self.second)
        #expect(found == nil)
      }
      rule.came(.terminate, isByTerminal: false, now: UInt64(moment + 1) * Self.second)
    }
    do {
      let found = rule.isDue(now: 4 * Self.second)
      #expect(found == .terminate)
    }
  }

  /// One `kill` to a process and to its group, a person's keys, and signals long ago are no demand to end by force.
  @Test func signalsThatMayMeanSomethingElseDoNotEndARun() {
    var doubled = EndingRule([])
    for moment in 0..<6 { doubled.came(.terminate, isByTerminal: false, now: Self.second + UInt64(moment) * 1_000_000) }
    do {
      let found = doubled.isDue(now: 2 * Self.second)
      #expect(found == nil)
    }
    var typed = EndingRule([])
    for moment in 1..<9 { typed.came(.interrupt, isByTerminal: true, now: UInt64(moment) * Self.second) }
    do {
      let found = typed.isDue(now: 9 * Self.second)
      #expect(found == nil)
    }
    var rare = EndingRule([])
    for moment in 1..<9 {
      rare.came(.hangup, isByTerminal: false, now: UInt64(moment) * 3 * Self.second)
      do {
        let found = rare.isDue(now: UInt64(moment) * 3 * Self.second)
        #expect(found == nil)
      }
    }
  }

  @Test func threadThatIsStuckAtASignalEndsTheRun() {
    let tracer = Progress()
    let worker = Progress()
    worker.beginWait()
    var rule = EndingRule([tracer, worker])
    do {
      let found = rule.isDue(now: 1)
      #expect(found == nil)
    }
    #expect(!rule.isWatching)
    rule.came(.terminate, isByTerminal: true, now: Self.second)
    #expect(rule.isWatching)
    do {
      let found = rule.isDue(now: 2 * Self.second)
      #expect(found == nil)
    }
    do {
      let found = rule.isDue(now: Self.second + ProgressWatch.limit)
      #expect(found == .terminate)
    }
  }

  @Test func threadsThatServeOrWaitAreNotStuck() {
    let tracer = Progress()
    let worker = Progress()
    worker.beginWait()
    var rule = EndingRule([tracer, worker])
    rule.came(.terminate, isByTerminal: false, now: 0)
    for moment in 1..<10 {
      tracer.step()
      do {
        let found = rule.isDue(now: UInt64(moment) * Self.second)
        #expect(found == nil)
      }
      #expect(rule.isWatching)
    }
    tracer.beginWait()
    do {
      let found = rule.isDue(now: 20 * Self.second)
      #expect(found == nil)
    }
    #expect(!rule.isWatching)
    // Waiting twice is waiting; an end of a wait is a step.
    tracer.beginWait()
    var watch = ProgressWatch([tracer], now: 0)
    do {
      let found = watch.stuck(now: 100 * Self.second)
      #expect(found.isEmpty)
    }
    tracer.endWait()
    do {
      let found = watch.stuck(now: 101 * Self.second)
      #expect(found.isEmpty)
    }
    do {
      let found = watch.stuck(now: 105 * Self.second)
      #expect(found == [0])
    }
  }
}
