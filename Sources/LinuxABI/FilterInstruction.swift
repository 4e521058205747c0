// One instruction of classic BPF, in which seccomp(2) takes a filter.

/// `struct sock_filter` (linux/filter.h).
public struct FilterInstruction: BitwiseCopyable, Sendable, Hashable {
  public var code: UInt16
  /// How many instructions are left out where a comparison holds, and where it does not.
  public var jumpTrue: UInt8
  public var jumpFalse: UInt8
  public var operand: UInt32

  @inlinable
  public init(_ code: UInt16, _ operand: UInt32, jumpTrue: UInt8 = 0, jumpFalse: UInt8 = 0) {
    self.code = code
    self.jumpTrue = jumpTrue
    self.jumpFalse = jumpFalse
    self.operand = operand
  }
}
