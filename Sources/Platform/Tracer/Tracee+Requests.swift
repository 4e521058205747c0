// The ptrace(2) requests on one traced thread. Any of them may find the thread dead (SIGKILL, exit_group or an exec
// elsewhere can end a stop at any instant), so each says so in its type, and dead is never an error.
//
// Invariant: a live thread on which a request has failed runs no guest code and enters no call any more. A register that
// could not be set would let a call run that is denied or served by us; so the process is killed (`lose`), and what
// resumes a thread does nothing with a lost one. The kernel skips the call of a thread that is being killed
// (`ptrace_report_syscall`, `__seccomp_filter`).

import Gate
import Kernel
import LinuxABI

extension Tracee {
  /// A request at a stop. If it fails the thread is dead, or lost, and there is no result.
  @inline(__always)
  private func demand<Result>(_ request: (ThreadID) throws(Errno) -> Result) -> Result? {
    if isLost { return nil }
    do throws(Errno) { return try request(thread) } catch {
      failed(error)
      return nil
    }
  }

  /// A thread that has died is not stopped any more; one that is stopped cannot be dead.
  private func failed(_ error: Errno) {
    if error != .noSuchProcess || TaskState.mayBeStopped(thread) { lose() }
  }

  /// Kills the process, and never resumes this thread.
  func lose() {
    isLost = true
    Tracer.killSurely(thread)
  }

  // MARK: - Registers

  /// Nil if the thread is dead, or lost.
  func peek(_ register: Register) -> UInt64? {
    demand { thread throws(Errno) in try Host.peek(register, of: thread) }
  }

  /// Sets a register; the thread is lost if that fails.
  func poke(_ register: Register, _ value: UInt64) {
    _ = demand { thread throws(Errno) in try Host.poke(register, of: thread, to: value) }
  }

  /// All registers; nil if the thread is dead, or lost.
  func registers() -> Registers? { demand { thread throws(Errno) in try Host.registers(of: thread) } }

  /// Sets all registers; the thread is lost if that fails.
  func setRegisters(_ registers: Registers) {
    _ = demand { thread throws(Errno) in try Host.setRegisters(of: thread, to: registers) }
  }

  /// The signals that the thread blocks; nil if it is dead, or lost.
  func signalMask() -> SignalSet? { demand { thread throws(Errno) in try Host.signalMask(of: thread) } }

  /// Sets what it blocks; the thread is lost if that fails.
  func setSignalMask(_ mask: SignalSet) {
    _ = demand { thread throws(Errno) in try Host.setSignalMask(of: thread, to: mask) }
  }

  // MARK: - What has happened

  /// Number and arguments at a seccomp stop; nil if the thread is dead, or lost.
  func systemCall() -> SystemCall? {
    let found = demand { thread throws(Errno) in try Host.systemCallInformation(of: thread) }
    guard let found else { return nil }
    guard found.isSeccompStop else {
      lose()
      return nil
    }
    return SystemCall(number: Int(Int32(truncatingIfNeeded: found.number)), arguments: found.arguments)
  }

  /// At a signal-delivery stop: the process that sent the signal, 0 if it is outside the guest's pid namespace; nil if the
  /// signal is the kernel's own doing (`man 2 sigaction`, si_code).
  var signalSender: ThreadID? {
    guard let information = try? Host.signalInformation(of: thread), information.code.isByProcess else { return nil }
    return information.process
  }

  /// What comes with the last event (PTRACE_GETEVENTMSG); nil if the thread is dead, or lost.
  func eventMessage() -> UInt64? { demand { thread throws(Errno) in try Host.eventMessage(of: thread) } }

  // MARK: - Going on

  /// Resumes the thread, with a signal if one is given. A lost thread stays where it is, until SIGKILL takes it.
  func resume(signal: Signal? = nil) {
    let number = signal?.rawValue ?? 0
    if pending.isTimed {
      _ = demand { thread throws(Errno) in try Host.resumeToSystemCall(thread, signal: number) }
    } else {
      _ = demand { thread throws(Errno) in try Host.resume(thread, signal: number) }
    }
  }

  /// Resumes the thread up to its next entry into a call, or return from one.
  func resumeToExitStop() { _ = demand { thread throws(Errno) in try Host.resumeToSystemCall(thread) } }

  /// Stays in the group-stop; SIGCONT is reported then.
  func listen() {
    isListening = true
    _ = demand { thread throws(Errno) in try Host.listen(thread) }
  }

  /// Asks for an EVENT_STOP (PTRACE_INTERRUPT), wherever the thread is. One that cannot be interrupted is lost.
  func interrupt() {
    if isLost { return }
    do throws(Errno) { try Host.interrupt(thread) } catch {
      if !TaskState.isDead(thread) { lose() }
    }
  }

  /// The call is not run; rax is its value. To be used at a seccomp stop.
  func finish(_ value: Int) {
    poke(.originalRax, UInt64.max)
    poke(.rax, UInt64(bitPattern: Int64(value)))
  }

  /// The call is not run and fails. To be used at a seccomp stop.
  func finish(_ error: Errno) { finish(error.result) }
}
