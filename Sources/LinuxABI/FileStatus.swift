// What stat(2) fills in, in the kernel's layout for x86-64: the supervisor's own calls write it, and guests get it.

/// `struct timespec` (`man 3 timespec`): also a duration, or one of the two marks of utimensat(2).
public struct TimeSpecification: BitwiseCopyable, Sendable, Hashable {
  public var seconds: Int64
  public var nanoseconds: Int64

  @inlinable
  public init(seconds: Int64 = 0, nanoseconds: Int64 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// UTIME_OMIT and UTIME_NOW, in place of nanoseconds.
  @usableFromInline static let omit: Int64 = 0x3fff_fffe
  @usableFromInline static let now: Int64 = 0x3fff_ffff

  @inlinable
  public init(_ time: Timestamp) { self.init(seconds: time.seconds, nanoseconds: Int64(time.nanoseconds)) }

  /// So many nanoseconds.
  @inlinable
  public init(nanoseconds: UInt64) {
    self.init(seconds: Int64(nanoseconds / 1_000_000_000), nanoseconds: Int64(nanoseconds % 1_000_000_000))
  }

  /// The kernel's form of a change of time: UTIME_OMIT and UTIME_NOW for what is no time (`man 2 utimensat`).
  @inlinable
  public init(_ change: TimeChange) {
    switch change {
    case .keep: self.init(nanoseconds: Self.omit)
    case .now: self.init(nanoseconds: Self.now)
    case .set(let time): self.init(time)
    }
  }
}

/// `struct stat` (`man 3type stat`).
public struct FileStatus: BitwiseCopyable, Sendable {
  public var device: UInt64 = 0
  public var inode: UInt64 = 0
  public var linkCount: UInt64 = 0
  /// Type and permissions.
  public var mode: UInt32 = 0
  public var owner: UInt32 = 0
  public var group: UInt32 = 0
  @usableFromInline var padding: UInt32 = 0
  /// `st_rdev`: the device that a device node names.
  public var namedDevice: UInt64 = 0
  public var size: Int64 = 0
  public var blockSize: Int64 = 0
  /// Of 512 bytes each.
  public var blocks: Int64 = 0
  @usableFromInline var access = TimeSpecification()
  @usableFromInline var modification = TimeSpecification()
  @usableFromInline var change = TimeSpecification()
  @usableFromInline var reserved: (Int64, Int64, Int64) = (0, 0, 0)

  @inlinable
  public init() {}

  @inlinable
  public var accessTime: Timestamp {
    get { Timestamp(access) }
    set { access = TimeSpecification(newValue) }
  }

  @inlinable
  public var modificationTime: Timestamp {
    get { Timestamp(modification) }
    set { modification = TimeSpecification(newValue) }
  }

  @inlinable
  public var changeTime: Timestamp {
    get { Timestamp(change) }
    set { change = TimeSpecification(newValue) }
  }

  /// Nil if the bits name no type of file.
  @inlinable
  public var type: FileType? { FileType(mode: mode) }

  @inlinable
  public var permissions: Permissions { Permissions(mode: UInt64(mode)) }

  @inlinable
  public var identity: FileIdentity { FileIdentity(device: device, number: inode) }
}
