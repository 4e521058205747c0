// What epoll(7) is asked for and reports.

/// `struct epoll_event`, which is packed on x86-64: twelve bytes, the data in two halves here.
public struct EpollEvent: BitwiseCopyable, Sendable {
  public var events: Events
  @usableFromInline var low: UInt32
  @usableFromInline var high: UInt32

  @inlinable
  public init(_ events: Events, token: UInt64) {
    self.events = events
    low = UInt32(truncatingIfNeeded: token)
    high = UInt32(truncatingIfNeeded: token >> 32)
  }

  /// The data: whatever the descriptor was added with.
  @inlinable
  public var token: UInt64 { UInt64(high) << 32 | UInt64(low) }

  /// EPOLL...
  public struct Events: OptionSet, BitwiseCopyable, Sendable {
    public let rawValue: UInt32
    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// EPOLLIN.
    public static let readable = Events(rawValue: 1)
    /// EPOLLOUT.
    public static let writable = Events(rawValue: 4)
    /// EPOLLERR, which is reported unasked.
    public static let failed = Events(rawValue: 8)
  }
}
