// A descriptor with one owner. It is closed when the value ends, so forgetting to close does not compile.

import CLinux

/// A file descriptor of the supervisor that is closed when the value is consumed or goes out of scope.
public struct OwnedDescriptor: ~Copyable, Sendable {
  /// The number in the supervisor's descriptor table; valid while this value lives.
  public let rawValue: CInt

  /// Takes over `rawValue`, which nobody else closes from now on.
  public init(_ rawValue: CInt) { self.rawValue = rawValue }

  deinit { _ = vd_syscall(Int(SYS_close), Int(rawValue), 0, 0, 0, 0, 0) }

  /// Gives the number away: the caller closes it.
  public consuming func release() -> CInt {
    let number = rawValue
    discard self
    return number
  }
}
