// The numbers of the signals that the supervisor knows, and sets of signals as the kernel has them.

/// A signal's number on x86-64 (`man 7 signal`).
public struct Signal: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32
  @inlinable
  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static let hangup = Signal(rawValue: 1)
  public static let interrupt = Signal(rawValue: 2)
  public static let quit = Signal(rawValue: 3)
  public static let trap = Signal(rawValue: 5)
  public static let abort = Signal(rawValue: 6)
  public static let kill = Signal(rawValue: 9)
  public static let user1 = Signal(rawValue: 10)
  public static let segmentationFault = Signal(rawValue: 11)
  public static let user2 = Signal(rawValue: 12)
  public static let pipe = Signal(rawValue: 13)
  public static let alarm = Signal(rawValue: 14)
  public static let terminate = Signal(rawValue: 15)
  public static let child = Signal(rawValue: 17)
  public static let `continue` = Signal(rawValue: 18)
  public static let stop = Signal(rawValue: 19)
  public static let terminalStop = Signal(rawValue: 20)
  public static let terminalInput = Signal(rawValue: 21)
  public static let terminalOutput = Signal(rawValue: 22)
  public static let urgent = Signal(rawValue: 23)
  /// SIGXFSZ.
  public static let fileSizeExceeded = Signal(rawValue: 25)
  public static let windowChange = Signal(rawValue: 28)
  /// SIGIO.
  public static let inputOutput = Signal(rawValue: 29)
  public static let power = Signal(rawValue: 30)
  /// SIGSYS.
  public static let systemCall = Signal(rawValue: 31)

  /// SIGRTMAX of the kernel.
  public static let highest: Int32 = 64
}

/// `sigset_t` as the kernel has it: 64 bits (`man 7 signal`).
public struct SignalSet: Hashable, Sendable, BitwiseCopyable {
  public var bits: UInt64

  @inlinable
  public init(bits: UInt64 = 0) { self.bits = bits }

  @inlinable
  public init(_ signals: [Signal]) {
    self.init()
    for signal in signals { insert(signal) }
  }

  @inlinable
  public mutating func insert(_ signal: Signal) {
    if (1...64).contains(signal.rawValue) { bits |= 1 << UInt64(signal.rawValue - 1) }
  }

  @inlinable
  public mutating func remove(_ signal: Signal) {
    if (1...64).contains(signal.rawValue) { bits &= ~(1 << UInt64(signal.rawValue - 1)) }
  }

  @inlinable
  public func contains(_ signal: Signal) -> Bool {
    (1...64).contains(signal.rawValue) && bits & (1 << UInt64(signal.rawValue - 1)) != 0
  }

  @inlinable
  public func isSuperset(of other: SignalSet) -> Bool { bits & other.bits == other.bits }
}
