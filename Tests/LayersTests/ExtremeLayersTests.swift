// Archives with extreme numbers in every field, and sizes as long as a number can say.

import CLinux
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

@testable import Layers

@Suite struct ExtremeLayersTests {
  private static func file(_ bytes: [UInt8]) throws -> OwnedDescriptor {
    let number = try ByteString("/tmp").open([.temporaryBit, .directory, .readWrite], mode: 0o600).release()
    try Host.writeAll(bytes, to: number)
    try Host.callForGuest(.lseek, Int(number), 0, 0)
    return OwnedDescriptor(number)
  }

  /// What a writer makes of entries.
  private static func archive(_ entries: [TarEntry]) throws -> [UInt8] {
    let file = try Self.file([])
    var writer = TarWriter(to: file.rawValue)
    for entry in entries { try writer.begin(entry) }
    try writer.finish()
    try Host.callForGuest(.lseek, Int(file.rawValue), 0, 0)
    return try Host.readAll(file.rawValue)
  }

  /// Reads as far as it goes: members of a size that is not there end it, with an error.
  private static func read(_ bytes: [UInt8]) throws {
    var reader = TarReader(try file(bytes))
    do throws(TarError) {
      while let entry = try reader.next() {
        #expect(entry.size >= 0)
        for piece in entry.pieces ?? [] { #expect(piece.offset.addingExactly(piece.count) != nil) }
        if let part = try? reader.read(100), part.isEmpty { continue }
      }
    } catch {}
  }

  /// The header's checksum as it must be.
  private static func sealed(_ block: [UInt8]) -> [UInt8] {
    var block = block
    let sum = TarField.octal(TarField.sum(Array(block.prefix(512))), 7) ?? []
    block.replaceSubrange(148..<148 + sum.count, with: sum)
    block[155] = 0x20
    return block
  }

  /// A number in a field, octal as far as it goes or in base 256, with either sign.
  private static func encodings(_ value: UInt64, _ width: Int) -> [[UInt8]] {
    var binary = [UInt8](repeating: Int64(bitPattern: value) < 0 ? 0xff : 0, count: width)
    for index in 0..<min(8, width) {
      binary[width - 1 - index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))
    }
    binary[0] |= 0x80
    let digits = Array(String(value, radix: 8).utf8.suffix(width))
    return [
      binary, digits + [UInt8](repeating: 0, count: width - digits.count), [UInt8](repeating: 0x37, count: width),
      [0x80] + [UInt8](repeating: 0xff, count: width - 1), [UInt8](repeating: 0xff, count: width),
      [0xc0] + [UInt8](repeating: 0, count: width - 1), [0xbf] + [UInt8](repeating: 0xff, count: width - 1),
    ]
  }

  @Test func fieldsOfHeaders() throws {
    let plain = try Self.archive([TarEntry(path: Array("f".utf8), kind: .regular)])
    let fields = [
      TarField.mode, TarField.owner, TarField.group, TarField.size, TarField.time, TarField.major, TarField.minor,
    ]
    for field in fields {
      for value in Extreme.values {
        for encoding in Self.encodings(value, field.count) {
          for type in [0x30, 0x33, 0x35, 0x53, 0x78, 0x67, 0x4c] as [UInt8] {
            var bytes = plain
            bytes.replaceSubrange(field, with: encoding)
            bytes[TarField.type] = type
            try Self.read(Self.sealed(bytes))
          }
        }
      }
    }
  }

  /// The old GNU format: pairs of numbers in the header, then the true size.
  @Test func sparseMapsInHeaders() throws {
    let plain = try Self.archive([TarEntry(path: Array("f".utf8), kind: .regular)])
    for first in Extreme.values {
      for second in Extreme.few {
        for size in Extreme.few {
          var bytes = plain
          for (offset, value) in [(386, first), (398, second), (410, first), (422, size), (483, size)] {
            bytes.replaceSubrange(offset..<offset + 12, with: Self.encodings(value, 12)[0])
          }
          bytes[TarField.type] = 0x53
          try Self.read(Self.sealed(bytes))
        }
      }
    }
  }

  @Test func recordsOfExtendedHeaders() throws {
    let keywords = [
      "size", "uid", "gid", "mtime", "SCHILY.devmajor", "SCHILY.devminor", "GNU.sparse.realsize", "GNU.sparse.size",
      "GNU.sparse.offset", "GNU.sparse.numbytes", "GNU.sparse.map", "GNU.sparse.major", "GNU.sparse.numblocks",
    ]
    let member = try Self.archive([TarEntry(path: Array("f".utf8), kind: .regular)])
    for keyword in keywords {
      for text in Extreme.texts + Extreme.texts.map({ "\($0).\($0)" }) + Extreme.texts.map({ "0,\($0),\($0),1" }) {
        var records: [UInt8] = []
        PaxRecords.append(Array(keyword.utf8), Array(text.utf8), to: &records)
        var header = Array(member.prefix(512))
        header[TarField.type] = 0x78
        header.replaceSubrange(TarField.size, with: TarField.octal(UInt64(records.count), 12) ?? [])
        let padding = [UInt8](repeating: 0, count: TarField.padding(Int64(records.count)))
        try Self.read(Self.sealed(header) + records + padding + member)
      }
    }
    for text in Extreme.texts { _ = PaxRecords.parse(Array("\(text) a=b\n".utf8)) }
  }

  @Test func timesThatAreWrittenAreRead() throws {
    for seconds in Extreme.values {
      for nanoseconds in [0, 1, 999_999_999, 1_000_000_000, .max] as [UInt32] {
        let time = Timestamp(seconds: Int64(bitPattern: seconds), nanoseconds: nanoseconds)
        #expect(time.nanoseconds < 1_000_000_000)
        let text = PaxRecords.time(time)
        #expect(PaxRecords.time(text) == time || seconds == 1 << 63, "\(String(decoding: text, as: UTF8.self))")
      }
    }
  }

  @Test func sizesThatAreWritten() throws {
    for size in Extreme.values {
      var entry = TarEntry(path: Array("f".utf8), kind: .regular)
      entry.size = Int64(bitPattern: size)
      entry.owner = UInt32(truncatingIfNeeded: size)
      entry.modificationTime = Timestamp(seconds: Int64(bitPattern: size), nanoseconds: 5)
      if entry.size < 0 {
        #expect(throws: Errno.fileTooLarge) { _ = try Self.archive([entry]) }
        continue
      }
      try Self.read(try Self.archive([entry]))
      entry.pieces = [TarEntry.Piece(offset: 0, count: entry.size)]
      _ = try? Self.archive([entry])
    }
  }

  @Test func shares() {
    for done in Extreme.values.map({ Int64(bitPattern: $0) }) {
      for total in Extreme.values.map({ max(1, Int64(bitPattern: $0)) }) {
        #expect(ProgressBar.percent(done, of: total) <= 100)
      }
    }
    #expect(ProgressBar.percent(1 << 62, of: .max) == 50)
    #expect(ProgressBar.percent(3, of: 4) == 75 && ProgressBar.percent(.max, of: .max) == 100)
  }

  /// A guest makes a few files that are as long as a number can say: the sum is shown, and the archive is of holes.
  @Test func longFilesAreExported() throws {
    let scratch = try LayerScratch()
    let overlay = try scratch.overlay()
    let descriptors = try ["a", "b", "c"].map { name in
      let file = try Name.with(Array(name.utf8)) { name throws(Errno) in
        try overlay.root.create(
          name, NewInode(.regular, permissions: Permissions(rawValue: 0o644), owner: 0, group: 0))
      }
      return OwnedDescriptorBox(try file.open(.writeOnly))
    }
    // As long as the host's file system takes them.
    for descriptor in descriptors {
      for size in [Int64.max, 1 << 43, 1 << 40] {
        do throws(Errno) {
          try Host.truncate(descriptor.rawValue, to: size)
          break
        } catch { continue }
      }
    }
    overlay.close()
    let archive = scratch.directory("out.tar")
    let notes = try LayerExport.write(
      UpperDirectory(scratch.directory("up"), rootfs: scratch.directory("low")), to: archive)
    #expect(notes.isEmpty)
    var reader = TarReader(try archive.open([]))
    var sizes: [Int64] = []
    while let entry = try reader.next() { if entry.kind == .regular { sizes.append(entry.size) } }
    #expect(sizes.count == 3 && sizes.allSatisfy { $0 >= 1 << 40 })
  }
}
