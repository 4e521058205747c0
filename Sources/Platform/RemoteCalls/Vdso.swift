// The kernel maps the same vdso into every 64-bit process; only the address differs. What is found in our own copy is
// therefore at the same offset in every guest: the trampolines' names, and a `syscall` instruction to inject with.

import Gate
import Kernel
import LinuxABI

/// Offsets in the vdso; nil where the kernel's has no such thing.
struct Vdso: Sendable {
  let size: Int
  /// Offsets of the two trampoline names, plain and executable stack.
  let names: (Int?, Int?)
  /// Offset of a `syscall` instruction.
  let syscall: Int?

  /// Looks through the vdso of this process.
  init() {
    let own = Host.vdso ?? 0..<0
    size = own.count
    guard let start = UnsafeRawPointer(bitPattern: UInt(own.lowerBound)) else {
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
    guard bytes.count > length else { return nil }
    return (1..<bytes.count - length).first {
      bytes[$0 - 1] == 0 && bytes[$0 + length] == 0 && bytes.contains(name, at: $0)
    }
  }

  /// Where the vdso of a guest lies (AT_SYSINFO_EHDR); nil if it has none or is gone.
  static func address(in thread: ThreadID) -> UInt64? {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 128) { words in
      let count = ProcessFile.read(thread, "auxv", into: UnsafeMutableRawBufferPointer(words))
      for index in stride(from: 0, to: count / 8 - 1, by: 2) where words[index] == AuxiliaryType.vdso.rawValue {
        return words[index + 1]
      }
      return nil
    }
  }
}
