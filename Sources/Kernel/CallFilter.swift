// A filter of the supervisor's own calls, built by libseccomp (seccomp(3)): a list of what is allowed and one answer for all
// the rest is what its rules are made for. The guests' filter has an answer of its own for each call whose arguments fit no
// rule, which they cannot say; see FilterCompiler.

import CLinux
import CSeccomp
public import LinuxABI

/// A list of rules; `program` compiles it.
public struct CallFilter: ~Copyable {
  /// What the kernel does with a call.
  public enum Action: Sendable, Equatable {
    case allow
    case refuse(Errno)

    fileprivate var value: UInt32 {
      switch self {
      case .allow: SCMP_ACT_ALLOW
      case .refuse(let errno): 0x0005_0000 | UInt32(truncatingIfNeeded: errno.rawValue & 0xffff)
      }
    }
  }

  private let context: scmp_filter_ctx

  /// - Parameter otherwise: for calls of no rule, and for those of another architecture.
  public init(otherwise: Action) throws(Errno) {
    guard let context = seccomp_init(otherwise.value) else { throw .noMemory }
    let foreign = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, otherwise.value)
    // A binary search and not a list from top to bottom.
    let order = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
    if min(foreign, order) < 0 {
      seccomp_release(context)
      throw Errno(rawValue: -min(foreign, order))
    }
    self.context = context
  }

  deinit { seccomp_release(context) }

  /// The argument's bits under the mask are the value.
  public struct Comparison: Sendable {
    public var argument: Int
    public var mask: UInt64
    public var value: UInt64

    public init(argument: Int, mask: UInt64, value: UInt64) {
      self.argument = argument
      self.mask = mask
      self.value = value
    }
  }

  /// `seccomp_rule_add(3)`: the call where all comparisons hold, each of another argument. Several rules of one call are
  /// alternatives.
  public func add(_ action: Action, _ number: SystemCallNumber, where comparisons: [Comparison] = []) throws(Errno) {
    let list = comparisons.map {
      scmp_arg_cmp(
        arg: UInt32(truncatingIfNeeded: $0.argument), op: SCMP_CMP_MASKED_EQ, datum_a: $0.mask, datum_b: $0.value)
    }
    try Self.check(seccomp_rule_add_array(context, action.value, number.rawValue, UInt32(list.count), list))
  }

  /// `seccomp_export_bpf(3)`, by way of a memory file.
  public func program() throws(Errno) -> [FilterInstruction] {
    let file = try Host.makeMemoryFile("vedette-filter")
    try Self.check(seccomp_export_bpf(context, file.rawValue))
    try Host.seek(file.rawValue, to: 0)
    let bytes = try Host.readAll(file.rawValue)
    return bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<FilterInstruction>.stride).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<FilterInstruction>.stride, as: FilterInstruction.self)
      }
    }
  }

  private static func check(_ result: CInt) throws(Errno) {
    if result < 0 { throw Errno(rawValue: -result) }
  }
}

extension Host {
  /// `memfd_create(2)` with MFD_CLOEXEC.
  public static func makeMemoryFile(_ name: StaticString) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(CInt(truncatingIfNeeded: try call(.memfd_create, Int(bitPattern: name.utf8Start), 1)))
  }

  /// `seccomp(2)`: the filter on every thread of this process (SECCOMP_FILTER_FLAG_TSYNC), without the mitigation that some
  /// kernels ask for of filtered tasks (SPEC_ALLOW): nothing here runs a guest's code.
  ///
  /// - Returns: 0, or the thread that a filter of its own keeps from having this one.
  public static func filterOwnCalls(_ program: [FilterInstruction]) throws(Errno) -> Int32 {
    try program.withUnsafeBufferPointer { program throws(Errno) in
      // struct sock_fprog: the count, and the address.
      var description = (UInt64(UInt16(clamping: program.count)), UInt(bitPattern: program.baseAddress))
      return try withUnsafeMutablePointer(to: &description) { description throws(Errno) in
        Int32(
          truncatingIfNeeded: try call(
            .seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, Int(FilterFlags([.allThreads, .allowSpeculation]).rawValue),
            Int(bitPattern: description)))
      }
    }
  }

  /// The level of the kernel's filters that libseccomp has found (`seccomp_api_get(3)`).
  public static var filterLevel: UInt32 { seccomp_api_get() }
}
