// What the platform and the sentry agree on, part two: whom the platform asks, and what it may be asked.

public import LinuxABI

/// What a new thread shares with its maker. Asked of the kernel (`kcmp(2)`), never read from guest memory.
public struct Sharing: OptionSet, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// One address space (CLONE_VM).
  public static let memory = Sharing(rawValue: 1)
  /// One descriptor table (CLONE_FILES).
  public static let descriptors = Sharing(rawValue: 2)
  /// One root, working directory and umask (CLONE_FS).
  public static let fileSystem = Sharing(rawValue: 4)
}

/// How a thread ended.
public enum ExitStatus: Sendable, Equatable {
  /// `exit(2)` or `exit_group(2)` with this code (0 ... 255).
  case exited(CInt)
  /// Killed by this signal.
  case signalled(CInt)

  /// Nil of a thread that lives.
  @inlinable
  public init?(_ status: WaitStatus) {
    switch status {
    case .exited(let code): self = .exited(code)
    case .signalled(let signal): self = .signalled(signal.rawValue)
    case .stopped, .continued: return nil
    }
  }
}

/// The sentry as the platform sees it. Every method may be called from the tracer thread and, `handle` with the notify
/// gate, from a notify worker at the same time; none waits for a guest.
public protocol SystemCallHandler: AnyObject, Sendable {
  /// Answers a stopped call.
  func handle(_ call: SystemCall, from thread: ThreadID, by gate: GateKind) -> Outcome

  /// An `observed` call returned `result`.
  func completed(_ call: SystemCall, from thread: ThreadID, result: Int)

  /// The call was answered with `.descriptor`: the number that the guest got, or a negative errno.
  func installed(_ number: Int, in thread: ThreadID)

  /// A new thread exists and is still stopped. `leader` is its thread group's leader (itself for a new process).
  /// `parent` is 0 for the sandbox's first process.
  func created(_ child: ThreadID, leader: ThreadID, by parent: ThreadID, sharing: Sharing)

  /// The thread is gone.
  func exited(_ thread: ThreadID, status: ExitStatus)

  /// The trampoline is the image of `thread` now, the group's leader. `former` is the thread that called `execve`; if
  /// it was another one, it has the leader's number from now on and `exited` is called for neither of the two, but was
  /// called before for every other thread of the group. The sentry writes the table of calls and the new stack block
  /// into the guest.
  ///
  /// - Returns: the address of the table, which the platform puts into rdi, and the stack pointer.
  /// - Throws: whatever; the platform ends the thread group with SIGSEGV, as the kernel does after the point of no return.
  func imageReplaced(_ thread: ThreadID, former: ThreadID, stackPointer: UInt64) throws(Errno) -> TrampolineStart

  /// An `exec` outcome did not come to pass: the kernel refused the call and the old image runs on.
  func execFailed(_ thread: ThreadID, errno: Errno)

  /// What is under way, for an inspection; nil if the handler's lock is not to be had within `milliseconds`. May be called
  /// from any thread.
  func pendingWork(within milliseconds: Int) -> PendingWork?

  /// What the kernel's list calls a number, for people; nil if it has none there.
  func name(of number: Int) -> StaticString?
}

extension SystemCallHandler {
  public func installed(_ number: Int, in thread: ThreadID) {}

  public func name(of number: Int) -> StaticString? { nil }

  public func pendingWork(within milliseconds: Int) -> PendingWork? { PendingWork() }
}

/// What the platform sets in the trampoline's registers.
public struct TrampolineStart: Sendable {
  /// The address of the first `TrampolineCall`; goes into rdi.
  public var table: UInt64
  /// Goes into rsp; nothing is pushed below it but a signal frame.
  public var stackPointer: UInt64
  /// Where the vdso lies, as the kernel has said (AT_SYSINFO_EHDR); nil if there is none.
  public var vdso: UInt64?

  public init(table: UInt64, stackPointer: UInt64, vdso: UInt64? = nil) {
    self.table = table
    self.stackPointer = stackPointer
    self.vdso = vdso
  }
}

/// One entry of the table the trampoline runs, as it lies in guest memory (72 bytes).
///
/// The trampoline runs entries in order, stores each result, and stops at the first entry whose number is `execve`,
/// which the gate stops: that is the end of the table.
public struct TrampolineCall: BitwiseCopyable, Sendable {
  /// The system call number.
  public var number: Int64
  /// The six arguments.
  public var arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
  /// What the call returned.
  public var result: Int64
  /// The byte offset, from the table's start, of a result that is added to the first argument; 0 for none.
  public var base: Int64

  public init(
    number: Int, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0, _ e: UInt64 = 0, _ f: UInt64 = 0,
    base: Int64 = 0
  ) {
    self.number = Int64(number)
    self.arguments = (a, b, c, d, e, f)
    self.result = 0
    self.base = base
  }
}

/// Where the trampoline lies in every guest while an image is loaded, and what its mappings carry.
public struct TrampolineLayout: Sendable {
  /// The pages of the trampoline's own segments.
  public static let range: Range<UInt64> = 0x6f00_0000_0000..<0x6f00_0000_1000

  /// The upper half of the flags argument of every mmap in the table; the filter lets these through.
  public var flagsSecret: UInt64
  /// The upper half of the descriptor argument of every mmap in the table.
  public var descriptorSecret: UInt64

  public init(flagsSecret: UInt64, descriptorSecret: UInt64) {
    self.flagsSecret = flagsSecret
    self.descriptorSecret = descriptorSecret
  }
}
