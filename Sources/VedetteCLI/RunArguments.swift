// The words of `vedette run`: which are ours, which are the command's, and what ours say. Everything from COMMAND on belongs
// to it, with or without `--`, byte for byte, so that `vedette run --size 1G ls --help` does not show our help. ArgumentParser
// has no part in this (it needs 1.8 ms, a fifth of the whole start): it knows the options for the help and completions only.

import Vedette

/// A command line of `vedette run`, split and read.
struct RunArguments: Equatable {
  /// In the order in which they were said.
  var settings: [Setting] = []
  /// The value of `--config`; of two the later counts.
  var configuration: ByteString?
  /// The guest's program and its arguments.
  var command: [ByteString] = []
  /// `--help` or `-h` stands where an option may stand.
  var wantsHelp = false

  init() {}

  /// Reads the words after `run`.
  ///
  /// - Throws: one line about the first word that is no option, lacks its value, or has one too many.
  init(_ words: [ByteString]) throws(ConfigurationError) {
    var index = 0
    while index < words.count {
      let word = words[index].bytes
      // "-" alone is the name of a command, strange as it is.
      guard word.first == 0x2d, word.count > 1 else { break }
      index += 1
      if word.elementsEqual("--".utf8) { break }
      if word.elementsEqual("--help".utf8) || word.elementsEqual("-h".utf8) {
        wantsHelp = true
        return
      }
      let said = try OptionWord(word)
      guard said.takesValue else {
        try add(said, value: said.flagValue)
        continue
      }
      if let value = said.value {
        try add(said, value: value)
        continue
      }
      guard index < words.count else { throw said.lacksValue(before: nil) }
      let next = words[index]
      if next.bytes.first == 0x2d, next.bytes.count > 1 { throw said.lacksValue(before: next) }
      try add(said, value: next)
      index += 1
    }
    command = Array(words[min(index, words.count)...])
  }

  private mutating func add(_ said: OptionWord, value: ByteString) throws(ConfigurationError) {
    guard let option = said.option else {
      configuration = value
      return
    }
    if option == .env, said.name == "-e", Self.isTraceFilter(value) {
      settings.append(Setting(option: .traceFilter, value: value, place: RunOption.traceFilter.place))
    } else {
      settings.append(Setting(option: option, value: value, place: option.place))
    }
  }

  /// `-e` is docker's for variables and strace's for what is traced. What strace would take for the latter is that; a variable
  /// of the name `trace` is set by `--env`.
  private static func isTraceFilter(_ value: ByteString) -> Bool {
    value == "refused" || value.bytes.starts(with: "trace=".utf8) || value.bytes.first == 0x25
      || value.bytes.first == 0x21
  }

  /// The configuration that the file, the environment and the command line ask for together; not validated yet.
  ///
  /// - Parameter environment: the caller's, for `VEDETTE_...`.
  func configuration(in environment: [ByteString]) throws(ConfigurationError) -> (SandboxConfiguration, SettingPlaces) {
    var result = SandboxConfiguration(command: command)
    result.confinesProcess = true
    let defaults = try EnvironmentDefaults(environment)
    var fromFile: [Setting] = []
    if let name = configuration {
      fromFile = try ConfigurationFile(path: try ConfigurationLookup(environment).find(name, saidAt: "--config"))
        .settings
    } else if let name = defaults.configuration {
      let place = EnvironmentDefaults.name(of: "config")
      fromFile = try ConfigurationFile(path: try ConfigurationLookup(environment).find(name, saidAt: place)).settings
    }
    // Lowers are given topmost first, so those of the command line come before the environment's, and those before the file's.
    // For all else the later counts. In one place `--env` counts more than the files of `--env-file`.
    let sources = [fromFile, defaults.settings, settings]
    for source in sources.reversed() {
      for setting in source where setting.option == .lower { try setting.apply(to: &result) }
    }
    for source in sources {
      for setting in source where setting.option == .envFile { try setting.apply(to: &result) }
      for setting in source where setting.option != .envFile && setting.option != .lower {
        try setting.apply(to: &result)
      }
    }
    // A list implies that there is one.
    if !result.networkRules.isEmpty || !result.publishedPorts.isEmpty {
      if !sources.joined().contains(where: { $0.option == .net }) { result.network = .allow }
    }
    return (result, SettingPlaces(fromFile + defaults.settings + settings))
  }
}

/// One word that begins with a dash, taken apart: `--NAME`, `--NAME=VALUE`, `--no-NAME`, `-X`, `-XVALUE`.
private struct OptionWord {
  /// Nil for `--config`.
  let option: RunOption?
  /// What stands behind `=`, or behind a letter.
  let value: ByteString?
  /// The option as it was said, without its value.
  let name: ByteString
  /// What a flag is set to.
  let flagValue: ByteString

  var takesValue: Bool { option?.kind != .flag }

  init(_ word: [UInt8]) throws(ConfigurationError) {
    if word.starts(with: "--".utf8) {
      let equals = word.firstIndex(of: 0x3d)
      let name = word[2..<(equals ?? word.endIndex)]
      self.name = ByteString([UInt8](word[..<name.endIndex]))
      value = equals.map { ByteString([UInt8](word[($0 + 1)...])) }
      if name.elementsEqual("config".utf8) {
        option = nil
        flagValue = "true"
      } else if let option = RunOption(named: name) {
        self.option = option
        flagValue = "true"
      } else if name.starts(with: "no-".utf8), let option = RunOption(named: name.dropFirst(3)), option.kind == .flag {
        self.option = option
        flagValue = "false"
      } else {
        throw OptionAdvice.unknown(self.name)
      }
    } else {
      guard let option = RunOption(letter: word[1]) else { throw OptionAdvice.unknown(ByteString(word)) }
      self.option = option
      name = ByteString([UInt8](word[..<2]))
      flagValue = "true"
      // Both ways of the field: -eA=1 and -e=A=1.
      let rest = word[2...]
      value = rest.isEmpty ? nil : ByteString([UInt8](rest.first == 0x3d ? rest.dropFirst() : rest))
    }
    if option?.kind == .flag, value != nil {
      throw ConfigurationError(
        at: "run", "\(name) takes no value", advice: "write \(name), or \(option?.negation ?? "")")
    }
  }

  func lacksValue(before next: ByteString?) -> ConfigurationError {
    let form = option?.form ?? "NAME"
    guard let next else {
      return ConfigurationError(at: "run", "\(name) lacks its value", advice: "write \(name) \(form)")
    }
    let advice = "write \(name) \(form); \(name)=\(next) if that is the value"
    return ConfigurationError(at: "run", "\(name) lacks its value before '\(next)'", advice: advice)
  }
}
