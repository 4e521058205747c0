// Runs a classic BPF program as the kernel would, on one `struct seccomp_data`.

import CLinux
import Gate

/// What a filter returned.
struct BPFInterpreter {
  let program: [sock_filter]

  /// The 32-bit result, or nil if the program is not valid (a jump out of it, an unknown instruction, no return).
  func run(architecture: UInt32 = 0xc000_003e, _ call: SystemCall) -> UInt32? {
    var accumulator: UInt32 = 0
    var position = 0
    while position < program.count {
      let instruction = program[position]
      position += 1
      switch CInt(instruction.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        guard let word = word(at: Int(instruction.k), architecture, call) else { return nil }
        accumulator = word
      case BPF_ALU | BPF_AND | BPF_K: accumulator &= instruction.k
      case BPF_JMP | BPF_JA: position += Int(instruction.k)
      case BPF_JMP | BPF_JEQ | BPF_K: position += Int(accumulator == instruction.k ? instruction.jt : instruction.jf)
      case BPF_JMP | BPF_JGE | BPF_K: position += Int(accumulator >= instruction.k ? instruction.jt : instruction.jf)
      case BPF_JMP | BPF_JSET | BPF_K:
        position += Int(accumulator & instruction.k != 0 ? instruction.jt : instruction.jf)
      case BPF_RET | BPF_K: return instruction.k
      default: return nil
      }
    }
    return nil
  }

  private func word(at offset: Int, _ architecture: UInt32, _ call: SystemCall) -> UInt32? {
    switch offset {
    case 0: return UInt32(truncatingIfNeeded: call.number)
    case 4: return architecture
    case 16..<64:
      let value = call.argument((offset - 16) / 8)
      return UInt32(truncatingIfNeeded: offset % 8 == 0 ? value : value >> 32)
    default: return nil
    }
  }
}
