import CLinux
import Gate
import Kernel
import LinuxABI
import Synchronization
import Testing

@testable import Platform

/// What is left of the time of an interrupted call (`Tracer+Timeouts`; `ctests/timed_calls.c` shows the whole).
@Suite struct TimeoutTests {
  static func bytes<T>(_ text: String, _ body: (KernelText) -> T) -> T {
    Array(text.utf8).withUnsafeBytes { body(KernelText($0)) }
  }

  static func scheduler(_ name: String, _ time: String, sleeps: String = "7") -> String {
    """
    \(name) (32175, #threads: 1)
    -------------------------------------------------------------------
    se.exec_start                                :      \(time)
    se.vruntime                                  :         22694.545073
    nr_switches                                  :                    9
    nr_voluntary_switches                        :                    \(sleeps)
    nr_involuntary_switches                      :                    2

    """
  }

  @Test func schedulerTextIsRead() {
    let text = Self.bytes(Self.scheduler("cat", "13360621.281976"), SchedulerText.init)
    #expect(text?.time == 13_360_621_281_976)
    #expect(text?.sleeps == 7)
  }

  /// A thread that was moved in its sleep has no time; a name may be anything; a field may be missing.
  @Test func schedulerTextThatSaysNothingIsNone() {
    #expect(Self.bytes(Self.scheduler("cat", "0.000000"), SchedulerText.init) == nil)
    #expect(Self.bytes(Self.scheduler("cat", "13360621"), SchedulerText.init) == nil)
    #expect(Self.bytes(Self.scheduler("cat", "-1.000000"), SchedulerText.init) == nil)
    #expect(Self.bytes(Self.scheduler("cat", "1.000000", sleeps: ""), SchedulerText.init) == nil)
    #expect(Self.bytes(Self.scheduler("\nse.exec_start:", "5.000000"), SchedulerText.init) == nil)
    #expect(Self.bytes(Self.scheduler("se.exec_start:9", "5.000000"), SchedulerText.init)?.time == 5_000_000)
    let whole = Self.scheduler("cat", "13360621.281976")
    for count in 0..<whole.utf8.count {
      let part = Array(whole.utf8.prefix(count)).withUnsafeBytes { SchedulerText(KernelText($0)) }
      #expect(part == nil || part?.time == 13_360_621_281_976)
    }
    #expect(SchedulerText(KernelText(UnsafeRawBufferPointer(start: nil, count: 0))) == nil)
  }

  @Test(arguments: [
    ("232 0x3 0x7ffd 0x1 0xbb8 0x15 0x16 0x7ffd 0x7f12\n", SYS_epoll_wait),
    ("232 0x3 0x7ffd 0x1 0x7700000bb8 0x15 0x16 0x7ffd 0x7f12\n", SYS_epoll_wait),
    ("281 0x3 0x7ffd 0x1 0x7fffffff 0x0 0x8 0x7ffd 0x7f12\n", SYS_epoll_pwait),
    ("441 0x3 0x7ffd 0x1 0x7ffe 0x0 0x8 0x7ffd 0x7f12\n", SYS_epoll_pwait2),
    ("128 0x7ffd 0x0 0x7ffe 0x8 0x0 0x0 0x7ffd 0x7f12\n", SYS_rt_sigtimedwait),
    ("220 0x1 0x7ffd 0x1 0x7ffe 0x0 0x0 0x7ffd 0x7f12\n", SYS_semtimedop),
    ("208 0x1 0x1 0x1 0x7ffd 0x7ffe 0x0 0x7ffd 0x7f12\n", SYS_io_getevents),
    ("45 0x5 0x7ffd 0x1000 0x0 0x0 0x0 0x7ffd 0x7f12\n", SYS_recvfrom),
    ("20 0x5 0x7ffd 0x1 0x0 0x0 0x0 0x7ffd 0x7f12\n", SYS_writev),
    ("333 0x1 0x1 0x1 0x7ffd 0x7ffe 0x0 0x7ffd 0x7f12\n", SYS_io_pgetevents),
  ]) func timedSleepIsFound(_ text: String, _ number: CInt) {
    #expect(Self.bytes(text, TimedSleep.init)?.call.number == Int(number))
  }

  @Test(arguments: [
    "", "running\n", "-1 0x7ffd 0x7f12\n", "202 0x0 0x7ffd 0x400 0x0 0x0 0x0 0x7ffd 0x7f12\n",
    "232 0x3 0x7ffd 0x1",
    "232 0x3 0x7ffd 0x1 0xffffffff 0x0 0x0 0x7ffd 0x7f12\n", "441 0x3 0x7ffd 0x1 0x0 0x0 0x8 0x7ffd 0x7f12\n",
    "128 0x7ffd 0x0 0x0 0x8 0x0 0x0 0x7ffd 0x7f12\n", "208 0x1 0x1 0x1 0x7ffd 0x0 0x0 0x7ffd 0x7f12\n",
  ]) func otherSleepsAreNot(_ text: String) {
    #expect(Self.bytes(text, TimedSleep.init) == nil)
  }

  @Test func socketTimeoutIsAsked() throws {
    let thread = ThreadID(truncatingIfNeeded: vd_syscall(Int(SYS_gettid), 0, 0, 0, 0, 0, 0))
    var ends: [CInt] = [-1, -1]
    #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
    defer { for end in ends { close(end) } }
    #expect(SocketTimeout.of(ends[0], in: thread, .receiveTimeout) == nil)
    var time = timeval(tv_sec: 2, tv_usec: 0)
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    #expect(SocketTimeout.of(ends[0], in: thread, .receiveTimeout) == 2_000_000_000)
    #expect(SocketTimeout.of(ends[0], in: thread, .sendTimeout) == nil)
    #expect(SocketTimeout.of(ends[1], in: thread, .receiveTimeout) == nil)
    #expect(SocketTimeout.of(-1, in: thread, .receiveTimeout) == nil)
    var pipe: [CInt] = [-1, -1]
    #expect(CLinux.pipe(&pipe) == 0)
    defer { for end in pipe { close(end) } }
    #expect(SocketTimeout.of(pipe[0], in: thread, .receiveTimeout) == nil)
  }

  @Test func processorIsFieldThirtyNine() {
    let fields = (4...52).map(String.init).joined(separator: " ")
    #expect(Self.bytes("12 (cat) S \(fields)\n", LastProcessor.parse) == 39)
    #expect(Self.bytes("12 (a) S 1 2 (\n) S \(fields)\n", LastProcessor.parse) == 39)
    #expect(Self.bytes("12 (cat) S 4 5 6\n", LastProcessor.parse) == nil)
    #expect(Self.bytes("", LastProcessor.parse) == nil)
  }

  @Test func timesAreRoundedUpAndBounded() {
    #expect(TimedCall.milliseconds(0) == 0)
    #expect(TimedCall.milliseconds(1) == 1)
    #expect(TimedCall.milliseconds(1_000_000) == 1)
    #expect(TimedCall.milliseconds(1_000_001) == 2)
    #expect(TimedCall.milliseconds(1 << 62) == 0x7fff_ffff)
    #expect(TimedCall.nanoseconds(TimeSpecification(seconds: 2, nanoseconds: 5)) == 2_000_000_005)
    for (seconds, nanoseconds) in [(-1, 0), (0, -1), (0, 1_000_000_000), (.max, 0), (1_000_000_000, 0)]
      as [(Int64, Int64)]
    {
      #expect(TimedCall.nanoseconds(TimeSpecification(seconds: seconds, nanoseconds: nanoseconds)) == nil)
    }
  }

  @Test func whatMayNotHavePassedIsNotCounted() throws {
    let clock = ProcessorClock(time: 100_000_000_000, monotonic: 700_000_000_000)
    // Ten seconds by the CPU's clock: no more than that, and little less.
    let since = try #require(clock.since(90_000_000_000))
    #expect(since > 690_000_000_000 && since < 690_030_000_000)
    #expect(clock.since(100_000_000_000) == clock.monotonic)
    #expect(clock.since(99_995_000_000) == clock.monotonic)
    #expect(clock.since(100_000_000_001) == nil)
    // A system that has just started.
    #expect(ProcessorClock(time: 50_000_000_000, monotonic: 1).since(0) == 0)
  }

  /// A thread of this process waits, and is looked at as a guest is: it never waited for longer than it did.
  @Test func sleepIsNeverTakenForLonger() throws {
    struct Start: Sendable {
      var thread: ThreadID = 0
      var time: UInt64 = 0
      var count = 0
    }
    let start = Mutex(Start())
    let isOver = ThreadFlag()
    let worker = try WorkerThread.start {
      let set = vd_syscall(Int(SYS_epoll_create1), 0, 0, 0, 0, 0, 0)
      var event = (0 as UInt64, 0 as UInt64)
      while !isOver.isRaised {
        start.withLock {
          $0.thread = ThreadID(truncatingIfNeeded: vd_syscall(Int(SYS_gettid), 0, 0, 0, 0, 0, 0))
          $0.count += 1
          $0.time = MonotonicClock.now()
        }
        _ = withUnsafeMutablePointer(to: &event) {
          vd_syscall(Int(SYS_epoll_wait), set, Int(bitPattern: $0), 1, 30, 0, 0)
        }
      }
      close(CInt(set))
    }
    var found = 0
    for turn in 0..<400 where found < 40 {
      // There is no event to wait for: the sleep of 30 ms is looked at early, late and between two of its kind.
      usleep(UInt32(turn % 8 * 4000 + 1000))
      let before = start.withLock { $0 }
      guard before.thread != 0, let sleep = TimedSleep(of: before.thread),
        let text = SchedulerText(of: before.thread), let processor = LastProcessor.of(before.thread),
        TimedSleep(of: before.thread) == sleep, start.withLock({ $0.count }) == before.count,
        let since = ProcessorClock(of: processor)?.since(text.time)
      else { continue }
      found += 1
      #expect(since >= before.time)
    }
    isOver.raise()
    worker.stop()
    #expect(found > 0)
  }
}
