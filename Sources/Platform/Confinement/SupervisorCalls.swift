// What the supervisor may still ask of the kernel once its guests run: one table, of which libseccomp makes a filter. An
// allow-list, because a supervisor makes few calls and the same ones always; what is not here
// (execve, fork, mount, setns, unshare, bpf, perf, keys, modules, new sockets, attaching to other processes) is EPERM.
//
// Paths cannot be judged by registers: a supervisor can still open whatever its caller may. See the Architecture page.

import Gate
import Kernel
import LinuxABI

/// The calls of a supervisor whose set-up is done.
package enum SupervisorCalls {
  /// Indexed by number; nil is refused.
  package static let policies = table([], [])

  /// The same for a supervisor that makes sockets for guests (`NetworkAccess.allow`).
  package static let policiesWithSockets = table(network, [makingSockets])

  private static func table(_ more: [SystemCallNumber], _ moreChecked: [(SystemCallNumber, CallPolicy)])
    -> [CallPolicy?]
  {
    var policies = [CallPolicy?](repeating: nil, count: DispositionTable.count)
    for number in files + names + guests + memory + own + more {
      policies[number.index] = CallPolicy(otherwise: .native)
    }
    for (number, policy) in checked + moreChecked { policies[number.index] = policy }
    return policies
  }

  /// The table as a filter.
  package static func filter(makesSockets: Bool = false) throws(Errno) -> [FilterInstruction] {
    let filter = try CallFilter(otherwise: .refuse(.notPermitted))
    for (index, policy) in (makesSockets ? policiesWithSockets : policies).enumerated() {
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
  package static let refusal = Disposition.errno(.notPermitted)

  /// On descriptors.
  private static let files: [SystemCallNumber] = [
    .read, .write, .readv, .writev, .pread64, .pwrite64, .lseek, .close, .close_range, .fstat, .fstatfs, .fchmod,
    .fchown, .ftruncate, .fallocate, .fsync, .fdatasync, .sync_file_range, .syncfs, .copy_file_range, .sendfile,
    .tee, .fcntl, .flock, .getdents64, .fsetxattr, .fgetxattr, .flistxattr, .fremovexattr, .pipe2, .poll, .dup,
    .umask, .inotify_init1, .inotify_add_watch, .inotify_rm_watch, .eventfd2, .epoll_create1, .epoll_ctl,
    .epoll_wait, .epoll_pwait, .cachestat,
    // Of guests' sockets: duplicates. None is made but a pair that a duplicate comes by (`checked`).
    .bind, .connect, .getsockopt, .setsockopt, .getsockname, .getpeername, .sendto, .sendmsg, .sendmmsg, .recvmsg,
    .shutdown,
  ]

  /// On sockets of the supervisor's own making, and on those that it makes for guests.
  private static let network: [SystemCallNumber] = [.listen, .accept4, .recvfrom, .timerfd_settime]

  /// TCP and UDP, closed by exec.
  private static let makingSockets: (SystemCallNumber, CallPolicy) = (
    .socket,
    CallPolicy(
      [
        ArgumentRule(
          .native, when: .oneOf(argument: 0, [AddressFamily.internet.argument, AddressFamily.internet6.argument]),
          .oneOf(argument: 1, [0o2000001, 0o2000002, 0o2004001, 0o2004002]), .equal(argument: 2, mask: .max, value: 0))
      ], otherwise: refusal)
  )

  /// On names, below descriptors of the layers and in /proc.
  private static let names: [SystemCallNumber] = [
    .openat, .openat2, .newfstatat, .statx, .statfs, .readlinkat, .faccessat, .faccessat2, .mkdirat, .mknodat,
    .unlinkat, .rmdir, .renameat2, .linkat, .symlinkat, .fchmodat, .fchmodat2, .fchownat, .utimensat, .setxattr,
    .lsetxattr, .getxattr, .lgetxattr, .listxattr, .llistxattr, .removexattr, .lremovexattr, .setxattrat,
    .getxattrat, .listxattrat, .removexattrat,
  ]

  /// On guests.
  private static let guests: [SystemCallNumber] = [
    .wait4, .kill, .tkill, .tgkill, .rt_sigqueueinfo, .rt_tgsigqueueinfo, .pidfd_open, .pidfd_getfd,
    .pidfd_send_signal, .process_vm_readv, .process_vm_writev, .kcmp, .prlimit64, .getpgid, .setpgid, .getsid,
    .getpriority, .setpriority, .ioprio_get, .ioprio_set, .sched_getaffinity, .sched_setaffinity, .sched_setparam,
    .sched_setscheduler, .sched_setattr,
  ]

  /// Memory, but for making it executable (`checked`).
  private static let memory: [SystemCallNumber] = [.munmap, .mremap, .madvise, .brk]

  /// Time, signals, locks, and who we are.
  private static let own: [SystemCallNumber] = [
    .rt_sigaction, .rt_sigprocmask, .rt_sigreturn, .rt_sigtimedwait, .sigaltstack, .restart_syscall, .timer_create,
    .timer_settime, .timer_delete, .nanosleep, .clock_nanosleep, .clock_gettime, .clock_getres, .gettimeofday,
    .time, .futex, .sched_yield, .getcpu, .exit, .exit_group, .getrandom, .uname, .sysinfo, .getrusage, .times,
    .set_robust_list, .rseq, .membarrier, .getpid, .gettid, .getppid, .getpgrp, .getuid, .geteuid, .getgid,
    .getegid, .capget,
  ]

  private static let checked: [(SystemCallNumber, CallPolicy)] = [
    // Of tracees only, and no new ones: guests come by themselves, by way of PTRACE_O_TRACECLONE and its kin.
    (
      .ptrace,
      CallPolicy(
        [
          ArgumentRule(
            .native,
            when: .oneOf(
              argument: 0,
              [
                PtraceRequest.peekUser, .pokeUser, .pokeData, .continue, .getRegisters, .setRegisters, .systemCall,
                .getEventMessage, .getSignalInformation, .interrupt, .listen, .getSignalMask, .setSignalMask,
                .getSystemCallInformation,
              ].map(\.rawValue)))
        ], otherwise: refusal)
    ),
    // A thread of our own, by exactly the flags of pthread_create(3): the one that waits for inotify starts when a guest
    // first asks for it. clone3, whose flags lie in memory, is said to be absent, so that the C library uses clone.
    (
      .clone,
      CallPolicy(
        [ArgumentRule(.native, when: .equal(argument: 0, mask: .max, value: threadFlags))], otherwise: refusal)
    ),
    (.clone3, CallPolicy(otherwise: .errno(.noFunction))),
    // Two ends of one connection, which leads nowhere else: a guest sends a descriptor by it (`RemoteThread.sendDescriptor`).
    (
      .socketpair,
      CallPolicy(
        [
          ArgumentRule(
            .native, when: .equal(argument: 0, mask: .max, value: UInt64(AddressFamily.unix.rawValue)),
            .equal(argument: 1, mask: .max, value: UInt64(DescriptorMessage.socketType)),
            .equal(argument: 2, mask: .max, value: 0))
        ], otherwise: refusal)
    ),
    (.mmap, CallPolicy([notExecutable], otherwise: refusal)),
    (.mprotect, CallPolicy([notExecutable], otherwise: refusal)),
    (
      .ioctl,
      CallPolicy(
        [
          ArgumentRule(
            .native,
            when: .oneOf(
              argument: 1,
              [
                SeccompRequest.receive.rawValue, SeccompRequest.send.rawValue, SeccompRequest.isValid.rawValue,
                SeccompRequest.addDescriptor.rawValue, SeccompRequest.setFlags.rawValue,
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

  /// Those of pthread_create(3).
  package static let threadFlags = CloneFlags([
    .memory, .fileSystem, .descriptors, .signalHandlers, .thread, .semaphoreAdjustments, .setThreadPointer,
    .setParentNumber, .clearChildNumber,
  ]).rawValue

  /// PROT_EXEC is not asked for: the supervisor makes no code.
  private static let notExecutable = ArgumentRule(.native, when: .noBit(2, UInt32(Protection.execute.rawValue)))
}
