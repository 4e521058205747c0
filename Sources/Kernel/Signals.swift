// Signals of the supervisor's own threads: which are blocked, and waiting for one. Sending is in Processes.swift.

public import LinuxABI

extension Host {
  /// What `rt_sigprocmask(2)` does with the set.
  public enum SignalMaskChange: Int, Sendable {
    /// SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK.
    case block = 0
    case unblock = 1
    case set = 2
  }

  /// `rt_sigprocmask(2)`: changes what the calling thread blocks, and what threads that it makes will block. Returns what
  /// it blocked before.
  @discardableResult
  public static func changeSignalMask(_ change: SignalMaskChange, _ signals: SignalSet) throws(Errno) -> SignalSet {
    var signals = signals
    var before = SignalSet()
    _ = try withUnsafeMutablePointer(to: &signals) { signals throws(Errno) in
      try withUnsafeMutablePointer(to: &before) { before throws(Errno) in
        try call(
          .rt_sigprocmask, change.rawValue, Int(bitPattern: signals), Int(bitPattern: before),
          MemoryLayout<SignalSet>.size)
      }
    }
    return before
  }

  /// `rt_sigprocmask(2)`: what the calling thread blocks.
  public static var signalMask: SignalSet { (try? changeSignalMask(.block, SignalSet())) ?? SignalSet() }

  /// `rt_sigtimedwait(2)`: takes a signal that is pending, or waits for one.
  ///
  /// - Precondition: the calling thread blocks `signals`.
  /// - Returns: nil if none comes in time, or a handler of another signal has run.
  public static func waitForSignal(in signals: SignalSet, nanoseconds: UInt64) -> SignalInformation? {
    var signals = signals
    var limit = TimeSpecification(nanoseconds: nanoseconds)
    var information = SignalInformation()
    let result = withUnsafeMutablePointer(to: &signals) { signals in
      withUnsafeMutablePointer(to: &information) { information in
        withUnsafeMutablePointer(to: &limit) { limit in
          raw(
            .rt_sigtimedwait, Int(bitPattern: signals), Int(bitPattern: information), Int(bitPattern: limit),
            MemoryLayout<SignalSet>.size)
        }
      }
    }
    return result > 0 ? information : nil
  }

  /// `exit_group(2)`: ends this process at once.
  public static func exitGroup(_ status: Int32) -> Never {
    while true { raw(.exit_group, Int(status)) }
  }
}
