// How seccomp(2) loads a filter.

/// SECCOMP_FILTER_FLAG_...
public struct FilterFlags: OptionSet, Sendable, Hashable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// TSYNC: on every thread of the process.
  public static let allThreads = FilterFlags(rawValue: 1)
  /// SPEC_ALLOW: without the mitigation of speculative store bypass and indirect branches.
  public static let allowSpeculation = FilterFlags(rawValue: 4)
  /// NEW_LISTENER: the call returns a descriptor that is told of calls.
  public static let newListener = FilterFlags(rawValue: 8)
  /// WAIT_KILLABLE_RECV: once a call is received, only a fatal signal ends its wait.
  public static let waitKillable = FilterFlags(rawValue: 0x20)
}
