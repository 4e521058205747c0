// The copying of content between backing files: shared blocks where the host can, else in the kernel, else by hand; holes
// stay holes.

import CLinux
public import LinuxABI

/// One copy of a file's content, made in steps.
public struct DataCopy: ~Copyable, Sendable {
  private static let SEEK_DATA = 3
  private static let SEEK_HOLE = 4
  /// FICLONE of linux/fs.h: _IOW(0x94, 9, int).
  private static let FICLONE = 0x4004_9409
  private static let LOCK_EX_NB = 2 | 4

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
    let wanted = UInt64(clamping: try Host.stat(source).st_blocks).multipliedClamped(by: 512)
    let room = try filesystem.statistics()
    if wanted > room.freeBlocks.multipliedClamped(by: UInt64(clamping: room.blockSize)) { throw .noSpace }
  }

  /// Returns where the data ends that must be copied: 0 if the two share their blocks now.
  private static func begin(_ source: CInt, _ target: CInt) throws(Errno) -> Int64 {
    if vd_syscall(Int(SYS_ioctl), Int(target), FICLONE, Int(source), 0, 0, 0) == 0 {
      CrashPoint.passed("content")
      return 0
    }
    let end = Int64(try Host.stat(source).st_size)
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
    let data = vd_syscall(Int(SYS_lseek), Int(source.rawValue), Int(offset), Self.SEEK_DATA, 0, 0, 0)
    // ENXIO: nothing but a hole is left. Other errors: a file system without SEEK_DATA, all is data.
    if data >= 0 || data == -Int(ENXIO) { offset = data < 0 ? end : min(Int64(data), end) }
    let found = data < 0 ? -1 : vd_syscall(Int(SYS_lseek), Int(source.rawValue), Int(offset), Self.SEEK_HOLE, 0, 0, 0)
    hole = found <= Int(offset) ? end : min(Int64(found), end)
    return !isWhole
  }

  private mutating func copyRange(to stop: Int64) throws(Errno) {
    while offset < stop, isInKernel {
      var from = offset
      var to = offset
      let count = withUnsafeMutablePointer(to: &from) { from in
        withUnsafeMutablePointer(to: &to) { to in
          vd_syscall(
            Int(SYS_copy_file_range), Int(source.rawValue), Int(bitPattern: from), Int(target.rawValue),
            Int(bitPattern: to), Int(stop - offset), 0)
        }
      }
      if count == -Int(EINTR) { continue }
      if count == -Int(ENOSPC) || count == -Int(EDQUOT) || count == -Int(EFBIG) { _ = try Errno.check(count) }
      if count > 0 { offset += Int64(count) } else { isInKernel = false }
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

  // MARK: - Locks

  /// `flock(2)` without waiting; false if it is taken.
  public static func tryLock(_ descriptor: CInt) throws(Errno) -> Bool {
    let result = vd_syscall(Int(SYS_flock), Int(descriptor), LOCK_EX_NB, 0, 0, 0, 0)
    if result == -Int(EWOULDBLOCK) { return false }
    _ = try Errno.check(result)
    return true
  }

  public static func unlock(_ descriptor: CInt) { _ = vd_syscall(Int(SYS_flock), Int(descriptor), 8, 0, 0, 0, 0) }
}
