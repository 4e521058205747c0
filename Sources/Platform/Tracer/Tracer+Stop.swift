// Stopping an address space and letting it go again. While it is stopped other events are put off, because the handler
// may be in the middle of a call on this very thread and must not be entered twice.

import Gate
import Kernel
import LinuxABI

extension Tracer {
  /// What came in through the mailbox. Called between stops.
  func serveRequests() {
    for request in requests.take() {
      switch request {
      case .guests(let guests): serve(guests)
      case .sleep(let held, let call): putToSleep(held, call)
      case .wake(let thread): wake(thread)
      case .end(let signal): end(by: signal)
      }
    }
  }

  /// One thread's next event; nil if there is none yet, or the thread is gone.
  func nextStatus(of thread: ThreadID) -> WaitStatus? {
    if case .status(let status) = nextStop(of: thread, Self.waitOptions.union(.noHang)) { return status }
    return nil
  }

  /// What a wait for one thread has come to.
  enum NextStop {
    case status(WaitStatus)
    /// No event can come: the thread is gone, or it is a dead leader, whose end the kernel reports when all its threads have
    /// been waited for.
    case gone
    /// Not yet.
    case none
    /// Not within the time that the thread had.
    case late
  }

  /// One wait4(2).
  private func nextStop(of thread: ThreadID, _ options: WaitOptions) -> NextStop {
    for _ in 0..<1000 {
      do throws(Errno) {
        guard let event = try Host.wait(for: thread, options) else { return .none }
        return .status(event.status)
      } catch {
        if error == .interrupted { return .none }
        if error == .noChildProcess { return .gone }
      }
    }
    return .gone
  }

  /// Waits for the next event of a thread that runs, for as long as `deadline` lets it. To be called while `stepTimer` ticks.
  func nextStop(of tracee: Tracee, _ deadline: inout StopDeadline) -> NextStop {
    defer { requests.tracerProgress.step() }
    let isAlone = tracee.group.count == 1 && deferred.isEmpty && held.isEmpty
    if stepTimer.isArmed, isAlone || tracee.thread != tracee.group.leader {
      while true {
        let next = nextStop(of: tracee.thread, Self.waitOptions)
        guard case .none = next else { return next }
        // A tick, or another thread has something to say.
        if deadline.isOver() { return .late }
      }
    }
    let stops = StopSignal()
    defer { stops.end() }
    var rounds = 0
    while true {
      let next = nextStop(of: tracee.thread, Self.waitOptions.union(.noHang))
      guard case .none = next else { return next }
      if TaskState.isDead(tracee.thread) { return .gone }
      rounds += 1
      if rounds % 64 == 0, deadline.isOver() { return .late }
      stops.wait(microseconds: 1000)
    }
  }

  /// Keeps every guest from running but this one, for as long as the tracer does not wait for them: each comes to an EVENT_STOP,
  /// which the main loop ends. What can be disturbed by signals of other guests is done when they cannot send any.
  func holdOthers(than tracee: Tracee) {
    clocks.removeAll(keepingCapacity: true)
    for other in tracees.values where other !== tracee && other !== current && !other.isLost && !other.isListening {
      noteTimeout(of: other)
      other.wasInterrupted = true
      other.interrupt()
    }
  }

  /// EINTR as rax has it.
  static let interrupted = UInt64(bitPattern: Int64(Errno.interrupted.result))

  /// The number of pause(2) as a register has it.
  static let pause = UInt64(SystemCallNumber.pause.index)

  /// An EINTR that our own PTRACE_INTERRUPT made of a call that the kernel never restarts (epoll_wait and others): unless
  /// a signal is on its way to the guest as well, the call is made again.
  func hideInterruption(of tracee: Tracee) {
    guard tracee.wasInterrupted else { return }
    tracee.wasInterrupted = false
    guard tracee.peek(.rax) == Self.interrupted, let number = tracee.peek(.originalRax),
      Int64(bitPattern: number) >= 0, !TaskState.hasPendingSignal(tracee.thread)
    else { return }
    makeAgain(Int(truncatingIfNeeded: number), in: tracee)
  }

  /// A signal that the guest ignores would not even wake it natively; of a traced thread it ends the call, for the tracer
  /// to see it (`man 2 ptrace`). A call that the kernel never restarts is made again, unless another signal waits.
  func hideIgnored(_ signal: Signal, in tracee: Tracee) {
    guard tracee.peek(.rax) == Self.interrupted, let number = tracee.peek(.originalRax),
      Int64(bitPattern: number) >= 0, TaskState.ignores(signal, tracee.thread),
      !TaskState.hasPendingSignal(tracee.thread)
    else { return }
    makeAgain(Int(truncatingIfNeeded: number), in: tracee)
  }

  /// Undoes a seccomp stop: the call is skipped and its instruction comes again. The thread is not resumed.
  func rewind(_ tracee: Tracee) {
    guard let number = tracee.peek(.originalRax), let address = tracee.peek(.rip) else { return }
    tracee.poke(.originalRax, UInt64.max)
    tracee.poke(.rax, number)
    tracee.poke(.rip, address &- 2)
  }

  // MARK: - Sleeping in a call

  /// A held call gives way: the thread is interrupted, the call is answered with ERESTARTNOINTR, and at the stop that
  /// follows `turnIntoPause` lets the thread sleep natively.
  private func putToSleep(_ held: TracerRequests.HeldCall, _ call: SleepingCall) {
    if let tracee = tracees[held.thread] {
      tracee.sleeping = call
      tracee.wasInterrupted = true
      tracee.interrupt()
    }
    listener.answer(held.id, of: held.thread, -513)
  }

  /// At a signal-type stop of a thread that is to sleep: it makes pause(2) in place of its call. Returns false if it
  /// sleeps already, or must not: then the call is restarted, by the rule of `restart`.
  func turnIntoPause(_ tracee: Tracee, _ call: SleepingCall) -> Bool {
    guard !tracee.wakePending, let number = tracee.peek(.originalRax), number == UInt64(call.number),
      tracee.peek(.rax) == UInt64(bitPattern: -513), let address = tracee.peek(.rip)
    else { return false }
    tracee.poke(.originalRax, UInt64.max)
    tracee.poke(.rax, Self.pause)
    tracee.poke(.rip, address &- 2)
    return true
  }

  /// At a stop of a sleeping thread: the registers say again that the guest's own call was interrupted, by a signal or a
  /// wake (ERESTARTNOINTR).
  func endSleep(_ tracee: Tracee, bySignal: Bool) {
    guard let call = tracee.sleeping else { return }
    tracee.sleeping = nil
    tracee.wakePending = false
    guard let number = tracee.peek(.originalRax) else { return }
    if number == Self.pause || number == UInt64(call.number) {
      tracee.poke(.originalRax, UInt64(call.number))
      tracee.poke(.rax, UInt64(bitPattern: bySignal ? call.restart : -513))
    } else if tracee.peek(.rax) == Self.pause {
      // Stopped on its way into pause: the instruction comes again with the guest's own number.
      tracee.poke(.rax, UInt64(call.number))
    }
  }

  /// A sleeping thread has come to an EVENT_STOP: it goes to sleep now, or its call comes again.
  func sleeperStopped(_ tracee: Tracee) {
    tracee.wasInterrupted = false
    if let call = tracee.sleeping, !turnIntoPause(tracee, call) { endSleep(tracee, bySignal: false) }
    tracee.resume()
  }

  // MARK: - Events that are put off

  /// Keeps an event for the main loop.
  func putOff(_ thread: ThreadID, _ status: WaitStatus) { deferred.append(.stop(thread, status)) }

  /// Reports an event to the handler; later, if an address space is being worked on: then the handler is in the middle of
  /// something else, on this thread or another one.
  func report(_ event: TracerEvent) {
    if isWorking { return deferred.append(event) }
    switch event {
    case .stop: deferred.append(event)
    case .birth(let child, let parent): announce(child, by: parent)
    case .completion(let call, let thread, let result): handler.completed(call, from: thread, result: result)
    case .execFailure(let thread, let errno): handler.execFailed(thread, errno: errno)
    }
  }

  private func wake(_ thread: ThreadID) {
    guard let tracee = tracees[thread] else { return }
    tracee.wakePending = true
    guard tracee.sleeping != nil else { return }
    tracee.wasInterrupted = true
    tracee.interrupt()
  }
}
