// A point in time with nanoseconds, as file systems keep it.

import CLinux

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

  /// The time the kernel itself would stamp a file with: CLOCK_REALTIME_COARSE (`man 2 clock_gettime`).
  public static func now() -> Timestamp {
    var time = timespec()
    clock_gettime(5 /* CLOCK_REALTIME_COARSE */, &time)
    return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
  }
}

/// Time that passes, for measuring how long something took.
public enum MonotonicClock {
  /// Nanoseconds of CLOCK_MONOTONIC (`man 2 clock_gettime`): from some moment on, never set back.
  public static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// The same clock at the kernel's last tick (CLOCK_MONOTONIC_COARSE): some milliseconds old, and cheaper to read.
  public static func coarse() -> UInt64 { vd_coarse_time() }
}

/// What `utimensat(2)` asks of one of the two times.
public enum TimeChange: Sendable, Equatable {
  /// UTIME_OMIT.
  case keep
  /// UTIME_NOW.
  case now
  case set(Timestamp)

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
