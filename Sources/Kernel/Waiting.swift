// Waiting for children and tracees (wait4(2)).

public import LinuxABI

/// What a child or a tracee has come to.
public struct ChildEvent: Sendable {
  public var thread: Int32
  public var status: WaitStatus

  @inlinable
  init(_ thread: Int, _ word: Int32) {
    self.thread = Int32(truncatingIfNeeded: thread)
    status = WaitStatus(word)
  }
}

extension Host {
  /// `wait4(2)`: waits for the next event of one thread, of any if it is -1; nil if there is none yet (WNOHANG).
  ///
  /// - Throws: `.noChildProcess` if no event can come: the thread is gone, or it is a dead leader, whose end is reported when
  ///   all its threads have been waited for; `.interrupted` if a signal's handler has run.
  @inlinable
  public static func wait(for thread: Int32, _ options: WaitOptions) throws(Errno) -> ChildEvent? {
    var word: Int32 = 0
    let result = withUnsafeMutablePointer(to: &word) {
      raw(.wait4, Int(thread), Int(bitPattern: $0), Int(options.rawValue), 0)
    }
    let waited = try Errno.check(result)
    return waited == 0 ? nil : ChildEvent(waited, word)
  }
}

extension ThreadFlag {
  /// `Host.wait` for any thread that also says EINTR if the flag is raised, before it or meanwhile.
  @inlinable
  public func wait(_ options: WaitOptions) throws(Errno) -> ChildEvent? {
    var word: Int32 = 0
    let result = withUnsafeMutablePointer(to: &word) {
      interruptibleCall(SystemCallNumber.wait4, -1, Int(bitPattern: $0), Int(options.rawValue))
    }
    let waited = try Errno.check(result)
    return waited == 0 ? nil : ChildEvent(waited, word)
  }
}
