// Guests' own filters: the whole instruction set of classic BPF, and the rule that all of a thread's filters must agree.

import CLinux
import Gate
import LinuxABI
import Testing

@testable import Coherence

private func instruction(_ code: CInt, _ k: UInt32 = 0, _ yes: UInt8 = 0, _ no: UInt8 = 0) -> FilterInstruction {
  FilterInstruction(UInt16(code), k, jumpTrue: yes, jumpFalse: no)
}

/// Works on `value` in the accumulator and gives it back.
private func result(_ value: UInt32, _ work: FilterInstruction...) -> UInt32? {
  let program = [instruction(BPF_LD | BPF_IMM, value)] + work + [instruction(BPF_RET | BPF_A)]
  return FilterProgram(program).run(SystemCall(number: 0, arguments: (0, 0, 0, 0, 0, 0)))
}

@Suite struct GuestFilterTests {
  private static let allow: UInt32 = 0x7fff_0000
  private let call = SystemCall(
    number: 9, arguments: (0x1111_2222_3333_4444, 2, 3, 4, 5, 0x6666_7777_8888_9999))

  @Test func arithmetic() {
    let operations: [(CInt, UInt32)] = [
      (BPF_ADD, 107), (BPF_SUB, 93), (BPF_MUL, 700), (BPF_DIV, 14), (BPF_AND, 4), (BPF_OR, 103), (BPF_XOR, 99),
      (BPF_LSH, 12800), (BPF_RSH, 0),
    ]
    for (operation, expected) in operations {
      #expect(result(100, instruction(BPF_ALU | operation | BPF_K, 7)) == expected)
      #expect(
        result(
          7, instruction(BPF_MISC | BPF_TAX), instruction(BPF_LD | BPF_IMM, 100),
          instruction(BPF_ALU | operation | BPF_X)) == expected)
    }
    #expect(result(1, instruction(BPF_ALU | BPF_NEG)) == .max)
    #expect(result(5, instruction(BPF_ALU | BPF_DIV | BPF_X)) == 0)
    #expect(result(1, instruction(BPF_ALU | BPF_LSH | BPF_K, 31)) == 0x8000_0000)
  }

  @Test func memoryAndIndex() {
    #expect(
      result(
        42, instruction(BPF_ST, 15), instruction(BPF_LD | BPF_IMM, 1), instruction(BPF_LDX | BPF_MEM, 15),
        instruction(BPF_STX, 3), instruction(BPF_LD | BPF_MEM, 3)) == 42)
    #expect(result(1, instruction(BPF_LD | BPF_W | BPF_LEN)) == 64)
    #expect(result(1, instruction(BPF_LDX | BPF_IMM, 9), instruction(BPF_MISC | BPF_TXA)) == 9)
    #expect(result(1, instruction(BPF_ST, 16)) == nil)
  }

  @Test func whatACallIs() {
    let words: [(UInt32, UInt32?)] = [
      (0, 9), (4, 0xc000_003e), (8, 0x9abc_def0), (12, 0x1234_5678), (16, 0x3333_4444), (20, 0x1111_2222), (24, 2),
      (56, 0x8888_9999), (60, 0x6666_7777), (64, nil), (17, nil),
    ]
    for (offset, expected) in words {
      let program = FilterProgram([instruction(BPF_LD | BPF_W | BPF_ABS, offset), instruction(BPF_RET | BPF_A)])
      #expect(program.run(call, instructionPointer: 0x1234_5678_9abc_def0) == expected)
    }
  }

  @Test func jumps() {
    let comparisons: [(CInt, UInt32, Bool)] = [
      (BPF_JEQ, 5, true), (BPF_JEQ, 6, false), (BPF_JGT, 4, true), (BPF_JGT, 5, false), (BPF_JGE, 5, true),
      (BPF_JGE, 6, false), (BPF_JSET, 4, true), (BPF_JSET, 2, false),
    ]
    for (comparison, operand, holds) in comparisons {
      #expect(
        result(
          5, instruction(BPF_JMP | comparison | BPF_K, operand, 0, 1), instruction(BPF_RET | BPF_K, 1),
          instruction(BPF_JMP | BPF_JA, 1), instruction(BPF_RET | BPF_K, 2), instruction(BPF_LD | BPF_IMM, 3))
          == (holds ? 1 : 3))
    }
    #expect(result(5, instruction(BPF_JMP | BPF_JA, 9)) == nil)
  }

  @Test func allMustAgree() throws {
    let open = FilterProgram([instruction(BPF_RET | BPF_K, Self.allow)])
    let logging = FilterProgram([instruction(BPF_RET | BPF_K, 0x7ffc_0000)])
    let closed = FilterProgram([instruction(BPF_RET | BPF_K, 0x0005_0001)])
    let first = try GuestFilter(open, after: nil, .unlimited)
    #expect(first.allows(call, instructionPointer: 0) && first.count == 1)
    let second = try GuestFilter(logging, after: first, .unlimited)
    #expect(second.allows(call, instructionPointer: 0) && second.count == 2 && second.size == 10)
    let third = try GuestFilter(open, after: GuestFilter(closed, after: second, .unlimited), .unlimited)
    #expect(!third.allows(call, instructionPointer: 0))
    let empty = try GuestFilter(FilterProgram([]), after: nil, .unlimited)
    #expect(!empty.allows(call, instructionPointer: 0))
  }
}
