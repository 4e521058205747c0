// A descriptor with one owner. It is closed when the value ends, so forgetting to close does not compile.

/// A file descriptor of the supervisor that is closed when the value is consumed or goes out of scope.
public struct OwnedDescriptor: ~Copyable, Sendable {
  /// The number in the supervisor's descriptor table; valid while this value lives.
  public let rawValue: CInt

  /// Takes over `rawValue`, which nothing else closes from now on.
  public init(_ rawValue: CInt) { self.rawValue = rawValue }

  deinit { Host.close(rawValue) }

  /// Gives the number away: the caller closes it.
  public consuming func release() -> CInt {
    let number = rawValue
    discard self
    return number
  }
}

/// The same for a place that no noncopyable value can stand in: a tuple, a captured variable.
public final class OwnedDescriptorBox: Sendable {
  public let rawValue: CInt
  public init(_ descriptor: consuming OwnedDescriptor) { rawValue = descriptor.release() }
  deinit { Host.close(rawValue) }
}
