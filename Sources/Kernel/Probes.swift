// Questions about what the kernel, and a container's filter, allow us, which are answered by trying. Children that try run
// nothing but C on raw system calls (Probe.c), and none of them is left.

import CLinux
public import LinuxABI

extension Host {
  /// `vd_probe_ptrace`: a child is seized (PTRACE_SEIZE of `ptrace(2)`).
  public static func tryTracing() throws(Errno) { try check(vd_probe_ptrace()) }

  /// `vd_probe_listener`: a child loads a filter with a listener (`seccomp_unotify(2)`).
  public static func tryListening(_ flags: FilterFlags) throws(Errno) {
    try check(vd_probe_listener(UInt(flags.rawValue)))
  }

  /// `vd_probe_mapping_query`: PROCMAP_QUERY of `ioctl(2)`.
  public static func tryMappingQuery() throws(Errno) { try check(vd_probe_mapping_query()) }

  /// `vd_probe_memory_map`: PR_SET_MM_MAP_SIZE of `prctl(2)`.
  public static func tryMemoryMap() throws(Errno) { try check(vd_probe_memory_map()) }

  /// `vd_probe_file_system`: `fsopen(2)` of a tmpfs.
  public static func tryFileSystem() throws(Errno) { try check(vd_probe_file_system()) }

  /// Makes a call with a first argument with which it does nothing, and no other: whether it is not there, or not allowed
  /// (ENOSYS, EPERM, EACCES); any other answer is the call's own.
  public static func refusal(of number: SystemCallNumber, _ argument: Int) -> Errno? {
    let result = raw(number, argument)
    let errors: [Errno] = [.noFunction, .notPermitted, .permissionDenied]
    return errors.first { $0.result == result }
  }

  private static func check(_ result: CInt) throws(Errno) { _ = try Errno.check(Int(result)) }
}
