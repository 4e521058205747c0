// ptrace(2): what the tracer asks of a thread that it traces.
//
// A traced thread can be gone at any instant, by SIGKILL or because another thread of its group has executed a program; and
// what is not at a stop cannot be asked. Every request throws `.noSuchProcess` then, and also of what is not this thread's
// tracee (`man 2 ptrace`, ESRCH). None of them is restarted or waits.

public import LinuxABI

extension Host {
  @inlinable
  @inline(__always)
  @discardableResult
  static func trace(_ request: PtraceRequest, _ thread: Int32, _ address: Int = 0, _ data: Int = 0) throws(Errno) -> Int
  {
    try Errno.check(raw(.ptrace, Int(request.rawValue), Int(thread), address, data))
  }

  /// PTRACE_SEIZE: this thread becomes the tracer of one that runs on.
  ///
  /// - Throws: `.notPermitted` where that is forbidden (`man 2 ptrace`, "Ptrace access mode checking").
  public static func seize(_ thread: Int32, _ options: PtraceOptions) throws(Errno) {
    try trace(.seize, thread, 0, Int(options.rawValue))
  }

  // MARK: - Registers and memory

  /// PTRACE_PEEKUSER.
  @inlinable
  public static func peek(_ register: Register, of thread: Int32) throws(Errno) -> UInt64 {
    var value: UInt64 = 0
    _ = try withUnsafeMutablePointer(to: &value) { value throws(Errno) in
      try trace(.peekUser, thread, register.rawValue, Int(bitPattern: value))
    }
    return value
  }

  /// PTRACE_POKEUSER.
  @inlinable
  public static func poke(_ register: Register, of thread: Int32, to value: UInt64) throws(Errno) {
    try trace(.pokeUser, thread, register.rawValue, Int(truncatingIfNeeded: value))
  }

  /// PTRACE_GETREGS: all registers.
  @inlinable
  public static func registers(of thread: Int32) throws(Errno) -> Registers {
    var registers = Registers()
    _ = try withUnsafeMutablePointer(to: &registers) { registers throws(Errno) in
      try trace(.getRegisters, thread, 0, Int(bitPattern: registers))
    }
    return registers
  }

  /// PTRACE_SETREGS.
  ///
  /// - Throws: `.ioError` if a segment register has a value that it cannot have.
  @inlinable
  public static func setRegisters(of thread: Int32, to registers: Registers) throws(Errno) {
    var registers = registers
    _ = try withUnsafeMutablePointer(to: &registers) { registers throws(Errno) in
      try trace(.setRegisters, thread, 0, Int(bitPattern: registers))
    }
  }

  /// PTRACE_POKEDATA: writes a word at a word's boundary as a debugger does: past page protection, and a stack grows to reach
  /// it.
  ///
  /// - Throws: `.ioError` or `.badAddress` if there is no such memory and none comes.
  @inlinable
  public static func pokeData(of thread: Int32, at address: UInt64, to word: UInt64) throws(Errno) {
    try trace(.pokeData, thread, Int(truncatingIfNeeded: address), Int(truncatingIfNeeded: word))
  }

  // MARK: - What has happened

  /// PTRACE_GET_SYSCALL_INFO: of the call at which the thread has stopped.
  @inlinable
  public static func systemCallInformation(of thread: Int32) throws(Errno) -> SystemCallInformation {
    var information = SystemCallInformation()
    _ = try withUnsafeMutablePointer(to: &information) { information throws(Errno) in
      try trace(
        .getSystemCallInformation, thread, MemoryLayout<SystemCallInformation>.size, Int(bitPattern: information))
    }
    return information
  }

  /// PTRACE_GETSIGINFO: of the signal that has stopped the thread.
  ///
  /// - Throws: `.invalidArgument` at a group-stop.
  @inlinable
  public static func signalInformation(of thread: Int32) throws(Errno) -> SignalInformation {
    var information = SignalInformation()
    _ = try withUnsafeMutablePointer(to: &information) { information throws(Errno) in
      try trace(.getSignalInformation, thread, 0, Int(bitPattern: information))
    }
    return information
  }

  /// PTRACE_GETEVENTMSG: what comes with the last event, such as a newborn's number.
  @inlinable
  public static func eventMessage(of thread: Int32) throws(Errno) -> UInt64 {
    var message: UInt64 = 0
    _ = try withUnsafeMutablePointer(to: &message) { message throws(Errno) in
      try trace(.getEventMessage, thread, 0, Int(bitPattern: message))
    }
    return message
  }

  /// PTRACE_GETSIGMASK: the signals that the thread blocks.
  @inlinable
  public static func signalMask(of thread: Int32) throws(Errno) -> SignalSet {
    var mask = SignalSet()
    _ = try withUnsafeMutablePointer(to: &mask) { mask throws(Errno) in
      try trace(.getSignalMask, thread, MemoryLayout<SignalSet>.size, Int(bitPattern: mask))
    }
    return mask
  }

  /// PTRACE_SETSIGMASK.
  @inlinable
  public static func setSignalMask(of thread: Int32, to mask: SignalSet) throws(Errno) {
    var mask = mask
    _ = try withUnsafeMutablePointer(to: &mask) { mask throws(Errno) in
      try trace(.setSignalMask, thread, MemoryLayout<SignalSet>.size, Int(bitPattern: mask))
    }
  }

  // MARK: - Going on

  /// PTRACE_CONT, with a signal that is delivered if it is not 0.
  @inlinable
  public static func resume(_ thread: Int32, signal: Int32 = 0) throws(Errno) {
    try trace(.continue, thread, 0, Int(signal))
  }

  /// PTRACE_SYSCALL: the thread stops at its next entry into a system call, or return from one.
  @inlinable
  public static func resumeToSystemCall(_ thread: Int32, signal: Int32 = 0) throws(Errno) {
    try trace(.systemCall, thread, 0, Int(signal))
  }

  /// PTRACE_LISTEN: the thread stays in its group-stop, and SIGCONT is reported.
  @inlinable
  public static func listen(_ thread: Int32) throws(Errno) { try trace(.listen, thread) }

  /// PTRACE_INTERRUPT: the thread, stopped or not, comes to a PTRACE_EVENT_STOP.
  @inlinable
  public static func interrupt(_ thread: Int32) throws(Errno) { try trace(.interrupt, thread) }
}
