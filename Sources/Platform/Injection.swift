// System calls run in a stopped thread through the `syscall` instruction of its vdso. Registers and signal mask are put
// back at a signal-type stop, never at a syscall-exit stop, where a restart that was pending would leak to the guest.

import CLinux
import Gate
import LinuxABI

final class Injection {
  let tracee: Tracee
  let tracer: Tracer
  private let instruction: UInt64
  private let saved: vd_registers
  private let mask: UInt64
  /// SIGSTOP cannot be blocked; one that came meanwhile is sent again at the end.
  private var wasStopped = false
  private var isDead = false
  private var visit: Placement.Visit?

  /// The thread is at an EVENT_STOP. Nil if it is gone.
  init?(_ tracer: Tracer, _ tracee: Tracee, instruction: UInt64) {
    guard let registers = tracee.registers() else { return nil }
    self.tracer = tracer
    self.tracee = tracee
    self.instruction = instruction
    saved = registers
    var mask: UInt64 = 0
    _ = withUnsafeMutablePointer(to: &mask) { tracee.request(VD_PTRACE_GETSIGMASK, 8, Int(bitPattern: $0)) }
    self.mask = mask
    setMask(UInt64.max)
    visit = tracer.placement.visit(tracee.thread)
  }

  /// The program's own.
  var stackPointer: UInt64 { saved.rsp }

  /// Behind the `syscall` instruction.
  var instructionPointer: UInt64 { instruction &+ 2 }

  private func setMask(_ mask: UInt64) {
    var mask = mask
    _ = withUnsafeMutablePointer(to: &mask) { tracee.request(VD_PTRACE_SETSIGMASK, 8, Int(bitPattern: $0)) }
  }

  /// Runs one call and gives its raw result. `duringWait` is called once the thread has been let into the kernel.
  func run(_ call: SystemCall, duringWait: () -> Void) throws(Errno) -> Int {
    if isDead { throw .noSuchProcess }
    var registers = saved
    registers.rip = instruction
    registers.rax = UInt64(bitPattern: Int64(call.number))
    registers.orig_rax = UInt64.max
    (registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9) = call.arguments
    tracee.setRegisters(registers)
    tracee.resumeToExitStop()
    // Entry stop, perhaps a seccomp stop, exit stop.
    try waitForCallStop()
    tracee.resumeToExitStop()
    duringWait()
    try waitForCallStop()
    guard let result = tracee.peek(.rax) else { throw .noSuchProcess }
    return Int(truncatingIfNeeded: result)
  }

  private func waitForCallStop() throws(Errno) {
    while true {
      guard let status = tracer.nextStatus(of: tracee) else {
        isDead = true
        // Of a dead leader the main loop will hear; of a thread that has vanished it would not.
        if !Kinship.isZombie(tracee.thread) { tracer.putOff(tracee.thread, CInt(SIGKILL)) }
        throw .noSuchProcess
      }
      guard status & 0xff == 0x7f else {
        isDead = true
        // The exit itself has been consumed here: keep it for the main loop.
        tracer.putOff(tracee.thread, status)
        throw .noSuchProcess
      }
      let signal = (status >> 8) & 0xff
      if status >> 16 == 0 {
        if signal == SIGTRAP | 0x80 { return }
        // Everything else is blocked.
        wasStopped = true
      }
      tracee.resumeToExitStop()
    }
  }

  /// Puts everything back; the thread is at an EVENT_STOP again.
  func end() {
    defer {
      if let visit { tracer.placement.leave(visit) }
      visit = nil
    }
    if isDead { return }
    tracee.request(VD_PTRACE_INTERRUPT)
    tracee.resume()
    while let status = tracer.nextStatus(of: tracee) {
      guard status & 0xff == 0x7f else { return tracer.putOff(tracee.thread, status) }
      if status >> 16 == VD_PTRACE_EVENT_STOP { break }
      if status >> 16 == 0, (status >> 8) & 0xff != SIGTRAP | 0x80 { wasStopped = true }
      tracee.resume()
    }
    tracee.setRegisters(saved)
    setMask(mask)
    if wasStopped { _ = vd_syscall(Int(SYS_tkill), Int(tracee.thread), Int(SIGSTOP), 0, 0, 0, 0) }
  }
}
