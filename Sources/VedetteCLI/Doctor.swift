// `vedette doctor`: one line for each probe.

import Vedette

/// Prints what the probes found; the result is the exit status.
func doctor() -> CInt {
  let findings = Sandbox.probe()
  let width = findings.map(\.name.unicodeScalars.count).max() ?? 0
  var text = ""
  for finding in findings {
    let padding = String(repeating: " ", count: width - finding.name.unicodeScalars.count)
    text += "\(finding.ok ? "yes" : "no ")  \(finding.name)\(padding)  \(finding.detail)\n"
  }
  return answer(text)
}
