// The locks of flock(2) and of fcntl(2), as they are asked for.

/// An operation of flock(2): one of three, and LOCK_NB.
public struct LockOperation: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32
  @inlinable
  public init(rawValue: Int32) { self.rawValue = rawValue }

  public enum Kind: Sendable { case shared, exclusive, unlock }

  /// LOCK_NB is not set.
  @inlinable
  public var mayWait: Bool { rawValue & 4 == 0 }

  /// The same with LOCK_NB.
  @inlinable
  public var withoutWaiting: LockOperation { LockOperation(rawValue: rawValue | 4) }

  /// Nil for what is EINVAL.
  @inlinable
  public var kind: Kind? {
    switch rawValue & ~4 {
    case 1: .shared
    case 2: .exclusive
    case 8: .unlock
    default: nil
    }
  }
}

/// `struct flock` (`man 2 fcntl`): a lock on a range of a file.
public struct RangeLock: BitwiseCopyable, Sendable {
  /// `l_type`; a lease has the same three (F_SETLEASE).
  public enum Kind: Int16, Sendable {
    /// F_RDLCK.
    case read = 0
    /// F_WRLCK.
    case write = 1
    /// F_UNLCK.
    case unlock = 2
  }

  public var type: Int16
  /// What `start` counts from: SEEK_SET, SEEK_CUR or SEEK_END.
  public var whence: Int16
  /// `l_whence` and the fields of eight bytes do not touch.
  @usableFromInline var padding: UInt32 = 0
  public var start: Int64
  /// 0 for all there may ever be.
  public var length: Int64
  /// `l_pid`.
  public var process: Int32
  @usableFromInline var paddingAtEnd: UInt32 = 0

  @inlinable
  public init(_ kind: Kind, whence: Int16 = 0, start: Int64 = 0, length: Int64 = 0, process: Int32 = 0) {
    type = kind.rawValue
    self.whence = whence
    self.start = start
    self.length = length
    self.process = process
  }

  /// Nil for what is EINVAL.
  @inlinable
  public var kind: Kind? { Kind(rawValue: type) }
}
