// What is wrong with a command line, in our own words: the first word that is no command of ours, and what ArgumentParser
// has to say about the options of the commands that it reads.

import ArgumentParser
import Vedette

/// See the head of this file.
enum CommandLineComplaint {
  /// The names of the commands that the help lists.
  static var commands: [String] {
    VedetteCommand.configuration.subcommands.filter { $0.configuration.shouldDisplay }
      .compactMap { $0.configuration.commandName }
  }

  /// About the words after the program's name, if the first is neither a command of ours nor an option of the program's own.
  static func about(_ words: [ByteString]) -> ConfigurationError? {
    guard let first = words.first else { return nil }
    let known = VedetteCommand.configuration.subcommands.compactMap { $0.configuration.commandName }
    let name = first.description
    if name == "help", words.count > 1, !known.contains(words[1].description), words[1].bytes.first != 0x2d {
      return ConfigurationError(
        at: "help", "there is no command '\(words[1])'", advice: "vedette --help lists the commands")
    }
    if known.contains(name) || name == "help" { return nil }
    if first.bytes.first == 0x2d { return aboutOption(words) }
    let runs = "to run a program: vedette run -- \(quoted(words))"
    if ["version", "ver"].contains(name) {
      return ConfigurationError(at: "command line", "there is no command '\(name)'", advice: "vedette --version")
    }
    if ["exec", "shell", "start"].contains(name) {
      let command = words.dropFirst().drop { $0 == "--" }
      return ConfigurationError(
        at: "command line", "there is no command '\(name)'",
        advice: "to run a program: vedette run -- \(command.isEmpty ? "bash" : quoted(Array(command)))")
    }
    if name.utf8.contains(0x2f) {
      return ConfigurationError(at: "command line", "there is no command '\(name)'", advice: runs)
    }
    if let meant = Spelling.nearest(to: name, among: commands) {
      return ConfigurationError(
        at: "command line", "there is no command '\(name)'", advice: "vedette \(meant)?")
    }
    return ConfigurationError(
      at: "command line", "there is no command '\(name)'", advice: "\(runs); vedette --help lists the commands")
  }

  private static func aboutOption(_ words: [ByteString]) -> ConfigurationError? {
    let own = [
      "-h", "--help", "--help-hidden", "--version", "--generate-completion-script", "--experimental-dump-help",
    ]
    let name = words[0].description.prefix { $0 != "=" }
    if own.contains(String(name)) { return nil }
    if name == "--" {
      let command = words.count > 1 ? quoted(Array(words[1...])) : "COMMAND"
      return ConfigurationError(
        at: "command line", "a command of vedette's is missing before '--'",
        advice: "to run a program: vedette run -- \(command)")
    }
    if ["-V", "-v"].contains(name), words.count == 1 {
      return ConfigurationError(at: "command line", "there is no option '\(name)' here", advice: "vedette --version")
    }
    let isRuns = (try? RunArguments([words[0], "x"])) != nil || RunOption(named: Array(name.utf8)[2...]) != nil
    let advice = isRuns ? "options come behind run: vedette run \(quoted(words))" : "see vedette --help"
    return ConfigurationError(at: "command line", "there is no option '\(name)' here", advice: advice)
  }

  /// Words as one would type them, cut where they are many.
  private static func quoted(_ words: [ByteString]) -> String {
    let shown = words.prefix(6).map { word in
      let text = word.description
      let isPlain =
        !text.isEmpty
        && text.utf8.allSatisfy { byte in
          (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || "-_./:=,+@%".utf8.contains(byte)
        }
      return isPlain ? text : "'" + text.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
    }
    return shown.joined(separator: " ") + (words.count > shown.count ? " ..." : "")
  }

  // MARK: - ArgumentParser's errors

  /// - Parameters:
  ///   - message: what it says.
  ///   - command: whose options it read; nil for the program's own.
  static func error(_ message: String, of command: String?) -> ConfigurationError {
    let place = command ?? "command line"
    let help = command.map { "see vedette \($0) --help" } ?? "see vedette --help"
    let quoted = message.split(separator: "'", omittingEmptySubsequences: false).enumerated()
      .filter { !$0.offset.isMultiple(of: 2) }.map { ArgumentBytes.bytes(of: String($0.element)).description }
    let first = quoted.first ?? ""
    if message.hasPrefix("Unknown option ") {
      // Its suggestions may be four letters off.
      let meant = quoted.count > 1 ? Spelling.nearest(to: first, among: [quoted[1]]) : nil
      let known = command.flatMap { OptionAdvice.ofOtherTools(first, for: $0) }
      return ConfigurationError(
        at: place, "there is no option '\(first)'", advice: known ?? meant.map { "\($0)?" } ?? help)
    }
    if message.hasPrefix("Missing value for ") {
      let name = String(first.prefix { $0 != " " })
      return ConfigurationError(at: place, "\(name) lacks its value", advice: "write \(form(first))")
    }
    if message.hasPrefix("Missing expected argument ") {
      let shown = form(first)
      return ConfigurationError(
        at: place, "\(shown) is missing", advice: shown.hasPrefix("--") ? "write \(shown)" : help)
    }
    if message.hasPrefix("Unexpected argument ") || message.contains(" unexpected arguments: ") {
      return ConfigurationError(at: place, "'\(first)' is one word too many", advice: help)
    }
    if message.hasPrefix("The option "), quoted.count > 1 {
      return ConfigurationError(at: place, "\(first) takes no value", advice: "write \(first)")
    }
    if message.hasPrefix("The value "), quoted.count > 1 {
      return ConfigurationError(at: place, "'\(first)' is no \(form(quoted[1]))", advice: help)
    }
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    return ConfigurationError(at: place, ArgumentBytes.bytes(of: line).description, advice: help)
  }

  /// `--to ROOT` for `--to <root>`.
  private static func form(_ synopsis: String) -> String {
    synopsis.split(separator: " ").map { word in
      word.hasPrefix("<") ? word.filter { $0 != "<" && $0 != ">" }.uppercased() : String(word)
    }.joined(separator: " ")
  }
}
