import CLinux

import Gate
import Sentry
import Testing

@testable import Platform

/// The compiled filter decides as the table does, for every number and for arguments on every edge of every rule.
@Suite struct FilterTests {
  static let layout = TrampolineLayout(flagsSecret: 0x1234_5678_0000_0000, descriptorSecret: 0x9abc_def0_0000_0000)

  static let policies: [GatePolicy] = IsolationLevel.allCases.flatMap { isolation in
    NetworkAccess.allCases.flatMap { network in
      [GateKind.trace, .notify].map { gate in
        GatePolicy(isolation: isolation, network: network, gate: gate, layout: layout)
      }
    }
  }

  static func result(_ disposition: Disposition) -> UInt32 {
    switch disposition {
    case .native: 0x7fff_0000
    case .trace: 0x7ff0_0100
    case .notify: 0x7fc0_0000
    case .errno(let errno): 0x0005_0000 | UInt32(errno)
    case .kill: 0x8000_0000
    }
  }

  /// Values that make each test of the rules true, false, and true but for one bit, with a dirty upper half too.
  static func interesting(_ policy: CallPolicy) -> [[UInt64]] {
    var values = [[UInt64]](repeating: [0, UInt64.max, 1], count: 6)
    for test in policy.rules.flatMap(\.tests) {
      switch test {
      case .equal(let argument, let mask, let value), .different(let argument, let mask, let value):
        values[argument] += [value, value | ~mask, value ^ (mask & (0 &- mask)), value ^ (1 << 40), mask]
      case .oneOf(let argument, let list):
        values[argument] += list.flatMap { [UInt64($0), UInt64($0) | 0xdead_beef_0000_0000, UInt64($0) &+ 1] }
      }
    }
    return values
  }

  @Test(arguments: 0..<policies.count) func filterAgreesWithTable(_ index: Int) throws {
    let table = SystemCallTable.dispositions(Self.policies[index])
    let program = FilterCompiler.compile(table)
    #expect(program.count <= FilterCompiler.limit)
    let interpreter = FilterProgram(program)
    for number in -1..<DispositionTable.count + 50 {
      let policy = number >= 0 && number < DispositionTable.count ? table.policies[number] : nil
      let values = Self.interesting(policy ?? CallPolicy(otherwise: .kill))
      for first in 0..<6 {
        for second in first..<6 {
          for one in values[first] {
            for other in values[second].prefix(first == second ? 1 : 12) {
              var arguments = [UInt64](repeating: 0, count: 6)
              arguments[second] = other
              arguments[first] = one
              let call = SystemCall(
                number: number,
                arguments: (arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]))
              let expected = Self.result(table.disposition(of: call))
              if interpreter.run(call) != expected {
                Issue.record("number \(number) arguments \(arguments): \(String(describing: interpreter.run(call)))")
                return
              }
            }
          }
        }
      }
    }
  }

  @Test func emptyListMatchesNothing() {
    let rules = [
      ArgumentRule(.native, when: .oneOf(argument: 0, [])),
      ArgumentRule(.kill, when: .int(0, 7), .oneOf(argument: 1, [])),
    ]
    let policy = CallPolicy(rules, otherwise: .errno(EPERM))
    let program = FilterProgram(FilterCompiler.compile([policy], otherwise: .trace))
    for first: UInt64 in [0, 7, .max] {
      let call = SystemCall(number: 0, arguments: (first, 0, 0, 0, 0, 0))
      #expect(policy.disposition(of: call) == .errno(EPERM))
      #expect(program.run(call) == Self.result(.errno(EPERM)))
    }
  }

  @Test func otherArchitecturesAreKilled() {
    let program = FilterProgram(FilterCompiler.compile(SystemCallTable.dispositions(Self.policies[0])))
    let call = SystemCall(number: 0, arguments: (0, 0, 0, 0, 0, 0))
    #expect(program.run(call, architecture: 0x4000_0003) == 0x8000_0000)
  }

  @Test func x32NumbersDoNotExist() {
    let program = FilterProgram(FilterCompiler.compile(SystemCallTable.dispositions(Self.policies[0])))
    for number in [0x4000_0000, 0x4000_0000 | 59, 0x4000_0000 | 520] {
      #expect(program.run(SystemCall(number: number, arguments: (0, 0, 0, 0, 0, 0))) == 0x0005_0000 | UInt32(ENOSYS))
    }
  }
}
