// What the machine and this process are.

import CLinux
public import LinuxABI

extension Host {
  /// Bytes of memory that the machine has; sysinfo(2) through sysconf(3).
  public static var physicalMemory: UInt64 {
    UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) &* UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
  }

  /// AT_SYSINFO_EHDR of `getauxval(3)`: the supervisor's own vdso, which every guest shares byte for byte at an address of its
  /// own; nil if there is none.
  public static var vdso: Range<UInt64>? {
    var size = 0
    let start = vd_vdso_base(&size)
    return start == 0 ? nil : Range(from: start, count: UInt64(clamping: size))
  }

  /// `uname(2)`: `struct new_utsname`, six fields of 65 bytes.
  public static func systemNames() throws(Errno) -> [UInt8] {
    var names = [UInt8](repeating: 0, count: 6 * 65)
    let result = names.withUnsafeMutableBytes { raw(.uname, Int(bitPattern: $0.baseAddress)) }
    _ = try check(.uname, result)
    return names
  }

  /// Bytes of memory that tmpfs and shared anonymous memory take in the whole machine: `sharedram` of `sysinfo(2)`.
  public static var sharedMemory: UInt64 {
    // struct sysinfo: the seventh word, and the unit of it in the half word at the end.
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 14) { facts in
      facts.initialize(repeating: 0)
      raw(.sysinfo, Int(bitPattern: facts.baseAddress))
      return facts[6].multipliedExactly(by: facts[13] & 0xffff_ffff) ?? .max
    }
  }

  /// `uname(2)`: the first two numbers of the running kernel's release, of 6.1.0-13 for example 6 and 1; 0 where it does not say.
  public static var kernelRelease: (major: Int, minor: Int) {
    // The release is the third of the names.
    guard let names = try? systemNames() else { return (0, 0) }
    let numbers = names[130..<195].split(whereSeparator: { Digits.digit($0) ?? 10 > 9 }).prefix(2).map {
      Int(clamping: Digits.parse($0) ?? 0)
    }
    return (numbers.first ?? 0, numbers.count > 1 ? numbers[1] : 0)
  }

  /// `getpid(2)`.
  public static var ownProcess: Int32 { Int32(truncatingIfNeeded: raw(.getpid)) }

  /// `getpgrp(2)`.
  public static var ownGroup: Int32 { Int32(truncatingIfNeeded: raw(.getpgrp)) }

  /// `gettid(2)`.
  public static var ownThread: Int32 { Int32(truncatingIfNeeded: raw(.gettid)) }

  /// `getrandom(2)`: 64 random bits.
  public static func random() throws(Errno) -> UInt64 {
    var number: UInt64 = 0
    // So few come whole, or not at all.
    _ = try withUnsafeMutablePointer(to: &number) { number throws(Errno) in
      try call(.getrandom, Int(bitPattern: number), MemoryLayout<UInt64>.size, 0)
    }
    return number
  }
}
