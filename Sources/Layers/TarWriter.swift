// Writes a pax archive to a descriptor: `ustar` headers, and extended ones before those that need them.

import Kernel
import LinuxABI

/// Writes members one after another. Each `begin` is followed by exactly as many content bytes as it announced.
struct TarWriter {
  private let descriptor: CInt
  private var buffer: [UInt8] = []
  private var written: Int64 = 0

  init(to descriptor: CInt) {
    self.descriptor = descriptor
    buffer.reserveCapacity(1 << 17)
  }

  /// The headers of one member. Of a sparse file the map is written too; the pieces' bytes follow.
  mutating func begin(_ entry: TarEntry) throws(Errno) {
    var path = entry.path
    if entry.kind == .directory { path.append(0x2f) }
    var records: [UInt8] = []
    var stored = entry.kind == .regular ? entry.size : 0
    var map: [UInt8] = []
    if let pieces = entry.pieces {
      map = Self.map(pieces)
      stored = Int64(map.count)
      for piece in pieces { stored = try stored.adding(piece.count, or: .fileTooLarge) }
      PaxRecords.append("GNU.sparse.major", [0x31], to: &records)
      PaxRecords.append("GNU.sparse.minor", [0x30], to: &records)
      PaxRecords.append("GNU.sparse.name", path, to: &records)
      PaxRecords.append("GNU.sparse.realsize", Array(String(entry.size).utf8), to: &records)
      // What a reader without sparse files shall see is not the file.
      let cut = path.lastIndex(of: 0x2f).map { $0 + 1 } ?? 0
      path = Array(path[..<cut]) + Array("GNUSparseFile.0/".utf8) + Array(path[cut...])
    }
    var block = [UInt8](repeating: 0, count: TarField.blockSize)
    func set(_ field: Range<Int>, _ bytes: [UInt8]) {
      block.replaceSubrange(field.lowerBound..<(field.lowerBound + bytes.count), with: bytes)
    }
    func set(_ field: Range<Int>, _ number: UInt64, _ keyword: StaticString) {
      if let octal = TarField.octal(number, field.count) {
        set(field, octal)
      } else {
        PaxRecords.append(keyword, Array(String(number).utf8), to: &records)
      }
    }
    var linkName: [UInt8] = []
    let type: UInt8
    switch entry.kind {
    case .regular: type = 0x30
    case .link(let target): (type, linkName) = (0x31, target)
    case .symlink(let target): (type, linkName) = (0x32, target)
    case .characterDevice(let major, let minor):
      type = 0x33
      set(TarField.major, UInt64(major), "SCHILY.devmajor")
      set(TarField.minor, UInt64(minor), "SCHILY.devminor")
    case .blockDevice(let major, let minor):
      type = 0x34
      set(TarField.major, UInt64(major), "SCHILY.devmajor")
      set(TarField.minor, UInt64(minor), "SCHILY.devminor")
    case .directory: type = 0x35
    case .fifo: type = 0x36
    }
    set(TarField.mode, TarField.octal(UInt64(entry.permissions.rawValue), 8) ?? [])
    set(TarField.owner, UInt64(entry.owner), "uid")
    set(TarField.group, UInt64(entry.group), "gid")
    set(TarField.size, try UInt64(stored, or: .fileTooLarge), "size")
    let time = entry.modificationTime
    set(TarField.time, TarField.octal(UInt64(max(0, time.seconds)), 12) ?? TarField.octal(0, 12) ?? [])
    if time.nanoseconds != 0 || time.seconds < 0 || time.seconds >= 1 << 33 {
      PaxRecords.append("mtime", PaxRecords.time(time), to: &records)
    }
    setName(path, &block, &records)
    if linkName.count > TarField.linkName.count || !Self.isPlain(linkName) {
      PaxRecords.append("linkpath", linkName, to: &records)
    }
    set(TarField.linkName, Array(linkName.prefix(TarField.linkName.count)))
    for attribute in entry.extendedAttributes {
      PaxRecords.append(PaxRecords.keyword(ofAttribute: attribute.name), attribute.value, to: &records)
    }
    if !records.isEmpty { try writeExtendedHeader(records, for: path) }
    block[TarField.type] = type
    try seal(&block)
    if !map.isEmpty { try write(map) }
  }

  /// Names that are ASCII and fit go into the header; the others into a record, whose bytes no reader interprets for us.
  private func setName(_ path: [UInt8], _ block: inout [UInt8], _ records: inout [UInt8]) {
    if path.count <= TarField.name.count && Self.isPlain(path) {
      block.replaceSubrange(0..<path.count, with: path)
      return
    }
    // A prefix of at most 155 bytes, a slash, a name of at most 100.
    let mayFit = path.count <= TarField.prefix.count + 1 + TarField.name.count
    let cut =
      !mayFit
      ? nil
      : path.indices.first {
        path[$0] == 0x2f && path.count - $0 - 1 <= TarField.name.count && $0 + 1 < path.count
      }
    if let cut, cut > 0, cut <= TarField.prefix.count, Self.isPlain(path) {
      block.replaceSubrange(0..<(path.count - cut - 1), with: path[(cut + 1)...])
      block.replaceSubrange(TarField.prefix.lowerBound..<(TarField.prefix.lowerBound + cut), with: path[..<cut])
      return
    }
    PaxRecords.append("path", path, to: &records)
    let short = path.prefix(TarField.name.count)
    block.replaceSubrange(0..<short.count, with: short)
  }

  private static func isPlain(_ text: [UInt8]) -> Bool { text.allSatisfy { (0x20..<0x7f).contains($0) } }

  private mutating func writeExtendedHeader(_ records: [UInt8], for path: [UInt8]) throws(Errno) {
    var block = [UInt8](repeating: 0, count: TarField.blockSize)
    let end = path.last == 0x2f ? path.count - 1 : path.count
    let last = path[(path[..<end].lastIndex(of: 0x2f).map { $0 + 1 } ?? 0)..<end]
    let name = (Array("PaxHeaders/".utf8) + last.map { (0x20..<0x7f).contains($0) ? $0 : 0x5f }).prefix(100)
    block.replaceSubrange(0..<name.count, with: name)
    for (field, value) in [
      (TarField.mode, UInt64(0o644)), (TarField.owner, 0), (TarField.group, 0), (TarField.size, UInt64(records.count)),
      (TarField.time, 0),
    ] {
      block.replaceSubrange(field, with: TarField.octal(value, field.count) ?? [])
    }
    block[TarField.type] = 0x78
    try seal(&block)
    try write(records)
    try pad()
  }

  /// Magic and checksum, and out it goes.
  private mutating func seal(_ block: inout [UInt8]) throws(Errno) {
    block.replaceSubrange(TarField.magic, with: Array("ustar\0".utf8))
    block.replaceSubrange(TarField.version, with: Array("00".utf8))
    let sum = TarField.octal(TarField.sum(block), 7) ?? []
    block.replaceSubrange(TarField.checksum.lowerBound..<TarField.checksum.lowerBound + sum.count, with: sum)
    block[TarField.checksum.upperBound - 1] = 0x20
    try write(block)
  }

  /// The map of GNU sparse format 1.0: decimal numbers, one a line, filled up to a block.
  private static func map(_ pieces: [TarEntry.Piece]) -> [UInt8] {
    var text = "\(pieces.count)\n"
    for piece in pieces { text += "\(piece.offset)\n\(piece.count)\n" }
    let bytes = Array(text.utf8)
    return bytes + [UInt8](repeating: 0, count: TarField.padding(Int64(bytes.count)))
  }

  /// Bytes of the member's content.
  mutating func write(_ bytes: some Collection<UInt8>) throws(Errno) {
    buffer.append(contentsOf: bytes)
    written += Int64(bytes.count)
    if buffer.count >= 1 << 16 { try flush() }
  }

  /// Fills the last block of a member.
  mutating func pad() throws(Errno) {
    try write([UInt8](repeating: 0, count: TarField.padding(written)))
  }

  /// Two empty blocks end an archive.
  mutating func finish() throws(Errno) {
    try write([UInt8](repeating: 0, count: 1024))
    try flush()
  }

  private mutating func flush() throws(Errno) {
    try Host.writeAll(buffer, to: descriptor)
    buffer.removeAll(keepingCapacity: true)
  }
}
