// The table of dispositions and the table of handlers must agree: a call that a gate stops and nobody serves is refused.

import Gate
import LinuxABI
import Sentry
import Testing

@Suite struct DispatchTests {
  /// What the tracer answers itself.
  private static let tracerCalls: Set<String> = ["sched_getaffinity", "sched_setaffinity"]

  @Test(arguments: [IsolationLevel.full, .noNamespaces], [GateKind.trace, .notify])
  func everyStoppedCallHasAHandler(_ isolation: IsolationLevel, _ gate: GateKind) {
    let table = DispositionTable(
      GatePolicy(
        isolation: isolation, network: .none, gate: gate,
        layout: TrampolineLayout(flagsSecret: 1 << 40, descriptorSecret: 1 << 41)))
    for number in 0..<SystemCallName.count where table.mayTrace(number) || table.mayNotify(number) {
      guard let name = SystemCallName.of(number).map({ "\($0)" }) else { continue }
      if Self.tracerCalls.contains(name) { continue }
      #expect(HandlerTable.serves(number), "\(name)")
    }
  }
}
