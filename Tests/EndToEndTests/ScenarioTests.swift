// Real programs, each natively and inside: output and status must be equal, and the host's directory empty afterwards.
// A scenario is a script of `scenarios/`; `run.sh NAME MODE` does one by hand.

import Testing

/// One scenario in one mode.
struct Scenario: Sendable, CustomTestStringConvertible {
  var name: String
  var mode: String

  var testDescription: String { "\(name) (\(mode))" }

  static func all(in folder: String) -> [Scenario] {
    let names = scripts(in: folder)
    return modes.flatMap { mode in names.map { Scenario(name: $0, mode: mode) } }
  }
}

@Suite(.serialized)
struct ScenarioTests {
  @Test(arguments: Scenario.all(in: "scenarios"))
  func programGivesTheSameOutputAndStatusInsideAsNatively(_ scenario: Scenario) {
    let result = runCommand([here + "run.sh", scenario.name, scenario.mode])
    switch result.status {
    case 0: report("e2e \(scenario.testDescription): passed")
    case 77: report("e2e \(scenario.testDescription): skipped: \(result.output)")
    default: report("e2e \(scenario.testDescription): failed")
    }
    #expect(result.status == 0 || result.status == 77, "\(scenario.testDescription)\n\(result.output)")
  }

  @Test func everyScenarioIsFound() {
    #expect(scripts(in: "scenarios").count >= 16)
    #expect(scripts(in: "checks").count >= 6)
  }
}

@Suite(.serialized)
struct CheckTests {
  /// A check drives the binary by itself and prints `ok NAME` or `FAIL NAME: why` for each thing it holds.
  @Test(arguments: Scenario.all(in: "checks"))
  func everyCheckHolds(_ check: Scenario) {
    let result = runCommand(
      ["timeout", "-k", "5", "420", here + "checks/\(check.name).sh"], environment: ["MODE": check.mode])
    var failed: [Substring] = []
    for line in result.output.split(separator: "\n") {
      if line.hasPrefix("ok ") {
        report("e2e \(check.testDescription) \(line.dropFirst(3)): passed")
      } else if line.hasPrefix("FAIL ") {
        report("e2e \(check.testDescription) \(line.dropFirst(5)): failed")
        failed.append(line)
      } else if line.hasPrefix("skipped ") {
        report("e2e \(check.testDescription) \(line.dropFirst(8).prefix { $0 != ":" }): skipped: \(line)")
      }
    }
    if result.status == 77 { report("e2e \(check.testDescription): skipped: \(result.output)") }
    #expect(failed.isEmpty, "\(check.testDescription)\n\(failed.joined(separator: "\n"))")
    if failed.isEmpty {
      #expect(result.status == 0 || result.status == 77, "\(check.testDescription)\n\(result.output)")
    }
  }
}
