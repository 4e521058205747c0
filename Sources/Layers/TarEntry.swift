// The records of a tar archive (`man 5 tar`, POSIX.1-2024 `pax`): one entry as a value, its header blocks, and the small
// codecs that writer and reader share.

import LinuxABI

/// One member of an archive, without its content.
struct TarEntry: Equatable {
  enum Kind: Equatable {
    case regular
    case directory
    case symlink(target: [UInt8])
    /// One more name of a member that came before.
    case link(target: [UInt8])
    case fifo
    case characterDevice(major: UInt32, minor: UInt32)
    case blockDevice(major: UInt32, minor: UInt32)
  }

  /// A piece of a sparse file that holds data.
  struct Piece: Equatable {
    var offset: Int64
    var count: Int64
  }

  /// As in the archive; the reader takes no `/` away.
  var path: [UInt8]
  var kind: Kind
  var permissions = Permissions(rawValue: 0o644)
  var owner: UInt32 = 0
  var group: UInt32 = 0
  var modificationTime = Timestamp.epoch
  /// Bytes that the file has, holes counted.
  var size: Int64 = 0
  /// Where the data is; nil if all of the file is in the archive.
  var pieces: [Piece]?
  var extendedAttributes: [(name: [UInt8], value: [UInt8])] = []

  static func == (a: TarEntry, b: TarEntry) -> Bool {
    a.path == b.path && a.kind == b.kind && a.permissions == b.permissions && a.owner == b.owner && a.group == b.group
      && a.modificationTime == b.modificationTime && a.size == b.size && a.pieces == b.pieces
      && a.extendedAttributes.elementsEqual(b.extendedAttributes) { $0.name == $1.name && $0.value == $1.value }
  }
}

/// Where the fields of a `ustar` header stand.
enum TarField {
  static let blockSize = 512
  static let name = 0..<100
  static let mode = 100..<108
  static let owner = 108..<116
  static let group = 116..<124
  static let size = 124..<136
  static let time = 136..<148
  static let checksum = 148..<156
  static let type = 156
  static let linkName = 157..<257
  static let magic = 257..<263
  static let version = 263..<265
  static let major = 329..<337
  static let minor = 337..<345
  static let prefix = 345..<500

  /// How many bytes follow `count` up to the end of its last block.
  static func padding(_ count: Int64) -> Int { Int((512 - count % 512) % 512) }

  /// The sum of all header bytes, the checksum itself read as spaces.
  static func sum(_ block: [UInt8]) -> UInt64 {
    var sum: UInt64 = 0
    for (index, byte) in block.enumerated() { sum += checksum.contains(index) ? 0x20 : UInt64(byte) }
    return sum
  }

  /// An octal number that ends in NUL; nil if it has too many digits.
  static func octal(_ value: UInt64, _ width: Int) -> [UInt8]? {
    let digits = String(value, radix: 8)
    guard digits.utf8.count < width else { return nil }
    return Array(repeating: 0x30, count: width - 1 - digits.utf8.count) + Array(digits.utf8) + [0]
  }

  /// The number of a field: octal, or base 256 if the first bit is set (a GNU extension); nil if it is neither.
  static func number(_ field: ArraySlice<UInt8>) -> Int64? {
    guard let first = field.first else { return nil }
    if first & 0x80 != 0 {
      var value: Int64 = first & 0x40 != 0 ? -1 : 0
      for (index, byte) in field.enumerated() {
        let digit = index == 0 ? Int64(byte & 0x3f) | (first & 0x40 != 0 ? -64 : 0) : Int64(byte)
        if index == 0 {
          value = digit
          continue
        }
        guard let next = value.multipliedExactly(by: 256)?.addingExactly(digit) else { return nil }
        value = next
      }
      return value
    }
    var value: Int64 = 0
    var sawDigit = false
    for byte in field {
      switch byte {
      case 0x30...0x37:
        guard let next = value.multipliedExactly(by: 8)?.addingExactly(Int64(byte - 0x30)) else { return nil }
        value = next
        sawDigit = true
      case 0x20 where !sawDigit: continue
      case 0x20, 0: return value
      default: return nil
      }
    }
    return value
  }

  /// The bytes of a field up to its NUL, or all of them.
  static func text(_ field: ArraySlice<UInt8>) -> [UInt8] { [UInt8](field.prefix { $0 != 0 }) }
}

/// The records of a pax header: `LENGTH KEYWORD=VALUE\n`, the length counting itself.
enum PaxRecords {
  static func append(_ keyword: [UInt8], _ value: [UInt8], to records: inout [UInt8]) {
    let rest = keyword.count + value.count + 3
    var length = rest + 1
    while String(length).utf8.count + rest != length { length = String(length).utf8.count + rest }
    records += Array(String(length).utf8) + [0x20] + keyword + [0x3d] + value + [0x0a]
  }

  static func append(_ keyword: StaticString, _ value: [UInt8], to records: inout [UInt8]) {
    append(keyword.withUTF8Buffer { Array($0) }, value, to: &records)
  }

  /// The records in their order; nil if they are not well-formed.
  static func parse(_ bytes: [UInt8]) -> [(keyword: [UInt8], value: [UInt8])]? {
    var result: [(keyword: [UInt8], value: [UInt8])] = []
    var offset = 0
    while offset < bytes.count {
      guard let space = bytes[offset...].firstIndex(of: 0x20),
        let length = Int(String(decoding: bytes[offset..<space], as: UTF8.self)), length > space - offset + 2,
        length <= bytes.count - offset, bytes[offset + length - 1] == 0x0a,
        let equals = bytes[space..<(offset + length)].firstIndex(of: 0x3d)
      else { return nil }
      result.append(([UInt8](bytes[(space + 1)..<equals]), [UInt8](bytes[(equals + 1)..<(offset + length - 1)])))
      offset += length
    }
    return result
  }

  static let attributePrefix: [UInt8] = Array("SCHILY.xattr.".utf8)

  /// An equals sign would end the keyword: it is written as GNU tar does.
  static func keyword(ofAttribute name: [UInt8]) -> [UInt8] {
    attributePrefix + name.flatMap { $0 == 0x3d ? Array("%3D".utf8) : $0 == 0x25 ? Array("%25".utf8) : [$0] }
  }

  /// The attribute that a keyword names; nil if it names none.
  static func attribute(ofKeyword keyword: [UInt8]) -> [UInt8]? {
    guard keyword.starts(with: attributePrefix) else { return nil }
    var name: [UInt8] = []
    var rest = keyword[attributePrefix.count...]
    while let byte = rest.first {
      let isEquals = rest.starts(with: "%3D".utf8)
      if isEquals || rest.starts(with: "%25".utf8) {
        name.append(isEquals ? 0x3d : 0x25)
        rest = rest.dropFirst(3)
      } else {
        name.append(byte)
        rest = rest.dropFirst()
      }
    }
    return name
  }

  /// `SECONDS.NANOSECONDS`, a negative one too.
  static func time(_ time: Timestamp) -> [UInt8] {
    if time.nanoseconds == 0 { return Array(String(time.seconds).utf8) }
    // -1.5 s is kept as -2 s and 500,000,000 ns.
    let isNegative = time.seconds < 0
    let seconds = isNegative ? -(time.seconds + 1) : time.seconds
    let nanoseconds = isNegative ? 1_000_000_000 - time.nanoseconds : time.nanoseconds
    let digits = String(nanoseconds)
    let fraction = String(repeating: "0", count: 9 - digits.utf8.count) + digits
    return Array("\(isNegative ? "-" : "")\(seconds).\(fraction)".utf8)
  }

  static func time(_ text: [UInt8]) -> Timestamp? {
    let isNegative = text.first == 0x2d
    let parts = (isNegative ? text.dropFirst() : text[...]).split(
      separator: 0x2e, maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let seconds = Int64(String(decoding: first, as: UTF8.self)), seconds >= 0 else {
      return nil
    }
    var nanoseconds: UInt32 = 0
    if parts.count == 2 {
      var digits = [UInt8](parts[1].prefix(9))
      guard parts[1].allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      while digits.count < 9 { digits.append(0x30) }
      nanoseconds = UInt32(String(decoding: digits, as: UTF8.self)) ?? 0
    }
    if !isNegative { return Timestamp(seconds: seconds, nanoseconds: nanoseconds) }
    if nanoseconds == 0 { return Timestamp(seconds: -seconds, nanoseconds: 0) }
    return Timestamp(seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds)
  }
}
