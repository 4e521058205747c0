// Times in microseconds, as the older calls have them.

/// `struct timeval` (`man 3type timeval`): a time or a duration.
public struct TimeValue: BitwiseCopyable, Sendable, Hashable {
  public var seconds: Int64
  /// Below a million, unless a guest has written it.
  public var microseconds: Int64

  @inlinable
  public init(seconds: Int64 = 0, microseconds: Int64 = 0) {
    self.seconds = seconds
    self.microseconds = microseconds
  }
}
