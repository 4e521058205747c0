// One table over every system call number: what the filter does with it. Everything the table does not name gets ENOSYS.
// The lists follow FIELD-NOTES sections 2 and 3; the argument lists (ioctl, prctl, socket) are in `ArgumentLists.swift`.

internal import CLinux

/// How much stands between a guest and the host.
public enum IsolationLevel: String, Sendable, CaseIterable {
  /// Namespaces, Landlock, filter, sentry.
  case full
  /// Landlock, filter, sentry: for containers that allow no user namespace.
  case noNamespaces = "no-namespaces"
}

/// What of the network a guest sees.
public enum NetworkAccess: String, Sendable, CaseIterable {
  /// Loopback only; without namespaces no internet sockets at all.
  case none
  /// The host's.
  case host
}

/// What the table depends on.
public struct GatePolicy: Sendable {
  public var isolation: IsolationLevel
  public var network: NetworkAccess
  /// Which gate carries path calls whose answer is a value.
  public var gate: GateKind
  /// What the mmap calls of the trampoline's table carry.
  public var layout: TrampolineLayout

  public init(
    isolation: IsolationLevel, network: NetworkAccess, gate: GateKind, layout: TrampolineLayout
  ) {
    self.isolation = isolation
    self.network = network
    self.gate = gate
    self.layout = layout
  }
}

/// The policy of every system call number.
public struct DispositionTable: Sendable {
  /// Indexed by number; nil is ENOSYS.
  public private(set) var policies: [CallPolicy?]
  /// The level the table was made for.
  public let isolation: IsolationLevel

  /// One more than the highest number that is looked at.
  public static let count = SystemCallName.count

  /// What applies to this call.
  public func disposition(of call: SystemCall) -> Disposition {
    guard call.number >= 0, call.number < Self.count, let policy = policies[call.number] else { return .errno(ENOSYS) }
    return policy.disposition(of: call)
  }

  /// Some call with this number may reach the tracer. A guest's own filter can send it any other number.
  public func mayTrace(_ number: Int) -> Bool {
    guard number >= 0, number < Self.count, let policy = policies[number] else { return false }
    return policy.otherwise == .trace || policy.rules.contains { $0.disposition == .trace }
  }

  /// Some call with this number may be held for the notify worker.
  public func mayNotify(_ number: Int) -> Bool {
    guard number >= 0, number < Self.count, let policy = policies[number] else { return false }
    return policy.otherwise == .notify || policy.rules.contains { $0.disposition == .notify }
  }

  /// The table for one sandbox.
  public init(_ policy: GatePolicy) {
    isolation = policy.isolation
    policies = [CallPolicy?](repeating: nil, count: Self.count)
    set(.native, Self.nativeCalls)
    set(.errno(EPERM), Self.privilegedCalls)
    set(.errno(ENOSYS), Self.absentCalls)
    set(.errno(0), [SYS_sync])
    set(.errno(EACCES), [SYS_perf_event_open])
    set(.errno(EOPNOTSUPP), [SYS_name_to_handle_at])
    set(.notify, [SYS_open, SYS_creat, SYS_openat, SYS_openat2, SYS_inotify_init, SYS_inotify_init1])
    set(.trace, Self.pathCalls + Self.descriptorCalls + Self.identityCalls + Self.watchedCalls)
    if policy.gate == .notify { routeByNotify() }

    // The tracer, which binds a busy guest to its own CPU, sees to it that no guest notices.
    set(.trace, [SYS_sched_getaffinity, SYS_sched_setaffinity])
    setMemory(policy)
    setProcesses(policy)
    setSockets(policy)
    setControl(policy)
  }

  private mutating func set(_ disposition: Disposition, _ numbers: [CInt]) {
    for number in numbers { policies[Int(number)] = CallPolicy(otherwise: disposition) }
  }

  private mutating func set(_ number: CInt, _ rules: ArgumentRule..., otherwise: Disposition) {
    policies[Int(number)] = CallPolicy(rules, otherwise: otherwise)
  }

  // MARK: - The parts that need arguments

  /// A file mapping is recorded; an anonymous one and those of the trampoline's table are the kernel's own affair.
  private mutating func setMemory(_ policy: GatePolicy) {
    let upper: UInt64 = 0xffff_ffff_0000_0000
    set(
      SYS_mmap,
      ArgumentRule(.native, when: .anyBit(3, UInt32(MAP_ANONYMOUS))),
      ArgumentRule(
        .native,
        when: .equal(argument: 3, mask: upper, value: policy.layout.flagsSecret & upper),
        .equal(argument: 4, mask: upper, value: policy.layout.descriptorSecret & upper)),
      otherwise: .trace)
    // Of another process only what ptrace access allows; of oneself, NUMA libraries ask.
    set(SYS_move_pages, ArgumentRule(.native, when: .int(0, 0)), otherwise: .errno(EPERM))
    set(SYS_migrate_pages, ArgumentRule(.native, when: .int(0, 0)), otherwise: .errno(EPERM))
  }

  /// RLIMIT_CORE as the second argument: the kernel's is not what guests see.
  private static let coreLimit = ArgumentRule(.trace, when: .int(1, 4))

  private mutating func setProcesses(_ policy: GatePolicy) {
    for number in [SYS_getrlimit, SYS_setrlimit] {
      set(number, ArgumentRule(.trace, when: .int(0, 4)), otherwise: .native)
    }
    let newNamespaces: UInt32 = 0x7e02_0000
    let untraced: UInt32 = 0x0080_0000
    set(SYS_clone, ArgumentRule(.errno(EPERM), when: .anyBit(0, newNamespaces | untraced)), otherwise: .native)
    // The flags of clone3 lie in memory, and CLONE_UNTRACED among them would make a child that nothing stops. The C library
    // falls back to clone.
    set(.errno(ENOSYS), [SYS_clone3])
    let unshareable: UInt32 = 0x200 | 0x400 | 0x4_0000  // CLONE_FS, CLONE_FILES, CLONE_SYSVSEM
    set(SYS_unshare, ArgumentRule(.trace, when: .noBit(0, ~unshareable)), otherwise: .errno(EPERM))

    switch policy.isolation {
    case .full:
      // The pid namespace bounds all but the process group, which reaches the caller's own processes.
      set(SYS_kill, ArgumentRule(.trace, when: .oneOf(argument: 0, [0, UInt32.max])), otherwise: .native)
      set(.native, Self.processCalls)
      set(SYS_prlimit64, Self.coreLimit, ArgumentRule(.trace, when: .int(0, 1)), otherwise: .native)
      set(.trace, [SYS_pidfd_send_signal])
      set(SYS_setpriority, ArgumentRule(.errno(EPERM), when: .int(0, 1)), otherwise: .native)
      set(SYS_ioprio_set, ArgumentRule(.errno(EPERM), when: .int(0, 2)), otherwise: .native)
      set(.native, Self.systemVCalls)
    case .noNamespaces:
      set(.trace, [SYS_kill, SYS_setpriority, SYS_getpriority, SYS_ioprio_set, SYS_ioprio_get] + Self.processCalls)
      // Whether there is a process of that number is nothing to learn either.
      let ofOneself = [
        SYS_prlimit64, SYS_getpgid, SYS_getsid, SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_setattr,
        SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_getattr, SYS_sched_rr_get_interval, SYS_get_robust_list,
      ]
      for number in ofOneself {
        set(number, ArgumentRule(.native, when: .int(0, 0)), otherwise: .trace)
      }
      // A negative clock is the CPU time of a process, by its number (`man 3 clock_getcpuclockid`); -8 to -1 are one's own.
      for number in [SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_timer_create] {
        set(
          number, ArgumentRule(.native, when: .noBit(0, 0x8000_0000)),
          ArgumentRule(.native, when: .equal(argument: 0, mask: 0xffff_fff8, value: 0xffff_fff8)), otherwise: .trace)
      }
      set(SYS_prlimit64, Self.coreLimit, ArgumentRule(.native, when: .int(0, 0)), otherwise: .trace)
      set(.errno(ENOSYS), Self.systemVCalls)
      // The store is bounded by measuring it, and one call could take all of the disk before that.
      set(.trace, [SYS_fallocate])
    }
  }

  private mutating func setSockets(_ policy: GatePolicy) {
    let unix = UInt32(AF_UNIX)
    let internet = ArgumentTest.oneOf(argument: 0, [UInt32(AF_INET), UInt32(AF_INET6)])
    let route = ArgumentRule(.native, when: .int(0, 16), .int(2, 0))
    let refused = Disposition.errno(EAFNOSUPPORT)
    // `sock_no_socketpair`: the families of socket(2), and netlink, make no pairs.
    let unpaired = ArgumentRule(
      .errno(EOPNOTSUPP), when: .oneOf(argument: 0, [UInt32(AF_INET), UInt32(AF_INET6), 16]))
    // A destination may be the path of a socket.
    let isConnected = ArgumentRule(.native, when: .equal(argument: 4, mask: .max, value: 0))
    set(SYS_sendto, isConnected, otherwise: .trace)
    set(SYS_recvfrom, isConnected, otherwise: .trace)
    // So may the one in a message's header, where the kernel would look it up in an empty root. And a message may carry
    // descriptors, of files that move at copy-up.
    set(.trace, [SYS_sendmsg])
    switch policy.isolation {
    case .full:
      set(
        SYS_socket, ArgumentRule(.native, when: .int(0, unix)), ArgumentRule(.native, when: internet), route,
        otherwise: refused)
      set(SYS_socketpair, ArgumentRule(.native, when: .int(0, unix)), unpaired, otherwise: refused)
    case .noNamespaces:
      // A datagram of an AF_UNIX socket names its receiver in memory, and the kernel would look that name up on the
      // host: no such sockets. Type 3, SOCK_RAW, is a datagram socket too (unix_create).
      let datagram = ArgumentRule(
        .errno(EACCES), when: .int(0, unix), .equal(argument: 1, mask: 0xf, value: 2))
      let raw = ArgumentRule(.errno(EACCES), when: .int(0, unix), .equal(argument: 1, mask: 0xf, value: 3))
      set(
        SYS_socket, datagram, raw, ArgumentRule(.native, when: .int(0, unix)),
        ArgumentRule(policy.network == .host ? .native : .errno(EACCES), when: internet), otherwise: refused)
      set(SYS_socketpair, datagram, raw, ArgumentRule(.native, when: .int(0, unix)), unpaired, otherwise: refused)
    }
  }

  private mutating func setControl(_ policy: GatePolicy) {
    // TIOCSPGRP names a process group.
    let naming = ArgumentRule(policy.isolation == .full ? .native : .trace, when: .int(1, 0x5410))
    // Without a network namespace the interfaces are the host's: of a guest without a network there are none.
    let areTheHosts = policy.isolation == .noNamespaces && policy.network == .none
    let interfaces = areTheHosts ? Disposition.errno(ENODEV) : .native
    set(
      SYS_ioctl, ArgumentRule(.errno(EPERM), when: .oneOf(argument: 1, ArgumentLists.refusedControls)),
      naming,
      ArgumentRule(.native, when: .oneOf(argument: 1, ArgumentLists.nativeControls)),
      ArgumentRule(interfaces, when: .oneOf(argument: 1, ArgumentLists.interfaceControls)), otherwise: .errno(ENOTTY))
    let binding = ArgumentRule(
      interfaces, when: .int(1, UInt32(SOL_SOCKET)), .oneOf(argument: 2, ArgumentLists.interfaceOptions))
    set(SYS_setsockopt, binding, otherwise: .native)
    set(
      SYS_prctl,
      ArgumentRule(.native, when: .int(0, 35), .oneOf(argument: 1, [14, 15])),  // PR_SET_MM: MAP, MAP_SIZE
      ArgumentRule(.errno(EPERM), when: .int(0, 35)),
      ArgumentRule(.trace, when: .int(0, 22), .equal(argument: 1, mask: .max, value: 2)),  // SECCOMP_MODE_FILTER
      ArgumentRule(.native, when: .oneOf(argument: 0, ArgumentLists.nativeProcessControls)),
      ArgumentRule(.trace, when: .oneOf(argument: 0, ArgumentLists.servedProcessControls)), otherwise: .errno(EINVAL))
    // One listener a filter chain: a second one is refused by the kernel with this error. What else is added is copied.
    set(
      SYS_seccomp, ArgumentRule(.errno(EBUSY), when: .anyBit(1, 8)), ArgumentRule(.trace, when: .int(0, 1)),
      otherwise: .native)
    // POSIX_FADV_DONTNEED alone acts on more than the descriptor.
    set(SYS_fadvise64, ArgumentRule(.trace, when: .int(3, 4)), otherwise: .native)
    let served = ArgumentRule(.trace, when: .oneOf(argument: 1, ArgumentLists.servedDescriptorControls))
    let native = ArgumentRule(.native, when: .oneOf(argument: 1, ArgumentLists.nativeDescriptorControls))
    switch policy.isolation {
    case .full: set(SYS_fcntl, served, native, otherwise: .errno(EINVAL))
    case .noNamespaces:
      set(
        SYS_fcntl, served, ArgumentRule(.trace, when: .int(1, 8)), ArgumentRule(.errno(EPERM), when: .int(1, 15)),
        native,
        otherwise: .errno(EINVAL))
    }
  }

  /// `--gate notify`: path calls that are answered with a value and never run in the kernel.
  private mutating func routeByNotify() {
    set(.notify, Self.pathCalls)
    let emptyPath: UInt32 = 0x1000
    // On a descriptor that is not ours these run natively, which only the tracer can arrange.
    set(SYS_newfstatat, ArgumentRule(.trace, when: .anyBit(3, emptyPath)), otherwise: .notify)
    set(SYS_statx, ArgumentRule(.trace, when: .anyBit(2, emptyPath)), otherwise: .notify)
    set(SYS_fchownat, ArgumentRule(.trace, when: .anyBit(4, emptyPath)), otherwise: .notify)
    set(
      SYS_utimensat, ArgumentRule(.trace, when: .equal(argument: 1, mask: ~0, value: 0)), otherwise: .notify)
    set(
      SYS_futimesat, ArgumentRule(.trace, when: .equal(argument: 1, mask: ~0, value: 0)), otherwise: .notify)
    // The empty path and AT_EMPTY_PATH of the others need no kernel: they name nodes of ours or fail.
    set(.trace, [452])
  }
}
