// The words of the command line as bytes. Swift's own `CommandLine.arguments` replaces what is not UTF-8, so a file name
// such as `caf\xe9` would reach the guest damaged; and ArgumentParser speaks String only. These few lines carry any bytes
// through a String and back.

import Kernel
import Vedette

/// Bytes in a String, reversibly.
enum ArgumentBytes {
  /// Byte B of an invalid sequence is carried as this code point plus B: the last plane for private use.
  private static let base: UInt32 = 0x10fe00

  /// The words that the kernel gave to this process.
  static func ofProcess() -> [ByteString] {
    var words: [ByteString] = []
    for index in 0..<Int(CommandLine.argc) {
      guard let word = CommandLine.unsafeArgv[index] else { break }
      var bytes: [UInt8] = []
      var end = word
      while end.pointee != 0 {
        bytes.append(UInt8(bitPattern: end.pointee))
        end += 1
      }
      words.append(ByteString(bytes))
    }
    return words
  }

  /// The environment that the kernel gave to this process; empty without /proc, which a run then complains about.
  static func environment() -> [ByteString] {
    guard let bytes = try? Host.readFile("/proc/self/environ") else { return [] }
    return bytes.split(separator: 0).map { ByteString([UInt8]($0)) }
  }

  /// A String that `bytes(of:)` turns back into `word`; equal to it where it is plain UTF-8.
  static func string(of word: ByteString) -> String {
    var scalars = String.UnicodeScalarView()
    var decoder = UTF8()
    var iterator = word.bytes.makeIterator()
    // The decoder does not say how many bytes an error took, so the rest is found by what was consumed in good order.
    var consumed = 0
    decoding: while true {
      switch decoder.decode(&iterator) {
      case .scalarValue(let scalar) where scalar.value & ~0xff != base:
        scalars.append(scalar)
        consumed += UTF8.width(scalar)
      case .scalarValue, .error:
        append(word.bytes[consumed], to: &scalars)
        consumed += 1
        decoder = UTF8()
        iterator = Array(word.bytes[consumed...]).makeIterator()
      case .emptyInput: break decoding
      }
    }
    return String(scalars)
  }

  private static func append(_ byte: UInt8, to scalars: inout String.UnicodeScalarView) {
    if let scalar = Unicode.Scalar(base + UInt32(byte)) { scalars.append(scalar) }
  }

  /// The bytes that `string(of:)` was given.
  static func bytes(of string: String) -> ByteString {
    var bytes: [UInt8] = []
    for scalar in string.unicodeScalars {
      if scalar.value & ~0xff == base {
        bytes.append(UInt8(truncatingIfNeeded: scalar.value))
      } else {
        bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.CodeUnit.replacement)
      }
    }
    return ByteString(bytes)
  }
}

extension UTF8.CodeUnit {
  fileprivate static var replacement: UTF8.EncodedScalar { UTF8.encodedReplacementCharacter }
}
