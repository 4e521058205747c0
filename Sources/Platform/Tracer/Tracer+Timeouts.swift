// Timed calls that our own PTRACE_INTERRUPT ended with EINTR and that are made again: for the time that is left.
//
// When a thread went to sleep is in /proc/THREAD/sched, until it is woken: so it is read before the interruption (`noteTimeout`).
// From the first interruption on the moment at which the call must end is known. The call is made again with a shorter
// timeout (`again`), under PTRACE_SYSCALL, so that its entry (`waiting`) and its return are seen; there the guest's
// own argument is put back. If it is interrupted once more (`interrupted`), the next stop shows what by: another remap makes
// it again, a signal leaves the EINTR.
//
// A socket's call has no argument to shorten: it is made again as it was, and interrupted when its time is over.

import Gate
import Kernel
import LinuxABI

extension Tracer {
  /// To be called right before a PTRACE_INTERRUPT: since when the thread sleeps in a timed call.
  ///
  /// What is read must be of one sleep, the one that we end. It is the same at the second look at the call (which also
  /// takes it off its CPU's queue, where the balancing of load could still move it); `began` sees if it slept again after that.
  func noteTimeout(of tracee: Tracee) {
    tracee.timedSleep = nil
    guard case .none = tracee.pending, tracee.sleeping == nil, !tracee.isListening,
      let sleep = TimedSleep(of: tracee.thread)
    else { return }
    if case .option(let option) = sleep.call.timeout,
      SocketTimeout.of(sleep.descriptor, in: tracee.thread, option) == nil
    {
      return
    }
    guard
      let text = SchedulerText(of: tracee.thread), let processor = LastProcessor.of(tracee.thread),
      TimedSleep(of: tracee.thread) == sleep
    else { return }
    tracee.timedSleep = InterruptedSleep(call: sleep.call, began: text.time, processor: processor, sleeps: text.sleeps)
  }

  /// At a signal-type stop: the call that gave EINTR comes again (ERESTARTNOINTR).
  func makeAgain(_ number: Int, in tracee: Tracee) {
    tracee.poke(.rax, UInt64(bitPattern: -513))
    let sleep = tracee.timedSleep
    tracee.timedSleep = nil
    if case .interrupted(let wait) = tracee.pending {
      tracee.pending = .again(wait)
      return
    }
    guard case .none = tracee.pending, let call = TimedCall(number: number), let address = tracee.peek(.rip),
      let argument = call.register.map({ tracee.peek($0) }) ?? 0, let time = time(of: call, argument, in: tracee)
    else { return }
    let since = sleep.flatMap { $0.call == call ? began($0, in: tracee) : nil } ?? MonotonicClock.now()
    tracee.pending = .again(TimedWait(call: call, argument: argument, address: address, deadline: since &+ time))
  }

  /// Lets a thread go on from a signal-type stop.
  func goOn(_ tracee: Tracee, signal: Signal? = nil) {
    shorten(tracee)
    tracee.resume(signal: signal)
  }

  /// A timed call that comes again gets what is left of its time.
  private func shorten(_ tracee: Tracee) {
    guard case .again(let wait) = tracee.pending else { return }
    let now = MonotonicClock.now()
    let left = wait.deadline > now ? wait.deadline - now : 0
    guard let register = wait.call.register else {
      if wait.deadline < nextDeadline { expect(wait.deadline, now: now) }
      return
    }
    if case .milliseconds = wait.call.timeout { return tracee.poke(register, TimedCall.milliseconds(left)) }
    // Below the red zone. Where nothing can be written the call waits for its whole time.
    guard let stack = tracee.peek(.rsp) else { return }
    let address = (stack &- 128 &- 16) & ~15
    let time = TimeSpecification(nanoseconds: left)
    let isWritten = (try? GuestMemory(thread: tracee.thread).store(time, at: address)) != nil
    tracee.poke(register, isWritten ? address : wait.argument)
  }

  /// A signal, or a group-stop, has come before the call was entered again: that has interrupted the call.
  func takeBack(_ tracee: Tracee) {
    guard case .again(let wait) = tracee.pending, let result = tracee.peek(.rax), let address = tracee.peek(.rip) else {
      return
    }
    if let register = wait.call.register { tracee.poke(register, wait.argument) }
    tracee.pending = .interrupted(wait)
    // The kernel has not yet prepared the restart, or has.
    if result == UInt64(bitPattern: -513) || address == wait.address &- 2 {
      tracee.poke(.rip, wait.address)
      tracee.poke(.rax, Self.interrupted)
    }
  }

  /// At a group-stop, which ends the calls that are never restarted: neither the SIGCONT nor an interruption of ours that
  /// comes next has done so, and without a number `hideIgnored` and `hideInterruption` leave the call alone.
  func leaveInterrupted(_ tracee: Tracee) {
    takeBack(tracee)
    tracee.wasInterrupted = false
    if tracee.peek(.rax) == Self.interrupted { tracee.poke(.originalRax, UInt64.max) }
  }

  /// A timed call has returned.
  func finish(_ wait: TimedWait, in tracee: Tracee) {
    if let register = wait.call.register { tracee.poke(register, wait.argument) }
    guard tracee.peek(.rax) == Self.interrupted else { return }
    if case .option = wait.call.timeout, MonotonicClock.now() >= wait.deadline {
      return tracee.poke(.rax, UInt64(bitPattern: Int64(Errno.resourceTemporarilyUnavailable.result)))
    }
    // This trap has cleared the PTRACE_INTERRUPT that may have ended the call.
    tracee.pending = .interrupted(wait)
    tracee.wasInterrupted = true
    tracee.interrupt()
  }

  // MARK: - Sockets

  /// The timer's tick, which ends the tracer's wait: sockets' calls whose time is over are interrupted, and `finish` answers
  /// them. False if the tick was for something else.
  func expireWaits() -> Bool {
    let now = MonotonicClock.now()
    guard nextDeadline <= now else { return false }
    var next = UInt64.max
    for tracee in tracees.values {
      guard let deadline = tracee.pending.socketDeadline else { continue }
      if deadline <= now, case .waiting = tracee.pending { tracee.interrupt() }
      next = min(next, deadline > now ? deadline : now &+ Self.repetition)
    }
    expect(next, now: now)
    return true
  }

  /// Nanoseconds after which a tick that was missed, or has not had its effect yet, comes again.
  private static let repetition: UInt64 = 10_000_000

  private func expect(_ deadline: UInt64, now: UInt64) {
    nextDeadline = deadline
    let first = deadline == .max ? 0 : Int(clamping: max(deadline, now &+ 1) - now)
    deadlines.arm(after: first, every: Int(Self.repetition))
  }

  // MARK: - How long

  /// Nanoseconds; nil if the call waits for ever, or that cannot be read.
  private func time(of call: TimedCall, _ argument: UInt64, in tracee: Tracee) -> UInt64? {
    switch call.timeout {
    case .milliseconds:
      let milliseconds = Int32(truncatingIfNeeded: argument)
      return milliseconds < 0 ? nil : UInt64(milliseconds) * 1_000_000
    case .time:
      guard argument != 0 else { return nil }
      return (try? GuestMemory(thread: tracee.thread).load(TimeSpecification.self, at: argument)).flatMap(
        TimedCall.nanoseconds)
    case .option(let option):
      guard let descriptor = tracee.peek(.rdi) else { return nil }
      return SocketTimeout.of(CInt(truncatingIfNeeded: descriptor), in: tracee.thread, option)
    }
  }

  /// The moment since which the thread, now stopped, has slept, or a later one. Nil if the kernel does not say.
  private func began(_ sleep: InterruptedSleep, in tracee: Tracee) -> UInt64? {
    // It went to sleep once more: for us.
    guard let text = SchedulerText(of: tracee.thread), text.sleeps == sleep.sleeps &+ 1 else { return nil }
    if clocks[sleep.processor] == nil, let processor = LastProcessor.of(tracee.thread), clocks[processor] == nil {
      clocks[processor] = ProcessorClock(time: text.time, monotonic: MonotonicClock.now())
    }
    if clocks[sleep.processor] == nil { clocks[sleep.processor] = ProcessorClock(of: sleep.processor) }
    return clocks[sleep.processor]?.since(sleep.began)
  }
}

extension ProcessorClock {
  /// Of that CPU, now; the calling thread goes there to look. Nil if it may not.
  init?(of processor: Int) {
    guard let former = CPUMask(of: 0), let there = CPUMask(processor), there.apply(to: 0) else { return nil }
    defer { former.apply(to: 0) }
    // Brings what is read next up to now (kernel/sched/core.c, task_sched_runtime).
    _ = Host.ownThreadTime()
    guard let text = SchedulerText(of: Host.ownThread) else { return nil }
    self.init(time: text.time, monotonic: MonotonicClock.now())
  }
}
