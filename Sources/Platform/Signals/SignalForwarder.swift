// Signals sent to the supervisor by kill(2) are meant for the guest, and are passed on. The guest is in our process group:
// signals of the terminal, and those that another process sends to the whole group, have reached it by themselves. SIGQUIT is the
// exception: sent to the supervisor alone it asks for an inspection. That of the terminal (Ctrl-\) goes to the group.
//
// What the command does about SIGTERM, SIGINT and SIGHUP is its own affair; that the run can be ended is not. So the same
// thread ends it by force, with the status of a command that the signal has ended, if a thread that serves guests is found
// stuck within ten seconds of the signal, or if such signals are sent three times within five seconds; and when a run has had
// its time. Guests are killed, and if the run is not over two seconds later the process exits, which ends whatever is left
// (PTRACE_O_EXITKILL).

import Gate
import Kernel
import LinuxABI
import Synchronization

/// Waits for signals on a thread of its own.
final class SignalForwarder: Sendable {
  static let signals = SignalSet([
    .interrupt, .terminate, .hangup, .quit, .user1, .user2, .terminalStop, .terminalInput, .terminalOutput, .continue,
    .windowChange, .alarm, .power,
  ])

  /// Those that end a run.
  static let endings = SignalSet([.interrupt, .terminate, .hangup])

  private let guest: ThreadID
  private let initProcess: ThreadID?
  private let arrivals: SignalArrivals
  private let requests: TracerRequests
  private let inspector: Inspector
  private let beforeExit: @Sendable () -> Void
  private let stopping = Atomic<Bool>(false)
  private let timeLimit: UInt64?
  private let isOverTime = Atomic<Bool>(false)
  private let isTimed = Atomic<Bool>(true)
  private let thread = Lock<WorkerThread?>(.signalThread, nil)

  /// - Parameters:
  ///   - arrivals: what the tracer has seen reach `guest`.
  ///   - initProcess: whose end ends every guest, if there is one.
  ///   - timeLimit: nanoseconds that the run may take, from `start` on; nil for no limit.
  ///   - beforeExit: called before the process exits by force.
  init(
    to guest: ThreadID, past arrivals: SignalArrivals, initProcess: ThreadID?, _ requests: TracerRequests,
    inspector: Inspector, timeLimit: UInt64? = nil, beforeExit: @escaping @Sendable () -> Void
  ) {
    self.timeLimit = timeLimit
    self.guest = guest
    self.initProcess = initProcess
    self.arrivals = arrivals
    self.requests = requests
    self.inspector = inspector
    self.beforeExit = beforeExit
  }

  /// Blocks the signals in the calling thread and in those it makes.
  static func block() { _ = try? Host.changeSignalMask(.block, signals) }

  /// - Throws: `.system` if the system has no thread to give.
  func start() throws(LaunchError) {
    let worker = try WorkerThread.start { [self] in work() }
    thread.withLock { $0 = worker }
  }

  /// The run has not ended within its time, and was asked or made to end.
  var hasTimedOut: Bool { isOverTime.load(ordering: .acquiring) }

  /// The command has ended: what is left to be done has its own time.
  func stopTiming() { isTimed.store(false, ordering: .releasing) }

  func stop() {
    stopping.store(true, ordering: .releasing)
    thread.withLock { $0.take() }?.stop()
    inspector.stop()
  }

  private func work() {
    // The interruption is waited for like the others, so that none comes too early.
    var signals = Self.signals
    signals.insert(WorkerThread.interruption)
    _ = try? Host.changeSignalMask(.block, signals)
    let threads = [requests.tracerProgress, requests.workerProgress]
    var ending = EndingRule(threads)
    var watch = ProgressWatch(threads)
    // Lives as long as this function.
    let alarm = Alarm(after: self.timeLimit)
    defer { withExtendedLifetime(alarm) {} }
    var timeLimit = TimeLimit(self.timeLimit)
    while !stopping.load(ordering: .acquiring) {
      let patience = timeLimit.wait(atMost: ending.isWatching ? 250_000_000 : 500_000_000)
      if let information = Host.waitForSignal(in: signals, nanoseconds: patience),
        information.signal != WorkerThread.interruption
      {
        let signal = information.signal
        let isByTerminal = information.code == .kernel
        if Self.endings.contains(signal) { ending.came(signal, isByTerminal: isByTerminal) }
        if let address = InspectionAddress(information) {
          inspector.begin(.reply(address))
        } else if !isByTerminal {
          passOn(signal)
        }
      }
      if let signal = ending.isDue() { end(by: signal, status: 128 + signal.rawValue) }
      if let step = timeLimit.due(), isTimed.load(ordering: .acquiring) { timeIsOver(step) }
      for index in watch.stuck(for: Self.waitLimit) { requests.interrupt(index == 0) }
    }
  }

  /// Guests that stop have us stop as well, for the sake of a shell's job control: from the end of the time on the kernel has us go
  /// on, every second.
  private final class Alarm {
    private var timer: ThreadTimer?

    init(after nanoseconds: UInt64?) {
      guard let nanoseconds else { return }
      do throws(Errno) {
        timer = try ThreadTimer(.continue)
        try timer?.set(
          TimerSpecification(
            first: TimeSpecification(nanoseconds: nanoseconds), interval: TimeSpecification(seconds: 1, nanoseconds: 0))
        )
      } catch { timer = nil }
    }
  }

  /// Nanoseconds after which a call of a serving thread that waits is interrupted: a connect(2) or close(2) of ours on an open
  /// file that guests can make blocking again, or give a time to linger, at any instant.
  private static let waitLimit: UInt64 = 1_000_000_000

  /// A command that is stopped goes on, and gets its SIGTERM.
  private func timeIsOver(_ step: TimeLimit.Step) {
    isOverTime.store(true, ordering: .releasing)
    switch step {
    case .terminate:
      for signal in [Signal.terminate, .continue] { Host.signalProcess(guest, signal.rawValue) }
    case .kill: end(by: .kill, status: Self.timeStatus)
    }
  }

  /// The status of a run whose time was over: that of `timeout(1)`.
  static let timeStatus: CInt = 124

  /// Ends the run. Does not return, unless the run ends in an orderly way.
  private func end(by signal: Signal, status: CInt) {
    requests.end(by: signal.rawValue)
    // The tracer kills the others; where it is stuck, this may be what it waits for.
    if let initProcess { Tracer.killSurely(initProcess) }
    for _ in 0..<40 where !stopping.load(ordering: .acquiring) {
      Host.sleep(nanoseconds: 50_000_000)
    }
    if stopping.load(ordering: .acquiring) { return }
    beforeExit()
    Host.writeToStandardError("vedette: ended by force: the supervisor did not answer\n")
    Host.exitGroup(status)
  }

  /// The kernel signals the members of a group from the youngest on (`__kill_pgrp_info`), the guest before us: of a signal
  /// to the group the guest has its own by now. It is pending, or the tracer has seen it, or is about to.
  private func passOn(_ signal: Signal) {
    if hasReachedGuest(signal) { return }
    if signal == .quit { return inspector.begin(.standardError) }
    arrivals.expect(signal)
    Host.signalProcess(guest, signal.rawValue)
  }

  private func hasReachedGuest(_ signal: Signal) -> Bool {
    // Guests can make arrivals without end.
    for _ in 0..<Self.looks {
      arrivals.lower()
      if arrivals.take(signal) || TaskState.isPending(signal, guest) { return true }
      if !arrivals.wait(milliseconds: Self.patience) { break }
    }
    return false
  }

  private static let looks = 50

  /// How long the tracer may take on a busy machine to see a stop. A signal that is meant for us alone is late by this.
  private static let patience = 20
}

/// Which signals have reached the main guest from outside the sandbox, other than through us.
final class SignalArrivals: Sendable {
  private struct State {
    /// When a signal came last, in nanoseconds of the monotonic clock, at its number; 0 for never or taken.
    var times = [65 of UInt64](repeating: 0)
    /// Those that are under way from us.
    var expected = SignalSet()
  }

  /// One signal to a group reaches us and the guest within this time, in nanoseconds; two of one number within it are one,
  /// as two that are pending are.
  private static let window: UInt64 = 50_000_000

  private let state = Lock(.signalArrivals, State())
  /// Raised at each arrival.
  private let news = ThreadFlag()

  fileprivate func lower() { _ = news.take() }

  /// False if nothing arrives within that time.
  fileprivate func wait(milliseconds: Int) -> Bool { news.wait(milliseconds: milliseconds) }

  /// A signal sent from outside is about to be delivered to the main guest.
  func note(_ signal: Signal) {
    state.withLock { state in
      if state.expected.contains(signal) {
        state.expected.remove(signal)
      } else {
        state.times[Int(signal.rawValue)] = MonotonicClock.now()
      }
    }
    news.raiseForWaiters()
  }

  /// We are about to send it.
  fileprivate func expect(_ signal: Signal) { state.withLock { $0.expected.insert(signal) } }

  /// Whether it came a moment ago; once for each time it came.
  fileprivate func take(_ signal: Signal) -> Bool {
    state.withLock { state in
      let time = state.times[Int(signal.rawValue)]
      state.times[Int(signal.rawValue)] = 0
      return time != 0 && MonotonicClock.now() &- time < Self.window
    }
  }
}
