// SIGCHLD as a thread's own wake-up while it waits for stops of tracees.

import CLinux
import LinuxABI

/// SIGCHLD, which the kernel sends at every stop of a tracee: while there is one of these, the calling thread can wait for it.
struct StopSignal {
  private var mask: UInt64 = 1 << (UInt64(SIGCHLD) - 1)
  private var former: UInt64 = 0

  init() {
    withUnsafeMutablePointer(to: &mask) { mask in
      _ = withUnsafeMutablePointer(to: &former) {
        vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_BLOCK), Int(bitPattern: mask), Int(bitPattern: $0), 8, 0, 0)
      }
    }
  }

  func end() {
    var former = former
    _ = withUnsafeMutablePointer(to: &former) {
      vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_SETMASK), Int(bitPattern: $0), 0, 8, 0, 0)
    }
  }

  /// Until some tracee has stopped, or for so long. A stop that came since `init` and was not waited for counts.
  func wait(microseconds: Int) {
    var mask = mask
    var limit = timespec(tv_sec: 0, tv_nsec: microseconds * 1000)
    withUnsafeMutablePointer(to: &mask) { mask in
      _ = withUnsafeMutablePointer(to: &limit) {
        vd_syscall(Int(SYS_rt_sigtimedwait), Int(bitPattern: mask), 0, Int(bitPattern: $0), 8, 0, 0)
      }
    }
  }
}
