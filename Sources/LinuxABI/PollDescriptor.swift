// What poll(2) is asked for and reports.

/// `struct pollfd`.
public struct PollDescriptor: BitwiseCopyable, Sendable {
  public var descriptor: Int32
  public var events: PollEvents
  /// `revents`.
  public var returned = PollEvents()

  @inlinable
  public init(_ descriptor: Int32, _ events: PollEvents) {
    self.descriptor = descriptor
    self.events = events
  }
}

/// POLL...
public struct PollEvents: OptionSet, BitwiseCopyable, Sendable, Hashable {
  public let rawValue: Int16
  @inlinable
  public init(rawValue: Int16) { self.rawValue = rawValue }

  /// POLLIN.
  public static let readable = PollEvents(rawValue: 1)
  /// POLLOUT.
  public static let writable = PollEvents(rawValue: 4)
  /// POLLERR, which is reported unasked.
  public static let failed = PollEvents(rawValue: 8)
  /// POLLHUP, which is reported unasked.
  public static let hungUp = PollEvents(rawValue: 0x10)
}
