// Reading and writing the text of /proc, as bytes: no String on the way of a served call.

import LinuxABI

/// Text under construction.
struct TextBuilder {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ text: some Sequence<UInt8>) { bytes.append(contentsOf: text) }

  mutating func append(_ byte: UInt8) { bytes.append(byte) }

  mutating func append(decimal value: some FixedWidthInteger) { bytes.append(contentsOf: Text.decimal(value)) }

  mutating func append(hexadecimal value: UInt64, digits: Int) {
    for index in (0..<digits).reversed() {
      bytes.append(Text.digit(UInt8(truncatingIfNeeded: value >> (4 * index)) & 15))
    }
  }

  mutating func append(octal value: UInt16) {
    append(0x30)
    for shift in [6, 3, 0] { bytes.append(0x30 + UInt8(truncatingIfNeeded: value >> UInt16(shift)) & 7) }
  }
}

/// What the files of /proc are read with.
enum Text {
  static let space: UInt8 = 0x20
  static let newline: UInt8 = 0x0a
  static let tab: UInt8 = 0x09

  static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x61 + value - 10 }

  static func decimal(_ value: some FixedWidthInteger) -> [UInt8] {
    var digits: [UInt8] = []
    var rest = value.magnitude
    repeat {
      digits.append(0x30 + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest != 0
    if value < 0 { digits.append(0x2d) }
    return digits.reversed()
  }

  /// A line of a file that is a number.
  static func line(_ value: Int64) -> [UInt8] { decimal(value) + [newline] }

  static func parseSigned(_ bytes: some Collection<UInt8>) -> Int64? {
    if bytes.first == 0x2d { return Digits.parse(bytes.dropFirst()).flatMap { Int64(exactly: $0) }.map { -$0 } }
    return Digits.parse(bytes).flatMap { Int64(exactly: $0) }
  }

  /// `prefix` is how `bytes` begin.
  static func has(_ bytes: some Collection<UInt8>, prefix: StaticString) -> Bool {
    bytes.starts(with: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
  }

  static func bytes(_ text: StaticString) -> [UInt8] {
    Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
