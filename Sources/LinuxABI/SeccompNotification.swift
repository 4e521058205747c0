// What goes through a listener of seccomp user notifications (`man 2 seccomp_unotify`, linux/seccomp.h).

/// `struct seccomp_notif`: a call that a filter holds (SECCOMP_RET_USER_NOTIF), with `struct seccomp_data`.
public struct SeccompNotification: BitwiseCopyable, Sendable {
  /// Names the held call in an answer.
  public var identifier: UInt64 = 0
  /// The thread's number in our pid namespace; 0 if it has none there.
  public var thread: Int32 = 0
  @usableFromInline var flags: UInt32 = 0
  public var number: Int32 = 0
  /// AUDIT_ARCH_...
  public var architecture: UInt32 = 0
  public var instructionPointer: UInt64 = 0
  public var arguments: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)

  /// All zeros, as the kernel wants it before it fills it in.
  @inlinable
  public init() {}
}

/// `struct seccomp_notif_resp`: how a held call is answered.
public struct SeccompResponse: BitwiseCopyable, Sendable {
  @usableFromInline var identifier: UInt64
  @usableFromInline var value: Int64
  /// A negative errno, or 0.
  @usableFromInline var error: Int32
  @usableFromInline var flags: UInt32 = 0

  /// - Parameter result: what the call returns; an error if it is a negative errno.
  @inlinable
  public init(_ identifier: UInt64, _ result: Int) {
    self.identifier = identifier
    let isError = result < 0 && result >= -4095
    value = isError ? 0 : Int64(result)
    error = isError ? Int32(result) : 0
  }
}

/// `struct seccomp_notif_addfd` (Linux 5.9): a descriptor for the thread whose call is held.
public struct SeccompDescriptor: BitwiseCopyable, Sendable {
  /// SECCOMP_ADDFD_FLAG_...
  public struct Flags: OptionSet, BitwiseCopyable, Sendable {
    public let rawValue: UInt32
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// At the number that is given, in place of what is there; else at the lowest free one.
    @inlinable public static var setNumber: Flags { Flags(rawValue: 1) }
    /// The call is answered with the number, in the same step (Linux 5.14).
    @inlinable public static var send: Flags { Flags(rawValue: 2) }
  }

  @usableFromInline var identifier: UInt64
  @usableFromInline var flags: Flags
  @usableFromInline var source: Int32
  @usableFromInline var target: Int32
  /// O_CLOEXEC or none.
  @usableFromInline var targetFlags: UInt32

  /// - Parameters:
  ///   - file: a descriptor of ours, of which the thread gets a duplicate.
  ///   - number: where, with `.setNumber`.
  @inlinable
  public init(_ identifier: UInt64, _ file: Int32, _ flags: Flags, at number: Int32, closeOnExec: Bool) {
    self.identifier = identifier
    self.flags = flags
    source = file
    target = number
    targetFlags = closeOnExec ? OpenFlags.closeOnExec.rawValue : 0
  }
}

/// The requests of `ioctl(2)` on a listener: SECCOMP_IOCTL_NOTIF_...
public struct SeccompRequest: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  @inlinable public static var receive: Self { Self(rawValue: 0xc050_2100) }
  @inlinable public static var send: Self { Self(rawValue: 0xc018_2101) }
  /// SECCOMP_IOCTL_NOTIF_ID_VALID.
  @inlinable public static var isValid: Self { Self(rawValue: 0x4008_2102) }
  /// SECCOMP_IOCTL_NOTIF_ADDFD.
  @inlinable public static var addDescriptor: Self { Self(rawValue: 0x4018_2103) }
  /// SECCOMP_IOCTL_NOTIF_SET_FLAGS, Linux 6.6.
  @inlinable public static var setFlags: Self { Self(rawValue: 0x4008_2104) }
}
