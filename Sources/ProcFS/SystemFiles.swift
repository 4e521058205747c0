// The files of /proc that are about the machine. What is passed through from the host is named here, file by file; a file
// that is not named does not exist inside. None of them shows the host's processes, keys, symbols or memory.

import KernFS
import LinuxABI
import VFS

/// A file with the bytes of one of the host's.
final class HostFile: DynamicFile {
  private let path: StaticString

  init(_ filesystem: ProcFilesystem, _ path: StaticString) {
    self.path = path
    super.init(filesystem)
  }

  override func content() throws(Errno) -> [UInt8] { try proc.host.read(path) }
}

/// /proc/sys, filled when it is first looked into: a sandbox that starts is not to pay for a hundred files.
final class SettingsDirectory: DynamicDirectory {
  private lazy var tree: StaticDirectory = SystemFiles.settings(proc)

  override func lookup(_ name: Name) throws(Errno) -> Inode? { try tree.lookup(name) }

  override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    try tree.iterate(from: cursor, body)
  }
}

enum SystemFiles {
  /// Paths below /proc that are passed through where this kernel has them.
  private static let passed: [StaticString] = [
    "buddyinfo", "cgroups", "cmdline", "cpuinfo", "crypto", "devices", "diskstats", "filesystems", "interrupts",
    "meminfo",
    "misc", "partitions", "softirqs", "stat", "swaps", "tty/drivers", "uptime", "version", "vmstat",
  ]

  /// The same below /proc/sys.
  private static let passedSettings: [StaticString] = [
    "sys/fs/aio-max-nr", "sys/fs/aio-nr", "sys/fs/dentry-state", "sys/fs/epoll/max_user_watches", "sys/fs/file-max",
    "sys/fs/file-nr", "sys/fs/inode-nr", "sys/fs/inode-state", "sys/fs/inotify/max_queued_events",
    "sys/fs/inotify/max_user_instances", "sys/fs/inotify/max_user_watches", "sys/fs/lease-break-time",
    "sys/fs/leases-enable", "sys/fs/mqueue/msg_default", "sys/fs/mqueue/msg_max", "sys/fs/mqueue/msgsize_default",
    "sys/fs/mqueue/msgsize_max", "sys/fs/mqueue/queues_max", "sys/fs/nr_open", "sys/fs/overflowgid",
    "sys/fs/overflowuid", "sys/fs/pipe-max-size", "sys/fs/pipe-user-pages-hard", "sys/fs/pipe-user-pages-soft",
    "sys/fs/protected_fifos", "sys/fs/protected_hardlinks", "sys/fs/protected_regular", "sys/fs/protected_symlinks",
    "sys/fs/suid_dumpable",

    "sys/kernel/cap_last_cap", "sys/kernel/core_pattern", "sys/kernel/core_pipe_limit", "sys/kernel/core_uses_pid",
    "sys/kernel/dmesg_restrict", "sys/kernel/kptr_restrict", "sys/kernel/msgmax", "sys/kernel/msgmnb",
    "sys/kernel/msgmni", "sys/kernel/ngroups_max", "sys/kernel/osrelease", "sys/kernel/ostype",
    "sys/kernel/overflowgid", "sys/kernel/overflowuid", "sys/kernel/panic", "sys/kernel/perf_event_paranoid",
    "sys/kernel/pid_max", "sys/kernel/printk", "sys/kernel/pty/max", "sys/kernel/pty/nr",
    "sys/kernel/random/boot_id", "sys/kernel/random/entropy_avail", "sys/kernel/random/poolsize",
    "sys/kernel/random/uuid", "sys/kernel/randomize_va_space", "sys/kernel/sched_rt_period_us",
    "sys/kernel/sched_rt_runtime_us", "sys/kernel/seccomp/actions_avail", "sys/kernel/seccomp/actions_logged",
    "sys/kernel/sem", "sys/kernel/shm_next_id", "sys/kernel/shm_rmid_forced", "sys/kernel/shmall",
    "sys/kernel/shmmax", "sys/kernel/shmmni", "sys/kernel/sysrq", "sys/kernel/tainted", "sys/kernel/threads-max",
    "sys/kernel/version",

    "sys/net/core/netdev_max_backlog", "sys/net/core/optmem_max", "sys/net/core/rmem_default", "sys/net/core/rmem_max",
    "sys/net/core/somaxconn", "sys/net/core/wmem_default", "sys/net/core/wmem_max", "sys/net/ipv4/ip_default_ttl",
    "sys/net/ipv4/ip_forward", "sys/net/ipv4/ip_local_port_range", "sys/net/ipv4/ip_unprivileged_port_start",
    "sys/net/ipv4/tcp_available_congestion_control", "sys/net/ipv4/tcp_congestion_control",
    "sys/net/ipv4/tcp_fin_timeout", "sys/net/ipv4/tcp_keepalive_intvl", "sys/net/ipv4/tcp_keepalive_probes",
    "sys/net/ipv4/tcp_keepalive_time", "sys/net/ipv4/tcp_max_syn_backlog", "sys/net/ipv4/tcp_rmem",
    "sys/net/ipv4/tcp_sack", "sys/net/ipv4/tcp_syncookies", "sys/net/ipv4/tcp_timestamps",
    "sys/net/ipv4/tcp_tw_reuse", "sys/net/ipv4/tcp_window_scaling", "sys/net/ipv4/tcp_wmem",
    "sys/net/ipv6/conf/all/disable_ipv6", "sys/net/unix/max_dgram_qlen",

    "sys/vm/dirty_background_ratio", "sys/vm/dirty_ratio", "sys/vm/max_map_count", "sys/vm/mmap_min_addr",
    "sys/vm/nr_hugepages", "sys/vm/overcommit_kbytes", "sys/vm/overcommit_memory", "sys/vm/overcommit_ratio",
    "sys/vm/swappiness",
  ]

  /// The fixed part of /proc, but for `self`.
  static func tree(_ filesystem: ProcFilesystem) -> StaticDirectory {
    let root = StaticDirectory(filesystem)
    for path in passed where filesystem.host.has(path) { add(HostFile(filesystem, path), at: path, below: root) }
    let loads = ProducedFile(filesystem) { [unowned filesystem] () throws(Errno) in
      loadAverages(try filesystem.host.read("loadavg"), filesystem.source)
    }
    root.populate("loadavg", loads)
    // No modules to see and none to load.
    root.populate("modules", ProducedFile(filesystem) { () throws(Errno) in [] })
    root.populate("sys", SettingsDirectory(filesystem))
    let links: [(StaticString, StaticString)] = [("mounts", "self/mounts"), ("net", "self/net")]
    for (name, target) in links {
      let link = Symlink(filesystem, to: target)
      link.linkCount = 1
      root.populate(name, link)
    }
    return root
  }

  /// What is below /proc/sys.
  static func settings(_ filesystem: ProcFilesystem) -> StaticDirectory {
    // The paths begin at /proc: this stands for it and is not seen.
    let top = StaticDirectory(filesystem)
    for path in passedSettings where filesystem.host.has(path) {
      add(HostFile(filesystem, path), at: path, below: top)
    }
    let names: [(StaticString, (any ProcessSource) -> [UInt8])] = [
      ("sys/kernel/hostname", { $0.hostName() }), ("sys/kernel/domainname", { $0.domainName() }),
    ]
    for (path, name) in names {
      let file = ProducedFile(filesystem) { [unowned filesystem] () throws(Errno) in
        name(filesystem.source) + [Text.newline]
      }
      add(file, at: path, below: top)
    }
    return Name.with("sys") { top.directory($0) }
  }

  /// `/proc/loadavg`, whose last field is the newest process: the newest of the inside.
  static func loadAverages(_ host: [UInt8], _ source: any ProcessSource) -> [UInt8] {
    guard let space = host.lastIndex(of: Text.space) else { return host }
    return host[...space] + Text.line(Int64(source.processes().max() ?? 0))
  }

  /// Puts `file` at a path, and directories where they are missing.
  private static func add(_ file: KernInode, at path: StaticString, below root: StaticDirectory) {
    let components = Text.bytes(path).split(separator: 0x2f).map { [UInt8]($0) }
    var directory = root
    for component in components.dropLast() {
      Name.with(component) { directory = directory.directory($0) }
    }
    guard let last = components.last else { return }
    Name.with(last) { directory.populate($0, file) }
  }
}
