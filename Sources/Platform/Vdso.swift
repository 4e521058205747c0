// The kernel maps the same vdso into every 64-bit process; only the address differs. What is found in our own copy is
// therefore at the same offset in every guest: the trampolines' names, and a `syscall` instruction to inject with.

import CLinux
import Gate

/// Offsets in the vdso; nil where the kernel's has no such thing.
struct Vdso: Sendable {
  let size: Int
  /// Offsets of the two trampoline names, plain and executable stack.
  let names: (Int?, Int?)
  /// Offset of a `syscall` instruction.
  let syscall: Int?

  /// Looks through the vdso of this process.
  init() {
    var size = 0
    let base = vd_vdso_base(&size)
    self.size = size
    guard let start = UnsafeRawPointer(bitPattern: UInt(base)) else {
      names = (nil, nil)
      syscall = nil
      return
    }
    let bytes = UnsafeRawBufferPointer(start: start, count: size)
    names = (
      Self.find(Trampoline.name(executableStack: false), in: bytes),
      Self.find(Trampoline.name(executableStack: true), in: bytes)
    )
    syscall = (0..<max(size - 1, 0)).first { bytes[$0] == 0x0f && bytes[$0 + 1] == 0x05 }
  }

  /// The offset of a whole NUL-terminated string.
  private static func find(_ name: StaticString, in bytes: UnsafeRawBufferPointer) -> Int? {
    let length = name.utf8CodeUnitCount
    guard let text = UnsafeRawPointer(bitPattern: UInt(bitPattern: name.utf8Start)), let base = bytes.baseAddress,
      bytes.count > length
    else { return nil }
    return (1..<bytes.count - length).first {
      bytes[$0 - 1] == 0 && bytes[$0 + length] == 0 && memcmp(base + $0, text, length) == 0
    }
  }

  /// Where the vdso of a guest lies (AT_SYSINFO_EHDR); nil if it has none or is gone.
  static func address(in thread: ThreadID) -> UInt64? {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 128) { words in
      let count = ProcessFile.read(thread, "auxv", into: UnsafeMutableRawBufferPointer(words))
      for index in stride(from: 0, to: count / 8 - 1, by: 2) where words[index] == 33 { return words[index + 1] }
      return nil
    }
  }
}

/// Small files of the host's /proc, read for a guest thread.
enum ProcessFile {
  /// The C string "/proc/THREAD/NAME" for the duration of `body`; with a number behind it, if there is one.
  static func withPath<R>(
    _ thread: ThreadID, _ name: StaticString, _ number: CInt? = nil, _ body: (UnsafePointer<CChar>) -> R
  ) -> R {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { path in
      var length = 0
      for byte in "/proc/".utf8 {
        path[length] = CChar(byte)
        length += 1
      }
      append(thread, to: path, &length)
      path[length] = 0x2f
      length += 1
      for index in 0..<name.utf8CodeUnitCount {
        path[length] = CChar(name.utf8Start[index])
        length += 1
      }
      if let number { append(number, to: path, &length) }
      path[length] = 0
      return UnsafePointer(path.baseAddress.unsafelyUnwrapped).withMemoryRebound(to: CChar.self, capacity: 64, body)
    }
  }

  private static func append(_ number: CInt, to path: UnsafeMutableBufferPointer<CChar>, _ length: inout Int) {
    var digits = (0 as UInt64, 0 as UInt64)
    withUnsafeMutableBytes(of: &digits) { buffer in
      var count = 0
      var number = UInt32(max(number, 0))
      repeat {
        buffer[count] = UInt8(0x30 + number % 10)
        number /= 10
        count += 1
      } while number > 0
      while count > 0 {
        count -= 1
        path[length] = CChar(buffer[count])
        length += 1
      }
    }
  }

  /// Whether a descriptor is a socket's. The kernel's own text is read, so no file system is asked.
  static func isSocket(_ descriptor: CInt, of thread: ThreadID) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 8, alignment: 1) { buffer in
      let count = withPath(thread, "fd/", descriptor) {
        vd_syscall(
          Int(SYS_readlinkat), Int(AT_FDCWD), Int(bitPattern: $0), Int(bitPattern: buffer.baseAddress), buffer.count, 0,
          0)
      }
      let name: StaticString = "socket:["
      return count == buffer.count
        && buffer.elementsEqual(
          UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    }
  }

  /// Reads as much as fits; 0 if the thread is gone.
  static func read(_ thread: ThreadID, _ name: StaticString, into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let file = withPath(thread, name) {
      vd_syscall(Int(SYS_openat), Int(AT_FDCWD), Int(bitPattern: $0), Int(O_RDONLY | O_CLOEXEC), 0, 0, 0)
    }
    guard file >= 0 else { return 0 }
    let count = vd_syscall(Int(SYS_read), file, Int(bitPattern: buffer.baseAddress), buffer.count, 0, 0, 0)
    _ = vd_syscall(Int(SYS_close), file, 0, 0, 0, 0, 0)
    return max(count, 0)
  }

  /// Device and inode of what a magic link leads to; nil if the thread is gone.
  static func identity(_ thread: ThreadID, _ name: StaticString) -> (UInt64, UInt64)? {
    var status = stat()
    let result = withPath(thread, name) { path in
      withUnsafeMutablePointer(to: &status) {
        vd_syscall(Int(SYS_newfstatat), Int(AT_FDCWD), Int(bitPattern: path), Int(bitPattern: $0), 0, 0, 0)
      }
    }
    return result < 0 ? nil : (UInt64(status.st_dev), UInt64(status.st_ino))
  }
}
