// The calls that a supervisor cannot do without. Old kernels lack them, and a container's seccomp profile may refuse them
// on new ones; asked before anything is made, so that the answer is one clear line and not a strange failure inside.

import Kernel
import LinuxABI

enum KernelNeeds {
  private struct Need {
    var name: StaticString
    var version: StaticString
    var number: SystemCallNumber
    /// A first argument with which the call does nothing but fail, or does nothing at all; the others are 0.
    var argument: Int
  }

  private static let needs = [
    Need(name: "openat2", version: "5.6", number: .openat2, argument: -1),
    Need(name: "statx", version: "4.11", number: .statx, argument: -1),
    Need(name: "pidfd_open", version: "5.3", number: .pidfd_open, argument: 0),
    Need(name: "close_range", version: "5.9", number: .close_range, argument: 1),
    Need(name: "memfd_create", version: "3.17", number: .memfd_create, argument: 0),
  ]

  /// - Throws: `.unsupported`, naming the first call that is not there or not allowed.
  static func check() throws(LaunchError) {
    for need in needs {
      guard let refusal = Host.refusal(of: need.number, need.argument) else { continue }
      throw LaunchError(
        .unsupported, "\(need.name) is not allowed here (it needs Linux \(need.version), and a container's leave)",
        errno: refusal)
    }
  }
}
