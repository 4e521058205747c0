// The copying of content between backing files: shared blocks where the host can, else in the kernel, else by hand; holes
// stay holes.

import Kernel
public import LinuxABI

/// One copy of a file's content, made in steps.
public struct DataCopy: ~Copyable, Sendable {
  private let source: OwnedDescriptor
  private let target: OwnedDescriptor
  private let end: Int64
  /// What lies before it has been copied.
  private var offset: Int64 = 0
  /// The end of the data that `offset` lies in; not above `offset` where that has to be found first.
  private var hole: Int64 = 0
  /// `copy_file_range(2)` does not refuse.
  private var isInKernel = true

  /// Begins to make the content of `to`, which is empty, that of `from`.
  public init(from: Inode, to: Inode) throws(Errno) {
    let source = try from.open([])
    let target = try to.open(.writeOnly)
    let end = try Self.begin(source.rawValue, target.rawValue)
    if end > Self.smallContent { try Self.checkRoom(for: source.rawValue, in: to.filesystem) }
    self.end = end
    self.source = source
    self.target = target
  }

  /// Content up to this many bytes is copied without a look at the room for it.
  private static let smallContent: Int64 = 1 << 20

  /// Content that has no room is not begun: a store without a bound of its own would take all of it (`StoreUsage`).
  ///
  /// - Throws: `.noSpace`.
  private static func checkRoom(for source: CInt, in filesystem: Filesystem) throws(Errno) {
    let wanted = UInt64(clamping: try Host.stat(source).blocks).multipliedClamped(by: 512)
    let room = try filesystem.statistics()
    if wanted > room.freeBlocks.multipliedClamped(by: UInt64(clamping: room.blockSize)) { throw .noSpace }
  }

  /// Returns where the data ends that must be copied: 0 if the two share their blocks now.
  private static func begin(_ source: CInt, _ target: CInt) throws(Errno) -> Int64 {
    do throws(Errno) {
      try Host.clone(source, to: target)
      CrashPoint.passed("content")
      return 0
    } catch {}
    let end = try Host.stat(source).size
    try Host.truncate(target, to: end)
    CrashPoint.passed("size")
    return end
  }

  /// Nothing is left to be done.
  public var isWhole: Bool { offset >= end }

  /// All of it at once.
  public static func copy(from: Inode, to: Inode, size: Int64) throws(Errno) {
    if size == 0 { return }
    var copy = try DataCopy(from: from, to: to)
    while try copy.step(.max) {}
  }

  /// Copies up to `limit` bytes more; false if it is whole then.
  public mutating func step(_ limit: Int64) throws(Errno) -> Bool {
    var left = limit
    while left > 0, try findData() {
      let stop = hole - offset <= left ? hole : offset + left
      left -= stop - offset
      try copyRange(to: stop)
      if offset >= hole { CrashPoint.passed("content") }
    }
    return !isWhole
  }

  /// Moves `offset` over a hole; false if it is whole then.
  private mutating func findData() throws(Errno) -> Bool {
    if offset < hole || isWhole { return !isWhole }
    hole = end
    do throws(Errno) {
      offset = min(try Host.seek(source.rawValue, to: offset, from: .data), end)
      let found = try Host.seek(source.rawValue, to: offset, from: .hole)
      if found > offset { hole = min(found, end) }
    } catch {
      // ENXIO: nothing but a hole is left. Other errors: a file system without SEEK_DATA, all is data.
      if error == .noSuchAddressOrDevice { offset = end }
    }
    return !isWhole
  }

  private mutating func copyRange(to stop: Int64) throws(Errno) {
    while offset < stop, isInKernel {
      do throws(Errno) {
        let count = try Host.copyRange(
          from: source.rawValue, to: target.rawValue, at: offset, count: Int(stop - offset))
        if count > 0 { offset += Int64(count) } else { isInKernel = false }
      } catch {
        switch error {
        case .interrupted: continue
        case .noSpace, .diskQuotaExceeded, .fileTooLarge: throw error
        default: isInKernel = false
        }
      }
    }
    if offset < stop { try copyByHand(to: stop) }
  }

  private mutating func copyByHand(to stop: Int64) throws(Errno) {
    var done = offset
    defer { offset = done }
    try withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 4096) { buffer throws(Errno) in
      while done < stop {
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, Int(stop - done))])
        let count = try Host.read(into: part, from: source.rawValue, at: done)
        if count == 0 {
          // The file has become shorter under us.
          done = end
          return
        }
        try Host.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: target.rawValue, at: done)
        done += Int64(count)
      }
    }
  }
}
