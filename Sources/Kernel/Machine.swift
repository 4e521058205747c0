// What the machine and this process are.

import CLinux

extension Host {
  /// Bytes of memory that the machine has; sysinfo(2) through sysconf(3).
  public static var physicalMemory: UInt64 {
    UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) &* UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
  }

  /// `getpid(2)`.
  public static var ownProcess: Int32 { Int32(truncatingIfNeeded: raw(.getpid)) }

  /// `gettid(2)`.
  public static var ownThread: Int32 { Int32(truncatingIfNeeded: raw(.gettid)) }
}
