// Classic BPF as seccomp(2) runs it: what a filter says of one call.

package import CLinux

/// A filter's program. The kernel's rules for one are in net/core/filter.c and kernel/seccomp.c.
package struct FilterProgram: Sendable {
  package let instructions: [sock_filter]

  package init(_ instructions: [sock_filter]) { self.instructions = instructions }

  /// The 32-bit result, or nil if the program is not a valid one (a jump out of it, an unknown instruction, no return).
  ///
  /// - Parameters:
  ///   - instructionPointer: behind the `syscall` instruction.
  ///   - architecture: AUDIT_ARCH_X86_64 unless said otherwise.
  package func run(
    _ call: SystemCall, instructionPointer: UInt64 = 0, architecture: UInt32 = 0xc000_003e
  ) -> UInt32? {
    var accumulator: UInt32 = 0
    var index: UInt32 = 0
    var memory = InlineArray<16, UInt32>(repeating: 0)
    var position = 0
    while position < instructions.count {
      let (code, k) = (CInt(instructions[position].code), instructions[position].k)
      let (yes, no) = (Int(instructions[position].jt), Int(instructions[position].jf))
      position += 1
      switch code & 7 {
      case BPF_LD, BPF_LDX:
        let value: UInt32
        switch code & ~7 {
        case BPF_W | BPF_ABS where code & 7 == BPF_LD:
          guard let word = Self.word(at: k, call, instructionPointer, architecture) else { return nil }
          value = word
        case BPF_W | BPF_LEN: value = 64
        case BPF_IMM: value = k
        case BPF_MEM:
          guard k < 16 else { return nil }
          value = memory[Int(k)]
        default: return nil
        }
        if code & 7 == BPF_LD { accumulator = value } else { index = value }
      case BPF_ST, BPF_STX:
        guard code & ~7 == 0, k < 16 else { return nil }
        memory[Int(k)] = code & 7 == BPF_ST ? accumulator : index
      case BPF_ALU:
        let operand = code & BPF_X != 0 ? index : k
        // A division by zero ends the program with 0.
        if code & 0xf0 == BPF_DIV, operand == 0 { return 0 }
        guard let result = Self.compute(code & 0xf0, accumulator, operand) else { return nil }
        accumulator = result
      case BPF_JMP:
        let operand = code & BPF_X != 0 ? index : k
        switch code & 0xf0 {
        case BPF_JA: position += Int(k)
        case BPF_JEQ: position += accumulator == operand ? yes : no
        case BPF_JGT: position += accumulator > operand ? yes : no
        case BPF_JGE: position += accumulator >= operand ? yes : no
        case BPF_JSET: position += accumulator & operand != 0 ? yes : no
        default: return nil
        }
      case BPF_RET:
        switch code & ~7 {
        case BPF_K: return k
        case BPF_A: return accumulator
        default: return nil
        }
      default:
        switch code & 0xf8 {
        case BPF_TAX: index = accumulator
        case BPF_TXA: accumulator = index
        default: return nil
        }
      }
    }
    return nil
  }

  private static func compute(_ operation: CInt, _ a: UInt32, _ b: UInt32) -> UInt32? {
    switch operation {
    case BPF_ADD: a &+ b
    case BPF_SUB: a &- b
    case BPF_MUL: a &* b
    case BPF_DIV: a / b
    case BPF_AND: a & b
    case BPF_OR: a | b
    case BPF_XOR: a ^ b
    case BPF_LSH: a &<< b
    case BPF_RSH: a &>> b
    case BPF_NEG: 0 &- a
    default: nil
    }
  }

  /// `struct seccomp_data`: number, architecture, instruction pointer, six arguments.
  private static func word(
    at offset: UInt32, _ call: SystemCall, _ instructionPointer: UInt64, _ architecture: UInt32
  ) -> UInt32? {
    let value: UInt64
    switch offset {
    case 0: return UInt32(truncatingIfNeeded: call.number)
    case 4: return architecture
    case 8, 12: value = instructionPointer
    case 16..<64 where offset % 4 == 0: value = call.argument(Int(offset - 16) / 8)
    default: return nil
    }
    return UInt32(truncatingIfNeeded: offset % 8 == 0 ? value : value >> 32)
  }
}

extension SystemCall {
  /// The call that is injected for a descriptor to be installed by its answer (`StoppedThread.replaceDescriptor`).
  package static let descriptorCarrier = SystemCall(
    number: Int(SYS_openat), arguments: (UInt64.max, 0, 0, 0, 0, 0))

  /// The call that is injected for a descriptor to be sent to us (`StoppedThread.sendDescriptor`).
  package static func descriptorSender(_ socket: CInt, message: UInt64) -> SystemCall {
    SystemCall(number: Int(SYS_sendmsg), arguments: (UInt64(socket), message, UInt64(MSG_NOSIGNAL), 0, 0, 0))
  }

  /// The end of such a socket in the guest.
  package static func close(_ number: CInt) -> SystemCall {
    SystemCall(number: Int(SYS_close), arguments: (UInt64(number), 0, 0, 0, 0, 0))
  }
}
