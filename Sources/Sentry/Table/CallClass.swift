// Sets of calls by what they are about, as strace(1) has them after `-e trace=%`.

import Gate

/// A set of calls.
public enum CallClass: String, CaseIterable, Sendable {
  /// They take the name of a file.
  case file
  case network, process, memory
  /// They take or give a descriptor.
  case desc
  case ipc, signal

  /// The numbers of its calls.
  public var numbers: Set<Int> {
    var result: Set<Int> = []
    for case let row? in SystemCallTable.all.rows {
      let name = row.name.description
      switch self {
      case .file where row.arguments.contains { $0.isPath }: result.insert(row.number)
      case .desc where row.arguments.contains { $0.isDescriptor }: result.insert(row.number)
      default: if names.contains(name) { result.insert(row.number) }
      }
    }
    return result
  }

  /// Calls that belong to the set by their names, not by their arguments.
  package var names: Set<String> {
    switch self {
    case .file: ["getcwd", "execve", "execveat", "quotactl", "mount_setattr", "open_tree"]
    case .network:
      [
        "socket", "socketpair", "bind", "connect", "listen", "accept", "accept4", "getsockname", "getpeername",
        "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "setsockopt", "getsockopt", "shutdown",
      ]
    case .process:
      [
        "fork", "vfork", "clone", "clone3", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "kill",
        "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal", "unshare",
        "setns",
        "ptrace",
      ]
    case .memory:
      [
        "brk", "mmap", "munmap", "mremap", "mprotect", "pkey_mprotect", "pkey_alloc", "pkey_free", "madvise",
        "process_madvise", "msync", "mincore", "mlock", "mlock2", "munlock", "mlockall", "munlockall", "mseal", "mbind",
        "get_mempolicy", "set_mempolicy", "set_mempolicy_home_node", "migrate_pages", "move_pages", "remap_file_pages",
        "map_shadow_stack", "shmat", "shmdt",
      ]
    case .desc:
      [
        "open", "creat", "socket", "socketpair", "pipe", "pipe2", "epoll_create", "epoll_create1", "eventfd",
        "eventfd2",
        "signalfd", "inotify_init", "inotify_init1", "fanotify_init", "memfd_create", "memfd_secret", "timerfd_create",
        "userfaultfd", "pidfd_open", "mq_open", "bpf", "perf_event_open", "poll", "ppoll", "select", "pselect6", "mmap",
        "open_by_handle_at", "io_uring_setup", "landlock_create_ruleset", "fsopen",
      ]
    case .ipc:
      [
        "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv",
        "msgctl", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr",
      ]
    case .signal:
      [
        "kill", "tkill", "tgkill", "pause", "rt_sigaction", "rt_sigprocmask", "rt_sigpending", "rt_sigsuspend",
        "rt_sigtimedwait", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "rt_sigreturn", "sigaltstack", "signalfd",
        "signalfd4",
        "pidfd_send_signal",
      ]
    }
  }
}

extension SystemCallTable {
  /// The number of a call; nil if Linux 6.18 has none of that name.
  public static func number(named name: String) -> Int? {
    all.rows.compactMap(\.self).first { $0.name.description == name }?.number
  }

  /// Every name, for what resembles one.
  public static var names: [String] { all.rows.compactMap { $0?.name.description } }

  /// No sandbox stops the call, or refuses it: the kernel runs it, and a trace never shows it.
  public static func isAlwaysNative(_ number: Int) -> Bool {
    IsolationLevel.allCases.allSatisfy { isolation in
      let policy = row(number)?.treatment.policy(
        GatePolicy(
          isolation: isolation, network: .none, gate: .trace,
          layout: TrampolineLayout(flagsSecret: 0, descriptorSecret: 0), countsTasks: true, servesHostName: true))
      return policy.map { ([$0.otherwise] + $0.rules.map(\.disposition)).allSatisfy { $0 == .native } } ?? false
    }
  }
}
