// `--config FILE`: a flat TOML table with the options of `vedette run` under their own names. Whatever is wrong names the
// file, the line and the key.

import CLinux
import LinuxABI
import TOMLKit
import Vedette

/// The settings of a configuration file.
struct ConfigurationFile {
  /// In the order of the file's keys as TOML gives them; list values in their own order.
  let settings: [Setting]

  /// What is longer than this is not a configuration.
  private static let limit = 1 << 20

  /// Reads the file at `path`.
  init(path: ByteString) throws(ConfigurationError) {
    try self.init(text: Self.read(path), name: path.description)
  }

  /// Understands `text`; `name` is what errors call it.
  init(text: String, name: String) throws(ConfigurationError) {
    let table: TOMLTable
    do {
      table = try TOMLTable(string: text)
    } catch let error as TOMLParseError {
      throw ConfigurationError(at: "\(name):\(error.source.begin.line)", Self.oneLine(error.description))
    } catch {
      throw ConfigurationError(at: name, "not TOML: \(Self.oneLine("\(error)"))")
    }
    var settings: [Setting] = []
    for key in table.keys {
      let place = "\(name):\(Self.line(of: key, in: text)): \(ByteString(key))"
      guard let option = RunOption(rawValue: key) else {
        throw ConfigurationError(at: place, "unknown key", advice: Self.advice(for: key))
      }
      guard let value = table[key] else { continue }
      for text in try Self.values(of: value, for: option, at: place) {
        settings.append(Setting(option: option, value: text, place: place))
      }
    }
    self.settings = settings
  }

  private static func advice(for key: String) -> String {
    let dashed = String(key.map { $0 == "_" ? "-" : $0 }).lowercased()
    if RunOption(rawValue: dashed) != nil { return "write \(dashed)" }
    return "known keys: " + RunOption.allCases.map(\.rawValue).joined(separator: ", ")
  }

  /// The value as the words that the command line would give, or an error that says what was wanted.
  private static func values(of value: any TOMLValueConvertible, for option: RunOption, at place: String)
    throws(ConfigurationError) -> [ByteString]
  {
    let wanted: String
    switch option.kind {
    case .text:
      if let text = value.string { return [ByteString(text)] }
      wanted = "a string"
    case .number, .textOrNumber:
      if let number = value.int { return [ByteString(String(number))] }
      if let text = value.string { return [ByteString(text)] }
      wanted = "a string or an integer"
    case .flag:
      if let flag = value.bool { return [flag ? "true" : "false"] }
      wanted = "true or false"
    case .texts, .numbers:
      let numbers = option.kind == .numbers
      let elements: [any TOMLValueConvertible] = value.array.map { array in array.map { $0 } } ?? [value]
      let words = elements.compactMap { element -> ByteString? in
        numbers ? element.int.map { ByteString(String($0)) } : element.string.map { ByteString($0) }
      }
      if words.count == elements.count { return words }
      wanted = numbers ? "an array of integers" : "an array of strings"
    }
    throw ConfigurationError(at: place, "wrong type: \(wanted) is wanted, not \(name(of: value.type))")
  }

  private static func name(of type: TOMLType) -> String {
    switch type {
    case .table: "a table"
    case .array: "this array"
    case .string: "a string"
    case .int: "an integer"
    case .double: "a float"
    case .bool: "a boolean"
    case .date, .time, .dateTime: "a date or time"
    }
  }

  /// The line on which a top-level key stands; TOMLKit keeps no positions once a file is parsed. The file is valid TOML
  /// by now, so only strings of several lines could mislead, and those are skipped.
  static func line(of key: String, in text: String) -> Int {
    var inside: String?
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if let quotes = inside {
        if line.contains(quotes) { inside = nil }
        continue
      }
      let trimmed = line.drop { $0 == " " || $0 == "\t" }
      for spelling in [key, "\"\(key)\"", "'\(key)'"] {
        for opening in ["", "[", "[["] where trimmed.hasPrefix(opening + spelling) {
          let rest = trimmed.dropFirst((opening + spelling).count).drop { $0 == " " || $0 == "\t" }
          if let next = rest.first, opening.isEmpty ? next == "=" || next == "." : next == "]" || next == "." {
            return index + 1
          }
        }
      }
      for quotes in ["\"\"\"", "'''"] where line.split(separator: quotes, omittingEmptySubsequences: false).count == 2 {
        inside = quotes
      }
    }
    return 1
  }

  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  private static func read(_ path: ByteString) throws(ConfigurationError) -> String {
    let place = "--config"
    if path.isEmpty { throw ConfigurationError(at: place, "the file name is empty") }
    let bytes: [UInt8]
    do throws(Errno) {
      // O_NONBLOCK: a FIFO must not hold us for ever.
      let number = try Errno.check(
        path.withCString { name in
          vd_syscall(
            Int(SYS_openat), Int(AT_FDCWD), Int(bitPattern: name), Int(O_RDONLY | O_CLOEXEC | O_NONBLOCK), 0, 0, 0)
        })
      let descriptor = OwnedDescriptor(CInt(truncatingIfNeeded: number))
      bytes = try readAll(descriptor.rawValue)
    } catch {
      throw ConfigurationError(at: place, "cannot read '\(path)': \(error)")
    }
    if bytes.count > limit { throw ConfigurationError(at: place, "'\(path)' is too long for a configuration") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(at: path.description, "is not UTF-8, as TOML must be")
    }
    return text
  }

  private static func readAll(_ descriptor: CInt) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    return try withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 16) { buffer throws(Errno) in
      while true {
        let count = try Errno.check(
          vd_syscall(Int(SYS_read), Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count, 0, 0, 0))
        if count == 0 || bytes.count > limit { return bytes }
        bytes.append(contentsOf: buffer[..<count])
      }
    }
  }
}
