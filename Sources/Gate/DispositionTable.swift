// What the filter does with every system call number. It comes from the sentry's table of system calls; Platform compiles it
// and asks it. Everything it does not name gets ENOSYS.

internal import LinuxABI

/// The policy of every system call number, in one sandbox.
public struct DispositionTable: Sendable {
  /// Indexed by number; nil is ENOSYS.
  public let policies: [CallPolicy?]
  /// The level the table was made for.
  public let isolation: IsolationLevel

  /// One more than the highest number of Linux 6.18's list (`arch/x86/entry/syscalls/syscall_64.tbl`).
  public static let count = 472

  /// What applies to this call.
  public func disposition(of call: SystemCall) -> Disposition {
    guard call.number >= 0, call.number < Self.count, let policy = policies[call.number] else {
      return .errno(Errno.noFunction.rawValue)
    }
    return policy.disposition(of: call)
  }

  /// Some call with this number may reach the tracer. A guest's own filter can send it any other number.
  public func mayTrace(_ number: Int) -> Bool {
    guard number >= 0, number < Self.count, let policy = policies[number] else { return false }
    return policy.otherwise == .trace || policy.rules.contains { $0.disposition == .trace }
  }

  /// Some call with this number may be held for the notify worker.
  public func mayNotify(_ number: Int) -> Bool {
    guard number >= 0, number < Self.count, let policy = policies[number] else { return false }
    return policy.otherwise == .notify || policy.rules.contains { $0.disposition == .notify }
  }

  public init(policies: [CallPolicy?], isolation: IsolationLevel) {
    self.policies = policies
    self.isolation = isolation
  }
}
