// The caller's terminal: a guest shell with job control makes other process groups the foreground; when the sandbox
// ends, the group that held the terminal before gets it back.

import CLinux

struct Terminal: Sendable {
  /// The descriptor of the controlling terminal whose foreground group was ours at the start.
  private let descriptor: CInt?

  init() {
    descriptor = [0, 1, 2].first { isatty($0) == 1 && tcgetpgrp($0) == getpgrp() }
  }

  /// Makes our process group the foreground again.
  func takeBack() {
    guard let descriptor, tcgetpgrp(descriptor) != getpgrp() else { return }
    // From the background this raises SIGTTOU, unless it is blocked.
    var blocked: UInt64 = 1 << (UInt64(SIGTTOU) - 1)
    var before: UInt64 = 0
    _ = vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_BLOCK), pointer(&blocked), pointer(&before), 8, 0, 0)
    tcsetpgrp(descriptor, getpgrp())
    _ = vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_SETMASK), pointer(&before), 0, 8, 0, 0)
  }

  private func pointer(_ value: UnsafeMutablePointer<UInt64>) -> Int { Int(bitPattern: value) }
}
