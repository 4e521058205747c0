// `vedette doctor`: one line for each thing that Platform tried, and the isolation level that follows.

import Vedette

/// Prints what was found; the result is the exit status: 125 if no sandbox can be made here.
func doctor() -> CInt {
  let doctor = Sandbox.probe()
  let width = doctor.lines.map(\.name.unicodeScalars.count).max() ?? 0
  var text = ""
  for line in doctor.lines {
    let padding = String(repeating: " ", count: width - line.name.unicodeScalars.count)
    let mark = line.isAvailable ? "yes" : line.isNeeded ? "NO " : "no "
    text += "\(mark)  \(line.name)\(padding)  \(line.detail)\n"
  }
  if let level = doctor.isolation {
    text += "isolation: \(level == .full ? "full" : "no-namespaces")\n"
  } else {
    text += "isolation: none: no sandbox can be made here\n"
  }
  let status = answer(text)
  return doctor.isolation == nil ? ownFailure : status
}
