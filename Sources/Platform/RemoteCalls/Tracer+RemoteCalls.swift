// Requests to work on stopped guests, and calls in one of them.

import Gate
import LinuxABI

extension Tracer {
  /// Does the request's work.
  func serve(_ request: TracerRequests.GuestsRequest) {
    let wasWorking = isWorking
    isWorking = true
    var guests = GuestStop(self, answered: request.isByWorker ? nil : requests.served.withLock { $0 })
    request.work.run(on: &guests)
    // Who waits need not wait until all have been resumed.
    request.isDone.raiseForWaiters()
    _ = consume guests
    isWorking = wasWorking
  }

  /// Does what is left for a thread at an EVENT_STOP. Births and returns that come up meanwhile are put off.
  func finishWork(in tracee: Tracee) {
    let work = tracee.unfinished
    tracee.unfinished = []
    let wasWorking = isWorking
    isWorking = true
    _ = run(work, in: tracee)
    isWorking = wasWorking
  }

  /// Does `work` in a thread at an EVENT_STOP, where it is again afterwards. False if no call can be run in it.
  func run(_ work: [any ThreadWork], in tracee: Tracee) -> Bool {
    guard let registers = tracee.registers() else { return false }
    guard let instruction = instruction(in: tracee, at: registers) else {
      // Its mappings would stay where they are, and show what other guests see changed.
      tracee.lose()
      return false
    }
    guard var thread = RemoteThread(self, tracee, registers, instruction: instruction) else { return false }
    for step in work { step.run(in: &thread) }
    return true
  }

  /// The address of a `syscall` instruction: the vdso's, or, where the program has overwritten or unmapped that, the one
  /// that the thread is in. Both are the program's to change, so `RemoteThread` checks what has been run.
  private func instruction(in tracee: Tracee, at registers: Registers) -> UInt64? {
    let memory = GuestMemory(thread: tracee.thread)
    if let offset = vdso.syscall {
      if tracee.space.vdso == nil { tracee.space.vdso = Vdso.address(in: tracee.thread) }
      if let base = tracee.space.vdso, RemoteThread.isInstruction(base &+ UInt64(offset), in: memory) {
        return base &+ UInt64(offset)
      }
    }
    let last = registers.rip &- 2
    return RemoteThread.isInstruction(last, in: memory) ? last : nil
  }
}
