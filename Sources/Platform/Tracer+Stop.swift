// Stopping an address space and letting it go again. While it is stopped other events are put off, because the handler
// may be in the middle of a call on this very thread and must not be entered twice.

import CLinux
import Gate
import LinuxABI

extension Tracer {
  /// What came in through the mailbox. Called between stops.
  func serveRequests() {
    for request in requests.take() {
      switch request {
      case .guests(let guests): serve(guests)
      case .sleep(let held, let call): putToSleep(held, call)
      case .wake(let thread): wake(thread)
      case .end: endAll()
      }
    }
  }

  /// Waits for one thread's next event; nil if there is none yet (`block` false) or the thread is gone.
  func nextStatus(of thread: ThreadID, block: Bool) -> CInt? {
    var status: CInt = 0
    while true {
      let waited = withUnsafeMutablePointer(to: &status) {
        vd_syscall(
          Int(SYS_wait4), Int(thread), Int(bitPattern: $0), Self.waitOptions | (block ? 0 : 1 /* WNOHANG */), 0, 0, 0)
      }
      if waited == -Int(EINTR) { continue }
      return waited > 0 ? status : nil
    }
  }

  /// Waits for the next event of a thread that runs. Nil if none can come: it is gone, or it is a dead leader, whose end the
  /// kernel reports when all its threads have been waited for.
  func nextStatus(of tracee: Tracee) -> CInt? {
    let isAlone = tracee.group.count == 1 && deferred.isEmpty && held.isEmpty
    if isAlone || tracee.thread != tracee.group.leader { return nextStatus(of: tracee.thread, block: true) }
    let stops = StopSignal()
    defer { stops.end() }
    while true {
      if let status = nextStatus(of: tracee.thread, block: false) { return status }
      if Kinship.isDead(tracee.thread) { return nil }
      stops.wait(microseconds: 1000)
    }
  }

  /// An EINTR that our own PTRACE_INTERRUPT made of a call that the kernel never restarts (epoll_wait and others): unless
  /// a signal is on its way to the guest as well, the call is made again.
  func hideInterruption(of tracee: Tracee) {
    guard tracee.wasInterrupted else { return }
    tracee.wasInterrupted = false
    guard tracee.peek(.rax) == UInt64(bitPattern: -Int64(EINTR)), let number = tracee.peek(.originalRax),
      Int64(bitPattern: number) >= 0, !Kinship.hasPendingSignal(tracee.thread)
    else { return }
    makeAgain(Int(truncatingIfNeeded: number), in: tracee)
  }

  /// A signal that the guest ignores would not even wake it natively; of a traced thread it ends the call, for the tracer
  /// to see it (`man 2 ptrace`). A call that the kernel never restarts is made again, unless another signal waits.
  func hideIgnored(_ signal: CInt, in tracee: Tracee) {
    guard tracee.peek(.rax) == UInt64(bitPattern: -Int64(EINTR)), let number = tracee.peek(.originalRax),
      Int64(bitPattern: number) >= 0, Kinship.ignores(signal, tracee.thread),
      !Kinship.hasPendingSignal(tracee.thread)
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
      tracee.request(VD_PTRACE_INTERRUPT)
    }
    answerHeld(held.id, -513)
  }

  /// Answers a held call directly.
  private func answerHeld(_ id: UInt64, _ error: Int32) {
    var response = seccomp_notif_resp()
    response.id = id
    response.error = error
    withUnsafeMutablePointer(to: &response) {
      // Interrupted by a kick, it has done nothing.
      while vd_syscall(Int(SYS_ioctl), Int(listener), Int(vd_ioctl_notify_send), Int(bitPattern: $0), 0, 0, 0)
        == -Int(EINTR)
      {}
    }
  }

  /// At a signal-type stop of a thread that is to sleep: it makes pause(2) in place of its call. Returns false if it
  /// sleeps already, or must not: then the call is restarted, by the rule of `restart`.
  func turnIntoPause(_ tracee: Tracee, _ call: SleepingCall) -> Bool {
    guard !tracee.wakePending, let number = tracee.peek(.originalRax), number == UInt64(call.number),
      tracee.peek(.rax) == UInt64(bitPattern: -513), let address = tracee.peek(.rip)
    else { return false }
    tracee.poke(.originalRax, UInt64.max)
    tracee.poke(.rax, UInt64(SYS_pause))
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
    if number == UInt64(SYS_pause) || number == UInt64(call.number) {
      tracee.poke(.originalRax, UInt64(call.number))
      tracee.poke(.rax, UInt64(bitPattern: bySignal ? call.restart : -513))
    } else if tracee.peek(.rax) == UInt64(SYS_pause) {
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
  func putOff(_ thread: ThreadID, _ status: CInt) { deferred.append(.stop(thread, status)) }

  /// Tells the handler of an event; later, if an address space is being worked on: then the handler is in the middle of
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
    tracee.request(VD_PTRACE_INTERRUPT)
  }
}
