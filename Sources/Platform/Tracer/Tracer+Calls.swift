// What becomes of a stopped call: the outcome that the handler chose, in registers.

import Gate
import Kernel
import LinuxABI

extension Tracer {
  /// Applies the handler's decision and lets the thread go on.
  func apply(_ outcome: consuming Outcome, to call: SystemCall, of tracee: Tracee) {
    switch consume outcome {
    case .value(let value):
      if tracee.thread == main, !hasImage, commandError == nil {
        commandError = Errno(rawValue: CInt(clamping: 0 &- value))
      }
      tracee.finish(value)
      tracee.resume()
    case .native:
      tracee.resume()
    case .observed:
      tracee.pending = .observed(call)
      tracee.resumeToExitStop()
    case .substitute(let other):
      guard let saved = tracee.registers() else { return tracee.resume() }
      substitute(other, for: saved, .substitute(saved), in: tracee)
    case .substituteAnswering(let other, let value):
      guard let saved = tracee.registers() else { return tracee.resume() }
      substitute(other, for: saved, .answering(saved, value), in: tracee)
    case .substituteReading(let other, let bytes, let argument):
      guard let saved = tracee.registers() else { return tracee.resume() }
      substitute(other, reading: bytes, argument, for: saved, .substitute(saved), in: tracee)
    case .after(let other, let bytes, let argument):
      guard let saved = tracee.registers() else { return tracee.resume() }
      substitute(other, reading: bytes, argument, for: saved, .repeating(saved), in: tracee)
    case .exec(let executableStack):
      exec(tracee, executableStack: executableStack)
    case .start(let start):
      begin(tracee, start)
    case .kill(let signal):
      end(tracee, by: signal)
    case .sleep(let isSlow):
      sleep(tracee, in: SleepingCall(call, isSlow: isSlow))
    case .descriptor:
      refuse(tracee)
    case .install:
      refuse(tracee)
    }
  }

  private func substitute(
    _ other: SystemCall, reading bytes: [UInt8], _ argument: Int, for saved: Registers, _ pending: PendingCall,
    in tracee: Tracee
  ) {
    // Below the red zone of 128 bytes that the ABI lets a leaf function use.
    let address = (saved.rsp &- 128 &- UInt64(bytes.count)) & ~15
    var call = other
    call.setArgument(argument, address)
    do throws(Errno) {
      try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
        try GuestMemory(thread: tracee.thread).write(UnsafeRawBufferPointer(bytes), at: address)
      }
      substitute(call, for: saved, pending, in: tracee)
    } catch {
      tracee.finish(error)
      tracee.resume()
    }
  }

  private func substitute(
    _ other: SystemCall, for saved: Registers, _ pending: PendingCall, in tracee: Tracee
  ) {
    var registers = saved
    registers.originalRax = UInt64(bitPattern: Int64(other.number))
    registers.arguments = other.arguments
    tracee.setRegisters(registers)
    tracee.pending = pending
    tracee.resumeToExitStop()
  }

  /// The thread makes pause(2) in place of its call, which is not restarted by itself but at a wake or after a signal.
  private func sleep(_ tracee: Tracee, in call: SleepingCall) {
    if tracee.wakePending {
      // The wake was faster: the call comes again at once.
      tracee.wakePending = false
      rewind(tracee)
    } else {
      tracee.sleeping = call
      tracee.poke(.originalRax, Self.pause)
    }
    tracee.resume()
  }

  /// Only the notify gate can install a descriptor: such an outcome is refused, never let through.
  private func refuse(_ tracee: Tracee) {
    tracee.finish(.noFunction)
    tracee.resume()
  }

  /// A call that was resumed with PTRACE_SYSCALL has returned.
  func exitStop(_ tracee: Tracee) {
    let pending = tracee.pending
    tracee.pending = .none
    switch pending {
    case .none: break
    case .observed(let call):
      if let result = tracee.peek(.rax) {
        report(.completion(call, tracee.thread, Self.visible(Int(truncatingIfNeeded: result))))
      }
    case .substitute(let saved):
      if let result = tracee.peek(.rax) { putBack(saved, result: result, in: tracee) }
    case .answering(let saved, let value):
      if let result = tracee.peek(.rax) {
        let isDone = Int64(bitPattern: result) >= 0
        putBack(saved, result: isDone ? UInt64(bitPattern: Int64(value)) : result, in: tracee)
      }
    case .repeating(let saved):
      if let result = tracee.peek(.rax) { makeAgain(saved, after: Int64(bitPattern: result), in: tracee) }
    case .exec(let saved):
      // Only a failed exec comes here: a successful one has its event before, which clears `pending`.
      if let result = tracee.peek(.rax) {
        putBack(saved, result: result, in: tracee)
        let errno = Errno(rawValue: CInt(truncatingIfNeeded: 0 &- result))
        if tracee.thread == main, !hasImage { commandError = errno }
        report(.execFailure(tracee.thread, errno))
      }
    case .again(let wait): tracee.pending = .waiting(wait)
    case .waiting(let wait): finish(wait, in: tracee)
    // It is out of that call, and enters the next one.
    case .interrupted: break
    }
    tracee.resume()
  }

  /// The call that came first has returned: the guest's own comes again, or fails as the other one did.
  private func makeAgain(_ saved: Registers, after result: Int64, in tracee: Tracee) {
    // Whatever kind of restart the other call has (poll's keeps its state in the kernel), the guest's own is restarted as
    // a slow call is: ERESTARTSYS.
    if (-516 ... -512).contains(result) { return putBack(saved, result: UInt64(bitPattern: -512), in: tracee) }
    if result < 0 { return putBack(saved, result: UInt64(bitPattern: result), in: tracee) }
    // A pause is over, and the guest's call waits on: a signal that comes before it is made again interrupts it.
    if result == 0 { tracee.repeated = RepeatedCall(number: saved.originalRax, end: saved.rip) }
    var registers = saved
    registers.rax = saved.originalRax
    registers.originalRax = UInt64.max
    registers.rip = saved.rip &- 2
    tracee.setRegisters(registers)
  }

  /// At a signal stop of a thread whose call is about to be made again after a pause: to the kernel it was interrupted in
  /// it, and SA_RESTART decides.
  func interruptRepeated(_ tracee: Tracee) {
    guard let call = tracee.repeated.take(), tracee.peek(.rip) == call.end &- 2 else { return }
    tracee.poke(.rip, call.end)
    tracee.poke(.originalRax, call.number)
    tracee.poke(.rax, UInt64(bitPattern: -512))
  }

  /// The guest's own registers, and the result. orig_rax is the guest's too: if the call is restarted, its own is.
  private func putBack(_ saved: Registers, result: UInt64, in tracee: Tracee) {
    var registers = saved
    registers.rax = result
    // The kernel's own exit path leaves these two as the `syscall` instruction does.
    registers.rcx = saved.rip
    registers.r11 = saved.eflags
    tracee.setRegisters(registers)
  }

  /// The restart errnos, ERESTARTSYS to ERESTART_RESTARTBLOCK (512 ... 516), are the kernel's own and reach a program only as EINTR.
  private static func visible(_ result: Int) -> Int {
    (-516 ... -512).contains(result) ? Errno.interrupted.result : result
  }

  /// Ends the thread group by a signal, whatever it has done about that signal.
  func end(_ tracee: Tracee, by signal: CInt) {
    if signal == Signal.segmentationFault.rawValue {
      // A fault is delivered even if SIGSEGV is blocked or ignored; nothing is ever mapped at the end of user memory.
      tracee.finish(0)
      tracee.poke(.rip, 0x7fff_ffff_f000)
      tracee.resume()
      return
    }
    tracee.finish(.notPermitted)
    if !Host.signalProcess(tracee.group.leader, signal) { return tracee.lose() }
    tracee.resume()
  }
}
