// The calls that a supervisor cannot do without. Old kernels lack them, and a container's seccomp profile may refuse them
// on new ones; asked before anything is made, so that the answer is one clear line and not a strange failure inside.

import CLinux
import LinuxABI

enum KernelNeeds {
  private struct Need {
    var name: StaticString
    var version: StaticString
    var number: CInt
    /// Arguments with which the call does nothing but fail, or do nothing at all.
    var arguments: (Int, Int, Int, Int, Int, Int)
  }

  private static let needs = [
    Need(name: "openat2", version: "5.6", number: SYS_openat2, arguments: (-1, 0, 0, 0, 0, 0)),
    Need(name: "statx", version: "4.11", number: SYS_statx, arguments: (-1, 0, 0, 0, 0, 0)),
    Need(name: "pidfd_open", version: "5.3", number: SYS_pidfd_open, arguments: (0, 0, 0, 0, 0, 0)),
    Need(name: "close_range", version: "5.9", number: SYS_close_range, arguments: (1, 0, 0, 0, 0, 0)),
    Need(name: "memfd_create", version: "3.17", number: SYS_memfd_create, arguments: (0, 0, 0, 0, 0, 0)),
  ]

  /// - Throws: `.unsupported`, naming the first call that is not there or not allowed.
  static func check() throws(LaunchError) {
    for need in needs {
      let a = need.arguments
      let result = vd_syscall(Int(need.number), a.0, a.1, a.2, a.3, a.4, a.5)
      guard result == -Int(ENOSYS) || result == -Int(EPERM) || result == -Int(EACCES) else { continue }
      throw LaunchError(
        .unsupported, "\(need.name) is not allowed here (it needs Linux \(need.version), and a container's leave)",
        errno: Errno(rawValue: CInt(-result)))
    }
  }
}
