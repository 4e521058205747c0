// What wait4(2) says of a process or a thread.

/// The status word of wait4(2), with the events of ptrace(2).
public enum WaitStatus: Sendable, Equatable {
  /// It has ended by itself.
  case exited(Int32)
  /// A signal has ended it.
  case signalled(Signal)
  /// A tracee has stopped: by which signal, and the event that goes with it.
  case stopped(signal: Signal, event: PtraceEvent)
  /// SIGCONT has resumed it.
  case continued

  @inlinable
  public init(_ word: Int32) {
    let low = word & 0x7f
    if word == 0xffff {
      self = .continued
    } else if word & 0xff == 0x7f {
      self = .stopped(
        signal: Signal(rawValue: word >> 8 & 0xff), event: PtraceEvent(rawValue: word >> 16 & 0xffff))
    } else if low == 0 {
      self = .exited(word >> 8 & 0xff)
    } else {
      self = .signalled(Signal(rawValue: low))
    }
  }
}

extension Signal {
  /// What a stop at a system call shows, with PTRACE_O_TRACESYSGOOD: SIGTRAP | 0x80.
  @inlinable public static var systemCallStop: Signal { Signal(rawValue: 0x85) }
}

/// What a wait takes into account (`man 2 wait4`).
public struct WaitOptions: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// WNOHANG.
  @inlinable public static var noHang: WaitOptions { WaitOptions(rawValue: 1) }
  /// __WALL: children of every kind.
  @inlinable public static var all: WaitOptions { WaitOptions(rawValue: 0x4000_0000) }
  /// __WNOTHREAD: none of other threads of this process.
  @inlinable public static var ownChildrenOnly: WaitOptions { WaitOptions(rawValue: 0x2000_0000) }
}
