// Work on several stopped address spaces at once, and work that waits until a thread is about to run guest code again.
//
// A thread that is in the kernel for something else (its call is held, it waits for its vfork child, it is being answered
// at this moment) has been sent PTRACE_INTERRUPT: it comes to an EVENT_STOP before it runs guest code, and what is
// `unfinished` is done there. So a move never needs to undo a call.

import CLinux
import Gate
import LinuxABI

extension Tracer {
  /// Runs the request's body.
  func serve(_ request: TracerRequests.GuestsRequest) {
    let wasWorking = isWorking
    isWorking = true
    let guests = GuestsStop(self, answered: request.isByWorker ? nil : requests.served.withLock { $0 })
    request.body(guests)
    // Whoever waits need not wait until all have been let go.
    request.isDone.raiseForWaiters()
    guests.resumeAll()
    isWorking = wasWorking
  }

  /// Does what is left for a thread at an EVENT_STOP. Births and returns that come up meanwhile are put off.
  func finishWork(in tracee: Tracee) {
    let work = tracee.unfinished
    tracee.unfinished = []
    let wasWorking = isWorking
    isWorking = true
    defer { isWorking = wasWorking }
    guard let injection = injection(into: tracee) else { return }
    let thread = StoppedTracee(self, injection)
    for step in work { step(thread) }
    injection.end()
  }

  /// Nil if the thread is gone.
  func injection(into tracee: Tracee) -> Injection? {
    guard let registers = tracee.registers() else { return nil }
    guard let instruction = instruction(in: tracee, at: registers) else {
      // Its mappings would stay where they are, and show what other guests see changed.
      tracee.lose()
      return nil
    }
    return Injection(self, tracee, registers, instruction: instruction)
  }

  /// The address of a `syscall` instruction: the vdso's, or, where the program has overwritten or unmapped that, the one
  /// that the thread is in. Both are the program's to change, so `Injection` checks what has been run.
  private func instruction(in tracee: Tracee, at registers: vd_registers) -> UInt64? {
    let memory = GuestMemory(thread: tracee.thread)
    if let offset = vdso.syscall {
      if tracee.space.vdso == nil { tracee.space.vdso = Vdso.address(in: tracee.thread) }
      if let base = tracee.space.vdso, Injection.isInstruction(base &+ UInt64(offset), in: memory) {
        return base &+ UInt64(offset)
      }
    }
    let last = registers.rip &- 2
    return Injection.isInstruction(last, in: memory) ? last : nil
  }
}

/// The guests that one request has stopped.
private final class GuestsStop: StoppedGuests {
  private let tracer: Tracer
  private var spaces: [SpaceStop] = []
  private var injections: [ThreadID: Injection] = [:]
  /// The thread whose call the notify worker had at the beginning. If it has been answered since, what it was given is in
  /// its table before anybody looks there.
  private let answered: ThreadID?

  init(_ tracer: Tracer, answered: ThreadID?) {
    self.tracer = tracer
    self.answered = answered
  }

  func stop(_ threads: [ThreadID]) {
    for thread in threads {
      guard let space = tracer.tracees[thread]?.space, !spaces.contains(where: { $0.space === space }) else { continue }
      let stop = SpaceStop(tracer, space)
      stop.stopAll()
      spaces.append(stop)
    }
  }

  func resumeAll() {
    for injection in injections.values { injection.end() }
    for space in spaces { space.resumeAll() }
  }

  func injectable(among threads: [ThreadID]) -> (any StoppedThread)? {
    for thread in threads {
      if let injection = injections[thread] { return StoppedTracee(tracer, injection) }
    }
    for space in spaces {
      let candidates = space.stopped.filter {
        threads.contains($0.thread) && tracer.tracees[$0.thread] === $0 && !tracer.deferred.holds($0.thread)
      }
      // Leaders last: waiting for one takes longer (`Tracer.nextStatus`).
      let (others, leaders) = (
        candidates.filter { $0.thread != $0.group.leader }, candidates.filter { $0.thread == $0.group.leader }
      )
      for tracee in others + leaders {
        guard let injection = tracer.injection(into: tracee) else { continue }
        injections[tracee.thread] = injection
        return StoppedTracee(tracer, injection)
      }
    }
    return nil
  }

  func later(_ threads: [ThreadID], _ work: @escaping @Sendable (any StoppedThread) -> Void) {
    for thread in threads {
      guard let tracee = tracer.tracees[thread] else { continue }
      interrupt(tracee)
      tracee.unfinished.append(work)
    }
  }

  func laterInUnknown(_ work: @escaping @Sendable (any StoppedThread) -> Void) {
    // Births that are being put off are in `deferred`; newborns whose parents' events have not been seen, in `held`.
    if !tracer.deferred.isEmpty || !tracer.held.isEmpty { tracer.newbornWork.append(work) }
    if let answered { later([answered], work) }
  }

  /// An EVENT_STOP that is pending stays so until the thread leaves the kernel, or traps for another reason: then `Tracer.stopped`
  /// asks again.
  private func interrupt(_ tracee: Tracee) {
    tracee.wasInterrupted = true
    tracee.interrupt()
  }
}

/// A thread with an injection under way.
private final class StoppedTracee: StoppedThread {
  private let tracer: Tracer
  private let injection: Injection

  init(_ tracer: Tracer, _ injection: Injection) {
    self.tracer = tracer
    self.injection = injection
  }

  var thread: ThreadID { injection.tracee.thread }

  var stackPointer: UInt64? { injection.stackPointer }

  var instructionPointer: UInt64 { injection.instructionPointer }

  func call(_ call: SystemCall) throws(Errno) -> Int {
    try Errno.check(try injection.run(call, duringWait: {}))
  }

  func replaceDescriptor(_ number: CInt, by file: CInt, closeOnExec: Bool) throws(Errno) {
    try injection.replaceDescriptor(number, by: file, closeOnExec: closeOnExec)
  }
}

extension Injection {
  /// Descriptors are installed by answering a held call; this one exists for nothing else.
  func replaceDescriptor(_ number: CInt, by file: CInt, closeOnExec: Bool) throws(Errno) {
    let jobs = tracer.jobs
    let listener = tracer.listener
    let job = jobs.begin(
      DescriptorJob(thread: tracee.thread, number: number, file: file, closeOnExec: closeOnExec))
    defer { jobs.end(job) }
    // ERESTARTSYS: a SIGSTOP, which nobody can block, came before the call was received.
    for _ in 0..<100 {
      let result = try run(.descriptorCarrier) { jobs.serve(job, listener: listener) }
      if result != -512 || job.isDone.isRaised { return _ = try Errno.check(result) }
    }
    throw .interrupted
  }
}
