// Trace lines for people, as strace(1) writes them: `openat(AT_FDCWD, "/etc/x", O_RDONLY|O_CLOEXEC) = 3 <0.000031>`.

import Layers
import LinuxABI
import Sentry

extension JSONLine {
  /// Bytes of a string that are shown; a path is never longer.
  private static let shownLength = 4096
  /// The same for each argument of a program.
  private static let shownWordLength = 128

  /// A name, its arguments, and no closing parenthesis.
  mutating func appendCall(_ name: StaticString, _ arguments: [(String, TraceValue)]) {
    append(name)
    append("(")
    var isFirst = true
    for (name, value) in arguments where name != "answer" && !Self.isMeaningless(name, arguments) {
      if !isFirst { append(", ") }
      isFirst = false
      append(shown: value)
    }
  }

  /// The mode of an open that makes nothing.
  private static func isMeaningless(_ name: String, _ arguments: [(String, TraceValue)]) -> Bool {
    guard name == "mode", case .flags(let names, _)? = arguments.first(where: { $0.0 == "flags" })?.1 else {
      return false
    }
    let first = names.first?.description ?? ""
    let opens = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"].contains(first)
    return opens && !names.contains { ["O_CREAT", "O_TMPFILE"].contains($0.description) }
  }

  private mutating func append(shown value: TraceValue) {
    switch value {
    case .integer(let number): append(number)
    case .hexadecimal(let number): appendHexadecimal(number)
    case .octal(let number):
      append("0")
      append(number, base: 8)
    case .mode(let type, let bits):
      append(type)
      append("|0")
      append(bits, base: 8)
    // AT_FDCWD is -100 on Linux, everywhere.
    case .descriptor(-100): append("AT_FDCWD")
    case .descriptor(let number): append(number)
    case .bytes(let bytes): appendQuoted(bytes, limit: Self.shownLength)
    case .word(let word): append(word)
    case .flags(let names, let rest):
      for (index, name) in names.enumerated() {
        if index > 0 { append("|") }
        append(name)
      }
      if rest != 0 || names.isEmpty {
        if !names.isEmpty { append("|") }
        appendHexadecimal(rest)
      }
    case .strings(let strings, let more):
      append("[")
      for (index, string) in strings.enumerated() {
        if index > 0 { append(", ") }
        appendQuoted(string, limit: Self.shownWordLength)
      }
      if more { append(strings.isEmpty ? "..." : ", ...") }
      append("]")
    case .variables(let address, let count):
      appendHexadecimal(address)
      append(" /* ")
      append(count)
      append(count == 1 ? " variable */" : " variables */")
    case .unread(0): append("NULL")
    case .unread(let address): appendHexadecimal(address)
    }
  }

  private mutating func appendHexadecimal(_ number: UInt64) {
    if number != 0 { append("0x") }
    append(number, base: 16)
  }

  /// A C string literal, plain ASCII: nothing in it moves a terminal's cursor. What is cut ends in `"...`.
  private mutating func appendQuoted(_ bytes: [UInt8], limit: Int) {
    text.append(0x22)
    let shown = bytes.prefix(limit)
    for (index, byte) in shown.enumerated() {
      switch byte {
      case 0x22, 0x5c:
        text.append(0x5c)
        text.append(byte)
      case 0x0a: append("\\n")
      case 0x09: append("\\t")
      case 0x0d: append("\\r")
      case 0x20..<0x7f: text.append(byte)
      default:
        // Three digits where one would be read as part of the number.
        let next = index + 1 < shown.count ? shown[index + 1] : 0
        text.append(0x5c)
        append(byte, base: 8, width: (0x30...0x37).contains(next) ? 3 : 1)
      }
    }
    text.append(0x22)
    if bytes.count > limit { append("...") }
  }

  /// ` = 3`, ` = -1 ENOENT (No such file or directory)`, ` = 0x7f1234560000`.
  mutating func appendResult(_ result: Int?, isAddress: Bool) {
    append(" = ")
    guard let result else { return append("?") }
    guard let name = ErrnoNames.name(forResult: result) else {
      return isAddress ? appendHexadecimal(UInt64(bitPattern: Int64(result))) : append(result)
    }
    append("-1 ")
    append(name)
    append(" (")
    text.append(contentsOf: Errno(rawValue: CInt(-result)).description.utf8)
    append(")")
  }

  /// ` <0.000031>`: seconds.
  mutating func appendDuration(_ nanoseconds: UInt64) {
    append(" <")
    appendSeconds(nanoseconds)
    append(">")
  }

  /// Seconds with six decimals.
  mutating func appendSeconds(_ nanoseconds: UInt64) {
    append(nanoseconds / 1_000_000_000)
    append(".")
    append(nanoseconds % 1_000_000_000 / 1000, width: 6)
  }
}
