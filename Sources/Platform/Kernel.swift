// The few host calls that the launcher makes by path or by flag word. Raw, so that nothing comes between the call and
// its errno.

import CLinux
import LinuxABI

enum Kernel {
  /// A raw call with a checked result.
  @discardableResult
  static func call(
    _ number: CInt, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
  ) throws(Errno) -> Int {
    try Errno.check(vd_syscall(Int(number), a, b, c, d, e, f))
  }

  /// `openat(2)`, always with O_CLOEXEC.
  static func open(_ path: String, in directory: CInt = AT_FDCWD, _ flags: CInt, mode: Int = 0) throws(Errno) -> CInt {
    let result = path.withCString {
      vd_syscall(Int(SYS_openat), Int(directory), Int(bitPattern: $0), Int(flags | O_CLOEXEC), mode, 0, 0)
    }
    return CInt(try Errno.check(result))
  }

  /// `mkdirat(2)`.
  static func makeDirectory(_ path: String, in directory: CInt = AT_FDCWD, mode: Int) throws(Errno) {
    let result = path.withCString {
      vd_syscall(Int(SYS_mkdirat), Int(directory), Int(bitPattern: $0), mode, 0, 0, 0)
    }
    _ = try Errno.check(result)
  }

  /// Writes all bytes to a file of ours.
  static func write(_ bytes: [UInt8], to file: CInt) throws(Errno) {
    var offset = 0
    while offset < bytes.count {
      let result = bytes.withUnsafeBytes {
        vd_syscall(Int(SYS_write), Int(file), Int(bitPattern: $0.baseAddress) + offset, $0.count - offset, 0, 0, 0)
      }
      offset += try Errno.check(result)
    }
  }

  /// `fstat(2)`.
  static func status(of file: CInt) throws(Errno) -> stat {
    var status = stat()
    let result = withUnsafeMutablePointer(to: &status) {
      vd_syscall(Int(SYS_fstat), Int(file), Int(bitPattern: $0), 0, 0, 0, 0)
    }
    _ = try Errno.check(result)
    return status
  }

  /// `fcntl(2)` with an integer argument.
  static func control(_ file: CInt, _ command: CInt, _ argument: Int = 0) throws(Errno) -> Int {
    try call(SYS_fcntl, Int(file), Int(command), argument)
  }
}
