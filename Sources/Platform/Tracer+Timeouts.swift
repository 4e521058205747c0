// Timed calls that our own PTRACE_INTERRUPT ended with EINTR and that are made again: for the time that is left.
//
// When a thread went to sleep is in /proc/THREAD/sched, until it is woken: so it is read before the interruption (`noteNap`).
// From the first interruption on the moment at which the call must end is known. The call is made again with a shorter
// timeout (`again`), under PTRACE_SYSCALL, so that its entry (`waiting`) and its return are seen; there the guest's
// own argument is put back. If it is interrupted once more (`interrupted`), the next stop tells what by: another move makes
// it again, a signal leaves the EINTR.

import CLinux
import Gate
import LinuxABI

extension Tracer {
  /// To be called right before a PTRACE_INTERRUPT: since when the thread sleeps in a timed call.
  ///
  /// What is read must be of one sleep, the one that we end. It is the same at the second look at the call (which also
  /// takes it off its CPU's queue, where the balancing of load could still move it); `began` sees if it slept again after that.
  func noteNap(of tracee: Tracee) {
    tracee.nap = nil
    guard case .none = tracee.pending, let sleep = TimedSleep(of: tracee.thread),
      let text = SchedulerText(of: tracee.thread), let processor = LastProcessor.of(tracee.thread),
      TimedSleep(of: tracee.thread) == sleep
    else { return }
    tracee.nap = Nap(call: sleep.call, began: text.time, processor: processor, sleeps: text.sleeps)
  }

  /// At a signal-type stop: the call that gave EINTR comes again (ERESTARTNOINTR).
  func makeAgain(_ number: Int, in tracee: Tracee) {
    tracee.poke(.rax, UInt64(bitPattern: -513))
    let nap = tracee.nap
    tracee.nap = nil
    if case .interrupted(let wait) = tracee.pending {
      tracee.pending = .again(wait)
      return
    }
    guard case .none = tracee.pending, let call = TimedCall(number: number), let argument = tracee.peek(call.register),
      !call.isEndless(argument), let address = tracee.peek(.rip),
      let time = timeout(argument, of: call, in: tracee)
    else { return }
    let since = nap.flatMap { $0.call == call ? began($0, in: tracee) : nil } ?? MonotonicClock.now()
    tracee.pending = .again(TimedWait(call: call, argument: argument, address: address, deadline: since &+ time))
  }

  /// Lets a thread go on from a signal-type stop.
  func goOn(_ tracee: Tracee, signal: CInt = 0) {
    shorten(tracee)
    tracee.resume(signal: signal)
  }

  /// A timed call that comes again gets what is left of its time.
  private func shorten(_ tracee: Tracee) {
    guard case .again(let wait) = tracee.pending else { return }
    let now = MonotonicClock.now()
    let left = wait.deadline > now ? wait.deadline - now : 0
    if !wait.call.isPointer { return tracee.poke(wait.call.register, TimedCall.milliseconds(left)) }
    // Below the red zone. Where nothing can be written the call waits for its whole time.
    guard let stack = tracee.peek(.rsp) else { return }
    let address = (stack &- 128 &- 16) & ~15
    var time = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
    let isWritten = withUnsafeBytes(of: &time) {
      (try? GuestMemory(thread: tracee.thread).write($0, at: address)) != nil
    }
    tracee.poke(wait.call.register, isWritten ? address : wait.argument)
  }

  /// A signal, or a group-stop, has come before the call was entered again: that has interrupted the call.
  func takeBack(_ tracee: Tracee) {
    guard case .again(let wait) = tracee.pending, let result = tracee.peek(.rax), let address = tracee.peek(.rip) else {
      return
    }
    tracee.poke(wait.call.register, wait.argument)
    tracee.pending = .interrupted(wait)
    // The kernel has not yet prepared the restart, or has.
    if result == UInt64(bitPattern: -513) || address == wait.address &- 2 {
      tracee.poke(.rip, wait.address)
      tracee.poke(.rax, UInt64(bitPattern: -Int64(EINTR)))
    }
  }

  /// At a group-stop, which ends the calls that are never restarted: neither the SIGCONT nor an interruption of ours that
  /// comes next has done so, and without a number `hideIgnored` and `hideInterruption` leave the call alone.
  func leaveInterrupted(_ tracee: Tracee) {
    takeBack(tracee)
    tracee.wasInterrupted = false
    if tracee.peek(.rax) == UInt64(bitPattern: -Int64(EINTR)) { tracee.poke(.originalRax, UInt64.max) }
  }

  /// A timed call has returned.
  func finish(_ wait: TimedWait, in tracee: Tracee) {
    tracee.poke(wait.call.register, wait.argument)
    guard tracee.peek(.rax) == UInt64(bitPattern: -Int64(EINTR)) else { return }
    // This trap has taken back the PTRACE_INTERRUPT that may have ended the call.
    tracee.pending = .interrupted(wait)
    tracee.wasInterrupted = true
    tracee.request(VD_PTRACE_INTERRUPT)
  }

  /// Nanoseconds; nil if it cannot be read, or does not matter.
  private func timeout(_ argument: UInt64, of call: TimedCall, in tracee: Tracee) -> UInt64? {
    if !call.isPointer { return UInt64(UInt32(truncatingIfNeeded: argument)) * 1_000_000 }
    return (try? GuestMemory(thread: tracee.thread).load(timespec.self, at: argument)).flatMap(TimedCall.nanoseconds)
  }

  /// The moment since which the thread, now stopped, has slept, or a later one. Nil if that cannot be told.
  private func began(_ nap: Nap, in tracee: Tracee) -> UInt64? {
    // It went to sleep once more: for us.
    guard let text = SchedulerText(of: tracee.thread), text.sleeps == nap.sleeps &+ 1 else { return nil }
    if clocks[nap.processor] == nil, let processor = LastProcessor.of(tracee.thread), clocks[processor] == nil {
      clocks[processor] = ProcessorClock(time: text.time, monotonic: MonotonicClock.now())
    }
    if clocks[nap.processor] == nil { clocks[nap.processor] = ProcessorClock(of: nap.processor) }
    return clocks[nap.processor]?.since(nap.began)
  }
}

extension ProcessorClock {
  /// Of that CPU, now; the calling thread goes there to look. Nil if it may not.
  init?(of processor: Int) {
    let own = ThreadID(truncatingIfNeeded: vd_syscall(Int(SYS_gettid), 0, 0, 0, 0, 0, 0))
    guard let former = CPUMask(of: 0), let there = CPUMask(processor), there.apply(to: 0) else { return nil }
    defer { former.apply(to: 0) }
    // Brings what is read next up to now (kernel/sched/core.c, task_sched_runtime).
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    guard let text = SchedulerText(of: own) else { return nil }
    self.init(time: text.time, monotonic: MonotonicClock.now())
  }
}
