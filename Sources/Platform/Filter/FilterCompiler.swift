// From the table of dispositions to classic BPF (seccomp(2)). Written out here and not through libseccomp's rule API,
// because a rule list with an 'else' of its own per call (ioctl: these commands, otherwise ENOTTY) cannot be said there:
// an unconditional rule replaces the conditional ones, and what matches none falls to the one default of the filter.
//
// Shape: architecture, x32 bit, a binary search over the numbers, then the rules of the one call in order.

import Gate
import LinuxABI

/// Compiles a `DispositionTable`.
package enum FilterCompiler {
  /// The kernel's limit (BPF_MAXINSNS).
  package static let limit = 4096

  /// The data of SECCOMP_RET_TRACE; at a stop that has become PTRACE_EVENT_EXIT the message is an exit code, which is
  /// below 0x100.
  static let traceData: UInt32 = 0x100

  /// The filter program of guests.
  package static func compile(_ table: DispositionTable) -> [FilterInstruction] {
    compile(table.policies, otherwise: .errno(Errno.noFunction.rawValue))
  }

  /// The filter program of a list indexed by number; `otherwise` is what applies to the numbers that have no policy.
  package static func compile(_ policies: [CallPolicy?], otherwise: Disposition) -> [FilterInstruction] {
    var program: [FilterInstruction] = []
    program.append(load(offset: 4))
    program.append(jump(.equal, UInt32(bitPattern: Int32(bitPattern: 0xc000_003e)), 1, 0))
    program.append(result(.kill))
    program.append(load(offset: 0))
    program.append(jump(.anyBit, 0x4000_0000, 0, 1))
    program.append(result(.errno(Errno.noFunction.rawValue)))
    program += search(ranges(of: policies, CallPolicy(otherwise: otherwise))[...])
    return program
  }

  /// A run of numbers with one policy.
  private struct Run {
    var first: Int
    var policy: CallPolicy
  }

  private static func ranges(of policies: [CallPolicy?], _ absent: CallPolicy) -> [Run] {
    var runs: [Run] = []
    for number in 0...policies.count {
      let policy = number < policies.count ? policies[number] ?? absent : absent
      if let last = runs.last, last.policy == policy { continue }
      runs.append(Run(first: number, policy: policy))
    }
    return runs
  }

  private static func search(_ runs: ArraySlice<Run>) -> [FilterInstruction] {
    guard runs.count > 1 else { return runs.first.map { leaf($0.policy) } ?? [result(.kill)] }
    let middle = runs.startIndex + runs.count / 2
    let below = search(runs[..<middle])
    let above = search(runs[middle...])
    let pivot = UInt32(runs[middle].first)
    if below.count <= 255 { return [jump(.atLeast, pivot, UInt8(below.count), 0)] + below + above }
    // Conditional jumps reach 255 instructions, the unconditional one any distance.
    return [jump(.atLeast, pivot, 0, 1), jumpAlways(UInt32(below.count))] + below + above
  }

  private static func leaf(_ policy: CallPolicy) -> [FilterInstruction] {
    var program: [FilterInstruction] = []
    for rule in policy.rules {
      // Each test leaves the rule by jumping over the rest of it: built from the end.
      var body = [result(rule.disposition)]
      for test in rule.tests.reversed() { body = code(for: test, then: body) }
      program += body
    }
    return program + [result(policy.otherwise)]
  }

  /// The code of a test, followed by `then` if it holds; past `then` if not.
  private static func code(for test: ArgumentTest, then: [FilterInstruction]) -> [FilterInstruction] {
    let past = UInt8(then.count)
    switch test {
    case .oneOf(_, []):
      // No value is in an empty list.
      return [jumpAlways(UInt32(past))] + then
    case .oneOf(let argument, let values):
      var program = [load(offset: lowOffset(argument))]
      for (index, value) in values.enumerated() {
        let remaining = UInt8(values.count - index - 1)
        let isLast = remaining == 0
        program.append(jump(.equal, value, remaining, isLast ? past : 0))
      }
      return program + then
    case .equal(let argument, let mask, let value):
      var program = then
      for (offset, half) in halves(argument) where UInt32(truncatingIfNeeded: mask >> half) != 0 {
        let tail = UInt8(program.count)
        program =
          loadMasked(offset, UInt32(truncatingIfNeeded: mask >> half))
          + [jump(.equal, UInt32(truncatingIfNeeded: value >> half), 0, tail)] + program
      }
      return program
    case .different(let argument, let mask, let value):
      var tests: [FilterInstruction] = []
      let used = halves(argument).filter { UInt32(truncatingIfNeeded: mask >> $0.1) != 0 }
      for (index, (offset, half)) in used.enumerated().reversed() {
        let tail = UInt8(tests.count)
        let isLast = index == used.count - 1
        // Different in one half is enough: jump to `then`, which begins after the remaining tests.
        tests =
          loadMasked(offset, UInt32(truncatingIfNeeded: mask >> half))
          + [jump(.equal, UInt32(truncatingIfNeeded: value >> half), isLast ? past : 0, tail)] + tests
      }
      return tests + then
    }
  }

  /// The two halves of an argument: offset in `struct seccomp_data`, shift of mask and value.
  private static func halves(_ argument: Int) -> [(Int, Int)] {
    [(lowOffset(argument), 0), (lowOffset(argument) + 4, 32)]
  }

  private static func lowOffset(_ argument: Int) -> Int { 16 + 8 * argument }

  private static func loadMasked(_ offset: Int, _ mask: UInt32) -> [FilterInstruction] {
    mask == .max
      ? [load(offset: offset)] : [load(offset: offset), instruction(BPF.arithmetic | BPF.and | BPF.constant, mask)]
  }

  private enum Comparison {
    case equal, atLeast, anyBit
    var code: UInt16 {
      switch self {
      case .equal: BPF.equal
      case .atLeast: BPF.atLeast
      case .anyBit: BPF.anyBit
      }
    }
  }

  private static func instruction(_ code: UInt16, _ k: UInt32, _ yes: UInt8 = 0, _ no: UInt8 = 0) -> FilterInstruction {
    FilterInstruction(code, k, jumpTrue: yes, jumpFalse: no)
  }

  private static func load(offset: Int) -> FilterInstruction {
    instruction(BPF.load | BPF.word | BPF.absolute, UInt32(offset))
  }

  private static func jump(_ comparison: Comparison, _ value: UInt32, _ yes: UInt8, _ no: UInt8) -> FilterInstruction {
    instruction(BPF.jump | comparison.code | BPF.constant, value, yes, no)
  }

  private static func jumpAlways(_ distance: UInt32) -> FilterInstruction {
    instruction(BPF.jump | BPF.always, distance)
  }

  private static func result(_ disposition: Disposition) -> FilterInstruction {
    let value: UInt32 =
      switch disposition {
      case .native: 0x7fff_0000
      case .trace: 0x7ff0_0000 | traceData
      case .notify: 0x7fc0_0000
      case .errno(let errno): 0x0005_0000 | UInt32(errno)
      case .kill: 0x8000_0000
      }
    return instruction(BPF.return | BPF.constant, value)
  }
}
