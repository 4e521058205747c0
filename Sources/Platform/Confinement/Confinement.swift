// The last wall is about ourselves: before the first guest instruction runs, the supervisor drops what it will not
// need, so that a guest which takes it over by a bug of ours gains little. No way leads back.

import Gate
import Kernel
import LinuxABI

/// What the supervisor's process drops, for good.
struct Confinement {
  private let filter: [FilterInstruction]
  private let kept: UInt64

  /// - Parameter kept: the capabilities that serving the layers needs, bit N for capability N.
  /// - Parameter makesSockets: guests' internet sockets are made by the supervisor.
  /// - Throws: `.system`; libseccomp has no memory then.
  init(keeping kept: UInt64, makesSockets: Bool) throws(LaunchError) {
    self.kept = kept
    do throws(Errno) { filter = try SupervisorCalls.filter(makesSockets: makesSockets) } catch {
      throw LaunchError(.system, "building the supervisor's own filter", errno: error)
    }
  }

  /// no_new_privs, and no capability but the kept ones, of the calling thread and those it makes. Our memory, which holds
  /// what all guests read, is not dumped; and processes of the same user may neither trace us nor look into /proc/PID.
  ///
  /// Once the guest is traced: with kernel.yama.ptrace_scope 2 that takes CAP_SYS_PTRACE.
  func dropPrivileges() throws(LaunchError) {
    do throws(Errno) {
      try Host.forbidNewPrivileges()
    } catch {
      throw LaunchError(.unsupported, "no_new_privs was refused", errno: error)
    }
    do throws(Errno) {
      try Host.forbidDumping()
      try Host.setOwnLimit(.core, to: .withoutCore)
    } catch {
      throw LaunchError(.system, "keeping the supervisor's memory from being dumped", errno: error)
    }
    do throws(Errno) { try Host.limitCapabilities(to: kept) } catch {
      throw LaunchError(.system, "dropping the supervisor's capabilities", errno: error)
    }
  }

  /// The filter of `SupervisorCalls`, on every thread of the process. Threads that are made later have it too.
  func restrictCalls() throws(LaunchError) {
    let other: Int32
    do throws(Errno) { other = try Host.filterOwnCalls(filter) } catch {
      throw LaunchError(.unsupported, "the supervisor's own filter was refused", errno: error)
    }
    // TSYNC names a thread that has a filter of its own.
    if other > 0 { throw LaunchError(.system, "the supervisor's own filter does not reach all of its threads") }
  }
}
