// `--config FILE`: a flat TOML table with the options of `vedette run` under their own names. Whatever is wrong names the
// file, the line and the key.

import Vedette

/// The settings of a configuration file.
struct ConfigurationFile {
  /// In the order of the file; list values in their own order.
  let settings: [Setting]

  /// Reads the file at `path`.
  init(path: ByteString) throws(ConfigurationError) {
    try self.init(text: Self.read(path), name: path.description)
  }

  /// Understands `text`; `name` is what errors call it.
  init(text: String, name: String) throws(ConfigurationError) {
    var settings: [Setting] = []
    for entry in try TOMLDocument.entries(of: text, name: name) {
      let place = "\(name):\(entry.line): \(ByteString(entry.key))"
      if entry.key == RuleTable.key {
        settings += try RuleTable.settings(of: entry.value, at: place, file: name)
        continue
      }
      guard let option = RunOption(rawValue: entry.key) else {
        throw ConfigurationError(at: place, "unknown key", advice: Self.advice(for: entry.key))
      }
      for text in try Self.values(of: entry.value, for: option, at: place) {
        settings.append(Setting(option: option, value: text, place: place))
      }
    }
    self.settings = settings
  }

  private static func advice(for key: String) -> String {
    let dashed = String(key.map { $0 == "_" ? "-" : $0 }).lowercased()
    if RunOption(rawValue: dashed) != nil { return "write \(dashed)" }
    let known = RunOption.allCases.map(\.rawValue) + [RuleTable.key]
    if let option = RunOption(named: Array(dashed.utf8)[...]) { return "write \(option.rawValue)" }
    if let meant = Spelling.nearest(to: dashed, among: known) { return "\(meant)?" }
    return "known keys: " + known.joined(separator: ", ")
  }

  /// The value as the words that the command line would give, or an error that says what was wanted.
  private static func values(of value: TOMLDocument.Value, for option: RunOption, at place: String)
    throws(ConfigurationError) -> [ByteString]
  {
    let wanted: String
    switch (option.kind, value) {
    case (.text, .string(let text)), (.textOrNumber, .string(let text)), (.number, .string(let text)):
      return [ByteString(text)]
    case (.number, .integer(let number)), (.textOrNumber, .integer(let number)): return [ByteString(String(number))]
    case (.flag, .boolean(let flag)): return [flag ? "true" : "false"]
    case (.text, _): wanted = "a string"
    case (.number, _), (.textOrNumber, _): wanted = "a string or an integer"
    case (.flag, _): wanted = "true or false"
    case (.texts, _), (.numbers, _):
      let elements: [TOMLDocument.Value] = if case .array(let elements) = value { elements } else { [value] }
      let words = elements.compactMap { element -> ByteString? in
        switch (option.kind, element) {
        case (.numbers, .integer(let number)): ByteString(String(number))
        case (.texts, .string(let text)): ByteString(text)
        default: nil
        }
      }
      if words.count == elements.count { return words }
      wanted = option.kind == .numbers ? "an array of integers" : "an array of strings"
    }
    throw ConfigurationError(at: place, "wrong type: \(wanted) is wanted, not \(value.kindName)")
  }

  private static func read(_ path: ByteString) throws(ConfigurationError) -> String {
    let bytes = try SmallFile.read(path, saidAt: "--config")
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(at: path.description, "is not UTF-8, as TOML must be")
    }
    return text
  }
}
