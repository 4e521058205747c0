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
