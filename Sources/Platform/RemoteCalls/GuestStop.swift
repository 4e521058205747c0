// Stopped thread groups: every thread of some address spaces, until the value ends. Runs on the tracer thread.
//
// Which stops a thread can be left in: at the EVENT_STOP that we asked for; in a group-stop; at a stop that the handler
// must hear of (put off to `Tracer.deferred`); or in state D, in the kernel, from where it cannot get back to guest code
// without coming to the EVENT_STOP first. A thread at a seccomp stop is moved on to its EVENT_STOP: the call is undone and
// comes again later.
//
// A thread that is in the kernel for something else (its call is held, it waits for its vfork child, it is being answered
// at this moment) has been sent PTRACE_INTERRUPT: it comes to an EVENT_STOP before it runs guest code, and what is
// `unfinished` is done there. So a remap never needs to undo a call.

import Gate
import LinuxABI

/// The guests that one request has stopped; they are resumed when it ends.
struct GuestStop: ~Copyable, StoppedGuests {
  private let tracer: Tracer
  private var spaces: [AddressSpace] = []
  /// Threads at an EVENT_STOP; calls can be run in those that live.
  private var stopped: [Tracee] = []
  /// Threads in a group-stop.
  private var listening: [Tracee] = []
  /// The thread whose call the notify worker had at the beginning. If it has been answered since, what it was given is in
  /// its table before its descriptors are looked at.
  private let answered: ThreadID?

  init(_ tracer: Tracer, answered: ThreadID?) {
    self.tracer = tracer
    self.answered = answered
  }

  deinit {
    for tracee in stopped {
      if !tracee.unfinished.isEmpty { tracer.finishWork(in: tracee) }
      if tracee.sleeping != nil { tracer.sleeperStopped(tracee) } else { tracer.goOn(tracee) }
    }
    for tracee in listening { tracee.listen() }
  }

  // MARK: - Stopping

  mutating func stop(_ threads: [ThreadID]) {
    for thread in threads {
      guard let space = tracer.tracees[thread]?.space, !spaces.contains(where: { $0 === space }) else { continue }
      spaces.append(space)
      stop(space)
    }
  }

  private mutating func stop(_ space: AddressSpace) {
    let members = tracer.tracees.values.filter { $0.space === space && $0 !== tracer.current && !$0.isLost }
    tracer.clocks.removeAll(keepingCapacity: true)
    for tracee in members {
      tracer.noteTimeout(of: tracee)
      tracee.wasInterrupted = true
      tracee.interrupt()
    }
    if members.isEmpty { return }
    let stops = StopSignal()
    for tracee in members { stop(tracee, stops) }
    stops.end()
  }

  /// Waits until the thread is in one of the states above.
  private mutating func stop(_ tracee: Tracee, _ stops: StopSignal) {
    var rounds = 0
    var turns = 0
    var deadline = StopDeadline(tracee.thread)
    while true {
      turns += 1
      // It runs on, or one stop follows the other, and it never comes to the one that was asked for.
      if turns % 64 == 0, deadline.isOver() { return tracee.lose() }
      guard let status = tracer.deferred.take(tracee.thread) ?? tracer.nextStatus(of: tracee.thread)
      else {
        if tracee.isLost { return }
        // A thread on its way out of the kernel needs some microseconds; one in state D may stay there.
        if rounds > 0, TaskState.isOutOfGuestCode(tracee.thread), isParked(tracee.thread) || rounds > Self.patience {
          return
        }
        rounds += 1
        stops.wait(microseconds: min(rounds * 40, 1000))
        continue
      }
      guard case .stopped(let signal, let event) = status else { return tracer.putOff(tracee.thread, status) }
      switch event {
      case .stop:
        if signal == .trap {
          if tracee.sleeping == nil { tracer.hideInterruption(of: tracee) }
          stopped.append(tracee)
        } else {
          tracer.leaveInterrupted(tracee)
          listening.append(tracee)
        }
        return
      case .seccomp:
        tracer.rewind(tracee)
        // Any trap clears a PTRACE_INTERRUPT that came before it (kernel/signal.c, ptrace_stop): asked for again.
        tracee.interrupt()
        tracee.resume()
      case .exec:
        tracee.space = AddressSpace()
        return tracer.putOff(tracee.thread, status)
      default:
        // Signals, births, returns of calls: what the handler must hear of is put off by `Tracer.report`.
        tracee.interrupt()
        tracer.stopped(tracee, status)
      }
    }
  }

  /// About 20 ms: longer than any call on memory or a disk takes, unless something is wrong with the host.
  private static let patience = 40

  /// The thread, in state D, waits for us, for its vfork child, or for a page; then it leaves memory alone. Any other call may
  /// be in the middle of mapping or of filling a buffer, and is worth a moment.
  private func isParked(_ thread: ThreadID) -> Bool {
    switch TaskState.blockingCall(of: thread) {
    case .none, .some(-1), .some(SystemCallNumber.vfork.index), .some(SystemCallNumber.clone.index),
      .some(SystemCallNumber.clone3.index):
      true
    case .some(let number): tracer.mayHold(number)
    }
  }

  // MARK: - Working

  mutating func run(_ work: any ThreadWork, inOneOf threads: [ThreadID]) -> Bool {
    let candidates = stopped.filter {
      threads.contains($0.thread) && tracer.tracees[$0.thread] === $0 && !tracer.deferred.holds($0.thread)
    }
    // Leaders last: waiting for one takes longer (`Tracer.nextStatus`).
    let (leaders, others) = (
      candidates.filter { $0.thread == $0.group.leader }, candidates.filter { $0.thread != $0.group.leader }
    )
    for tracee in others + leaders where tracer.run([work], in: tracee) { return true }
    return false
  }

  mutating func later(_ work: any ThreadWork, in threads: [ThreadID]) {
    for thread in threads {
      guard let tracee = tracer.tracees[thread] else { continue }
      // An EVENT_STOP that is pending stays so until the thread leaves the kernel, or traps for another reason: then
      // `Tracer.stopped` asks again.
      tracee.wasInterrupted = true
      tracee.interrupt()
      tracee.unfinished.append(work)
    }
  }

  mutating func laterInUnknown(_ work: any ThreadWork) {
    // Births that are being put off are in `deferred`; newborns whose parents' events have not been seen, in `held`.
    if !tracer.deferred.isEmpty || !tracer.held.isEmpty { tracer.newbornWork.append(work) }
    if let answered { later(work, in: [answered]) }
  }
}
