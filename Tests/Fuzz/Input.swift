// What every target of libFuzzer shares: the bytes of one input, read from front to back, and places for a target's files.

import CLinux
import Kernel
import LinuxABI

/// One input. Numbers come from its front; where it has ended they are 0.
struct Input {
  private(set) var rest: ArraySlice<UInt8>

  init(_ start: UnsafePointer<UInt8>, _ count: Int) {
    rest = [UInt8](UnsafeBufferPointer(start: start, count: count))[...]
  }

  var isEmpty: Bool { rest.isEmpty }

  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  mutating func bytes(_ count: Int) -> [UInt8] {
    let taken = [UInt8](rest.prefix(count))
    rest = rest.dropFirst(count)
    return taken
  }

  mutating func number() -> UInt64 { bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }

  /// A string of at most 255 bytes that says its own length.
  mutating func string() -> [UInt8] { bytes(Int(byte())) }

  /// All that is left.
  mutating func remainder() -> [UInt8] { bytes(rest.count) }
}

/// A file in memory that holds what an input says, made once and filled anew for each.
final class MemoryFile {
  let descriptor: OwnedDescriptor

  init() {
    let name: StaticString = "fuzz"
    guard let number = try? Host.callForGuest(.memfd_create, Int(bitPattern: name.utf8Start), 0) else { exit(2) }
    descriptor = OwnedDescriptor(CInt(truncatingIfNeeded: number))
  }

  func fill(_ bytes: [UInt8]) {
    _ = try? Host.callForGuest(.ftruncate, Int(descriptor.rawValue), 0)
    bytes.withUnsafeBytes {
      _ = try? Host.callForGuest(.pwrite64, Int(descriptor.rawValue), Int(bitPattern: $0.baseAddress), $0.count, 0)
    }
    _ = try? Host.callForGuest(.lseek, Int(descriptor.rawValue), 0, 0)
  }
}
