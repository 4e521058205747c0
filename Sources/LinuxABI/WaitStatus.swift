// What wait4(2) says of a process or a thread.

/// The status word of wait4(2), with the events of ptrace(2).
public enum WaitStatus: Sendable, Equatable {
  /// It has ended by itself.
  case exited(Int32)
  /// A signal has ended it.
  case signalled(Int32)
  /// A tracee has stopped: by which signal, and the PTRACE_EVENT that goes with it, 0 if none does.
  case stopped(signal: Int32, event: Int32)
  /// SIGCONT has resumed it.
  case continued

  @inlinable
  public init(_ word: Int32) {
    let low = word & 0x7f
    if word == 0xffff {
      self = .continued
    } else if word & 0xff == 0x7f {
      self = .stopped(signal: word >> 8 & 0xff, event: word >> 16 & 0xffff)
    } else if low == 0 {
      self = .exited(word >> 8 & 0xff)
    } else {
      self = .signalled(low)
    }
  }
}
