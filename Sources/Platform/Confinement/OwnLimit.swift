// Resource limits of this process, `getrlimit(2)` and `setrlimit(2)` by way of `prlimit64`.

import CLinux
import LinuxABI

/// A resource by its number on x86-64; the C library's names are an enumeration of another type.
enum OwnLimit: Int {
  case data = 2
  case core = 4
  case descriptors = 7

  /// Soft and hard; nil if the kernel does not say.
  var current: (soft: UInt64, hard: UInt64)? {
    var limit = (soft: 0 as UInt64, hard: 0 as UInt64)
    let got = withUnsafeMutablePointer(to: &limit) {
      vd_syscall(Int(SYS_prlimit64), 0, rawValue, 0, Int(bitPattern: $0), 0, 0)
    }
    return got == 0 ? limit : nil
  }

  /// - Throws: `.notPermitted` above the hard limit.
  func set(soft: UInt64, hard: UInt64) throws(Errno) {
    var limit = (soft: soft, hard: hard)
    _ = try withUnsafeMutablePointer(to: &limit) { (limit) throws(Errno) in
      try Kernel.call(SYS_prlimit64, 0, rawValue, Int(bitPattern: limit))
    }
  }

  /// The limit of core files that keeps one from a program that core_pattern names as well: one byte, because at 0 such a
  /// program is given a core, and at 1 it is not (`man 5 core`). A hard limit of 0 cannot be raised.
  static var withoutCore: UInt64 { min(1, core.current?.hard ?? 0) }
}
