// What comes with a signal, and the ways to have one sent by the kernel.

/// `siginfo_t` (`man 2 sigaction`): 128 bytes, of which those of a signal that a process has sent have names here.
public struct SignalInformation: BitwiseCopyable, Sendable {
  @usableFromInline var number: Int32 = 0
  public var errno: Int32 = 0
  @usableFromInline var codeNumber: Int32 = 0
  @usableFromInline var padding: Int32 = 0
  /// `si_pid`, `si_uid`: who has sent it.
  public var process: Int32 = 0
  public var user: UInt32 = 0
  /// `si_value`, of a signal that was queued.
  public var value: UInt64 = 0
  @usableFromInline
  var rest: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

  @inlinable
  public init() {}

  /// `si_signo`.
  @inlinable
  public var signal: Signal {
    get { Signal(rawValue: number) }
    set { number = newValue.rawValue }
  }

  /// `si_code`.
  @inlinable
  public var code: Code {
    get { Code(rawValue: codeNumber) }
    set { codeNumber = newValue.rawValue }
  }

  /// Where a signal is from: SI_...
  public struct Code: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int32
    @inlinable
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// SI_KERNEL: the kernel's own doing, as a terminal's keys are.
    public static let kernel = Code(rawValue: 0x80)
    /// SI_QUEUE: rt_sigqueueinfo(2) or pidfd_send_signal(2).
    public static let queued = Code(rawValue: -1)

    /// A process has sent it (SI_USER, SI_QUEUE, SI_TKILL, ...); what is above is the kernel's.
    @inlinable
    public var isByProcess: Bool { rawValue <= 0 }
  }
}

/// `struct sigevent` (`man 3type sigevent`) for a signal to one thread: SIGEV_THREAD_ID.
public struct SignalEvent: BitwiseCopyable, Sendable {
  @usableFromInline var value: UInt64 = 0
  @usableFromInline var signal: Int32
  @usableFromInline var notify: Int32 = 4
  @usableFromInline var thread: Int32
  @usableFromInline var padding: Int32 = 0
  @usableFromInline var rest: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)

  @inlinable
  public init(_ signal: Signal, to thread: Int32) {
    self.signal = signal.rawValue
    self.thread = thread
  }
}

/// `struct itimerspec` (`man 2 timer_settime`).
public struct TimerSpecification: BitwiseCopyable, Sendable {
  /// Zero for a timer that comes once.
  public var interval: TimeSpecification
  /// Until the first one; zero stops the timer.
  public var first: TimeSpecification

  @inlinable
  public init(first: TimeSpecification, interval: TimeSpecification) {
    self.first = first
    self.interval = interval
  }
}
