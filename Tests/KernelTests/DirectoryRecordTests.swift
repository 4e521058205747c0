import Kernel
import LinuxABI
import Testing

@Suite struct DirectoryRecordTests {
  /// A record as the kernel writes one, padded to eight bytes; `length` lies about its size.
  private static func record(
    _ name: String, number: UInt64 = 7, offset: Int64 = 9, type: UInt8 = 8, length: Int? = nil
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    withUnsafeBytes(of: number) { bytes += $0 }
    withUnsafeBytes(of: offset) { bytes += $0 }
    let size = (19 + name.utf8.count + 1 + 7) & ~7
    withUnsafeBytes(of: UInt16(length ?? size)) { bytes += $0 }
    bytes += [type] + Array(name.utf8)
    return bytes + [UInt8](repeating: 0, count: size - bytes.count)
  }

  /// The names from `range` on, and where the last record ended.
  private static func names(_ bytes: [UInt8], in range: Range<Int>? = nil) -> (names: [[UInt8]], end: Int) {
    bytes.withUnsafeBytes { buffer in
      var rest = range ?? 0..<bytes.count
      var names: [[UInt8]] = []
      while let record = DirectoryRecord(buffer, in: rest) {
        names.append(record.name.copy)
        rest = record.end..<rest.upperBound
      }
      return (names, rest.lowerBound)
    }
  }

  @Test func everyFieldIsRead() throws {
    let bytes = Self.record(".") + Self.record("name", number: .max, offset: -2, type: 4)
    try bytes.withUnsafeBytes { buffer in
      let first = try #require(DirectoryRecord(buffer, in: 0..<bytes.count))
      #expect(first.name.isDot && first.number == 7 && first.offset == 9 && first.type == 8 && first.end == 24)
      let second = try #require(DirectoryRecord(buffer, in: first.end..<bytes.count))
      #expect(second.name.copy == Array("name".utf8))
      #expect(second.number == .max && second.offset == -2 && second.type == 4 && second.end == bytes.count)
      #expect(DirectoryRecord(buffer, in: second.end..<bytes.count) == nil)
    }
  }

  @Test func namesOfEveryLengthEndAtTheirNul() {
    for count in 1...255 {
      let name = String(repeating: "n", count: count)
      #expect(Self.names(Self.record(name) + Self.record("x")).names == [Array(name.utf8), [0x78]])
    }
  }

  /// A length that leaves no name, or reaches behind what was read, ends the list; nothing behind it is looked at.
  @Test(arguments: [0, 1, 18, 19, 33, 64, 0xffff]) func damagedLengthEndsTheList(_ length: Int) {
    let bytes = Self.record("first") + Self.record("second", length: length)
    #expect(bytes.count == 64)
    let result = Self.names(bytes)
    #expect(result.names == [Array("first".utf8)] && result.end == 32)
  }

  /// The buffer goes on behind what the kernel has filled.
  @Test func nothingIsReadBehindTheRange() {
    let bytes = Self.record("first") + Self.record("second")
    for count in 0..<bytes.count {
      let expected = count < 32 ? [] : [Array("first".utf8)]
      #expect(Self.names(bytes, in: 0..<count).names == expected)
    }
    #expect(Self.names([]).names.isEmpty)
  }

  @Test func nameWithoutNulEndsWithItsRecord() {
    var bytes = Self.record("first")
    bytes.replaceSubrange(19..., with: repeatElement(0x61, count: bytes.count - 19))
    #expect(Self.names(bytes + Self.record("b")).names == [[UInt8](repeating: 0x61, count: 13), [0x62]])
  }

  /// A name of no bytes is the reader's to refuse: the list goes on.
  @Test func emptyNameIsShown() {
    #expect(Self.names(Self.record("") + Self.record("b")).names == [[], [0x62]])
  }

  @Test func hostDirectoryIsReadToItsEnd() throws {
    let directory = try Host.openTrusted("/proc/self", .directory)
    var names: Set<[UInt8]> = []
    try Host.forEachName(in: directory.rawValue) { names.insert($0.copy) }
    for name in [".", "..", "status", "maps", "fd"] { #expect(names.contains(Array(name.utf8))) }
    let file = try Host.openTrusted("/proc/self/status", [])
    #expect(throws: Errno.notDirectory) { try Host.forEachName(in: file.rawValue) { _ in } }
  }
}
