// Reads a tar archive from a descriptor, whoever made it: `ustar`, pax, GNU long names, and all four ways of sparse files.
// The archive is untrusted: every number is checked before it is used, every length has a bound.

import Kernel
import LinuxABI

/// Why an archive cannot be read: one clause for people.
struct TarError: Error {
  var message: String
  init(_ message: String) { self.message = message }
}

/// Shows the members of an archive in their order. Content that is not read is skipped.
struct TarReader: ~Copyable {
  private let source: OwnedDescriptor
  /// Archive bytes of the current member that have not been read, padding not counted.
  private var left: Int64 = 0
  private var padding = 0
  private var buffer: [UInt8] = []
  private var position = 0

  /// All headers before one member: 64 KiB of extended attributes, several times.
  private static let headerLimit: Int64 = 4 << 20
  /// A header that stays for all members behind it, and is gone through for each.
  private static let globalLimit: Int64 = 1 << 16
  /// Of one file.
  private static let pieceLimit = 1 << 20

  init(_ source: consuming OwnedDescriptor) { self.source = source }

  // MARK: - Members

  /// What the headers before a member say of it.
  private struct Extras {
    var path: [UInt8]?
    var link: [UInt8]?
    var records: [(keyword: [UInt8], value: [UInt8])] = []
    var isEmpty = true
    /// Bytes of all of them.
    var size: Int64 = 0
  }

  private var global: [(keyword: [UInt8], value: [UInt8])] = []

  /// The next member; nil at the end.
  mutating func next() throws(TarError) -> TarEntry? {
    var extras = Extras()
    extras.records = global
    while true {
      try skipContent()
      guard let block = try readBlock(mayEnd: true), !block.allSatisfy({ $0 == 0 }) else {
        if extras.isEmpty { return nil }
        throw TarError("the archive ends in the middle of a member")
      }
      guard let sum = TarField.number(block[TarField.checksum]), sum == Int64(TarField.sum(block)) else {
        throw TarError("not a tar archive, or a damaged one")
      }
      guard let size = TarField.number(block[TarField.size]), size >= 0 else { throw TarError("a member has no size") }
      let type = block[TarField.type]
      switch type {
      case 0x78, 0x67, 0x4c, 0x4b:  // x, g, L, K
        let limit = min(type == 0x67 ? Self.globalLimit : Self.headerLimit, Self.headerLimit - extras.size)
        guard size <= limit else { throw TarError("a header of \(size) bytes") }
        extras.size += size
        begin(size)
        let content = try readAll()
        if type != 0x67 { extras.isEmpty = false }
        if type == 0x4c {
          extras.path = TarField.text(content[...])
        } else if type == 0x4b {
          extras.link = TarField.text(content[...])
        } else {
          guard let records = PaxRecords.parse(content) else { throw TarError("a damaged pax header") }
          if type == 0x67 { global = records }
          extras.records += records
        }
      default: return try entry(block, type, size, extras)
      }
    }
  }

  private mutating func entry(_ block: [UInt8], _ type: UInt8, _ size: Int64, _ extras: Extras) throws(TarError)
    -> TarEntry
  {
    var path = TarField.text(block[TarField.name])
    // Old GNU archives use the bytes of the prefix for other things; their magic ends in a space.
    if block[TarField.magic].elementsEqual("ustar\0".utf8) {
      let prefix = TarField.text(block[TarField.prefix])
      if !prefix.isEmpty { path = prefix + [0x2f] + path }
    }
    var entry = TarEntry(path: extras.path ?? path, kind: .regular)
    var link = extras.link ?? TarField.text(block[TarField.linkName])
    entry.permissions = Permissions(mode: UInt64(bitPattern: TarField.number(block[TarField.mode]) ?? 0o644))
    entry.owner = try Self.id(TarField.number(block[TarField.owner]))
    entry.group = try Self.id(TarField.number(block[TarField.group]))
    entry.modificationTime = Timestamp(seconds: TarField.number(block[TarField.time]) ?? 0, nanoseconds: 0)
    var major = TarField.number(block[TarField.major]) ?? 0
    var minor = TarField.number(block[TarField.minor]) ?? 0
    var stored = size
    var sparse = SparseRecords()
    var indices: [[UInt8]: Int] = [:]
    for (keyword, value) in extras.records {
      switch String(decoding: keyword, as: UTF8.self) {
      case "path": entry.path = value
      case "linkpath": link = value
      case "uid": entry.owner = try Self.id(Self.decimal(value))
      case "gid": entry.group = try Self.id(Self.decimal(value))
      case "size": stored = try Self.decimal(value)
      case "mtime":
        guard let time = PaxRecords.time(value) else { throw TarError("a damaged time") }
        entry.modificationTime = time
      case "SCHILY.devmajor": major = try Self.decimal(value)
      case "SCHILY.devminor": minor = try Self.decimal(value)
      case let word where word.hasPrefix("GNU.sparse."): try sparse.take(String(word.dropFirst(11)), value)
      default:
        guard let name = PaxRecords.attribute(ofKeyword: keyword) else { continue }
        // The last record of a name counts.
        if let index = indices[name] {
          entry.extendedAttributes[index].value = value
        } else {
          indices[name] = entry.extendedAttributes.count
          entry.extendedAttributes.append((name, value))
        }
      }
    }
    let device = (UInt32(truncatingIfNeeded: major), UInt32(truncatingIfNeeded: minor))
    switch type {
    case 0x30, 0, 0x37, 0x53: entry.kind = .regular
    case 0x31: entry.kind = .link(target: link)
    case 0x32: entry.kind = .symlink(target: link)
    case 0x33: entry.kind = .characterDevice(major: device.0, minor: device.1)
    case 0x34: entry.kind = .blockDevice(major: device.0, minor: device.1)
    case 0x35: entry.kind = .directory
    case 0x36: entry.kind = .fifo
    default: throw TarError("'\(PathText.string(entry.path))' is of an unknown type, \(type)")
    }
    if entry.kind == .regular, entry.path.last == 0x2f { entry.kind = .directory }
    // Only files have content; a size on a directory or a link counts nothing (POSIX), but what pax links carry is skipped.
    if entry.kind == .regular || type == 0x31 { begin(stored) }
    if entry.kind == .regular {
      entry.size = stored
      if type == 0x53 {
        try readOldMap(block, &entry)
      } else if sparse.isSparse {
        try finish(sparse, &entry)
      }
    }
    return entry
  }

  private static func decimal(_ value: [UInt8]) throws(TarError) -> Int64 {
    guard let number = Int64(String(decoding: value, as: UTF8.self)), number >= 0 else {
      throw TarError("'\(PathText.string(value))' is not a number")
    }
    return number
  }

  private static func id(_ number: Int64?) throws(TarError) -> UInt32 {
    // -1 is 'no change' to chown(2).
    guard let number, number >= 0, number < Int64(UInt32.max) else { throw TarError("an owner that no system has") }
    return UInt32(number)
  }

  // MARK: - Sparse files

  /// The `GNU.sparse.…` records of formats 0.0, 0.1 and 1.0.
  private struct SparseRecords {
    var isSparse = false
    var isInContent = false
    var name: [UInt8]?
    var size: Int64?
    var numbers: [Int64] = []

    mutating func take(_ word: String, _ value: [UInt8]) throws(TarError) {
      isSparse = true
      switch word {
      case "major": isInContent = value == [0x31]
      case "name": name = value
      case "realsize", "size": size = try TarReader.decimal(value)
      case "offset", "numbytes": numbers.append(try TarReader.decimal(value))
      case "map": for number in value.split(separator: 0x2c) { numbers.append(try TarReader.decimal([UInt8](number))) }
      default: break
      }
    }
  }

  private mutating func finish(_ sparse: SparseRecords, _ entry: inout TarEntry) throws(TarError) {
    if let name = sparse.name { entry.path = name }
    var numbers = sparse.numbers
    if sparse.isInContent {
      // Decimal numbers, one a line, filled up to a block: the count of pieces first.
      var wanted = 1
      var text: [UInt8] = []
      while numbers.count < wanted {
        guard left >= 512, let block = try readBlock(mayEnd: false) else { throw TarError("a damaged sparse map") }
        left -= 512
        for byte in block where numbers.count < wanted {
          if byte != 0x0a {
            text.append(byte)
            if text.count > 20 { throw TarError("a damaged sparse map") }
            continue
          }
          let number = try Self.decimal(text)
          text = []
          if wanted == 1 {
            guard number <= Self.pieceLimit else { throw TarError("a sparse map of \(number) pieces") }
            wanted = 1 + 2 * Int(number)
          }
          numbers.append(number)
        }
      }
      numbers.removeFirst()
    }
    try setPieces(numbers, size: sparse.size, &entry)
  }

  private mutating func readOldMap(_ block: [UInt8], _ entry: inout TarEntry) throws(TarError) {
    var numbers: [Int64] = []
    func take(_ block: [UInt8], _ start: Int, _ count: Int) {
      for index in 0..<(2 * count) {
        let field = block[(start + 12 * index)..<(start + 12 * index + 12)]
        if field.first == 0 { return }
        numbers.append(TarField.number(field) ?? -1)
      }
    }
    take(block, 386, 4)
    var isExtended = block[482] != 0
    while isExtended {
      guard let more = try readBlock(mayEnd: false) else { break }
      take(more, 0, 21)
      isExtended = more[504] != 0
      if numbers.count > 2 * Self.pieceLimit { throw TarError("a sparse map of too many pieces") }
    }
    try setPieces(numbers, size: TarField.number(block[483..<495]), &entry)
  }

  /// Pieces must be in order, apart, within the file, and as long together as what is stored.
  private func setPieces(_ numbers: [Int64], size: Int64?, _ entry: inout TarEntry) throws(TarError) {
    let wrong = TarError("'\(PathText.string(entry.path))' has a damaged sparse map")
    guard let size, size >= 0, numbers.count % 2 == 0, numbers.allSatisfy({ $0 >= 0 }) else { throw wrong }
    var pieces: [TarEntry.Piece] = []
    var end: Int64 = 0
    var sum: Int64 = 0
    for index in stride(from: 0, to: numbers.count, by: 2) {
      let (offset, count) = (numbers[index], numbers[index + 1])
      guard offset >= end, count <= size, offset <= size - count else { throw wrong }
      end = offset + count
      sum += count
      pieces.append(TarEntry.Piece(offset: offset, count: count))
    }
    guard sum == left else { throw wrong }
    entry.size = size
    entry.pieces = pieces
  }

  // MARK: - Content

  private mutating func begin(_ size: Int64) {
    left = size
    padding = TarField.padding(size)
  }

  /// The next bytes of the member's content, at most `limit`; empty at its end.
  mutating func read(_ limit: Int) throws(TarError) -> ArraySlice<UInt8> {
    if left == 0 { return [] }
    if position == buffer.count { try fill() }
    let count = Int(min(Int64(min(limit, buffer.count - position)), left))
    if count == 0 { throw TarError("the archive ends in the middle of a member") }
    defer { position += count }
    left -= Int64(count)
    return buffer[position..<(position + count)]
  }

  private mutating func readAll() throws(TarError) -> [UInt8] {
    var result: [UInt8] = []
    while left > 0 { result += try read(1 << 16) }
    return result
  }

  private mutating func skipContent() throws(TarError) {
    while left > 0 { _ = try read(1 << 20) }
    var rest = padding
    padding = 0
    while rest > 0 {
      if position == buffer.count { try fill() }
      let count = min(rest, buffer.count - position)
      // Archives that lack the last padding are accepted: nothing is lost.
      if count == 0 { return }
      position += count
      rest -= count
    }
  }

  /// 512 bytes; nil at the end of the archive where that may be.
  private mutating func readBlock(mayEnd: Bool) throws(TarError) -> [UInt8]? {
    var block: [UInt8] = []
    while block.count < TarField.blockSize {
      if position == buffer.count { try fill() }
      let count = min(TarField.blockSize - block.count, buffer.count - position)
      if count == 0 {
        if block.isEmpty && mayEnd { return nil }
        throw TarError("the archive ends in the middle of a header")
      }
      block += buffer[position..<(position + count)]
      position += count
    }
    return block
  }

  private mutating func fill() throws(TarError) {
    position = 0
    do throws(Errno) {
      let descriptor = source.rawValue
      buffer = try withUnsafeTemporaryAllocation(byteCount: 1 << 17, alignment: 16) { space throws(Errno) in
        [UInt8](space[..<(try Host.read(into: space, from: descriptor))])
      }
    } catch {
      throw TarError("cannot be read: \(error)")
    }
  }

  /// Whatever follows the end, so that the program at the other end of a pipe can end by itself.
  mutating func drain() throws(TarError) {
    repeat { try fill() } while !buffer.isEmpty
  }
}
