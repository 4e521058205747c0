// What statx(2) fills in, in the kernel's layout: the supervisor's own calls write it, and guests get it.

/// `struct statx_timestamp`.
public struct ExtendedTime: BitwiseCopyable, Sendable {
  public var seconds: Int64 = 0
  public var nanoseconds: UInt32 = 0
  @usableFromInline var padding: Int32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(_ time: Timestamp) {
    seconds = time.seconds
    nanoseconds = time.nanoseconds
  }
}

/// `struct statx` (`man 2 statx`).
public struct ExtendedStatus: BitwiseCopyable, Sendable {
  /// Which of the fields below the file system has filled in: `STATX_...`.
  public var mask: UInt32 = 0
  public var blockSize: UInt32 = 0
  /// `STATX_ATTR_...`.
  public var attributes: UInt64 = 0
  public var linkCount: UInt32 = 0
  public var owner: UInt32 = 0
  public var group: UInt32 = 0
  /// Type and permissions.
  public var mode: UInt16 = 0
  @usableFromInline var padding: UInt16 = 0
  public var inode: UInt64 = 0
  public var size: UInt64 = 0
  /// Of 512 bytes each.
  public var blocks: UInt64 = 0
  public var attributesMask: UInt64 = 0
  public var access = ExtendedTime()
  public var birth = ExtendedTime()
  public var change = ExtendedTime()
  public var modification = ExtendedTime()
  public var namedDeviceMajor: UInt32 = 0
  public var namedDeviceMinor: UInt32 = 0
  public var deviceMajor: UInt32 = 0
  public var deviceMinor: UInt32 = 0
  public var mount: UInt64 = 0
  @usableFromInline var alignments: (UInt32, UInt32) = (0, 0)
  @usableFromInline var spare: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
  @usableFromInline var spareToo: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)

  @inlinable
  public init() {}

  /// STATX_BASIC_STATS, STATX_BTIME and STATX_MNT_ID.
  public static let usual: UInt32 = 0x1fff
  /// STATX_INO.
  public static let inodeBit: UInt32 = 0x100
  /// STATX_MNT_ID: as mountinfo shows it.
  public static let mountBit: UInt32 = 0x1000
  /// STATX_BTIME.
  public static let birthTimeBit: UInt32 = 0x800
  /// STATX_MNT_ID_UNIQUE: a mount's number that no other mount ever has (Linux 6.8; older ones leave the bit out of the
  /// answer and give the number that mountinfo shows).
  public static let uniqueMount: UInt32 = 0x4000
  /// STATX_ATTR_MOUNT_ROOT, in `attributes`.
  public static let mountRoot: UInt64 = 0x2000

  /// The device that holds the file: the two halves side by side, which is not the encoding of stat(2).
  @inlinable
  public var device: UInt64 { UInt64(deviceMajor) << 32 | UInt64(deviceMinor) }

  /// The device that a device node names, in the encoding of stat(2).
  @inlinable
  public var namedDevice: UInt64 { DeviceNumber.make(major: namedDeviceMajor, minor: namedDeviceMinor) }

  @inlinable
  public var identity: FileIdentity { FileIdentity(device: device, number: inode) }

  /// Nil where the file system keeps none.
  @inlinable
  public var birthTime: Timestamp? { mask & Self.birthTimeBit != 0 ? Timestamp(birth) : nil }
}
