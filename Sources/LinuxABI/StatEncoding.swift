// The guest-visible shapes of file status: `struct stat`, `struct statx`, `struct statfs`.

public import CLinux

/// Device numbers: `stat` has them as one word, `statx` in two halves (linux/kdev_t.h).
public enum DeviceNumber {
  @inlinable
  public static func major(_ device: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: (device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000))
  }

  @inlinable
  public static func minor(_ device: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: (device & 0xff) | (device >> 12 & 0xffff_ff00))
  }

  @inlinable
  public static func make(major: UInt32, minor: UInt32) -> UInt64 {
    let (major, minor) = (UInt64(major), UInt64(minor))
    return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xff) << 12 | (major & ~0xfff) << 32
  }
}

extension Timestamp {
  @inlinable
  public init(_ time: timespec) {
    self.init(seconds: Int64(time.tv_sec), nanoseconds: UInt32(truncatingIfNeeded: time.tv_nsec))
  }

  @inlinable
  public init(_ time: statx_timestamp) {
    self.init(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
  }

  @inlinable
  public var timespecValue: timespec { CLinux.timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds)) }

  @inlinable
  public var statxTimestamp: statx_timestamp {
    var time = statx_timestamp()
    time.tv_sec = seconds
    time.tv_nsec = nanoseconds
    return time
  }
}
