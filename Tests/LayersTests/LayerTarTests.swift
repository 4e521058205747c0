// The archive format: what is written is read back, numbers and names at their limits, damage is reported.

import CLinux
import Kernel
import LinuxABI
import Testing

@testable import Layers

@Suite struct LayerTarTests {
  /// A pipe would fill up: a file that has no name.
  private func temporaryFile() throws -> CInt {
    try ByteString("/tmp").open([.temporaryBit, .directory, .readWrite], mode: 0o600).release()
  }

  private func written(_ entries: [TarEntry], content: [UInt8] = []) throws -> CInt {
    let file = try temporaryFile()
    var writer = TarWriter(to: file)
    for entry in entries {
      try writer.begin(entry)
      if entry.kind == .regular, entry.size > 0 {
        try writer.write(content)
        try writer.pad()
      }
    }
    try writer.finish()
    try Host.callForGuest(.lseek, Int(file), 0, 0)
    return file
  }

  private func readBack(_ entries: [TarEntry], content: [UInt8] = []) throws -> [TarEntry] {
    var reader = TarReader(OwnedDescriptor(try written(entries, content: content)))
    var result: [TarEntry] = []
    while let entry = try reader.next() { result.append(entry) }
    return result
  }

  private func file(_ path: String) -> TarEntry { TarEntry(path: Array(path.utf8), kind: .regular) }

  @Test func everyKindComesBack() throws {
    let kinds: [TarEntry.Kind] = [
      .regular, .symlink(target: Array("a b".utf8)), .link(target: Array("x".utf8)), .fifo,
      .characterDevice(major: 1, minor: 3), .blockDevice(major: 0xfffff, minor: 0xfffffff),
    ]
    let entries = kinds.map { kind in
      var entry = TarEntry(path: Array("x".utf8), kind: kind)
      entry.permissions = Permissions(rawValue: 0o7755)
      entry.owner = 4_294_967_294
      entry.group = 2_097_152
      entry.modificationTime = Timestamp(seconds: -2, nanoseconds: 500_000_000)
      return entry
    }
    #expect(try readBack(entries) == entries)
  }

  @Test func aDirectoryEndsInASlash() throws {
    let entries = try readBack([TarEntry(path: Array("d".utf8), kind: .directory)])
    #expect(entries.map(\.path) == [Array("d/".utf8)])
    #expect(entries.map(\.kind) == [.directory])
  }

  @Test(arguments: [1, 99, 100, 101, 155, 156, 200, 255, 256, 4000])
  func namesOfAnyLengthComeBack(_ length: Int) throws {
    let deep = Array((0..<length).map { $0 % 60 == 59 && $0 + 1 < length ? 0x2f : UInt8(0x61) })
    let flat = [UInt8](repeating: 0x62, count: length)
    for path in [deep, flat] {
      var link = TarEntry(path: path, kind: .symlink(target: path))
      link.permissions = Permissions(rawValue: 0o777)
      #expect(try readBack([link]) == [link])
    }
  }

  @Test func bytesOfAnyKindComeBack() throws {
    var entry = TarEntry(path: Array(UInt8(1)...255).filter { $0 != 0x2f }, kind: .regular)
    entry.extendedAttributes = [
      (Array("user.a=b%c".utf8), [0, 10, 61, 255]), (Array("user.empty".utf8), []),
      (Array("user.long".utf8), [UInt8](repeating: 7, count: 65536)),
    ]
    #expect(try readBack([entry]) == [entry])
  }

  /// Not by the square of their number.
  @Test(.timeLimit(.minutes(1))) func manyAttributesComeBack() throws {
    var entry = file("x")
    entry.extendedAttributes = (0..<40_000).map { (Array("user.attribute-\($0)".utf8), [1]) }
    let found = try readBack([entry])
    #expect(found.count == 1 && found[0].extendedAttributes.count == 40_000)
  }

  /// Each is short enough, all of them before one member are not; and one for all members is to be shorter still.
  @Test(arguments: [(UInt8(0x78), 1 << 20, 5), (0x67, 1 << 15, 200), (0x67, 1 << 17, 1), (0x4c, 1 << 21, 3)])
  func headersWithoutEndAreRefused(_ type: UInt8, _ size: Int, _ count: Int) throws {
    var bytes: [UInt8] = []
    for _ in 0..<count {
      var block = [UInt8](repeating: 0, count: TarField.blockSize)
      block[TarField.type] = type
      block.replaceSubrange(TarField.size, with: TarField.octal(UInt64(size), TarField.size.count) ?? [])
      block.replaceSubrange(TarField.magic, with: Array("ustar\0".utf8))
      let sum = TarField.octal(TarField.sum(block), 7) ?? []
      block.replaceSubrange(TarField.checksum.lowerBound..<(TarField.checksum.lowerBound + sum.count), with: sum)
      block[TarField.checksum.upperBound - 1] = 0x20
      let comment = "\(size) comment="
      bytes += block + Array(comment.utf8) + [UInt8](repeating: 0x61, count: size - comment.utf8.count - 1) + [0x0a]
    }
    let copy = try temporaryFile()
    try Host.writeAll(bytes, to: copy)
    try Host.callForGuest(.lseek, Int(copy), 0, 0)
    var reader = TarReader(OwnedDescriptor(copy))
    do throws(TarError) {
      _ = try reader.next()
      Issue.record("read")
    } catch {
      #expect(error.message.hasPrefix("a header of "))
    }
  }

  @Test func sparseFilesComeBack() throws {
    var entry = file("dir/sparse")
    entry.size = 10_000_000_000
    entry.pieces = [.init(offset: 4096, count: 3), .init(offset: 5_000_000_000, count: 4)]
    #expect(try readBack([entry, file("after")], content: Array("abcdefg".utf8)) == [entry, file("after")])
    entry.pieces = []
    #expect(try readBack([entry, file("after")], content: []) == [entry, file("after")])
  }

  @Test func contentThatIsNotReadIsSkipped() throws {
    var entry = file("first")
    entry.size = 513
    #expect(try readBack([entry, file("second")], content: [UInt8](repeating: 1, count: 513)).count == 2)
  }

  /// Every archive that ends too early, or has one byte changed, is refused or read; none ends us.
  @Test func damageNeverTraps() throws {
    var sparse = file("dir/sparse")
    sparse.size = 100_000
    sparse.pieces = [.init(offset: 4096, count: 3)]
    sparse.extendedAttributes = [(Array("user.x".utf8), [1])]
    let source = OwnedDescriptor(try written([sparse, file("after")], content: Array("abc".utf8)))
    let whole = try Host.readAll(source.rawValue)
    func attempt(_ bytes: [UInt8]) throws {
      let copy = try temporaryFile()
      try Host.writeAll(bytes, to: copy)
      try Host.callForGuest(.lseek, Int(copy), 0, 0)
      var reader = TarReader(OwnedDescriptor(copy))
      do throws(TarError) {
        while try reader.next() != nil {}
      } catch {
        #expect(!error.message.isEmpty)
      }
    }
    for length in stride(from: 0, to: whole.count, by: 97) { try attempt(Array(whole[..<length])) }
    var state: UInt64 = 1
    for _ in 0..<3000 {
      var bytes = whole
      for _ in 0..<3 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 24)
      }
      // The checksums set right again, so that the damage gets past the first door.
      for start in stride(from: 0, to: bytes.count, by: 512) where bytes[start + 257] == 0x75 {
        let block = Array(bytes[start..<(start + 512)])
        bytes.replaceSubrange((start + 148)..<(start + 155), with: TarField.octal(TarField.sum(block), 7) ?? [])
      }
      try attempt(bytes)
    }
  }

  @Test(
    arguments: [
      ([0x30, 0x30, 0x37, 0x20], 7), ([0x80, 0, 1, 0], 256), ([0xff, 0xff, 0xff, 0xff], -1), ([0, 0], 0),
    ] as [([UInt8], Int64)])
  func numbersAreOctalOrBinary(_ field: [UInt8], _ number: Int64) {
    #expect(TarField.number(field[...]) == number)
  }

  @Test func numbersThatAreNone() {
    #expect(TarField.number(Array("09".utf8)[...]) == nil)
    #expect(TarField.number(([0x80] + [UInt8](repeating: 0xff, count: 11))[...]) == nil)
    #expect(PaxRecords.parse(Array("5 a=b\n".utf8)) == nil)
    #expect(PaxRecords.parse(Array("99 a=b\n".utf8)) == nil)
    #expect(PaxRecords.parse(Array("6 a=b\n".utf8))?.count == 1)
    #expect(PaxRecords.time(Array("1.5x".utf8)) == nil)
    #expect(PaxRecords.time(Array("-1.5".utf8)) == Timestamp(seconds: -2, nanoseconds: 500_000_000))
  }
}
