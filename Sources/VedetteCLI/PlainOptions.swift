// The options of `vedette run` in their plain form, read without ArgumentParser, which needs 1.8 ms for them: a fifth of the
// whole start. What is not plain is left to it, so that help and complaints come from one place.

import Vedette

/// The options of a command line on which every word is `--NAME VALUE`, `--FLAG` or `--no-FLAG`.
struct PlainOptions: Equatable {
  /// In the order in which `RunCommand` has them.
  var settings: [Setting] = []
  /// The value of `--config`.
  var configurationFile: ByteString?

  /// Nil if a word is anything else, if a value is missing or may be an option, or if a flag is said twice.
  init?(_ words: [ByteString]) {
    var said: [RunOption: [ByteString]] = [:]
    var index = 0
    while index < words.count {
      let name = words[index].bytes
      guard name.starts(with: "--".utf8) else { return nil }
      index += 1
      if let flag = Self.flag(name.dropFirst(2)) {
        guard said.updateValue([flag.value ? "true" : "false"], forKey: flag.option) == nil else { return nil }
        continue
      }
      guard index < words.count, words[index].bytes.first != 0x2d else { return nil }
      let value = words[index]
      index += 1
      if name.elementsEqual("--config".utf8) {
        configurationFile = value
      } else if let option = Self.option(name.dropFirst(2)), option.kind != .flag {
        if option.isRepeatable { said[option, default: []].append(value) } else { said[option] = [value] }
      } else {
        return nil
      }
    }
    for option in RunCommand.order {
      for value in said[option] ?? [] {
        settings.append(Setting(option: option, value: value, place: "--" + option.rawValue))
      }
    }
  }

  private static func option(_ name: ArraySlice<UInt8>) -> RunOption? {
    RunOption.allCases.first { $0.rawValue.utf8.elementsEqual(name) }
  }

  private static func flag(_ name: ArraySlice<UInt8>) -> (option: RunOption, value: Bool)? {
    if let option = option(name), option.kind == .flag { return (option, true) }
    if name.starts(with: "no-".utf8), let option = option(name.dropFirst(3)), option.kind == .flag {
      return (option, false)
    }
    return nil
  }
}
