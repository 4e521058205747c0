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
      settings.append(try setting(of: entries, at: place, number: number + 1, file: file))
    }
    return settings
  }

  private static func setting(of entries: [TOMLDocument.Entry], at place: String, number: Int, file: String)
    throws(ConfigurationError) -> Setting
  {
    var pattern: (text: ByteString, place: String)?
    var action: RunOption?
    var reason: ByteString = ""
    for entry in entries {
      let place = "\(file):\(entry.line): \(ByteString(entry.key))"
      guard ["pattern", "action", "reason"].contains(entry.key) else {
        throw ConfigurationError(at: place, "unknown key of a rule", advice: "known keys: pattern, action, reason")
      }
      guard case .string(let text) = entry.value else {
        throw ConfigurationError(at: place, "wrong type: a string is wanted, not \(entry.value.kindName)")
      }
      switch entry.key {
      case "pattern": pattern = (ByteString(text), place)
      case "reason": reason = ByteString(text)
      default:
        guard let option = actions.first(where: { $0.rawValue == text }) else {
          throw ConfigurationError(
            at: place, "'\(ByteString(text))' is not a choice",
            advice: "one of: \(actions.map(\.rawValue).joined(separator: ", "))")
        }
        action = option
      }
    }
    guard let pattern, let action else {
      throw ConfigurationError(
        at: "\(place) (number \(number))", "has no \(pattern == nil ? "pattern" : "action")",
        advice: "each rule has pattern and action, and may have a reason")
    }
    return Setting(option: action, value: pattern.text, place: pattern.place, reason: reason)
  }
}
