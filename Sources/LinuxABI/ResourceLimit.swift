// Resource limits of a process (`man 2 getrlimit`).

/// A resource that is limited: RLIMIT_...
public struct Resource: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32
  @inlinable
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// RLIMIT_FSIZE.
  public static let fileSize = Resource(rawValue: 1)
  public static let data = Resource(rawValue: 2)
  public static let stack = Resource(rawValue: 3)
  public static let core = Resource(rawValue: 4)
  /// RLIMIT_NOFILE: one more than the highest descriptor.
  public static let descriptors = Resource(rawValue: 7)
}

/// `struct rlimit`.
public struct ResourceLimit: BitwiseCopyable, Sendable, Hashable {
  /// What is enforced.
  public var soft: UInt64
  /// What the soft limit may be raised to.
  public var hard: UInt64

  @inlinable
  public init(soft: UInt64, hard: UInt64) {
    self.soft = soft
    self.hard = hard
  }

  /// RLIM_INFINITY.
  public static let infinity = UInt64.max
}
