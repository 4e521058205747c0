// Where our options end and the guest's command begins. `vedette run --size 1G ls --help` must not show our help:
// everything from COMMAND on belongs to it, with or without `--`, byte for byte.

import Vedette

/// The words of `vedette run`, split.
struct CommandLineSplit: Equatable {
  /// What ArgumentParser shall see: our own options only.
  var options: [ByteString]
  /// The guest's program and its arguments.
  var command: [ByteString]

  /// Splits the words after `run`. An option that we do not know counts as one word: ArgumentParser will refuse it.
  init(_ words: [ByteString]) {
    let takesValue = Set(
      RunOption.allCases.filter { $0.kind != .flag }.map { ByteString("--" + $0.rawValue) } + ["--config"])
    var index = 0
    while index < words.count {
      let word = words[index]
      if word == "--" {
        options = Array(words[..<index])
        command = Array(words[(index + 1)...])
        return
      }
      if word.bytes.first != 0x2d || word.bytes.count == 1 { break }
      index += takesValue.contains(word) ? 2 : 1
    }
    index = min(index, words.count)
    options = Array(words[..<index])
    command = Array(words[index...])
  }
}
