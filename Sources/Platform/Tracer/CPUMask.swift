// Where a thread may run: sched_getaffinity(2), sched_setaffinity(2).

import CLinux
import Gate

/// A set of CPUs, of the first 1,024.
struct CPUMask: Sendable {
  private var words = InlineArray<16, UInt64>(repeating: 0)
  private static let size = MemoryLayout<InlineArray<16, UInt64>>.size

  /// No CPU.
  init() {}

  /// Where the thread may run; 0 is the calling one. Nil if it is gone, or the machine can have more CPUs than we know.
  init?(of thread: ThreadID) {
    let size = withUnsafeMutablePointer(to: &words) {
      vd_syscall(Int(SYS_sched_getaffinity), Int(thread), Self.size, Int(bitPattern: $0), 0, 0, 0)
    }
    if size <= 0 { return nil }
  }

  /// The CPU that the caller runs on. Nil if it is none of the first 1,024.
  static func here() -> CPUMask? {
    var cpu: UInt32 = 0
    _ = withUnsafeMutablePointer(to: &cpu) { vd_syscall(Int(SYS_getcpu), Int(bitPattern: $0), 0, 0, 0, 0, 0) }
    return CPUMask(Int(cpu))
  }

  /// One CPU. Nil if it is none of the first 1,024.
  init?(_ number: Int) {
    guard number >= 0, words.indices.contains(number / 64) else { return nil }
    words[number / 64] = 1 << UInt64(number % 64)
  }

  /// Whether all CPUs of `other` are among these.
  func contains(_ other: CPUMask) -> Bool { words.indices.allSatisfy { other.words[$0] & ~words[$0] == 0 } }

  /// The thread, 0 for the calling one, may run on these CPUs only. False, and nothing happens, if it is gone, or may run
  /// on none of them.
  @discardableResult
  func apply(to thread: ThreadID) -> Bool {
    var words = words
    return withUnsafeMutablePointer(to: &words) {
      vd_syscall(Int(SYS_sched_setaffinity), Int(thread), Self.size, Int(bitPattern: $0), 0, 0, 0) == 0
    }
  }
}

extension CPUMask: Equatable {
  static func == (left: CPUMask, right: CPUMask) -> Bool { left.contains(right) && right.contains(left) }
}
