// What the supervisor may still ask of the kernel once its guests run: one table, of which libseccomp makes a filter. An
// allow-list, because a supervisor makes few calls and the same ones always; what is not here
// (execve, fork, mount, setns, unshare, bpf, perf, keys, modules, new sockets, attaching to other processes) is EPERM.
//
// Paths cannot be judged by registers: a supervisor can still open whatever its caller may. See the Architecture page.

import CLinux
import Gate
import Kernel
import LinuxABI

/// The calls of a supervisor whose set-up is done.
package enum SupervisorCalls {
  /// Indexed by number; nil is refused.
  package static let policies: [CallPolicy?] = {
    var policies = [CallPolicy?](repeating: nil, count: DispositionTable.count)
    for number in files + names + guests + memory + own { policies[Int(number)] = CallPolicy(otherwise: .native) }
    for (number, policy) in checked { policies[Int(number)] = policy }
    return policies
  }()

  /// The table as a filter.
  package static func filter() throws(Errno) -> [FilterInstruction] {
    let filter = try CallFilter(otherwise: .refuse(.notPermitted))
    for (index, policy) in policies.enumerated() {
      guard let policy else { continue }
      let number = SystemCallNumber(index)
      for rule in policy.rules {
        guard let action = action(rule.disposition) else { continue }
        for comparisons in alternatives(of: rule.tests) { try filter.add(action, number, where: comparisons) }
      }
      if policy.otherwise != refusal, let action = action(policy.otherwise) { try filter.add(action, number) }
    }
    return try filter.program()
  }

  /// All tests hold: a rule of libseccomp's says that of its comparisons, and 'or' is said by several rules.
  private static func alternatives(of tests: [ArgumentTest]) -> [[CallFilter.Comparison]] {
    tests.reduce([[]]) { rules, test in
      let choices: [CallFilter.Comparison] =
        switch test {
        case .equal(let argument, let mask, let value): [.init(argument: argument, mask: mask, value: value)]
        case .oneOf(let argument, let values):
          values.map { .init(argument: argument, mask: 0xffff_ffff, value: UInt64($0)) }
        // No rule of the table asks for it: a rule that holds nowhere.
        case .different: []
        }
      return rules.flatMap { rule in choices.map { rule + [$0] } }
    }
  }

  private static func action(_ disposition: Disposition) -> CallFilter.Action? {
    switch disposition {
    case .native: .allow
    case .errno(let number): .refuse(Errno(rawValue: CInt(number)))
    default: nil
    }
  }

  /// What a call that is not in the table answers.
  package static let refusal = Disposition.errno(EPERM)

  /// On descriptors.
  private static let files: [CInt] = [
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_close, SYS_close_range,
    SYS_fstat, SYS_fstatfs, SYS_fchmod, SYS_fchown, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync,
    SYS_sync_file_range, SYS_syncfs, SYS_copy_file_range, SYS_sendfile, SYS_tee, SYS_fcntl, SYS_flock, SYS_getdents64,
    SYS_fsetxattr, SYS_fgetxattr, SYS_flistxattr, SYS_fremovexattr, SYS_pipe2, SYS_poll, SYS_dup, SYS_umask,
    SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_eventfd2, SYS_epoll_create1, SYS_epoll_ctl,
    SYS_epoll_wait, SYS_epoll_pwait,
    451,  // cachestat
    // Of guests' sockets: duplicates. None is made but a pair that a duplicate comes by (`checked`).
    SYS_bind, SYS_connect, SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername, SYS_sendto, SYS_sendmsg,
    SYS_sendmmsg, SYS_recvmsg, SYS_shutdown,
  ]

  /// On names, below descriptors of the layers and in /proc.
  private static let names: [CInt] = [
    SYS_openat, SYS_openat2, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_readlinkat, SYS_faccessat, SYS_faccessat2,
    SYS_mkdirat, SYS_mknodat, SYS_unlinkat, SYS_rmdir, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_fchmodat,
    452,  // fchmodat2
    SYS_fchownat, SYS_utimensat, SYS_setxattr, SYS_lsetxattr, SYS_getxattr, SYS_lgetxattr, SYS_listxattr,
    SYS_llistxattr, SYS_removexattr, SYS_lremovexattr,
    463, 464, 465, 466,  // setxattrat, getxattrat, listxattrat, removexattrat
  ]

  /// On guests.
  private static let guests: [CInt] = [
    SYS_wait4, SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_pidfd_open,
    SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_prlimit64,
    SYS_getpgid, SYS_setpgid, SYS_getsid, SYS_getpriority, SYS_setpriority, SYS_ioprio_get, SYS_ioprio_set,
    SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_setattr,
  ]

  /// Memory, but for making it executable (`checked`).
  private static let memory: [CInt] = [SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk]

  /// Time, signals, locks, and who we are.
  private static let own: [CInt] = [
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_restart_syscall,
    SYS_timer_create, SYS_timer_settime, SYS_timer_delete, SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime,
    SYS_clock_getres, SYS_gettimeofday, SYS_time, SYS_futex, SYS_sched_yield, SYS_getcpu, SYS_exit, SYS_exit_group,
    SYS_getrandom, SYS_uname, SYS_sysinfo, SYS_getrusage, SYS_times, SYS_set_robust_list, SYS_rseq, SYS_membarrier,
    SYS_getpid, SYS_gettid, SYS_getppid, SYS_getpgrp, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_capget,
  ]

  private static let checked: [(CInt, CallPolicy)] = [
    // Of tracees only, and no new ones: guests come by themselves, by way of PTRACE_O_TRACECLONE and its kin.
    (
      SYS_ptrace,
      CallPolicy(
        [
          ArgumentRule(
            .native,
            when: .oneOf(
              argument: 0,
              [
                VD_PTRACE_PEEKUSER, VD_PTRACE_POKEUSER, VD_PTRACE_POKEDATA, VD_PTRACE_CONT, VD_PTRACE_GETREGS,
                VD_PTRACE_SETREGS, VD_PTRACE_SYSCALL, VD_PTRACE_GETEVENTMSG, VD_PTRACE_GETSIGINFO, VD_PTRACE_INTERRUPT,
                VD_PTRACE_LISTEN,
                VD_PTRACE_GETSIGMASK, VD_PTRACE_SETSIGMASK, VD_PTRACE_GET_SYSCALL_INFO,
              ].map { UInt32($0) }))
        ], otherwise: refusal)
    ),
    // A thread of our own, by exactly the flags of pthread_create(3): the one that waits for inotify starts when a guest
    // first asks for it. clone3, whose flags lie in memory, is said to be absent, so that the C library uses clone.
    (
      SYS_clone,
      CallPolicy(
        [ArgumentRule(.native, when: .equal(argument: 0, mask: .max, value: threadFlags))], otherwise: refusal)
    ),
    (SYS_clone3, CallPolicy(otherwise: .errno(ENOSYS))),
    // Two ends of one connection, which leads nowhere else: a guest sends a descriptor by it (`RemoteThread.sendDescriptor`).
    (
      SYS_socketpair,
      CallPolicy(
        [
          ArgumentRule(
            .native, when: .equal(argument: 0, mask: .max, value: UInt64(AF_UNIX)),
            .equal(argument: 1, mask: .max, value: UInt64(vd_pair_type)), .equal(argument: 2, mask: .max, value: 0))
        ], otherwise: refusal)
    ),
    (SYS_mmap, CallPolicy([notExecutable], otherwise: refusal)),
    (SYS_mprotect, CallPolicy([notExecutable], otherwise: refusal)),
    (
      SYS_ioctl,
      CallPolicy(
        [
          ArgumentRule(
            .native,
            when: .oneOf(
              argument: 1,
              [
                UInt32(truncatingIfNeeded: vd_ioctl_notify_receive), UInt32(truncatingIfNeeded: vd_ioctl_notify_send),
                UInt32(truncatingIfNeeded: vd_ioctl_notify_is_valid), UInt32(truncatingIfNeeded: vd_ioctl_notify_add),
                UInt32(truncatingIfNeeded: vd_ioctl_notify_set_flags),
                0x5401,  // TCGETS: isatty(3)
                0x540f, 0x5410,  // TIOCGPGRP, TIOCSPGRP: the caller's terminal comes back to it
                0x541b,  // FIONREAD
                0x4004_9409, 0x4020_940d,  // FICLONE, FICLONERANGE
                0x8004_5430, 0x4004_5431, 0x5441,  // TIOCGPTN, TIOCSPTLCK, TIOCGPTPEER
                0xc068_6611, 0xc060_6610,  // PROCMAP_QUERY, PAGEMAP_SCAN
              ]))
        ], otherwise: refusal)
    ),
  ]

  /// CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID.
  package static let threadFlags: UInt64 = 0x3d_0f00

  /// PROT_EXEC is not asked for: the supervisor makes no code.
  private static let notExecutable = ArgumentRule(.native, when: .noBit(2, UInt32(PROT_EXEC)))
}
