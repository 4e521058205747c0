// What this process gives up for good, and what it is to those that it makes (prctl(2)); its resource limits.

import CLinux
public import LinuxABI

extension Host {
  /// PR_SET_NO_NEW_PRIVS of `prctl(2)`, of the calling thread and those it makes.
  public static func forbidNewPrivileges() throws(Errno) { try call(.prctl, 38, 1) }

  /// PR_SET_DUMPABLE of `prctl(2)`: no core, and for processes of the same user neither ptrace(2) nor /proc/PID.
  public static func forbidDumping() throws(Errno) { try call(.prctl, 4, 0) }

  /// PR_SET_CHILD_SUBREAPER of `prctl(2)`: orphans of this process's descendants become its children.
  public static func adoptOrphans() throws(Errno) { try call(.prctl, 36, 1) }

  /// `vd_ignore_sigpipe`: SIGPIPE is ignored by this process. Returns whether it was the default before the first of these
  /// calls.
  public static func ignoreBrokenPipes() -> Bool { vd_ignore_sigpipe() != 0 }

  /// `prlimit(2)`: a limit of this process.
  ///
  /// - Throws: `.notPermitted` above the hard limit.
  public static func setOwnLimit(_ resource: Resource, to limit: ResourceLimit) throws(Errno) {
    var limit = limit
    _ = try withUnsafeMutablePointer(to: &limit) { limit throws(Errno) in
      try call(.prlimit64, 0, Int(resource.rawValue), Int(bitPattern: limit), 0)
    }
  }

  /// `prlimit(2)`: a limit of this process.
  public static func ownLimit(_ resource: Resource) throws(Errno) -> ResourceLimit { try limit(resource, of: 0) }
}
