// What the host's /proc says of a guest, read without a String.

import Gate
import Kernel
import LinuxABI

/// Small files of the host's /proc, read for a guest thread.
enum ProcessFile {
  /// Whether a descriptor is a socket's. The kernel's own text is read, so no file system is asked.
  static func isSocket(_ descriptor: CInt, of thread: ThreadID) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 8, alignment: 1) { buffer in
      let count = Host.withProcessPath(thread, "fd/", descriptor) { path in
        (try? Host.readlink(path, in: AtFlags.currentDirectory, into: buffer)) ?? 0
      }
      return count == buffer.count && UnsafeRawBufferPointer(buffer).contains("socket:[")
    }
  }

  /// Reads as much as fits; 0 if the thread is gone.
  static func read(_ thread: ThreadID, _ name: StaticString, into buffer: UnsafeMutableRawBufferPointer) -> Int {
    Host.withProcessPath(thread, name) { path in
      do throws(Errno) {
        let file = try Host.openTrusted(path, [])
        return try Host.read(into: buffer, from: file.rawValue)
      } catch {
        return 0
      }
    }
  }

  /// Device and inode of what a magic link leads to; nil if the thread is gone.
  static func identity(_ thread: ThreadID, _ name: StaticString) -> (UInt64, UInt64)? {
    Host.withProcessPath(thread, name) { path in
      (try? Host.stat(path, in: AtFlags.currentDirectory, [])).map { ($0.device, $0.inode) }
    }
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
    guard bytes.count - position >= length,
      let found = (position...bytes.count - length).first(where: { bytes.contains(words, at: $0) })
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
