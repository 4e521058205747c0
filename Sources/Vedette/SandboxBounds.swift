// What `--size` bounds: the bytes of the store, and what the supervisor remembers in its own memory for the guests. Together
// they stay below twice the size.

import Kernel

/// The bounds of one sandbox.
struct SandboxBounds {
  /// Bytes of files in the store.
  let bytes: UInt64
  /// Inodes of the store.
  let inodes: UInt64
  /// Bytes of names, inodes, attributes and the like in the supervisor's memory (MemoryBudget).
  let memory: Int
  /// Dentries that are kept although nothing holds them; twice as many if guests hold them all.
  let names: Int

  /// As asked, or as tmpfs has it by default, half of the memory (`man 5 tmpfs`).
  init(size: UInt64?) {
    let physical = Host.physicalMemory
    bytes = size ?? max(physical / 2, 64 << 20)
    inodes = max(bytes / 4096, 4096)
    // With the least of all sizes a program must still be able to start.
    memory = max(Int(clamping: bytes / 16 * 5), 4 << 20)
    // A dentry and its inodes take 600 bytes. A tenth of the size, and never more than an eighth of the machine's memory
    // or a million.
    let room = min(size == nil ? physical / 8 : bytes / 10, physical / 8) / 600
    names = Int(clamping: min(max(room, 1 << 13), 1 << 20))
  }
}
