// Where a thread may run: sched_getaffinity(2), sched_setaffinity(2).

import Gate
import Kernel
import LinuxABI

extension CPUMask {
  /// Where the thread may run; 0 is the calling one. Nil if it is gone, or the machine can have more CPUs than we know.
  init?(of thread: ThreadID) {
    guard let mask = try? Host.affinity(of: thread) else { return nil }
    self = mask
  }

  /// The CPU that the caller runs on. Nil if it is none of the first 1,024.
  static func here() -> CPUMask? { CPUMask(Host.currentCPU) }

  /// The thread, 0 for the calling one, may run on these CPUs only. False, and nothing happens, if it is gone, or may run
  /// on none of them.
  @discardableResult
  func apply(to thread: ThreadID) -> Bool { (try? Host.setAffinity(of: thread, to: self)) != nil }
}
