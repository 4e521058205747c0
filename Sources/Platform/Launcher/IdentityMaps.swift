// The id maps of the user namespace: one user and one group exist inside, and they are the caller's own outside
// (`man 7 user_namespaces`).

import Gate
import Kernel
import LinuxABI

enum IdentityMaps {
  static func write(for process: ThreadID, _ configuration: LaunchConfiguration) throws(LaunchError) {
    do throws(Errno) {
      // A caller without CAP_SETGID may map its group only after denying setgroups for the namespace.
      if Host.effectiveUser != 0 { try write("deny", to: "/proc/\(process)/setgroups") }
      try write("\(configuration.user) \(Host.effectiveUser) 1", to: "/proc/\(process)/uid_map")
      try write("\(configuration.group) \(Host.effectiveGroup) 1", to: "/proc/\(process)/gid_map")
    } catch {
      throw Launcher.namespacesRefused(error)
    }
  }

  private static func write(_ text: String, to path: String) throws(Errno) {
    let file = try Host.openTrusted(path, .writeOnly)
    try Host.writeAll(Array(text.utf8), to: file.rawValue)
  }
}
