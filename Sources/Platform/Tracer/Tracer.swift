// The ptrace gate: one thread that waits for every guest thread, decides what each stop means, and lets it go on. What a
// stop of a particular kind needs is in `Tracer+Calls`, `Tracer+Exec` and `Tracer+Births`.
//
// Invariant: between two waits every known thread either runs, or is in a group-stop (PTRACE_LISTEN), or is a newborn that
// waits for its parent's event (`held`).

import Gate
import Kernel
import LinuxABI

/// The tracer of one sandbox. Made and run on one thread.
final class Tracer {
  let handler: any SystemCallHandler
  let table: DispositionTable
  let trampolines: TrampolineFiles
  let listener: NotifyListener
  let vdso = Vdso()
  let requests: TracerRequests
  let jobs = DescriptorJobs()
  let placement: Placement
  /// The clocks of CPUs that a stop has looked at (Tracer+Timeouts).
  var clocks: [Int: ProcessorClock] = [:]
  /// Ticks when the time of a socket's call is over: the next one, of CLOCK_MONOTONIC.
  let deadlines = InterruptTimer()
  /// Ticks while remote calls are made: a wait for one guest ends now and then, for a look at its `StopDeadline`.
  let stepTimer = InterruptTimer()
  /// Threads that are borrowed for remote calls.
  var remoteThreadCount = 0
  var nextDeadline = UInt64.max
  /// The thread whose call the handler is answering.
  var current: Tracee?
  /// An address space is stopped and being worked on.
  var isWorking = false
  /// Events that wait their turn, in order.
  var deferred = EventQueue()
  /// The kernel itself bounds what pids a guest can name.
  private let isPidBound: Bool
  private static let affinityCalls = [
    SystemCallNumber.sched_getaffinity.index, SystemCallNumber.sched_setaffinity.index,
  ]
  /// What is to be done in guests that are born before their parent's event is handled.
  var newbornWork: [any ThreadWork] = []
  /// Whether our process stops when the main guest is stopped.
  let stopsWithGuest: Bool
  /// What is seen of the signals that reach the main guest.
  let arrivals: SignalArrivals

  var tracees: [ThreadID: Tracee] = [:]
  /// Newborn threads whose first stop came before their parent's event.
  var held: [ThreadID: WaitStatus] = [:]
  /// What newborn threads share with their makers, where kcmp(2) is refused, until they are announced.
  var sharingAtBirth: [ThreadID: Sharing] = [:]
  /// Threads that died before their parent's event.
  var diedUnborn: [ThreadID: ExitStatus] = [:]
  /// Threads that an exec removed; their exit, if it is reported at all, means nothing any more.
  var vanished: Set<ThreadID> = []
  var main: ThreadID = 0
  var mainStatus: ExitStatus?
  /// The main guest has executed its command.
  var hasImage = false
  /// Why it could not.
  var commandError: Errno?
  /// Numbers that may reach the tracer, by number; a guest's own filter can send it any other.
  private let mayTrace: [Bool]
  private let mayNotify: [Bool]

  init(
    handler: any SystemCallHandler, table: DispositionTable, listener: NotifyListener, trampolines: TrampolineFiles,
    requests: TracerRequests, arrivals: SignalArrivals, stopsWithGuest: Bool
  ) {
    self.arrivals = arrivals
    self.requests = requests
    placement = Placement(requests)
    isPidBound = table.isolation == .full
    self.handler = handler
    self.table = table
    self.listener = listener
    self.trampolines = trampolines
    self.stopsWithGuest = stopsWithGuest
    mayTrace = (0..<DispositionTable.count).map { table.mayTrace($0) }
    mayNotify = (0..<DispositionTable.count).map { table.mayNotify($0) }
    requests.bind(self)
  }

  /// Becomes the tracer of the main guest, which waits at a read.
  func attach(main thread: ThreadID) throws(LaunchError) {
    let tracee = Tracee(thread: thread, group: ThreadGroup(leader: thread), space: AddressSpace())
    do throws(Errno) {
      try Host.seize(
        thread,
        [.marksSystemCalls, .traceFork, .traceVfork, .traceClone, .traceExec, .traceSeccomp, .exitKill])
    } catch {
      throw LaunchError(
        .unsupported,
        "ptrace is forbidden here (kernel.yama.ptrace_scope 2 or 3, or a container's seccomp profile)", errno: error)
    }
    main = thread
    tracees[thread] = tracee
    handler.created(thread, leader: thread, by: 0, sharing: [])
  }

  /// Serves stops until every guest is gone. When the main guest has ended, the others are killed, by way of
  /// `initProcess` if there is one.
  func run(endingWith initProcess: ThreadID?) -> ExitStatus {
    WorkerThread.allowInterruption()
    while true {
      if let event = deferred.removeFirst() {
        handle(event, endingWith: initProcess)
        continue
      }
      serveRequests()
      endIfOver(initProcess)
      if !deferred.isEmpty { continue }
      if !newbornWork.isEmpty, held.isEmpty { newbornWork = [] }
      if tracees.count > 1, gather() { continue }
      // Taking the namespaces down takes the kernel milliseconds, and no thread need wait for them.
      if hasEnded, tracees.isEmpty, held.isEmpty, initProcess != nil ? !initIsReaped : inheritsChildren { break }
      do throws(Errno) {
        guard let event = try nextEvent() else { continue }
        failedWaits = 0
        handle(.stop(event.thread, event.status), endingWith: initProcess)
      } catch {
        if error == .interrupted {
          if !requests.isWaiting.isRaised, !expireWaits() { placement.tick() }
          continue
        }
        if error == .noChildProcess { break }
        // wait4(2) has no other error for us. Should it have one after all, no call is served any more: everything ends.
        failedWaits += 1
        if failedWaits > Self.patience { break }
        if failedWaits > 1 { endRemaining(initProcess) }
      }
    }
    placement.release()
    requests.close()
    if let signal = requests.endedBy.withLock({ $0 }) { return .signalled(signal) }
    return mainStatus ?? Self.killed
  }

  private static let killed = ExitStatus.signalled(Signal.kill.rawValue)

  /// Waits for any thread's next event, or until there is something in the mailbox.
  private func nextEvent() throws(Errno) -> ChildEvent? {
    requests.tracerProgress.beginWait()
    defer { requests.tracerProgress.endWait() }
    return try requests.isWaiting.wait(Self.waitOptions)
  }

  /// The kernel reports the youngest thread first, so a crowd of busy young threads would starve an old one: every event
  /// that is there is taken before any of them is handled, now and then.
  private func gather() -> Bool {
    turns &+= 1
    guard turns % 8 == 0 else { return false }
    while true {
      guard let event = try? Host.wait(for: -1, Self.waitOptions.union(.noHang)) else { return !deferred.isEmpty }
      deferred.append(.stop(event.thread, event.status))
    }
  }

  private var turns = 0
  private var failedWaits = 0
  private static let patience = 1000
  /// Init's exit has been waited for: its number may be another process's by now.
  private(set) var initIsReaped = false

  private func handle(_ event: TracerEvent, endingWith initProcess: ThreadID?) {
    switch event {
    case .stop(let thread, let status):
      if thread == initProcess {
        // Init cannot die by itself; without it nothing is left in its namespace.
        initIsReaped = true
        if mainStatus == nil { mainStatus = Self.killed }
        return
      }
      dispatch(thread, status)
    default: report(event)
    }
    endIfOver(initProcess)
  }

  /// Everything ends with the main guest.
  private func endIfOver(_ initProcess: ThreadID?) {
    if mainStatus != nil, !hasEnded {
      hasEnded = true
      endRemaining(initProcess)
    }
  }

  /// __WALL, and __WNOTHREAD: children of other threads of this process are not ours to reap.
  static let waitOptions: WaitOptions = [.all, .ownChildrenOnly]

  private var hasEnded = false
  /// We are the first process of a container: whatever loses its parent there is our child, and what removes the store waits for
  /// our end.
  private let inheritsChildren = Host.ownProcess == 1

  private func endRemaining(_ initProcess: ThreadID?) {
    if let initProcess, !initIsReaped {
      Self.killSurely(initProcess)
    } else {
      for thread in tracees.keys { killThread(thread) }
      for thread in held.keys { killThread(thread) }
    }
  }

  func killThread(_ thread: ThreadID) { Self.killSurely(thread) }

  /// SIGKILL to a thread's process. It cannot be refused; were it, the thread would never be resumed and never end.
  static func killSurely(_ thread: ThreadID) {
    for _ in 0..<3 {
      if Host.signalThread(thread, Signal.kill.rawValue) || TaskState.isDead(thread) { return }
    }
  }

  /// Ends the sandbox on a caller's demand: its status is that of a command which the signal has ended.
  func end(by signal: CInt) {
    if mainStatus == nil { mainStatus = .signalled(signal) }
  }

  private func dispatch(_ thread: ThreadID, _ status: WaitStatus) {
    if let end = ExitStatus(status) { return ended(thread, end) }
    guard let tracee = tracees[thread] else {
      // A newborn that was faster than its parent's event. While everything is being ended that event is not waited for.
      if hasEnded { killThread(thread) }
      held[thread] = status
      return
    }
    stopped(tracee, status)
  }

  /// Decides what a stop of a known thread means.
  func stopped(_ tracee: Tracee, _ status: WaitStatus) {
    guard case .stopped(let signal, let event) = status else { return }
    // Any other trap clears the PTRACE_INTERRUPT that unfinished work waits for.
    if !tracee.unfinished.isEmpty, event != .stop { tracee.interrupt() }
    switch event {
    case .seccomp: seccompStop(tracee)
    case .fork, .vfork, .clone: birth(by: tracee)
    case .exec: imageReplaced(tracee)
    case .stop: eventStop(tracee, signal)
    case .none where signal == .systemCallStop: exitStop(tracee)
    case .none: signalStop(tracee, signal)
    default: tracee.resume()
    }
  }

  // MARK: - Signals

  /// A signal is about to be delivered.
  func signalStop(_ tracee: Tracee, _ signal: Signal) {
    interruptRepeated(tracee)
    // A held call that no worker had received yet was aborted with ERESTARTSYS, which a handler without SA_RESTART would
    // turn into EINTR; open(2) of a regular file never says EINTR. ERESTARTNOINTR always restarts.
    if let number = tracee.peek(.originalRax), mayHold(Int(truncatingIfNeeded: number)),
      tracee.peek(.rax) == UInt64(bitPattern: -512)
    {
      tracee.poke(.rax, UInt64(bitPattern: -513))
    }
    if tracee.group.leader == main, let sender = tracee.signalSender,
      sender == 0 || !isPidBound && tracees[sender] == nil
    {
      arrivals.note(signal)
    }
    takeBack(tracee)
    hideIgnored(signal, in: tracee)
    endSleep(tracee, bySignal: true)
    goOn(tracee, signal: signal)
  }

  /// PTRACE_EVENT_STOP: a group-stop, the end of one, a newborn's first stop, or our own PTRACE_INTERRUPT.
  private func eventStop(_ tracee: Tracee, _ signal: Signal) {
    let isGroupStop =
      signal == .stop || signal == .terminalStop || signal == .terminalInput || signal == .terminalOutput
    if isGroupStop {
      endSleep(tracee, bySignal: false)
      leaveInterrupted(tracee)
      tracee.listen()
      if tracee.thread == main { mainStopped(by: signal) }
      return
    }
    tracee.isListening = false
    if !tracee.unfinished.isEmpty { finishWork(in: tracee) }
    if tracee.sleeping != nil { return sleeperStopped(tracee) }
    hideInterruption(of: tracee)
    goOn(tracee)
  }

  /// The caller's shell watches us, not the guest: stop as well, so that it takes the terminal back. Signals sent to us
  /// while stopped, SIGCONT among them, are passed on by `SignalForwarder`.
  private func mainStopped(by signal: Signal) {
    guard stopsWithGuest else { return }
    // A guest that stops itself may be continued by another one of its processes, which needs us running.
    if signal == .stop, tracees.values.contains(where: { $0.group.leader != main && !$0.isListening }) { return }
    Host.signalProcess(Host.ownProcess, Signal.stop.rawValue)
  }

  // MARK: - Calls

  /// The notify gate may hold calls of this number.
  func mayHold(_ number: Int) -> Bool { number >= 0 && number < mayNotify.count && mayNotify[number] }

  private func seccompStop(_ tracee: Tracee) {
    tracee.repeated = nil
    guard let call = tracee.systemCall() else { return }
    guard call.number >= 0, call.number < mayTrace.count, mayTrace[call.number] else {
      // Some filter of the guest's own asks for a tracer that it does not have.
      tracee.finish(.noFunction)
      tracee.resume()
      return
    }
    placement.saw(tracee.thread, isAlone: tracees.count == 1)
    if Self.affinityCalls.contains(call.number) {
      placement.release()
      // In the pid namespace, and of oneself, that was all.
      if isPidBound || call.arguments.0 & 0xffff_ffff == 0 {
        return tracee.resume()
      }
    }
    current = tracee
    requests.tracerProgress.beginCall(call.number, of: tracee.thread)
    let outcome = handler.handle(call, from: tracee.thread, by: .trace)
    current = nil
    apply(outcome, to: call, of: tracee)
    requests.tracerProgress.endCall()
  }
}
