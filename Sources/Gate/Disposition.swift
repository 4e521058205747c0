// What the filter does with one system call, decided by register values alone. The rules of a call are tried in order and
// the first that holds decides; the same order is compiled to BPF by Platform and evaluated here by `DispositionTable`.

public import LinuxABI

/// What the filter does with a call.
public enum Disposition: Sendable, Equatable {
  /// The kernel runs it: SECCOMP_RET_ALLOW.
  case native
  /// The tracer is asked: SECCOMP_RET_TRACE.
  case trace
  /// The notify worker is asked: SECCOMP_RET_USER_NOTIF.
  case notify
  /// The call fails with this error, 0 for success without effect: SECCOMP_RET_ERRNO.
  case errno(CInt)
  /// The process ends with SIGSYS: SECCOMP_RET_KILL_PROCESS.
  case kill

  /// The call fails with this error.
  public static func errno(_ errno: Errno) -> Disposition { .errno(errno.rawValue) }
}

/// One question about one argument register.
public enum ArgumentTest: Sendable, Equatable {
  /// `(argument & mask) == value`.
  case equal(argument: Int, mask: UInt64, value: UInt64)
  /// `(argument & mask) != value`.
  case different(argument: Int, mask: UInt64, value: UInt64)
  /// The low half of the argument is in the list. The upper half of an int argument is not looked at (the kernel does
  /// not look at it either; CVE-2019-7303 came from comparing 64 bits).
  case oneOf(argument: Int, [UInt32])

  /// The low half of the argument equals `value`.
  public static func int(_ argument: Int, _ value: UInt32) -> ArgumentTest {
    .equal(argument: argument, mask: 0xffff_ffff, value: UInt64(value))
  }

  /// At least one of `bits` is set in the low half.
  public static func anyBit(_ argument: Int, _ bits: UInt32) -> ArgumentTest {
    .different(argument: argument, mask: UInt64(bits), value: 0)
  }

  /// None of `bits` is set in the low half.
  public static func noBit(_ argument: Int, _ bits: UInt32) -> ArgumentTest {
    .equal(argument: argument, mask: UInt64(bits), value: 0)
  }

  /// The answer for these registers.
  public func holds(for call: SystemCall) -> Bool {
    switch self {
    case .equal(let argument, let mask, let value): call.argument(argument) & mask == value
    case .different(let argument, let mask, let value): call.argument(argument) & mask != value
    case .oneOf(let argument, let values): values.contains(UInt32(truncatingIfNeeded: call.argument(argument)))
    }
  }
}

/// All tests hold: then the disposition is this one.
public struct ArgumentRule: Sendable, Equatable {
  public var tests: [ArgumentTest]
  public var disposition: Disposition

  public init(_ disposition: Disposition, when tests: ArgumentTest...) {
    self.tests = tests
    self.disposition = disposition
  }
}

/// The rules of one call number.
public struct CallPolicy: Sendable, Equatable {
  /// Tried in order; most calls have none.
  public var rules: [ArgumentRule]
  /// What applies when no rule holds.
  public var otherwise: Disposition

  public init(_ rules: [ArgumentRule] = [], otherwise: Disposition) {
    self.rules = rules
    self.otherwise = otherwise
  }

  /// What applies to this call.
  public func disposition(of call: SystemCall) -> Disposition {
    for rule in rules where rule.tests.allSatisfy({ $0.holds(for: call) }) { return rule.disposition }
    return otherwise
  }
}

extension SystemCall {
  /// Argument register `index`, 0 ... 5.
  @inlinable
  public func argument(_ index: Int) -> UInt64 {
    switch index {
    case 0: arguments.0
    case 1: arguments.1
    case 2: arguments.2
    case 3: arguments.3
    case 4: arguments.4
    default: arguments.5
    }
  }

  /// Replaces an argument by its index, 0 ... 5.
  public mutating func setArgument(_ index: Int, _ value: UInt64) {
    switch index {
    case 0: arguments.0 = value
    case 1: arguments.1 = value
    case 2: arguments.2 = value
    case 3: arguments.3 = value
    case 4: arguments.4 = value
    default: arguments.5 = value
    }
  }
}
