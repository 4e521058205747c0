// Arguments that are one of several constants: commands, signals, options.

import LinuxABI

/// An `int` that is one of the kernel's constants.
protocol NamedArgument: CallArgument, RawRepresentable, Equatable where RawValue == CInt {
  init(rawValue: CInt)
  static var names: [(CInt, StaticString)] { get }
}

extension NamedArgument {
  init(register: UInt64) { self.init(rawValue: CInt(truncatingIfNeeded: register)) }

  func shown(_ strings: TracedStrings) -> TraceValue {
    Self.names.first { $0.0 == rawValue }.map { .word($0.1) } ?? .integer(Int(rawValue))
  }
}

/// A signal (`man 7 signal`, the numbers of x86-64).
extension Signal: NamedArgument {
  static var names: [(CInt, StaticString)] {
    let names: [StaticString] = [
      "0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
      "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
      "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR",
      "SIGSYS",
    ]
    return names.enumerated().map { (CInt($0.offset), $0.element) }
  }
}

/// An address family (include/linux/socket.h).
struct SocketDomain: NamedArgument {
  let rawValue: CInt
  static var names: [(CInt, StaticString)] {
    [
      (0, "AF_UNSPEC"), (1, "AF_UNIX"), (2, "AF_INET"), (10, "AF_INET6"), (16, "AF_NETLINK"), (17, "AF_PACKET"),
      (31, "AF_BLUETOOTH"), (38, "AF_ALG"), (40, "AF_VSOCK"), (44, "AF_XDP"),
    ]
  }
}

/// The type of a socket, and two flags that have the values of O_CLOEXEC and O_NONBLOCK.
struct SocketKind: CallArgument {
  let rawValue: UInt32

  init(register: UInt64) { rawValue = UInt32(truncatingIfNeeded: register) }

  func shown(_ strings: TracedStrings) -> TraceValue {
    let types: [StaticString] = ["", "SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET"]
    let type = Int(rawValue & 0xf)
    guard type > 0, type < types.count else { return .hexadecimal(UInt64(rawValue)) }
    var names = [types[type]]
    if rawValue & 0o2000000 != 0 { names.append("SOCK_CLOEXEC") }
    if rawValue & 0o4000 != 0 { names.append("SOCK_NONBLOCK") }
    return .flags(names, rest: UInt64(rawValue & ~(0xf | 0o2004000)))
  }
}

/// A command of fcntl(2).
struct DescriptorCommand: NamedArgument {
  let rawValue: CInt
  static let getFlags = DescriptorCommand(rawValue: 3)
  static let getLock = DescriptorCommand(rawValue: 5)
  static let setLock = DescriptorCommand(rawValue: 6)
  static let setLockWaiting = DescriptorCommand(rawValue: 7)
  static let setOwner = DescriptorCommand(rawValue: 8)
  static let getDescriptionLock = DescriptorCommand(rawValue: 36)
  static let setDescriptionLock = DescriptorCommand(rawValue: 37)
  static let setDescriptionLockWaiting = DescriptorCommand(rawValue: 38)
  static var names: [(CInt, StaticString)] {
    [
      (0, "F_DUPFD"), (1, "F_GETFD"), (2, "F_SETFD"), (3, "F_GETFL"), (4, "F_SETFL"), (5, "F_GETLK"), (6, "F_SETLK"),
      (7, "F_SETLKW"), (8, "F_SETOWN"), (9, "F_GETOWN"), (10, "F_SETSIG"), (11, "F_GETSIG"), (15, "F_SETOWN_EX"),
      (16, "F_GETOWN_EX"), (17, "F_GETOWNER_UIDS"), (36, "F_OFD_GETLK"), (37, "F_OFD_SETLK"), (38, "F_OFD_SETLKW"),
      (1024, "F_SETLEASE"), (1025, "F_GETLEASE"), (1026, "F_NOTIFY"), (1027, "F_DUPFD_QUERY"),
      (1028, "F_CREATED_QUERY"), (1030, "F_DUPFD_CLOEXEC"), (1031, "F_SETPIPE_SZ"), (1032, "F_GETPIPE_SZ"),
      (1033, "F_ADD_SEALS"), (1034, "F_GET_SEALS"), (1035, "F_GET_RW_HINT"), (1036, "F_SET_RW_HINT"),
      (1037, "F_GET_FILE_RW_HINT"), (1038, "F_SET_FILE_RW_HINT"),
    ]
  }
}

/// An option of prctl(2).
extension ProcessOption: NamedArgument {
  static var names: [(CInt, StaticString)] {
    [
      (1, "PR_SET_PDEATHSIG"), (2, "PR_GET_PDEATHSIG"), (3, "PR_GET_DUMPABLE"), (4, "PR_SET_DUMPABLE"),
      (7, "PR_GET_KEEPCAPS"), (8, "PR_SET_KEEPCAPS"), (13, "PR_GET_TIMING"), (14, "PR_SET_TIMING"),
      (15, "PR_SET_NAME"), (16, "PR_GET_NAME"), (21, "PR_GET_SECCOMP"), (22, "PR_SET_SECCOMP"), (23, "PR_CAPBSET_READ"),
      (24, "PR_CAPBSET_DROP"), (25, "PR_GET_TSC"), (26, "PR_SET_TSC"), (27, "PR_GET_SECUREBITS"),
      (28, "PR_SET_SECUREBITS"), (29, "PR_SET_TIMERSLACK"), (30, "PR_GET_TIMERSLACK"),
      (31, "PR_TASK_PERF_EVENTS_DISABLE"), (32, "PR_TASK_PERF_EVENTS_ENABLE"), (33, "PR_MCE_KILL"),
      (34, "PR_MCE_KILL_GET"), (35, "PR_SET_MM"), (36, "PR_SET_CHILD_SUBREAPER"), (37, "PR_GET_CHILD_SUBREAPER"),
      (38, "PR_SET_NO_NEW_PRIVS"), (39, "PR_GET_NO_NEW_PRIVS"), (40, "PR_GET_TID_ADDRESS"), (41, "PR_SET_THP_DISABLE"),
      (42, "PR_GET_THP_DISABLE"), (47, "PR_CAP_AMBIENT"), (52, "PR_GET_SPECULATION_CTRL"),
      (53, "PR_SET_SPECULATION_CTRL"), (65, "PR_SET_MDWE"), (66, "PR_GET_MDWE"), (78, "PR_FUTEX_HASH"),
      (0x5356_4d41, "PR_SET_VMA"), (0x4155_5856, "PR_GET_AUXV"),
    ]
  }
}

/// A command of ioctl(2) that a gate may stop.
struct DeviceCommand: NamedArgument {
  let rawValue: CInt
  /// TIOCSPGRP.
  static let setForegroundGroup = DeviceCommand(rawValue: 0x5410)
  static var names: [(CInt, StaticString)] { [(0x5410, "TIOCSPGRP")] }
}

/// An operation of flock(2): one of three, and LOCK_NB.
extension LockOperation: CallArgument {
  init(register: UInt64) { self.init(rawValue: CInt(truncatingIfNeeded: register)) }

  func shown(_ strings: TracedStrings) -> TraceValue {
    let name: StaticString
    switch kind {
    case .shared: name = "LOCK_SH"
    case .exclusive: name = "LOCK_EX"
    case .unlock: name = "LOCK_UN"
    case nil: return .hexadecimal(UInt64(UInt32(bitPattern: rawValue)))
    }
    return .flags(mayWait ? [name] : [name, "LOCK_NB"], rest: 0)
  }
}

/// An operation of seccomp(2).
struct SeccompOperation: NamedArgument {
  let rawValue: CInt
  static var names: [(CInt, StaticString)] {
    [
      (0, "SECCOMP_SET_MODE_STRICT"), (1, "SECCOMP_SET_MODE_FILTER"), (2, "SECCOMP_GET_ACTION_AVAIL"),
      (3, "SECCOMP_GET_NOTIF_SIZES"),
    ]
  }
}

/// POSIX_FADV_... of fadvise64(2).
struct FileAdvice: NamedArgument {
  let rawValue: CInt
  static var names: [(CInt, StaticString)] {
    [
      (0, "POSIX_FADV_NORMAL"), (1, "POSIX_FADV_RANDOM"), (2, "POSIX_FADV_SEQUENTIAL"), (3, "POSIX_FADV_WILLNEED"),
      (4, "POSIX_FADV_DONTNEED"), (5, "POSIX_FADV_NOREUSE"),
    ]
  }
}

/// Whose nice value: PRIO_... of getpriority(2).
struct PriorityTarget: NamedArgument {
  let rawValue: CInt
  static let process = PriorityTarget(rawValue: 0)
  static let group = PriorityTarget(rawValue: 1)
  static let user = PriorityTarget(rawValue: 2)
  static var names: [(CInt, StaticString)] { [(0, "PRIO_PROCESS"), (1, "PRIO_PGRP"), (2, "PRIO_USER")] }
}

/// Whose I/O priority: IOPRIO_WHO_... of ioprio_get(2).
struct InputPriorityTarget: NamedArgument {
  let rawValue: CInt
  static let process = InputPriorityTarget(rawValue: 1)
  static let group = InputPriorityTarget(rawValue: 2)
  static let user = InputPriorityTarget(rawValue: 3)
  static var names: [(CInt, StaticString)] {
    [(1, "IOPRIO_WHO_PROCESS"), (2, "IOPRIO_WHO_PGRP"), (3, "IOPRIO_WHO_USER")]
  }
}

/// A resource of getrlimit(2).
extension Resource: NamedArgument {
  static var names: [(CInt, StaticString)] {
    let names: [StaticString] = [
      "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC",
      "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE",
      "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
    ]
    return names.enumerated().map { (CInt($0.offset), $0.element) }
  }
}

/// A clock. A negative number is the CPU time of a process or thread, or a clock behind a descriptor: the complement of the
/// process's number or of the descriptor, and three bits (`man 3 clock_getcpuclockid`, kernel/time/posix-timers.h).
struct Clock: NamedArgument {
  let rawValue: CInt
  static var names: [(CInt, StaticString)] {
    let names: [StaticString] = [
      "CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID",
      "CLOCK_MONOTONIC_RAW", "CLOCK_REALTIME_COARSE", "CLOCK_MONOTONIC_COARSE", "CLOCK_BOOTTIME",
      "CLOCK_REALTIME_ALARM", "CLOCK_BOOTTIME_ALARM", "CLOCK_SGI_CYCLE", "CLOCK_TAI",
    ]
    return names.enumerated().map { (CInt($0.offset), $0.element) }
  }

  /// Whose CPU time it is: a thread's or process's number, 0 for the caller. Nil for another clock.
  var thread: CInt? { rawValue >= 0 || rawValue & 7 == 3 ? nil : ~(rawValue >> 3) }
}
