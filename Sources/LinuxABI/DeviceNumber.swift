// Device numbers in the two encodings of the file calls, and file times from what the file calls fill in.

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
  public init(_ time: TimeSpecification) {
    self.init(seconds: time.seconds, nanoseconds: UInt32(truncatingIfNeeded: time.nanoseconds))
  }

  @inlinable
  public init(_ time: ExtendedTime) {
    self.init(seconds: time.seconds, nanoseconds: time.nanoseconds)
  }
}
