// `vedette doctor`: one line for each thing that Platform tried, and the isolation level that follows.

import Layers
import Vedette

/// Prints what was found; the result is the exit status: 125 if no sandbox can be made here.
func doctor(asJSON: Bool) -> CInt {
  let doctor = Sandbox.probe()
  let level: StaticString? = doctor.isolation.map { $0 == .full ? "full" : "no-namespaces" }
  if asJSON {
    let status = answer(json(doctor.lines.map { ($0.name, $0.isAvailable, $0.isNeeded, $0.detail) }, level))
    return doctor.isolation == nil ? ownFailure : status
  }
  let width = doctor.lines.map(\.name.unicodeScalars.count).max() ?? 0
  var text = ""
  for line in doctor.lines {
    let padding = String(repeating: " ", count: width - line.name.unicodeScalars.count)
    let mark = line.isAvailable ? "yes" : line.isNeeded ? "NO " : "no "
    text += "\(mark)  \(line.name)\(padding)  \(line.detail)\n"
  }
  if let level {
    text += "isolation: \(level)\n"
  } else {
    text += "isolation: none: no sandbox can be made here\n"
  }
  let status = answer(text)
  return doctor.isolation == nil ? ownFailure : status
}

private func json(
  _ findings: [(name: String, isAvailable: Bool, isNeeded: Bool, detail: String)], _ level: StaticString?
) -> [UInt8] {
  var result = JSONLine()
  result.append("{\"isolation\":")
  if let level {
    result.append("\"")
    result.append(level)
    result.append("\"")
  } else {
    result.append("null")
  }
  result.append(",\"findings\":[")
  for (index, finding) in findings.enumerated() {
    result.append(index == 0 ? "\n{\"name\":" : ",\n{\"name\":")
    result.append(bytes: Array(finding.name.utf8))
    result.append(finding.isAvailable ? ",\"available\":true" : ",\"available\":false")
    result.append(finding.isNeeded ? ",\"needed\":true,\"detail\":" : ",\"needed\":false,\"detail\":")
    result.append(bytes: Array(finding.detail.utf8))
    result.append("}")
  }
  result.append("\n]}\n")
  return result.text
}
