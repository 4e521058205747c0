// What getdents64(2) fills a buffer with, and the names in a host directory.

/// One `struct linux_dirent64` in a buffer.
public struct DirectoryRecord {
  /// Borrows the buffer. It may hold a slash, or be empty.
  public let name: Name
  public let number: UInt64
  /// `d_off`.
  public let offset: Int64
  /// `d_type`.
  public let type: UInt8
  /// Where the next record begins.
  public let end: Int

  /// The record at the beginning of `range`, which lies in the buffer. Nil where there is none, or a broken one.
  @inlinable
  public init?(_ buffer: UnsafeRawBufferPointer, in range: Range<Int>) {
    let begin = range.lowerBound
    guard range.count > 19, let base = buffer.baseAddress else { return nil }
    let length = Int(buffer.loadUnaligned(fromByteOffset: begin + 16, as: UInt16.self))
    guard length > 19, length <= range.count else { return nil }
    end = begin + length
    number = buffer.loadUnaligned(fromByteOffset: begin, as: UInt64.self)
    offset = buffer.loadUnaligned(fromByteOffset: begin + 8, as: Int64.self)
    type = buffer[begin + 18]
    let room = UnsafeRawBufferPointer(start: base + begin + 19, count: length - 19)
    name = Name(UnsafeRawBufferPointer(rebasing: room[..<(room.offset(of: 0) ?? room.count)]))
  }
}
