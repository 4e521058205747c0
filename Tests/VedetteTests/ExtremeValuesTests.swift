// Every handler, with extreme values of every argument, of every word of the structures it reads, and of the offsets and
// sizes that a guest sets natively. What is tested is that the process is there afterwards: Swift ends it where a sum, a
// conversion or a subscript does not fit.

import CLinux
import Gate
import LinuxABI
import TestSupport
import Testing

@testable import Sentry

@Suite(.serialized) struct ExtremeValuesTests {
  /// What the arguments of each served call are: directory descriptor, path, program, name of an attribute, buffer, structure that
  /// is read, file, lower file, socket, inotify descriptor, mounted device, size, other number.
  static let calls: [(CInt, String)] = [
    (SYS_stat, "pb"), (SYS_lstat, "pb"), (SYS_fstat, "fb"), (SYS_newfstatat, "dpbi"), (SYS_statx, "dpiib"),
    (SYS_access, "pi"), (SYS_faccessat, "dpi"), (439, "dpii"), (SYS_readlink, "pbz"), (SYS_readlinkat, "dpbz"),
    (SYS_statfs, "pb"), (SYS_ustat, "mb"), (SYS_fstatfs, "fb"),
    (SYS_open, "pii"), (SYS_creat, "pi"), (SYS_openat, "dpii"), (SYS_openat2, "dpsz"),
    (SYS_mkdir, "pi"), (SYS_mkdirat, "dpi"), (SYS_mknod, "pii"), (SYS_mknodat, "dpii"), (SYS_symlink, "pp"),
    (SYS_symlinkat, "pdp"), (SYS_link, "pp"), (SYS_linkat, "dpdpi"), (SYS_unlink, "p"), (SYS_unlinkat, "dpi"),
    (SYS_rmdir, "p"), (SYS_rename, "pp"), (SYS_renameat, "dpdp"), (SYS_renameat2, "dpdpi"),
    (SYS_chmod, "pi"), (SYS_fchmod, "fi"), (SYS_fchmodat, "dpi"), (452, "dpii"), (SYS_chown, "pii"),
    (SYS_lchown, "pii"), (SYS_fchown, "fii"), (SYS_fchownat, "dpiii"), (SYS_utime, "ps"), (SYS_utimes, "ps"),
    (SYS_futimesat, "dps"), (SYS_utimensat, "dpsi"), (SYS_truncate, "pz"),
    (SYS_getxattr, "pnbz"), (SYS_lgetxattr, "pnbz"), (SYS_fgetxattr, "fnbz"), (SYS_setxattr, "pnszi"),
    (SYS_lsetxattr, "pnszi"), (SYS_fsetxattr, "fnszi"), (SYS_listxattr, "pbz"), (SYS_llistxattr, "pbz"),
    (SYS_flistxattr, "fbz"), (SYS_removexattr, "pn"), (SYS_lremovexattr, "pn"), (SYS_fremovexattr, "fn"),
    (463, "dpinsz"), (464, "dpinsz"), (465, "dpibz"), (466, "dpin"),
    (SYS_getdents64, "fbz"), (SYS_getdents, "fbz"), (SYS_chdir, "p"), (SYS_fchdir, "f"), (SYS_chroot, "p"),
    (SYS_getcwd, "bz"), (SYS_umask, "i"), (SYS_execve, "xbb"), (SYS_execveat, "dxbbi"),
    (SYS_uname, "b"), (SYS_getuid, ""), (SYS_geteuid, ""), (SYS_getgid, ""), (SYS_getegid, ""), (SYS_getresuid, "bbb"),
    (SYS_getresgid, "bbb"), (SYS_setuid, "i"), (SYS_setgid, "i"), (SYS_setreuid, "ii"), (SYS_setregid, "ii"),
    (SYS_setresuid, "iii"), (SYS_setresgid, "iii"), (SYS_setfsuid, "i"), (SYS_setfsgid, "i"), (SYS_getgroups, "ib"),
    (SYS_setgroups, "is"), (SYS_capget, "sb"), (SYS_capset, "ss"), (SYS_capset, "sb"),
    (SYS_bind, "ksz"), (SYS_connect, "ksz"), (SYS_sendto, "kbzisz"), (SYS_sendmsg, "ksi"), (SYS_recvfrom, "kbzibs"),
    (SYS_getsockname, "kbs"), (SYS_getpeername, "kbs"), (SYS_socket, "iii"), (SYS_listen, "ki"),
    (SYS_recvmsg, "ksi"), (SYS_recvmmsg, "ksiis"), (SYS_sendmmsg, "ksii"),
    (SYS_kill, "ii"), (SYS_tkill, "ii"), (SYS_tgkill, "iii"), (SYS_rt_sigqueueinfo, "iis"),
    (SYS_rt_tgsigqueueinfo, "iiis"), (434, "ii"), (424, "fisi"), (SYS_prlimit64, "iiss"), (SYS_sched_setparam, "is"),
    (SYS_sched_setscheduler, "iis"), (SYS_sched_setattr, "isi"), (SYS_sched_setaffinity, "izs"), (SYS_setpgid, "ii"),
    (SYS_getpgid, "i"), (SYS_getsid, "i"), (SYS_setpriority, "iii"), (SYS_ioprio_set, "iii"), (SYS_fcntl, "fii"),
    (SYS_getpriority, "ii"), (SYS_ioprio_get, "ii"), (SYS_sched_getparam, "ib"), (SYS_sched_getscheduler, "i"),
    (SYS_sched_getattr, "ibii"), (SYS_sched_rr_get_interval, "ib"), (SYS_sched_getaffinity, "izb"),
    (SYS_get_robust_list, "ibb"), (SYS_clock_gettime, "ib"), (SYS_clock_getres, "ib"),
    (SYS_clock_nanosleep, "iisb"), (SYS_timer_create, "isb"), (SYS_ioctl, "fis"),
    (SYS_getrlimit, "is"), (SYS_setrlimit, "is"), (SYS_fcntl, "fis"), (SYS_flock, "fi"), (SYS_fsync, "f"),
    (SYS_fallocate, "fioo"),
    (SYS_fdatasync, "f"), (SYS_sync_file_range, "fzzi"),
    (SYS_fadvise64, "fzzi"), (SYS_syncfs, "f"),
    (SYS_unshare, "i"), (SYS_fork, ""), (SYS_vfork, ""), (SYS_clone, "zz"), (436, "iii"), (SYS_mmap, "bziilz"),
    (SYS_seccomp, "iis"), (SYS_prctl, "iisii"),
    (451, "fssi"), (457, "sbzi"), (458, "sbzi"),
    (SYS_inotify_init, ""), (SYS_inotify_init1, "i"), (SYS_inotify_add_watch, "cpi"), (SYS_inotify_rm_watch, "ci"),
  ]

  @Test func everyServedCallIsWalked() {
    let listed = Set(Self.calls.map { Int($0.0) })
    for number in 0..<DispositionTable.count {
      #expect(
        SystemCallTable.serves(number) == listed.contains(number), "\(SystemCallTable.name(of: number) ?? "?")")
    }
  }

  /// A value of the kind that a program would pass.
  private func plain(_ kind: Character, _ guest: ExtremeGuest, _ chance: inout SeededRandom) -> UInt64 {
    switch kind {
    case "d": guest.directories.randomElement(using: &chance) ?? 0
    case "p": guest.paths.randomElement(using: &chance) ?? 0
    case "x": chance.next() % 2 == 0 ? guest.program : guest.paths.randomElement(using: &chance) ?? 0
    case "n": guest.names.randomElement(using: &chance) ?? 0
    case "b": guest.buffer
    case "s": guest.structure
    case "f": guest.files.randomElement(using: &chance) ?? 0
    case "l": guest.lowers.randomElement(using: &chance) ?? 0
    case "k": guest.sockets.randomElement(using: &chance) ?? 0
    case "c": guest.watchers.randomElement(using: &chance) ?? 0
    case "m": guest.state.vfs.mountList.randomElement(using: &chance)?.filesystem.deviceNumber ?? 0
    case "z": [16, 24, 110, 4096].randomElement(using: &chance) ?? 0
    default: UInt64.random(in: 0...7, using: &chance)
    }
  }

  private func plain(_ kinds: String, _ guest: ExtremeGuest, _ chance: inout SeededRandom) -> [UInt64] {
    kinds.map { plain($0, guest, &chance) }
  }

  @Test(arguments: [true, false]) func argumentsOneByOneAndInPairs(_ hasPidNamespace: Bool) throws {
    let guest = try ExtremeGuest(hasPidNamespace: hasPidNamespace)
    var chance = SeededRandom(1)
    for (number, kinds) in Self.calls {
      let gate: GateKind = chance.next() % 2 == 0 ? .trace : .notify
      func call(_ changed: (Int, UInt64)...) {
        guest.fillPlainly(for: number)
        var arguments = plain(kinds, guest, &chance)
        for (index, value) in changed { arguments[index] = value }
        guest.call(number, arguments, by: gate)
      }
      for index in 0..<kinds.count {
        for value in Extreme.values + [guest.edge, guest.edge + 1] {
          if chance.next() % 4 == 0 { guest.prepare() }
          call((index, value))
        }
      }
      for (first, second) in (0..<kinds.count).flatMap({ one in (0..<one).map { ($0, one) } }) {
        for value in Extreme.few {
          if chance.next() % 4 == 0 { guest.prepare() }
          for other in Extreme.few { call((first, value), (second, other)) }
        }
      }
    }
    #expect(guest.isAlive)
  }

  @Test(arguments: [true, false]) func wordsOfStructures(_ hasPidNamespace: Bool) throws {
    let guest = try ExtremeGuest(hasPidNamespace: hasPidNamespace)
    var chance = SeededRandom(2)
    for (number, kinds) in Self.calls where kinds.contains("s") {
      guest.prepare()
      for value in Extreme.values {
        guest.fill { _ in value }
        for _ in 0..<4 { guest.call(number, plain(kinds, guest, &chance)) }
      }
      for _ in 0..<300 {
        // Pointers among them: to control messages, vectors and filters of extremes again.
        let pool = Extreme.values + [guest.structure, guest.buffer, guest.edge] + guest.paths
        var word = chance
        guest.fill { _ in pool.randomElement(using: &word) ?? 0 }
        chance = word
        // A socket's address, and halves: a word begins with a family or is two ints.
        if chance.next() % 2 == 0 {
          guest.arena.storeBytes(of: UInt16(1), toByteOffset: 4096, as: UInt16.self)
          guest.arena.storeBytes(of: UInt8(0x2f), toByteOffset: 4098, as: UInt8.self)
        }
        guest.call(number, plain(kinds, guest, &chance))
      }
    }
    #expect(guest.isAlive)
  }

  /// An offset of a directory is set by lseek(2), which runs natively on what stands for it.
  @Test func offsetsOfDirectories() throws {
    let guest = try ExtremeGuest(hasPidNamespace: true)
    guest.prepare()
    for directory in guest.directories {
      for offset in Extreme.values {
        let set = vd_syscall(Int(SYS_lseek), Int(directory), Int(bitPattern: UInt(offset)), 0, 0, 0, 0)
        guard set >= 0 else { continue }
        for (number, size) in [(SYS_getdents64, 4096), (SYS_getdents, 4096), (SYS_getdents64, 40), (SYS_getdents64, 0)]
        {
          guest.call(number, [directory, guest.buffer, UInt64(size)])
        }
      }
    }
    #expect(guest.isAlive)
  }

  /// Times that a guest sets are read, compared and shown.
  @Test func timesOfFiles() throws {
    let guest = try ExtremeGuest(hasPidNamespace: true)
    guest.prepare()
    for seconds in Extreme.values {
      for path in guest.paths {
        // Both times, then the access time alone: relatime looks at it only if it is the later one.
        for last in [2, 0] {
          guest.fill { $0 % 2 == 1 ? 999_999 : $0 <= last ? seconds : 0 }
          guest.call(SYS_utimensat, [UInt64(bitPattern: -100), path, guest.structure, 0x100])
          guest.call(SYS_utimes, [path, guest.structure])
          guest.call(SYS_utime, [path, guest.structure])
          guest.call(SYS_stat, [path, guest.buffer])
          guest.call(SYS_statx, [UInt64(bitPattern: -100), path, 0, 0xfff, guest.buffer])
          guest.call(SYS_readlink, [path, guest.buffer, 64])
        }
        guest.call(SYS_utimes, [path, guest.structure])
      }
      for directory in guest.directories {
        _ = vd_syscall(Int(SYS_lseek), Int(directory), 0, 0, 0, 0, 0)
        guest.call(SYS_getdents64, [directory, guest.buffer, 4096])
      }
    }
    // What was set is what is shown, on a file system whose times have no end.
    guest.call(SYS_mkdir, [guest.paths[7], 0o755])
    guest.fill { [UInt64(bitPattern: Int64.max), 999_999][$0 % 2] }
    #expect(guest.call(SYS_utimes, [guest.paths[7], guest.structure]) == 0)
    #expect(guest.call(SYS_stat, [guest.paths[7], guest.buffer]) == 0)
    let status = guest.arena.load(fromByteOffset: 2 * 4096, as: stat.self)
    #expect(status.st_atim.tv_sec == .max && status.st_mtim.tv_sec == .max && status.st_mtim.tv_nsec == 999_999_000)
  }

  /// What is walked gets beyond its first check: with plain arguments each call is answered with success at times.
  @Test(arguments: [true, false]) func plainArgumentsGetThrough(_ hasPidNamespace: Bool) throws {
    let guest = try ExtremeGuest(hasPidNamespace: hasPidNamespace)
    var chance = SeededRandom(3)
    var answered: Set<CInt> = []
    for (number, kinds) in Self.calls {
      for _ in 0..<400 where !answered.contains(number) {
        guest.prepare()
        guest.fillPlainly(for: number)
        if guest.call(number, plain(kinds, guest, &chance)) ?? 0 >= 0 { answered.insert(number) }
      }
    }
    // Of ioctl only TIOCSPGRP is served, which succeeds for a session with a terminal alone (ctests/job_control.c).
    // And socket is stopped where there is a network list.
    let exempt: Set<CInt> = guest.state.network == nil ? [SYS_ioctl, SYS_socket] : [SYS_ioctl]
    for number in Set(Self.calls.map(\.0)).subtracting(answered).subtracting(exempt) {
      Issue.record("\(SystemCallTable.name(of: Int(number)) ?? "?") has never succeeded")
    }
  }

  @Test func whatLinuxAnswers() throws {
    let guest = try ExtremeGuest(hasPidNamespace: false)
    guest.prepare()
    #expect(guest.call(SYS_kill, [UInt64(bitPattern: Int64(Int32.min)), 0]) == Errno.noSuchProcess.result)
    #expect(guest.call(SYS_truncate, [guest.paths[6], 1 << 63]) == Errno.invalidArgument.result)
    #expect(guest.call(SYS_getgroups, [0xffff_ffff, guest.buffer]) == Errno.invalidArgument.result)
    #expect(guest.call(SYS_setgroups, [65537, guest.structure]) == Errno.invalidArgument.result)
    #expect(
      guest.call(SYS_setxattr, [guest.paths[6], guest.names[0], guest.structure, .max, 0])
        == Errno.argListTooLong.result)
    // The kernel refuses the address, and no mapping is recorded at it.
    let flags = UInt64(MAP_SHARED | MAP_FIXED)
    for length in Extreme.values {
      #expect(guest.call(SYS_mmap, [.max - 4095, length, 1, flags, guest.lowers[0], 0]) == nil)
    }
    #expect(guest.task.space.isEmpty)
  }
}
