import CLinux
import Foundation
import Gate
import LinuxABI
import Sentry
import Testing

@testable import Platform

/// What the supervisor may call once its guests run.
@Suite struct SupervisorCallsTests {
  private let filter: FilterProgram
  private let allowed: UInt32 = 0x7fff_0000
  private let refused: UInt32 = 0x0005_0000 | UInt32(EPERM)

  init() throws {
    let program = try SupervisorCalls.filter()
    #expect(program.count <= FilterCompiler.limit)
    filter = FilterProgram(program)
  }

  private func run(_ number: CInt, _ first: UInt64 = 0, _ second: UInt64 = 0, _ third: UInt64 = 0) -> UInt32? {
    filter.run(SystemCall(number: Int(number), arguments: (first, second, third, 0, 0, 0)))
  }

  @Test func filterAgreesWithTable() {
    for number in 0..<CInt(DispositionTable.count + 50) {
      let policy = Int(number) < DispositionTable.count ? SupervisorCalls.policies[Int(number)] : nil
      guard policy?.rules.isEmpty != false, Int(number) != Int(SYS_clone3) else { continue }
      #expect(run(number) == (policy == nil ? refused : allowed), "\(number)")
    }
  }

  @Test func whatASupervisorNeverDoesIsRefused() {
    let never = [
      SYS_execve, SYS_execveat, SYS_fork, SYS_vfork, SYS_clone, SYS_mount, SYS_umount2, SYS_pivot_root,
      SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr,
      SYS_setns, SYS_unshare, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
      SYS_kexec_file_load, SYS_bpf, SYS_perf_event_open, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_userfaultfd,
      SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_socket, SYS_socketpair, SYS_accept,
      SYS_listen, SYS_setuid, SYS_setresuid, SYS_setgid, SYS_setresgid, SYS_setgroups, SYS_setfsuid, SYS_capset,
      SYS_seccomp, SYS_prctl, SYS_personality, SYS_memfd_create, SYS_open_by_handle_at, SYS_name_to_handle_at,
      SYS_swapon, SYS_reboot, SYS_sethostname, SYS_settimeofday, SYS_clock_settime, SYS_iopl, SYS_ioperm,
      SYS_modify_ldt, SYS_chdir, SYS_fchdir, SYS_setsid, SYS_process_madvise,
    ]
    for number in never { #expect(run(number) == refused, "\(number)") }
  }

  @Test func onlyPairsOfOneKindAreMade() {
    let kind = UInt64(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    #expect(run(SYS_socketpair, UInt64(AF_UNIX), kind) == allowed)
    for (family, kind, protocolNumber) in [
      (UInt64(AF_INET), kind, 0), (UInt64(AF_UNIX), 1, 0), (UInt64(AF_UNIX), kind, 1), (40, kind, 0),
    ] as [(UInt64, UInt64, UInt64)] {
      #expect(run(SYS_socketpair, family, kind, protocolNumber) == refused, "\(family) \(kind)")
    }
  }

  /// libseccomp asks for the architecture and refuses the numbers of x32.
  @Test func otherArchitecturesAreRefused() {
    let read = SystemCall(number: Int(SYS_read), arguments: (0, 0, 0, 0, 0, 0))
    #expect(filter.run(read) == allowed)
    #expect(filter.run(read, architecture: 0x4000_0003 /* AUDIT_ARCH_I386 */) == refused)
    #expect(run(SYS_read | 0x4000_0000) == refused)
  }

  /// What the table says of a call and its arguments is what the filter does.
  @Test func argumentsAreJudgedAsTheTableSays() {
    for (number, policy) in SupervisorCalls.policies.enumerated() {
      guard let policy, !policy.rules.isEmpty else { continue }
      for value in [0, 1, 2, 3, 4, 7, 17, 0x5401, 0x5412, 0x4200, 0xffff_ffff, 1 << 32] as [UInt64] {
        let call = SystemCall(number: number, arguments: (value, value, value, value, value, value))
        let isAllowed = policy.disposition(of: call) == .native
        #expect(filter.run(call) == (isAllowed ? allowed : refused), "\(number) \(value)")
      }
    }
  }

  @Test func socketsAreMadeForGuestsAlone() throws {
    let filter = FilterProgram(try SupervisorCalls.filter(makesSockets: true))
    func run(_ domain: UInt64, _ type: UInt64, _ protocolNumber: UInt64) -> UInt32? {
      filter.run(SystemCall(number: Int(SYS_socket), arguments: (domain, type, protocolNumber, 0, 0, 0)))
    }
    #expect(run(2, 0o2000001, 0) == allowed && run(10, 0o2004002, 0) == allowed)
    for (domain, type, protocolNumber) in [
      (2, 1, 0), (2, 0o2000003, 0), (2, 0o2000001, 6), (1, 0o2000001, 0), (16, 0o2000003, 0), (17, 0o2000003, 0),
      (2, 0o2000005, 132), (40, 0o2000001, 0),
    ] as [(UInt64, UInt64, UInt64)] {
      #expect(run(domain, type, protocolNumber) == refused, "\(domain) \(type) \(protocolNumber)")
    }
  }

  @Test func onlyThreadsAreMade() {
    #expect(run(SYS_clone, SupervisorCalls.threadFlags) == allowed)
    // SIGCHLD, and as vfork(2) does; a thread in a new namespace.
    for flags in [17, 0x4111, SupervisorCalls.threadFlags | 0x1000_0000] as [UInt64] {
      #expect(run(SYS_clone, flags) == refused, "\(flags)")
    }
    #expect(run(SYS_clone3) == 0x0005_0000 | UInt32(ENOSYS))
  }

  @Test func onlyTraceesAreTraced() {
    let used = [
      PTRACE_PEEKUSR, PTRACE_POKEUSR, PTRACE_POKEDATA, PTRACE_CONT, PTRACE_GETREGS,
      PTRACE_SETREGS, PTRACE_SYSCALL,
      PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO, PTRACE_INTERRUPT, PTRACE_LISTEN, PTRACE_GETSIGMASK, PTRACE_SETSIGMASK,
      PTRACE_GET_SYSCALL_INFO,
    ]
    for request in used { #expect(run(SYS_ptrace, UInt64(request)) == allowed, "\(request)") }
    // TRACEME, PEEKTEXT, POKETEXT, ATTACH, DETACH, SETOPTIONS, SEIZE, SETREGSET.
    for request in [0, 1, 4, 16, 17, 0x4200, 0x4206, 0x4205] as [UInt64] {
      #expect(run(SYS_ptrace, request) == refused, "\(request)")
    }
  }

  @Test func noMemoryIsMadeExecutable() {
    for number in [SYS_mmap, SYS_mprotect] {
      #expect(run(number, 0, 4096, UInt64(PROT_READ | PROT_WRITE)) == allowed)
      #expect(run(number, 0, 4096, UInt64(PROT_READ | PROT_EXEC)) == refused)
    }
    #expect(run(SYS_ioctl, 0, UInt64(vd_ioctl_notify_receive)) == allowed)
    #expect(run(SYS_ioctl, 0, 0x5412 /* TIOCSTI */) == refused)
  }

  /// Every call that the rooms of a running sandbox make by name is in the table, or belongs to the set-up.
  @Test func everyCallOfTheSourcesIsInTheTable() throws {
    let setUp: Set<String> = [
      "seccomp", "prctl", "capset", "memfd_create", "socket", "socketpair", "timerfd_create",
      "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
    ]
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources")
    let named = /(?:(?:raw|call|callForGuest|transfer)\(\s*\.|SystemCallNumber\.)([a-z0-9_]+)/
    var numbers: [String: Int] = [:]
    for number in 0..<DispositionTable.count {
      if let name = SystemCallTable.name(of: number) { numbers["\(name)"] = number }
    }
    var seen = 0
    // No other target makes calls (`SourceRulesTests`).
    let folder = sources.appendingPathComponent("Kernel")
    let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: named) {
        let name = String(match.1)
        if setUp.contains(name) { continue }
        seen += 1
        let number = try #require(numbers[name], "\(name) in \(file.lastPathComponent)")
        #expect(
          SupervisorCalls.policiesWithSockets[number] != nil,
          "\(file.lastPathComponent) calls \(name), which the filter refuses")
      }
    }
    #expect(seen > 60)
  }
}
