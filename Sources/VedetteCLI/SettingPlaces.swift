// Where each choice was said. What is wrong with a choice often shows only later, when the library looks at the host or starts
// the sandbox, and its message names the option; a user who has written it in a file, or has it in the environment, is to read
// that file, line and key, or the variable.

import Vedette

/// The settings that a configuration was made of.
struct SettingPlaces {
  /// The later counts.
  private let settings: [Setting]

  init(_ settings: [Setting]) { self.settings = settings }

  /// `message` with the place in front of it in the stead of the option, if it was not said on the command line.
  func named(in message: String) -> String {
    guard let colon = message.firstIndex(of: ":"), message.hasPrefix("--") else { return message }
    let said = settings.filter { $0.option.place == message[..<colon] }
    guard let last = said.last else { return message }
    var meant = last
    if last.option.isRepeatable {
      // A message about one of several names what it is about in quotes.
      let quoted = message.split(separator: "'", omittingEmptySubsequences: false).dropFirst().first ?? ""
      meant = said.last { Self.holds($0.value.description.utf8, quoted.utf8) } ?? last
      if meant == last, said.count > 1, quoted.isEmpty { return message }
    }
    return meant.place + message[colon...]
  }

  private static func holds(_ text: String.UTF8View, _ part: Substring.UTF8View) -> Bool {
    if part.isEmpty || part.count > text.count { return false }
    return text.indices.contains { text[$0...].starts(with: part) }
  }
}
