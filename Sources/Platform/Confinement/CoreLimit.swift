// No core file is written of a supervisor's memory, or of a guest's by the kernel itself, past the tree.

import Kernel
import LinuxABI

extension ResourceLimit {
  /// The limit of core files that keeps one from a program that core_pattern names as well: one byte, because at 0 such a
  /// program is given a core, and at 1 it is not (`man 5 core`). A hard limit of 0 cannot be raised.
  static var withoutCore: ResourceLimit {
    let hard = min(1, (try? Host.ownLimit(.core).hard) ?? 0)
    return ResourceLimit(soft: hard, hard: hard)
  }
}
