// JSON for the lines of `--trace` and `vedette diff --json`.

/// A JSON text under construction: bytes only, no Foundation, no String.
///
/// Every string it writes is valid UTF-8 and can be turned back into the bytes it came from: a byte that is not part of
/// valid UTF-8 becomes `\xNN` and a backslash becomes `\\` *in the decoded string*, so in the file they show as `\\xNN`
/// and `\\\\`.
package struct JSONLine: Sendable {
  package var text: [UInt8] = []

  package init() {}

  private static let digits: StaticString = "0123456789abcdef"

  package mutating func append(_ literal: StaticString) {
    text.append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
  }

  package mutating func append(_ number: some FixedWidthInteger, base: Int = 10, width: Int = 1) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 72) { buffer in
      var index = 72
      var magnitude = UInt64(truncatingIfNeeded: number.magnitude)
      while magnitude > 0 || 72 - index < width {
        index -= 1
        buffer[index] = Self.digits.utf8Start[Int(magnitude % UInt64(base))]
        magnitude /= UInt64(base)
      }
      if number < 0 { text.append(0x2d) }
      text.append(contentsOf: buffer[index...])
    }
  }

  /// A JSON string of any bytes.
  package mutating func append(bytes: [UInt8]) {
    text.append(0x22)
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case 0x22: append("\\\"")
      case 0x5c: append("\\\\\\\\")
      case 0x0a: append("\\n")
      case 0x09: append("\\t")
      case 0..<0x20, 0x7f:
        append("\\u")
        append(byte, base: 16, width: 4)
      case 0x20..<0x7f: text.append(byte)
      default:
        let length = Self.sequenceLength(bytes[index...])
        if length == 0 {
          append("\\\\x")
          append(byte, base: 16, width: 2)
        } else {
          text.append(contentsOf: bytes[index..<index + length])
          index += length - 1
        }
      }
      index += 1
    }
    text.append(0x22)
  }

  /// The length of the multi-byte UTF-8 sequence at the start of `bytes`, 0 if there is no valid one (RFC 3629, section 4).
  private static func sequenceLength(_ bytes: ArraySlice<UInt8>) -> Int {
    let first = bytes[bytes.startIndex]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xbf
    switch first {
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    case 0xf1...0xf3: length = 4
    default: return 0
    }
    guard bytes.count >= length, second.contains(bytes[bytes.startIndex + 1]) else { return 0 }
    for offset in 2..<max(2, length) where !(0x80...0xbf).contains(bytes[bytes.startIndex + offset]) { return 0 }
    return length
  }
}
