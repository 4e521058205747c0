// execve: the kernel executes the trampoline in place of the guest's path, the trampoline loads the program, and its last
// call starts it. `Trampoline` holds the contract with the loader.

import Gate
import LinuxABI

extension Tracer {
  /// Points the stopped execve or execveat at the trampoline and runs it.
  func exec(_ tracee: Tracee, executableStack: Bool) {
    guard let saved = tracee.registers() else { return tracee.resume() }
    if tracee.group.count == 1 {
      placement.executes(tracee.thread, others: tracees.keys.lazy.filter { $0 != tracee.thread })
    }
    guard let path = trampolinePath(for: tracee, executableStack: executableStack, stackPointer: saved.rsp) else {
      handler.execFailed(tracee.thread, errno: .noMemory)
      tracee.finish(.noMemory)
      return tracee.resume()
    }
    tracee.poke(.rdi, path)
    if saved.originalRax == UInt64(SystemCallNumber.execveat.index) {
      tracee.poke(.rsi, saved.rdx)
      tracee.poke(.rdx, saved.r10)
      tracee.poke(.originalRax, UInt64(SystemCallNumber.execve.index))
    }
    tracee.pending = .exec(saved)
    tracee.resumeToExitStop()
  }

  /// The address in guest memory of the trampoline's name: in the vdso, or pushed below the red zone. Whatever else the
  /// guest's threads make of that memory meanwhile, `imageReplaced` checks what was executed.
  private func trampolinePath(for tracee: Tracee, executableStack: Bool, stackPointer: UInt64) -> UInt64? {
    let name = Trampoline.name(executableStack: executableStack)
    let memory = GuestMemory(thread: tracee.thread)
    if let offset = executableStack ? vdso.names.1 : vdso.names.0 {
      if tracee.space.vdso == nil { tracee.space.vdso = Vdso.address(in: tracee.thread) }
      // A process writes its own auxiliary vector (PR_SET_MM_MAP): the base may be any number.
      if let place = tracee.space.vdso?.addingExactly(UInt64(offset)), holds(name, at: place, in: memory) {
        return place
      }
    }
    let length = name.utf8CodeUnitCount + 1
    let address = (stackPointer &- 128 &- UInt64(length)) & ~15
    let written: Bool = name.withUTF8Buffer { text in
      let bytes = Array(text) + [0]
      return bytes.withUnsafeBytes { (try? memory.write($0, at: address)) != nil }
    }
    return written ? address : nil
  }

  private func holds(_ name: StaticString, at address: UInt64, in memory: GuestMemory) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { buffer in
      let length = name.utf8CodeUnitCount + 1
      let found = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
      guard (try? memory.read(into: found, at: address)) != nil else { return false }
      return found[length - 1] == 0 && UnsafeRawBufferPointer(found).contains(name)
    }
  }

  /// PTRACE_EVENT_EXEC: the old image is gone, the new one has not run yet.
  func imageReplaced(_ stoppedAs: Tracee) {
    let leader = stoppedAs.thread
    guard let former = stoppedAs.eventMessage().map({ ThreadID(truncatingIfNeeded: $0) }) else { return }
    let tracee = survivor(of: leader, former: former)
    let wasExpected = if case .exec = tracee.pending { true } else { false }
    tracee.pending = .none
    tracee.space = AddressSpace()
    tracee.sleeping = nil

    // What lay at the path's address may have changed between our look and the kernel's.
    guard wasExpected, let image = ProcessFile.identity(leader, "exe"), image.0 == trampolines.device,
      image.1 == trampolines.plain || image.1 == trampolines.executableStack
    else {
      return tracee.lose()
    }
    adoptStragglers(of: tracee)
    if leader == main { hasImage = true }
    do throws(Errno) {
      guard let stackPointer = tracee.peek(.rsp) else { return tracee.resume() }
      let start = try handler.imageReplaced(leader, former: former, stackPointer: stackPointer)
      tracee.poke(.rdi, start.table)
      tracee.poke(.rsp, start.stackPointer)
      tracee.space.vdso = start.vdso
    } catch {
      tracee.poke(.rip, 0x7fff_ffff_f000)
    }
    tracee.resume()
  }

  /// After an exec one thread of the group is left, under the leader's number: the one that called it. The others vanish,
  /// some without an exit event, so they are reported as exited here.
  private func survivor(of leader: ThreadID, former: ThreadID) -> Tracee {
    let tracee =
      tracees[former] ?? tracees[leader]
      ?? Tracee(thread: leader, group: ThreadGroup(leader: leader), space: AddressSpace())
    let group = tracee.group
    if group.count > 1 || former != leader {
      for other in tracees.values where other.group === group && other !== tracee {
        tracees[other.thread] = nil
        if other.thread != leader { vanished.insert(other.thread) }
        if other.thread != leader { handler.exited(other.thread, status: .exited(0)) }
      }
      if former != leader {
        tracees[former] = nil
        vanished.insert(former)
      }
    }
    group.count = 1
    tracee.thread = leader
    tracee.isListening = false
    tracees[leader] = tracee
    return tracee
  }

  /// The trampoline's last call becomes the munmap of the trampoline, and returns into the program.
  func begin(_ tracee: Tracee, _ start: ImageStart) {
    guard var registers = tracee.registers() else { return tracee.resume() }
    registers.originalRax = UInt64(SystemCallNumber.munmap.index)
    registers.rax = 0
    registers.rdi = start.trampoline.lowerBound
    registers.rsi = start.trampoline.upperBound - start.trampoline.lowerBound
    (registers.rdx, registers.r10, registers.r8, registers.r9) = (0, 0, 0, 0)
    (registers.rbx, registers.rbp, registers.rcx, registers.r11) = (0, 0, 0, 0)
    (registers.r12, registers.r13, registers.r14, registers.r15) = (0, 0, 0, 0)
    registers.rip = start.entry
    registers.rsp = start.stackPointer
    tracee.setRegisters(registers)
    tracee.resume()
  }
}
