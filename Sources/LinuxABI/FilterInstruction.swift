// One instruction of classic BPF, in which seccomp(2) takes a filter, and the words that it is written in.

/// `struct sock_filter` (linux/filter.h).
public struct FilterInstruction: BitwiseCopyable, Sendable, Hashable {
  /// A class, and what goes with it: the words of `BPF`.
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

/// What a code is made of (linux/bpf_common.h, linux/filter.h).
public enum BPF {
  // The class, BPF_CLASS: the low three bits.
  /// BPF_LD, BPF_LDX: into the accumulator, into the index register.
  @inlinable public static var load: UInt16 { 0 }
  @inlinable public static var loadIndex: UInt16 { 1 }
  /// BPF_ST, BPF_STX.
  @inlinable public static var store: UInt16 { 2 }
  @inlinable public static var storeIndex: UInt16 { 3 }
  /// BPF_ALU, BPF_JMP, BPF_RET, BPF_MISC.
  @inlinable public static var arithmetic: UInt16 { 4 }
  @inlinable public static var jump: UInt16 { 5 }
  @inlinable public static var `return`: UInt16 { 6 }
  @inlinable public static var miscellaneous: UInt16 { 7 }

  // Of a load: the size, and where from.
  /// BPF_W: 32 bits.
  @inlinable public static var word: UInt16 { 0 }
  /// BPF_IMM, BPF_ABS, BPF_MEM, BPF_LEN: the operand, the data at that offset, a scratch word, the data's size.
  @inlinable public static var immediate: UInt16 { 0 }
  @inlinable public static var absolute: UInt16 { 0x20 }
  @inlinable public static var memory: UInt16 { 0x60 }
  @inlinable public static var length: UInt16 { 0x80 }

  // Of arithmetic and of a jump: the other operand.
  /// BPF_K: the instruction's own.
  @inlinable public static var constant: UInt16 { 0 }
  /// BPF_X: the index register.
  @inlinable public static var index: UInt16 { 8 }
  /// BPF_A, of a return: the accumulator.
  @inlinable public static var accumulator: UInt16 { 0x10 }

  // Of arithmetic: BPF_OP.
  @inlinable public static var add: UInt16 { 0 }
  @inlinable public static var subtract: UInt16 { 0x10 }
  @inlinable public static var multiply: UInt16 { 0x20 }
  @inlinable public static var divide: UInt16 { 0x30 }
  @inlinable public static var or: UInt16 { 0x40 }
  @inlinable public static var and: UInt16 { 0x50 }
  @inlinable public static var shiftLeft: UInt16 { 0x60 }
  @inlinable public static var shiftRight: UInt16 { 0x70 }
  @inlinable public static var negate: UInt16 { 0x80 }
  @inlinable public static var exclusiveOr: UInt16 { 0xa0 }

  // Of a jump: BPF_JA, BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET.
  @inlinable public static var always: UInt16 { 0 }
  @inlinable public static var equal: UInt16 { 0x10 }
  @inlinable public static var greater: UInt16 { 0x20 }
  @inlinable public static var atLeast: UInt16 { 0x30 }
  /// A bit of the operand is set.
  @inlinable public static var anyBit: UInt16 { 0x40 }

  // Of BPF_MISC: BPF_TAX, BPF_TXA.
  @inlinable public static var accumulatorToIndex: UInt16 { 0 }
  @inlinable public static var indexToAccumulator: UInt16 { 0x80 }
}
