// What the host's /proc says of a guest, read without a String.

import CLinux
import Gate
import LinuxABI

/// Small files of the host's /proc, read for a guest thread.
enum ProcessFile {
  /// The C string "/proc/THREAD/NAME" for the duration of `body`; with a number behind it, if there is one.
  static func withPath<R>(
    _ thread: ThreadID, _ name: StaticString, _ number: CInt? = nil, _ body: (UnsafePointer<CChar>) -> R
  ) -> R {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { path in
      let start = path.baseAddress.unsafelyUnwrapped
      strcpy(start, "/proc/")
      Digits.withDecimal(UInt64(max(thread, 0))) { _ = strcat(start, $0) }
      strcat(start, "/")
      strcat(start, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
      if let number { Digits.withDecimal(UInt64(max(number, 0))) { _ = strcat(start, $0) } }
      return body(start)
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

  /// Calls `body` with the text of /proc/THREAD/NAME, as much as `size` bytes hold of it; it is empty if the thread is gone.
  static func withText<T>(_ thread: ThreadID, _ name: StaticString, size: Int, _ body: (KernelText) -> T) -> T {
    withUnsafeTemporaryAllocation(byteCount: size, alignment: 1) { buffer in
      let count = read(thread, name, into: buffer)
      return body(KernelText(UnsafeRawBufferPointer(rebasing: buffer[..<count])))
    }
  }
}

/// The text of a file of /proc, from front to back.
struct KernelText {
  private let bytes: UnsafeRawBufferPointer
  /// What has been read.
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var isAtEnd: Bool { position >= bytes.count }

  /// Goes behind the next `words`. False, and nothing is read, if there are none.
  mutating func find(_ words: StaticString) -> Bool {
    let length = words.utf8CodeUnitCount
    guard let base = bytes.baseAddress, bytes.count - position >= length,
      let found = (position...bytes.count - length).first(where: { memcmp(base + $0, words.utf8Start, length) == 0 })
    else { return false }
    position = found + length
    return true
  }

  /// Goes behind the last `byte`. False, and nothing is read, if there is none.
  mutating func findLast(_ byte: UInt8) -> Bool {
    guard let found = bytes[position...].lastIndex(of: byte) else { return false }
    position = found + 1
    return true
  }

  /// Reads `byte` if it comes next.
  mutating func take(_ byte: UInt8) -> Bool {
    guard !isAtEnd, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  /// Goes behind blanks, if there are any.
  mutating func takeBlanks() { while take(UInt8(ascii: " ")) {} }

  /// The byte that comes next.
  mutating func next() -> UInt8? {
    if isAtEnd { return nil }
    position += 1
    return bytes[position - 1]
  }

  /// The number that comes next; nil if none does.
  mutating func number(radix: UInt64 = 10) -> UInt64? {
    let start = position
    var number: UInt64 = 0
    while !isAtEnd, let digit = Digits.digit(bytes[position]), digit < radix {
      number = number &* radix &+ digit
      position += 1
    }
    return position == start ? nil : number
  }

  /// The number right behind the first `words`.
  func number(after words: StaticString, radix: UInt64 = 10) -> UInt64? {
    var text = self
    return text.find(words) ? text.number(radix: radix) : nil
  }
}
