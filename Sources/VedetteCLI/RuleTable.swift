// `[[rules]]` of a configuration file: what --deny, --hide, --protect and --allow say, with a reason that reports repeat.

import Vedette

/// The list of tables.
enum RuleTable {
  static let key = "rules"

  private static let actions: [RunOption] = [.deny, .hide, .protect, .allow]

  /// The rules of the list, as the options that say the same.
  static func settings(of value: TOMLDocument.Value, at place: String, file: String) throws(ConfigurationError)
    -> [Setting]
  {
    guard case .array(let tables) = value else {
      throw ConfigurationError(
        at: place, "wrong type: a list of tables is wanted, not \(value.kindName)", advice: "write [[rules]] for each")
    }
    var settings: [Setting] = []
    for (number, table) in tables.enumerated() {
      guard case .table(let entries) = table else {
        throw ConfigurationError(
          at: place, "wrong type: a list of tables is wanted, not one with \(table.kindName)",
          advice: "write [[rules]] for each")
      }
      settings += try self.settings(of: entries, at: place, number: number + 1, file: file)
    }
    return settings
  }

  private static func settings(of entries: [TOMLDocument.Entry], at place: String, number: Int, file: String)
    throws(ConfigurationError) -> [Setting]
  {
    var patterns: (texts: [String], place: String)?
    var action: RunOption?
    var reason: ByteString = ""
    for entry in entries {
      let place = "\(file):\(entry.line): \(ByteString(entry.key))"
      switch entry.key {
      case "pattern":
        let texts = texts(of: entry.value)
        guard let texts, !texts.isEmpty else {
          throw ConfigurationError(
            at: place, "wrong type: a string or an array of strings is wanted, not \(entry.value.kindName)")
        }
        patterns = (texts, place)
      case "action": action = try self.action(try text(of: entry, at: place), at: place)
      case "reason": reason = ByteString(try text(of: entry, at: place))
      default:
        throw ConfigurationError(at: place, "unknown key of a rule", advice: "known keys: pattern, action, reason")
      }
    }
    guard let patterns, let action else {
      throw ConfigurationError(
        at: "\(place) (number \(number))", "has no \(patterns == nil ? "pattern" : "action")",
        advice: "each rule has pattern and action, and may have a reason")
    }
    return patterns.texts.map {
      Setting(option: action, value: ByteString($0), place: patterns.place, reason: reason)
    }
  }

  private static func texts(of value: TOMLDocument.Value) -> [String]? {
    switch value {
    case .string(let text): return [text]
    case .array(let elements):
      let texts = elements.compactMap { element -> String? in
        if case .string(let text) = element { text } else { nil }
      }
      return texts.count == elements.count ? texts : nil
    default: return nil
    }
  }

  private static func text(of entry: TOMLDocument.Entry, at place: String) throws(ConfigurationError) -> String {
    if case .string(let text) = entry.value { return text }
    throw ConfigurationError(at: place, "wrong type: a string is wanted, not \(entry.value.kindName)")
  }

  private static func action(_ text: String, at place: String) throws(ConfigurationError) -> RunOption {
    if let option = actions.first(where: { $0.rawValue == text }) { return option }
    throw ConfigurationError(
      at: place, "'\(ByteString(text))' is not a choice",
      advice: "one of: \(actions.map(\.rawValue).joined(separator: ", "))")
  }
}
