// The copying of content between backing files: shared blocks where the host can, else in the kernel, else by hand; holes
// stay holes.

import CLinux
import LinuxABI
import VFS

enum DataCopy {
  private static let SEEK_DATA = 3
  private static let SEEK_HOLE = 4
  /// FICLONE of linux/fs.h: _IOW(0x94, 9, int).
  private static let FICLONE = 0x4004_9409
  private static let LOCK_EX_NB = 2 | 4

  /// Makes the content of `to`, which is empty, that of `from`.
  static func copy(from: Inode, to: Inode, size: Int64) throws(Errno) {
    if size == 0 { return }
    let source = try from.open([])
    let target = try to.open(.writeOnly)
    if vd_syscall(Int(SYS_ioctl), Int(target.rawValue), FICLONE, Int(source.rawValue), 0, 0, 0) == 0 {
      CrashPoint.passed("content")
      return
    }
    let end = Int64(try Host.stat(source.rawValue).st_size)
    try Host.truncate(target.rawValue, to: end)
    CrashPoint.passed("size")
    var offset: Int64 = 0
    while offset < end {
      let data = vd_syscall(Int(SYS_lseek), Int(source.rawValue), Int(offset), SEEK_DATA, 0, 0, 0)
      // ENXIO: nothing but a hole is left. Other errors: a file system without SEEK_DATA, all is data.
      if data == -Int(ENXIO) { return }
      let start = data < 0 ? offset : Int64(data)
      let hole = data < 0 ? -1 : vd_syscall(Int(SYS_lseek), Int(source.rawValue), Int(start), SEEK_HOLE, 0, 0, 0)
      let stop = hole < 0 ? end : min(Int64(hole), end)
      try copyRange(source.rawValue, target.rawValue, start, stop)
      CrashPoint.passed("content")
      offset = max(stop, start + 1)
    }
  }

  private static func copyRange(_ source: CInt, _ target: CInt, _ start: Int64, _ stop: Int64) throws(Errno) {
    var from = start
    var to = start
    while from < stop {
      let count = withUnsafeMutablePointer(to: &from) { from in
        withUnsafeMutablePointer(to: &to) { to in
          vd_syscall(
            Int(SYS_copy_file_range), Int(source), Int(bitPattern: from), Int(target), Int(bitPattern: to),
            Int(stop - from.pointee), 0)
        }
      }
      if count == -Int(EINTR) { continue }
      if count == -Int(ENOSPC) || count == -Int(EDQUOT) || count == -Int(EFBIG) { _ = try Errno.check(count) }
      if count <= 0 { return try copyByHand(source, target, from, stop) }
    }
  }

  private static func copyByHand(_ source: CInt, _ target: CInt, _ start: Int64, _ stop: Int64) throws(Errno) {
    try withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 4096) { buffer throws(Errno) in
      var offset = start
      while offset < stop {
        let count = try Host.read(
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, Int(stop - offset))]), from: source,
          at: offset)
        // The file has become shorter under us.
        if count == 0 { return }
        try Host.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: target, at: offset)
        offset += Int64(count)
      }
    }
  }

  /// `flock(2)` without waiting; false if it is taken.
  static func tryLock(_ descriptor: CInt) throws(Errno) -> Bool {
    let result = vd_syscall(Int(SYS_flock), Int(descriptor), LOCK_EX_NB, 0, 0, 0, 0)
    if result == -Int(EWOULDBLOCK) { return false }
    _ = try Errno.check(result)
    return true
  }

  static func unlock(_ descriptor: CInt) { _ = vd_syscall(Int(SYS_flock), Int(descriptor), 8, 0, 0, 0, 0) }
}
