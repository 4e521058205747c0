// The ptrace(2) requests on one traced thread. Any of them may find the thread dead (SIGKILL, exit_group or an exec
// elsewhere can end a stop at any instant), so each says so in its type, and dead is never an error.
//
// Invariant: a live thread on which a request has failed runs no guest code and enters no call any more. A register that
// could not be set would let a call run that is denied or served by us; so the process is killed (`lose`), and what
// resumes a thread does nothing with a lost one. The kernel skips the call of a thread that is being killed
// (`ptrace_report_syscall`, `__seccomp_filter`).

import CLinux
import Gate

extension Tracee {
  /// The raw request. Nothing but what follows here may make one.
  private func request(_ operation: Int, _ address: Int = 0, _ data: Int = 0) -> Int {
    vd_syscall(Int(SYS_ptrace), operation, Int(thread), address, data, 0, 0)
  }

  /// A request at a stop. If it fails the thread is dead, or lost.
  private func demand(_ operation: Int, _ address: Int = 0, _ data: Int = 0) -> Bool {
    if isLost { return false }
    let result = request(operation, address, data)
    if result >= 0 { return true }
    // A thread that has died is not stopped any more; one that is stopped cannot be dead.
    if result != -Int(ESRCH) || TaskState.mayBeStopped(thread) { lose() }
    return false
  }

  /// Kills the process, and never resumes this thread.
  func lose() {
    isLost = true
    Tracer.killSurely(thread)
  }

  /// PTRACE_SEIZE: becomes its tracer. The result is 0 or a negative errno.
  func seize(options: Int) -> Int { request(VD_PTRACE_SEIZE, 0, options) }

  // MARK: - Registers

  /// Nil if the thread is dead, or lost.
  func peek(_ register: Register) -> UInt64? {
    var value: UInt64 = 0
    let isRead = withUnsafeMutablePointer(to: &value) {
      demand(VD_PTRACE_PEEKUSER, register.rawValue, Int(bitPattern: $0))
    }
    return isRead ? value : nil
  }

  /// Sets a register; the thread is lost if that fails.
  func poke(_ register: Register, _ value: UInt64) {
    _ = demand(VD_PTRACE_POKEUSER, register.rawValue, Int(truncatingIfNeeded: value))
  }

  /// All registers; nil if the thread is dead, or lost.
  func registers() -> vd_registers? {
    var registers = vd_registers()
    let isRead = withUnsafeMutablePointer(to: &registers) { demand(VD_PTRACE_GETREGS, 0, Int(bitPattern: $0)) }
    return isRead ? registers : nil
  }

  /// Sets all registers; the thread is lost if that fails.
  func setRegisters(_ registers: vd_registers) {
    var registers = registers
    withUnsafeMutablePointer(to: &registers) { _ = demand(VD_PTRACE_SETREGS, 0, Int(bitPattern: $0)) }
  }

  /// The signals that the thread blocks; nil if it is dead, or lost.
  func signalMask() -> UInt64? {
    var mask: UInt64 = 0
    let isRead = withUnsafeMutablePointer(to: &mask) { demand(VD_PTRACE_GETSIGMASK, 8, Int(bitPattern: $0)) }
    return isRead ? mask : nil
  }

  /// Sets what it blocks; the thread is lost if that fails.
  func setSignalMask(_ mask: UInt64) {
    var mask = mask
    withUnsafeMutablePointer(to: &mask) { _ = demand(VD_PTRACE_SETSIGMASK, 8, Int(bitPattern: $0)) }
  }

  // MARK: - What has happened

  /// Number and arguments at a seccomp stop; nil if the thread is dead, or lost.
  func systemCall() -> SystemCall? {
    var info = vd_syscall_info()
    let size = MemoryLayout<vd_syscall_info>.size
    let isRead = withUnsafeMutablePointer(to: &info) {
      demand(VD_PTRACE_GET_SYSCALL_INFO, size, Int(bitPattern: $0))
    }
    guard isRead else { return nil }
    guard Int(info.op) == VD_SYSCALL_INFO_SECCOMP else {
      lose()
      return nil
    }
    return SystemCall(number: Int(Int32(truncatingIfNeeded: info.number)), arguments: info.arguments)
  }

  /// At a signal-delivery stop: the process that sent the signal, 0 if it is outside the guest's pid namespace; nil if the
  /// signal is the kernel's own doing (`man 2 sigaction`, si_code).
  var signalSender: pid_t? {
    var information = siginfo_t()
    let result = withUnsafeMutablePointer(to: &information) { request(VD_PTRACE_GETSIGINFO, 0, Int(bitPattern: $0)) }
    // SI_USER, SI_QUEUE, SI_TKILL; what is above is the kernel's own.
    guard result == 0, information.si_code <= 0 else { return nil }
    return information._sifields._kill.si_pid
  }

  /// What comes with the last event (PTRACE_GETEVENTMSG); nil if the thread is dead, or lost.
  func eventMessage() -> UInt? {
    var message: UInt = 0
    let isRead = withUnsafeMutablePointer(to: &message) { demand(VD_PTRACE_GETEVENTMSG, 0, Int(bitPattern: $0)) }
    return isRead ? message : nil
  }

  // MARK: - Going on

  /// Resumes the thread, with a signal if one is given. A lost thread stays where it is, until SIGKILL takes it.
  func resume(signal: CInt = 0) {
    _ = demand(pending.isTimed ? VD_PTRACE_SYSCALL : VD_PTRACE_CONT, 0, Int(signal))
  }

  /// Resumes the thread up to its next entry into a call, or return from one.
  func resumeToExitStop() { _ = demand(VD_PTRACE_SYSCALL) }

  /// Stays in the group-stop; SIGCONT is reported then.
  func listen() {
    isListening = true
    _ = demand(VD_PTRACE_LISTEN)
  }

  /// Asks for an EVENT_STOP (PTRACE_INTERRUPT), wherever the thread is. One that cannot be interrupted is lost.
  func interrupt() {
    if isLost || request(VD_PTRACE_INTERRUPT) >= 0 || TaskState.isDead(thread) { return }
    lose()
  }

  /// The call is not run; rax is its value. To be used at a seccomp stop.
  func finish(_ value: Int) {
    poke(.originalRax, UInt64.max)
    poke(.rax, UInt64(bitPattern: Int64(value)))
  }
}
