// The words of ptrace(2): its requests, its options, the events that a stop may be, and what it says of a call.

/// A request (linux/ptrace.h).
public struct PtraceRequest: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// PTRACE_PEEKUSER, PTRACE_POKEUSER: one register.
  @inlinable public static var peekUser: Self { Self(rawValue: 3) }
  @inlinable public static var pokeUser: Self { Self(rawValue: 6) }
  /// PTRACE_POKEDATA: a word of memory.
  @inlinable public static var pokeData: Self { Self(rawValue: 5) }
  /// PTRACE_CONT.
  @inlinable public static var `continue`: Self { Self(rawValue: 7) }
  /// PTRACE_GETREGS, PTRACE_SETREGS.
  @inlinable public static var getRegisters: Self { Self(rawValue: 12) }
  @inlinable public static var setRegisters: Self { Self(rawValue: 13) }
  /// PTRACE_SYSCALL.
  @inlinable public static var systemCall: Self { Self(rawValue: 24) }
  /// PTRACE_SETOPTIONS.
  @inlinable public static var setOptions: Self { Self(rawValue: 0x4200) }
  /// PTRACE_GETEVENTMSG.
  @inlinable public static var getEventMessage: Self { Self(rawValue: 0x4201) }
  /// PTRACE_GETSIGINFO.
  @inlinable public static var getSignalInformation: Self { Self(rawValue: 0x4202) }
  @inlinable public static var seize: Self { Self(rawValue: 0x4206) }
  @inlinable public static var interrupt: Self { Self(rawValue: 0x4207) }
  @inlinable public static var listen: Self { Self(rawValue: 0x4208) }
  /// PTRACE_GETSIGMASK, PTRACE_SETSIGMASK.
  @inlinable public static var getSignalMask: Self { Self(rawValue: 0x420a) }
  @inlinable public static var setSignalMask: Self { Self(rawValue: 0x420b) }
  /// PTRACE_GET_SYSCALL_INFO, Linux 5.3.
  @inlinable public static var getSystemCallInformation: Self { Self(rawValue: 0x420e) }
}

/// PTRACE_O_...
public struct PtraceOptions: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// PTRACE_O_TRACESYSGOOD: a stop at a call is SIGTRAP | 0x80.
  public static let marksSystemCalls = PtraceOptions(rawValue: 1)
  public static let traceFork = PtraceOptions(rawValue: 1 << 1)
  public static let traceVfork = PtraceOptions(rawValue: 1 << 2)
  public static let traceClone = PtraceOptions(rawValue: 1 << 3)
  public static let traceExec = PtraceOptions(rawValue: 1 << 4)
  public static let traceSeccomp = PtraceOptions(rawValue: 1 << 7)
  /// PTRACE_O_EXITKILL: tracees end with their tracer.
  public static let exitKill = PtraceOptions(rawValue: 1 << 20)
}

/// PTRACE_EVENT_...: what a stop is beside a signal.
public struct PtraceEvent: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32
  @inlinable
  public init(rawValue: Int32) { self.rawValue = rawValue }

  // Written out to be inlined in other targets: each stop is told by it.
  @inlinable
  public static func == (one: PtraceEvent, other: PtraceEvent) -> Bool { one.rawValue == other.rawValue }

  /// A signal is about to be delivered; or, where the signal says so, a system call is entered or returns.
  @inlinable public static var none: Self { Self(rawValue: 0) }
  @inlinable public static var fork: Self { Self(rawValue: 1) }
  @inlinable public static var vfork: Self { Self(rawValue: 2) }
  @inlinable public static var clone: Self { Self(rawValue: 3) }
  @inlinable public static var exec: Self { Self(rawValue: 4) }
  /// A filter has said SECCOMP_RET_TRACE.
  @inlinable public static var seccomp: Self { Self(rawValue: 7) }
  /// A group-stop, the end of one, a newborn's first stop, or what PTRACE_INTERRUPT has asked for.
  @inlinable public static var stop: Self { Self(rawValue: 128) }
}

/// `struct ptrace_syscall_info` as it is at a seccomp stop.
public struct SystemCallInformation: BitwiseCopyable, Sendable {
  /// PTRACE_SYSCALL_INFO_...
  @usableFromInline var operation: UInt8 = 0
  @usableFromInline var flags: UInt8 = 0
  @usableFromInline var padding: UInt16 = 0
  /// AUDIT_ARCH_...
  public var architecture: UInt32 = 0
  public var instructionPointer: UInt64 = 0
  public var stackPointer: UInt64 = 0
  public var number: UInt64 = 0
  public var arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
  /// SECCOMP_RET_DATA of the filter.
  public var data: UInt32 = 0
  @usableFromInline var reserved: UInt32 = 0

  @inlinable
  public init() {}

  /// PTRACE_SYSCALL_INFO_SECCOMP.
  @inlinable
  public var isSeccompStop: Bool { operation == 3 }
}
