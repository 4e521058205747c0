// Classic BPF as seccomp(2) runs it: what a filter says of one call.

package import LinuxABI

/// A filter's program. The kernel's rules for one are in net/core/filter.c and kernel/seccomp.c.
package struct FilterProgram: Sendable {
  package let instructions: [FilterInstruction]

  package init(_ instructions: [FilterInstruction]) { self.instructions = instructions }

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
      let (code, k) = (instructions[position].code, instructions[position].operand)
      let (yes, no) = (Int(instructions[position].jumpTrue), Int(instructions[position].jumpFalse))
      position += 1
      switch code & 7 {
      case BPF.load, BPF.loadIndex:
        let value: UInt32
        switch code & ~7 {
        case BPF.word | BPF.absolute where code & 7 == BPF.load:
          guard let word = Self.word(at: k, call, instructionPointer, architecture) else { return nil }
          value = word
        case BPF.word | BPF.length: value = 64
        case BPF.immediate: value = k
        case BPF.memory:
          guard k < 16 else { return nil }
          value = memory[Int(k)]
        default: return nil
        }
        if code & 7 == BPF.load { accumulator = value } else { index = value }
      case BPF.store, BPF.storeIndex:
        guard code & ~7 == 0, k < 16 else { return nil }
        memory[Int(k)] = code & 7 == BPF.store ? accumulator : index
      case BPF.arithmetic:
        let operand = code & BPF.index != 0 ? index : k
        // A division by zero ends the program with 0.
        if code & 0xf0 == BPF.divide, operand == 0 { return 0 }
        guard let result = Self.compute(code & 0xf0, accumulator, operand) else { return nil }
        accumulator = result
      case BPF.jump:
        let operand = code & BPF.index != 0 ? index : k
        switch code & 0xf0 {
        case BPF.always: position += Int(k)
        case BPF.equal: position += accumulator == operand ? yes : no
        case BPF.greater: position += accumulator > operand ? yes : no
        case BPF.atLeast: position += accumulator >= operand ? yes : no
        case BPF.anyBit: position += accumulator & operand != 0 ? yes : no
        default: return nil
        }
      case BPF.return:
        switch code & ~7 {
        case BPF.constant: return k
        case BPF.accumulator: return accumulator
        default: return nil
        }
      default:
        switch code & 0xf8 {
        case BPF.accumulatorToIndex: index = accumulator
        case BPF.indexToAccumulator: accumulator = index
        default: return nil
        }
      }
    }
    return nil
  }

  private static func compute(_ operation: UInt16, _ a: UInt32, _ b: UInt32) -> UInt32? {
    switch operation {
    case BPF.add: a &+ b
    case BPF.subtract: a &- b
    case BPF.multiply: a &* b
    case BPF.divide: a / b
    case BPF.and: a & b
    case BPF.or: a | b
    case BPF.exclusiveOr: a ^ b
    case BPF.shiftLeft: a &<< b
    case BPF.shiftRight: a &>> b
    case BPF.negate: 0 &- a
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
  package static let descriptorCarrier = SystemCall(.openat, .max)

  /// The call that is injected for a descriptor to be sent to us (`StoppedThread.sendDescriptor`).
  package static func descriptorSender(_ socket: CInt, message: UInt64) -> SystemCall {
    SystemCall(.sendmsg, UInt64(socket), message, UInt64(MessageFlags.noSignal.rawValue))
  }

  /// The end of such a socket in the guest.
  package static func close(_ number: CInt) -> SystemCall {
    SystemCall(.close, UInt64(number))
  }
}
