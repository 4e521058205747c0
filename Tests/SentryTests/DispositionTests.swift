// What the table of system calls promises about the filter.

import CLinux
import Gate
import LinuxABI
import Testing

@testable import Sentry

@Suite struct DispositionTests {
  static let layout = TrampolineLayout(flagsSecret: 0x1234_5678 << 32, descriptorSecret: 0x9abc_def0 << 32)
  let full = SystemCallTable.dispositions(
    GatePolicy(isolation: .full, network: .none, gate: .trace, layout: Self.layout))
  let bare = SystemCallTable.dispositions(
    GatePolicy(
      isolation: .noNamespaces, network: .none, gate: .trace, layout: Self.layout))

  func call(_ number: CInt, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0, _ e: UInt64 = 0)
    -> SystemCall
  {
    SystemCall(number: Int(number), arguments: (a, b, c, d, e, 0))
  }

  @Test func everyNumberOfTheKernelsListIsDecided() {
    for number in 0..<DispositionTable.count where SystemCallTable.name(of: number) != nil {
      #expect(full.policies[number] != nil, "\(number)")
      #expect(bare.policies[number] != nil, "\(number)")
    }
  }

  @Test func mappingOfTheTrampolineNeedsBothSecrets() {
    let layout = Self.layout
    let flags = UInt64(MAP_PRIVATE | MAP_FIXED)
    #expect(
      full.disposition(of: call(SYS_mmap, 0, 0, 0, flags | layout.flagsSecret, 3 | layout.descriptorSecret)) == .native)
    #expect(full.disposition(of: call(SYS_mmap, 0, 0, 0, flags | layout.flagsSecret, 3)) == .trace)
    #expect(full.disposition(of: call(SYS_mmap, 0, 0, 0, flags, 3 | layout.descriptorSecret)) == .trace)
    #expect(full.disposition(of: call(SYS_mmap, 0, 0, 0, flags | UInt64(MAP_ANONYMOUS), 3)) == .native)
  }

  @Test func clone3DoesNotExistBecauseItsFlagsCannotBeSeen() {
    #expect(full.disposition(of: call(SYS_clone3)) == .errno(ENOSYS))
    #expect(bare.disposition(of: call(SYS_clone3)) == .errno(ENOSYS))
  }

  @Test func cloneCannotEscapeTheTracer() {
    #expect(full.disposition(of: call(SYS_clone, 0x0080_0000 | 17)) == .errno(EPERM))
    #expect(full.disposition(of: call(SYS_clone, 0x1000_0000 | 17)) == .errno(EPERM))
    #expect(full.disposition(of: call(SYS_clone, 0x3d0f00)) == .native)
  }

  @Test func terminalInputCannotBeForged() {
    #expect(full.disposition(of: call(SYS_ioctl, 0, 0x5412)) == .errno(EPERM))
    #expect(full.disposition(of: call(SYS_ioctl, 0, 0xffff_ffff_0000_5412)) == .errno(EPERM))
    #expect(full.disposition(of: call(SYS_ioctl, 0, 0x1234_5678)) == .errno(ENOTTY))
  }

  @Test func noCallReachesInodesOfTheHost() {
    for table in [full, bare] {
      for number in [SYS_flock, SYS_fsync, SYS_fdatasync, SYS_syncfs, SYS_sync_file_range] {
        #expect(table.disposition(of: call(number, 3)) == .trace)
      }
      // F_GETLK, F_SETLK, F_SETLKW and those of open file descriptions.
      for command: UInt64 in [5, 6, 7, 36, 37, 38, 0xffff_ffff_0000_0006] {
        #expect(table.disposition(of: call(SYS_fcntl, 3, command)) == .trace)
      }
      // F_SETLEASE, F_NOTIFY, F_SET_RW_HINT, F_SET_FILE_RW_HINT, F_SETDELEG, and what is not known.
      for command: UInt64 in [1024, 1026, 1036, 1038, 1040, 99, 4242] {
        #expect(table.disposition(of: call(SYS_fcntl, 3, command)) == .errno(EINVAL))
      }
      for command: UInt64 in [0, 1, 2, 4, 1030, 1031, 1033] {
        #expect(table.disposition(of: call(SYS_fcntl, 3, command)) == .native)
      }
      // POSIX_FADV_DONTNEED; POSIX_FADV_SEQUENTIAL.
      #expect(table.disposition(of: call(SYS_fadvise64, 3, 0, 0, 4)) == .trace)
      #expect(table.disposition(of: call(SYS_fadvise64, 3, 0, 0, 2)) == .native)
      // TIOCEXCL, TIOCNXCL.
      for command: UInt64 in [0x540c, 0x540d] {
        #expect(table.disposition(of: call(SYS_ioctl, 0, command)) == .errno(EPERM))
      }
    }
  }

  @Test func datagramsByNameDoNotReachTheHostWithoutNamespaces() {
    for type: UInt64 in [2, 3, 2 | 0o2000000] {
      #expect(bare.disposition(of: call(SYS_socket, 1, type)) == .errno(EACCES))
      #expect(bare.disposition(of: call(SYS_socketpair, 1, type)) == .errno(EACCES))
    }
    #expect(bare.disposition(of: call(SYS_socket, 1, 1)) == .native)
    #expect(bare.disposition(of: call(SYS_socket, 2, 1)) == .errno(EACCES))
  }

  @Test func pairsAreMadeOfUnixSocketsOnly() {
    for table in [full, bare] {
      #expect(table.disposition(of: call(SYS_socketpair, 1, 1)) == .native)
      for family: UInt64 in [2, 10, 16] {
        #expect(table.disposition(of: call(SYS_socketpair, family, 1)) == .errno(EOPNOTSUPP))
      }
      // AF_TIPC makes pairs, AF_VSOCK and AF_QIPCRTR do not.
      for family: UInt64 in [30, 40, 42, 0] {
        #expect(table.disposition(of: call(SYS_socketpair, family, 1)) == .errno(EAFNOSUPPORT))
      }
    }
  }

  @Test func netlinkNeedsANetworkNamespace() {
    let host = SystemCallTable.dispositions(
      GatePolicy(isolation: .noNamespaces, network: .host, gate: .trace, layout: Self.layout))
    #expect(full.disposition(of: call(SYS_socket, 16, 3, 0)) == .native)
    for table in [bare, host] {
      for family: UInt64 in 0..<23 {
        #expect(table.disposition(of: call(SYS_socket, 16, 3, family)) == .errno(EAFNOSUPPORT))
      }
    }
  }

  @Test func hostsInterfacesAreNotNamedWithoutANetwork() {
    let host = SystemCallTable.dispositions(
      GatePolicy(isolation: .noNamespaces, network: .host, gate: .trace, layout: Self.layout))
    let socketLevel: UInt64 = 1
    for (table, expected) in [(full, Disposition.native), (host, .native), (bare, .errno(ENODEV))] {
      // SIOCGIFNAME, SIOCGIFCONF, SIOCGIFINDEX.
      for command: UInt64 in [0x8910, 0x8912, 0x8933] {
        #expect(table.disposition(of: call(SYS_ioctl, 0, command)) == expected)
      }
      // SO_BINDTODEVICE, SO_BINDTOIFINDEX.
      for option: UInt64 in [25, 62] {
        #expect(table.disposition(of: call(SYS_setsockopt, 0, socketLevel, option)) == expected)
        #expect(table.disposition(of: call(SYS_setsockopt, 0, 6, option)) == .native)
      }
      #expect(table.disposition(of: call(SYS_setsockopt, 0, socketLevel, 2)) == .native)
    }
  }

  @Test func processesAreNamedThroughTheSentryWithoutNamespaces() {
    for number in [
      SYS_getpgid, SYS_getsid, SYS_prlimit64, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_getattr,
      SYS_sched_rr_get_interval, SYS_get_robust_list,
    ] {
      #expect(bare.disposition(of: call(number, 1)) == .trace)
      #expect(bare.disposition(of: call(number, 0)) == .native)
    }
    for number in [SYS_getpriority, SYS_ioprio_get, SYS_setpgid, SYS_pidfd_open, SYS_tgkill] {
      #expect(bare.disposition(of: call(number, 1, 1)) == .trace)
    }
    #expect(bare.disposition(of: call(SYS_ioctl, 0, 0x5410)) == .trace)
    for number in [SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_timer_create] {
      // The clock of process 1, one's own, that of the day.
      #expect(bare.disposition(of: call(number, UInt64(UInt32(bitPattern: ~1 << 3 | 2)))) == .trace)
      #expect(bare.disposition(of: call(number, UInt64(UInt32(bitPattern: -6)))) == .native)
      #expect(bare.disposition(of: call(number, 0)) == .native)
      #expect(full.disposition(of: call(number, UInt64(UInt32(bitPattern: ~1 << 3 | 2)))) == .native)
    }
  }

  @Test func signalsToForeignProcessesAreServedWithoutNamespaces() {
    #expect(bare.disposition(of: call(SYS_kill, 1, 9)) == .trace)
    #expect(full.disposition(of: call(SYS_kill, 1, 9)) == .native)
    #expect(full.disposition(of: call(SYS_kill, 0, 9)) == .trace)
    #expect(full.disposition(of: call(SYS_kill, 0xffff_ffff, 9)) == .trace)
  }
}
