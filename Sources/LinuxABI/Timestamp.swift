// A point in time with nanoseconds, as file systems keep it.

/// `struct timespec` as a file time: seconds since the epoch, and 0 ..< 1,000,000,000 nanoseconds.
public struct Timestamp: Sendable, Hashable, Comparable {
  public let seconds: Int64
  public let nanoseconds: UInt32

  /// Nanoseconds that a file system or an archive has beyond a second's are its last one.
  @inlinable
  public init(seconds: Int64, nanoseconds: UInt32) {
    self.seconds = seconds
    self.nanoseconds = min(nanoseconds, 999_999_999)
  }

  @inlinable
  public static func < (a: Timestamp, b: Timestamp) -> Bool {
    (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
  }

  public static let epoch = Timestamp(seconds: 0, nanoseconds: 0)
}

/// What `utimensat(2)` asks of one of the two times.
public enum TimeChange: Sendable, Equatable {
  /// UTIME_OMIT.
  case keep
  /// UTIME_NOW.
  case now
  case set(Timestamp)

  /// What the kernel's form of it asks for: UTIME_OMIT, UTIME_NOW or a time (`man 2 utimensat`); nil of what is EINVAL.
  @inlinable
  public init?(_ time: TimeSpecification) {
    switch time.nanoseconds {
    case TimeSpecification.omit: self = .keep
    case TimeSpecification.now: self = .now
    case 0..<1_000_000_000: self = .set(Timestamp(time))
    default: return nil
    }
  }

  /// The time this asks for; nil to keep the old one.
  @inlinable
  public func resolved(now: Timestamp) -> Timestamp? {
    switch self {
    case .keep: nil
    case .now: now
    case .set(let time): time
    }
  }
}
