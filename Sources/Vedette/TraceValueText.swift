// How each kind of argument is written in JSON.

import Layers
import Sentry

extension JSONLine {
  /// A list of strings that is cut ends in `null`.
  mutating func append(_ value: TraceValue) {
    switch value {
    case .integer(let number): append(number)
    case .hexadecimal(let number):
      append("\"0x")
      append(number, base: 16)
      append("\"")
    case .octal(let number):
      append("\"0")
      append(number, base: 8)
      append("\"")
    case .mode(let type, let bits):
      append("\"")
      append(type)
      append("|0")
      append(bits, base: 8)
      append("\"")
    // AT_FDCWD is -100 on Linux, everywhere.
    case .descriptor(-100): append("\"AT_FDCWD\"")
    case .descriptor(let number): append(number)
    case .bytes(let bytes): append(bytes: bytes)
    case .word(let word):
      append("\"")
      append(word)
      append("\"")
    case .flags(let names, let rest): append(flags: names, rest: rest)
    case .strings(let strings, let more):
      append("[")
      for (index, string) in strings.enumerated() {
        if index > 0 { append(",") }
        append(bytes: string)
      }
      if more { append(strings.isEmpty ? "null" : ",null") }
      append("]")
    case .variables(let address, _): append(.hexadecimal(address))
    case .unread: append("null")
    }
  }

  private mutating func append(flags names: [StaticString], rest: UInt64) {
    append("\"")
    for (index, name) in names.enumerated() {
      if index > 0 { append("|") }
      append(name)
    }
    if rest != 0 {
      append(names.isEmpty ? "0x" : "|0x")
      append(rest, base: 16)
    } else if names.isEmpty {
      append("0")
    }
    append("\"")
  }
}
