// The last wall is about ourselves: before the first guest instruction runs, the supervisor gives up what it will not
// need, so that a guest which takes it over by a bug of ours gains little. No way leads back.

import CLinux
import Gate
import LinuxABI

/// What the supervisor's process gives up, for good.
struct Confinement {
  private let filter: [sock_filter]
  private let kept: UInt64

  /// - Parameter kept: the capabilities that serving the layers needs, bit N for capability N.
  init(keeping kept: UInt64) {
    self.kept = kept
    filter = FilterCompiler.compile(SupervisorCalls.policies, otherwise: SupervisorCalls.refusal)
  }

  /// no_new_privs, and no capability but the kept ones, of the calling thread and those it makes. Our memory, which holds
  /// what all guests read, is not dumped; and processes of the same user may neither trace us nor look into /proc/PID.
  ///
  /// Once the guest is traced: with kernel.yama.ptrace_scope 2 that takes CAP_SYS_PTRACE.
  func giveUpPrivileges() throws(LaunchError) {
    do throws(Errno) {
      try Kernel.call(SYS_prctl, Int(PR_SET_NO_NEW_PRIVS), 1)
    } catch {
      throw LaunchError(.unsupported, "no_new_privs was refused", errno: error)
    }
    do throws(Errno) {
      try Kernel.call(SYS_prctl, Int(PR_SET_DUMPABLE), 0)
      try OwnLimit.core.set(soft: OwnLimit.withoutCore, hard: OwnLimit.withoutCore)
    } catch {
      throw LaunchError(.system, "keeping the supervisor's memory from being dumped", errno: error)
    }
    do throws(Errno) { try limitCapabilities() } catch {
      throw LaunchError(.system, "dropping the supervisor's capabilities", errno: error)
    }
  }

  private func limitCapabilities() throws(Errno) {
    var header = __user_cap_header_struct(version: 0x2008_0522 /* _LINUX_CAPABILITY_VERSION_3 */, pid: 0)
    var data = (__user_cap_data_struct(), __user_cap_data_struct())
    try Self.call(SYS_capget, &header, &data)
    let permitted = UInt64(data.1.permitted) << 32 | UInt64(data.0.permitted)
    if permitted == 0 { return }
    // The bounding set needs CAP_SETPCAP; without it, or behind the last capability, the kernel says so.
    for capability in 0..<64 where vd_syscall(Int(SYS_prctl), Int(PR_CAPBSET_DROP), capability, 0, 0, 0, 0) < 0 {
      break
    }
    _ = vd_syscall(Int(SYS_prctl), Int(PR_CAP_AMBIENT), Int(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0, 0)
    let left = permitted & kept
    data.0 = __user_cap_data_struct(
      effective: UInt32(truncatingIfNeeded: left), permitted: UInt32(truncatingIfNeeded: left), inheritable: 0)
    data.1 = __user_cap_data_struct(effective: UInt32(left >> 32), permitted: UInt32(left >> 32), inheritable: 0)
    try Self.call(SYS_capset, &header, &data)
  }

  private static func call(
    _ number: CInt, _ header: inout __user_cap_header_struct,
    _ data: inout (__user_cap_data_struct, __user_cap_data_struct)
  ) throws(Errno) {
    let result = withUnsafeMutablePointer(to: &header) { header in
      withUnsafeMutablePointer(to: &data) { data in
        vd_syscall(Int(number), Int(bitPattern: header), Int(bitPattern: data), 0, 0, 0, 0)
      }
    }
    _ = try Errno.check(result)
  }

  /// The filter of `SupervisorCalls`, on every thread of the process. Threads that are made later have it too.
  func restrictCalls() throws(LaunchError) {
    var program = filter
    let result = program.withUnsafeMutableBufferPointer { buffer in
      var description = sock_fprog(len: UInt16(buffer.count), filter: buffer.baseAddress)
      return withUnsafeMutablePointer(to: &description) {
        // SECCOMP_FILTER_FLAG_TSYNC; and SPEC_ALLOW: nothing here runs a guest's code, so no mitigation is asked for.
        vd_syscall(Int(SYS_seccomp), Int(SECCOMP_SET_MODE_FILTER), 1 | 4, Int(bitPattern: $0), 0, 0, 0)
      }
    }
    if result < 0 {
      throw LaunchError(.unsupported, "the supervisor's own filter was refused", errno: Errno(rawValue: CInt(-result)))
    }
    // TSYNC names a thread that has a filter of its own.
    if result > 0 { throw LaunchError(.system, "the supervisor's own filter does not reach all of its threads") }
  }
}
