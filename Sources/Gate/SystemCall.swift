// What the platform and the sentry agree on, part one: a system call as the gate saw it, by register values only.

public import Kernel
public import LinuxABI

/// The number of a thread in the supervisor's pid namespace.
public typealias ThreadID = Int32

/// A stopped system call: its number and its six argument registers, read once at the stop.
public struct SystemCall: Sendable {
  /// The x86-64 number (`SYS_…`).
  public var number: Int
  /// rdi, rsi, rdx, r10, r8, r9.
  public var arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

  public init(number: Int, arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)) {
    self.number = number
    self.arguments = arguments
  }

  /// A call of ours.
  @inlinable
  public init(
    _ number: SystemCallNumber, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0, _ e: UInt64 = 0,
    _ f: UInt64 = 0
  ) {
    self.init(number: number.index, arguments: (a, b, c, d, e, f))
  }
}

/// Which mechanism stopped the call.
public enum GateKind: Sendable {
  /// SECCOMP_RET_TRACE and ptrace: the sentry answers a value, or has the call run natively or rewritten.
  case trace
  /// SECCOMP_RET_USER_NOTIF: the sentry answers a value or a descriptor.
  case notify
}

/// What the gate does with a stopped call. Anything else than what is named here cannot happen to a guest.
public enum Outcome: ~Copyable, Sendable {
  /// The call is answered with this value (a negative errno for an error); the kernel never runs it.
  case value(Int)
  /// The kernel runs the call with the registers the guest gave. Trace gate only: the filter's arguments were
  /// checked, and nothing that was checked lies in guest memory.
  case native
  /// As `native`, and the gate reports the result through `SystemCallHandler.completed`. Trace gate only.
  case observed
  /// The kernel runs this call instead; the guest's own registers but rax are put back when it returns. Trace gate only.
  case substitute(SystemCall)
  /// As `substitute`; unless that call fails, the guest's is answered with `value`.
  case substituteAnswering(SystemCall, value: Int)
  /// As `substitute`, with `bytes` laid below the guest's stack pointer for it; `argument` becomes their address. Another
  /// thread of the guest can change them before the kernel reads them: only for what may be anything the guest can name.
  case substituteReading(SystemCall, [UInt8], argument: Int)
  /// The kernel runs this call first, with `bytes` laid as for `substituteReading`: a wait that signals interrupt as they
  /// would the guest's own (SA_RESTART decides whether that is made again). When it has returned the guest makes its own call
  /// again, unless it failed. Trace gate only.
  case after(SystemCall, [UInt8], argument: Int)
  /// The guest gets a new descriptor, the lowest free number, that shares this open file. Notify gate only.
  case descriptor(OwnedDescriptor, closeOnExec: Bool)
  /// While an image is loaded: both descriptors are installed at the numbers given, and the call answers with the last
  /// one. Notify gate only.
  case install(program: OwnedDescriptor, number: CInt, interpreter: OwnedDescriptor?, interpreterNumber: CInt)
  /// `execve`: the kernel executes the trampoline instead of the guest's path; argv and envp stay the guest's own. Trace gate only.
  case exec(executableStack: Bool)
  /// The trampoline has run its table: unmap it and start the program. Trace gate only.
  case start(ImageStart)
  /// The thread group is ended by this signal. Trace gate only.
  case kill(signal: CInt)
  /// The guest sleeps in the kernel until `GuestControl.wake`; then it makes the same call again. A signal interrupts a slow
  /// call as `man 7 signal` says (a FIFO's open, a connect). Another one, which may take its time as a disk does but is
  /// never EINTR, is made again after the signal's handler.
  case sleep(isSlow: Bool)
}

/// Where a freshly loaded image starts.
public struct ImageStart: Sendable {
  /// The interpreter's or the program's entry point.
  public var entry: UInt64
  /// The stack pointer: the address of argc.
  public var stackPointer: UInt64
  /// What `munmap` is to remove: the trampoline.
  public var trampoline: Range<UInt64>

  public init(entry: UInt64, stackPointer: UInt64, trampoline: Range<UInt64>) {
    self.entry = entry
    self.stackPointer = stackPointer
    self.trampoline = trampoline
  }
}
