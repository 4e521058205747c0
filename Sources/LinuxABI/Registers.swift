// The registers of a stopped thread, as ptrace(2) reads and writes them.

/// `struct user_regs_struct` of x86-64 (sys/user.h).
public struct Registers: BitwiseCopyable, Sendable {
  public var r15: UInt64 = 0
  public var r14: UInt64 = 0
  public var r13: UInt64 = 0
  public var r12: UInt64 = 0
  public var rbp: UInt64 = 0
  public var rbx: UInt64 = 0
  public var r11: UInt64 = 0
  public var r10: UInt64 = 0
  public var r9: UInt64 = 0
  public var r8: UInt64 = 0
  public var rax: UInt64 = 0
  public var rcx: UInt64 = 0
  public var rdx: UInt64 = 0
  public var rsi: UInt64 = 0
  public var rdi: UInt64 = 0
  /// The number of the call that the thread is in; -1 if it is in none, or if that must not be restarted.
  public var originalRax: UInt64 = 0
  public var rip: UInt64 = 0
  public var cs: UInt64 = 0
  public var eflags: UInt64 = 0
  public var rsp: UInt64 = 0
  public var ss: UInt64 = 0
  public var fsBase: UInt64 = 0
  public var gsBase: UInt64 = 0
  public var ds: UInt64 = 0
  public var es: UInt64 = 0
  public var fs: UInt64 = 0
  public var gs: UInt64 = 0

  @inlinable
  public init() {}

  /// The arguments of a system call (`man 2 syscall`).
  @inlinable
  public var arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) {
    get { (rdi, rsi, rdx, r10, r8, r9) }
    set { (rdi, rsi, rdx, r10, r8, r9) = newValue }
  }
}

/// One register by its byte offset in the user area (`struct user`), which begins with `Registers`.
public struct Register: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int
  @inlinable
  public init(rawValue: Int) { self.rawValue = rawValue }

  @inlinable public static var r10: Register { Register(rawValue: 56) }
  @inlinable public static var r9: Register { Register(rawValue: 64) }
  @inlinable public static var r8: Register { Register(rawValue: 72) }
  @inlinable public static var rax: Register { Register(rawValue: 80) }
  @inlinable public static var rdx: Register { Register(rawValue: 96) }
  @inlinable public static var rsi: Register { Register(rawValue: 104) }
  @inlinable public static var rdi: Register { Register(rawValue: 112) }
  @inlinable public static var originalRax: Register { Register(rawValue: 120) }
  @inlinable public static var rip: Register { Register(rawValue: 128) }
  @inlinable public static var rsp: Register { Register(rawValue: 152) }

  /// Those of a system call's arguments (`man 2 syscall`).
  @inlinable public static var arguments: InlineArray<6, Register> { [.rdi, .rsi, .rdx, .r10, .r8, .r9] }
}
