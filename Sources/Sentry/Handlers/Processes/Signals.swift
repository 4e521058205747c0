// Signals of the caller's own, and waiting for them.

import LinuxABI

extension SystemCallTable {
  mutating func addSignals() {
    native(13, "rt_sigaction", .signal, .bytes("act"), .bytes("oldact"), .size("sigsetsize"))
    native(14, "rt_sigprocmask", .int("how"), .bytes("set"), .bytes("oldset"), .size("sigsetsize"))
    native(15, "rt_sigreturn")
    native(34, "pause")
    native(127, "rt_sigpending", .bytes("set"), .size("sigsetsize"))
    native(128, "rt_sigtimedwait", .bytes("set"), .bytes("info"), .bytes("timeout"), .size("sigsetsize"))
    native(130, "rt_sigsuspend", .bytes("mask"), .size("sigsetsize"))
    native(131, "sigaltstack", .bytes("ss"), .bytes("old_ss"))
    native(219, "restart_syscall")
    native(282, "signalfd", .fd, .bytes("mask"), .size("sizemask"))
    native(289, "signalfd4", .fd, .bytes("mask"), .size("sizemask"), .int("flags"))
    native(202, "futex", .word("uaddr"), .int("op"), .int("val"), .bytes("timeout"), .word("uaddr2"), .int("val3"))
    native(449, "futex_waitv", .bytes("waiters"), .int("nr_futexes"), .int("flags"), .bytes("timeout"))
    native(454, "futex_wake", .word("uaddr"), .word("mask"), .int("nr"), .int("flags"))
    native(455, "futex_wait", .word("uaddr"), .word("val"), .word("mask"), .int("flags"), .bytes("timespec"))
    native(456, "futex_requeue", .bytes("waiters"), .int("flags"), .int("nr_wake"), .int("nr_requeue"))
  }
}
