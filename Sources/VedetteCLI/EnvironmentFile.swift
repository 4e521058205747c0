// `--env-file FILE`: a variable a line, as docker and podman read it.

import Vedette

/// The variables of a file.
enum EnvironmentFile {
  /// `NAME=VALUE`, or `NAME` for the caller's value; a line that begins with `#` and an empty one say nothing. Quotes and
  /// backslashes are part of the value.
  ///
  /// - Parameter place: the option that names the file, for messages.
  static func read(_ path: ByteString, saidAt place: String) throws(ConfigurationError) -> [SandboxConfiguration
    .Variable]
  {
    try variables(in: SmallFile.read(path, saidAt: place), of: path)
  }

  static func variables(in text: [UInt8], of path: ByteString) throws(ConfigurationError)
    -> [SandboxConfiguration.Variable]
  {
    var result: [SandboxConfiguration.Variable] = []
    for (index, whole) in text.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
      var line = whole.drop { $0 == 0x20 || $0 == 0x09 }
      if line.last == 0x0d { line = line.dropLast() }
      if line.isEmpty || line.first == 0x23 { continue }
      let name = line.prefix { $0 != 0x3d }
      let isPlain = !name.isEmpty && !name.contains { $0 == 0x20 || $0 == 0x09 || $0 == 0 }
      guard isPlain, !line.contains(0) else {
        let advice = name.starts(with: "export ".utf8) ? "write NAME=VALUE, without export" : "write NAME=VALUE or NAME"
        throw ConfigurationError(
          at: "\(path):\(index + 1)", "'\(ByteString([UInt8](line)))' is not a variable", advice: advice)
      }
      let value = name.endIndex == line.endIndex ? nil : ByteString([UInt8](line[(name.endIndex + 1)...]))
      result.append(SandboxConfiguration.Variable(name: ByteString([UInt8](name)), value: value))
    }
    return result
  }
}
