import CLinux
import LinuxABI
import Testing

/// The structures and words of ptrace(2) and of seccomp user notifications are the kernel's.
@Suite struct TracingLayoutTests {
  @Test func registers() {
    #expect(MemoryLayout<Registers>.size == MemoryLayout<user_regs_struct>.size)
    var ours = Registers()
    let fields: [WritableKeyPath<Registers, UInt64>] = [
      \.r15, \.r14, \.r13, \.r12, \.rbp, \.rbx, \.r11, \.r10, \.r9, \.r8, \.rax, \.rcx, \.rdx, \.rsi, \.rdi,
      \.originalRax, \.rip, \.cs, \.eflags, \.rsp, \.ss, \.fsBase, \.gsBase, \.ds, \.es, \.fs, \.gs,
    ]
    for (index, field) in fields.enumerated() { ours[keyPath: field] = UInt64(index) + 1 }
    let theirs = unsafeBitCast(ours, to: user_regs_struct.self)
    let values: [UInt64] = [
      theirs.r15, theirs.r14, theirs.r13, theirs.r12, theirs.rbp, theirs.rbx, theirs.r11, theirs.r10, theirs.r9,
      theirs.r8, theirs.rax, theirs.rcx, theirs.rdx, theirs.rsi, theirs.rdi, theirs.orig_rax, theirs.rip, theirs.cs,
      theirs.eflags, theirs.rsp, theirs.ss, theirs.fs_base, theirs.gs_base, theirs.ds, theirs.es, theirs.fs, theirs.gs,
    ].map { UInt64($0) }
    #expect(values == (1...27).map { UInt64($0) })
    #expect(ours.arguments == (ours.rdi, ours.rsi, ours.rdx, ours.r10, ours.r8, ours.r9))
  }

  @Test func registersByOffset() {
    let pairs: [(Register, Int?)] = [
      (.r10, MemoryLayout<user_regs_struct>.offset(of: \.r10)), (.r9, MemoryLayout<user_regs_struct>.offset(of: \.r9)),
      (.r8, MemoryLayout<user_regs_struct>.offset(of: \.r8)), (.rax, MemoryLayout<user_regs_struct>.offset(of: \.rax)),
      (.rdx, MemoryLayout<user_regs_struct>.offset(of: \.rdx)),
      (.rsi, MemoryLayout<user_regs_struct>.offset(of: \.rsi)),
      (.rdi, MemoryLayout<user_regs_struct>.offset(of: \.rdi)),
      (.originalRax, MemoryLayout<user_regs_struct>.offset(of: \.orig_rax)),
      (.rip, MemoryLayout<user_regs_struct>.offset(of: \.rip)),
      (.rsp, MemoryLayout<user_regs_struct>.offset(of: \.rsp)),
    ]
    for (ours, theirs) in pairs { #expect(ours.rawValue == theirs) }
  }

  @Test func requests() {
    let pairs: [(PtraceRequest, Int32)] = [
      (.peekUser, PTRACE_PEEKUSR), (.pokeUser, PTRACE_POKEUSR), (.pokeData, PTRACE_POKEDATA),
      (.continue, PTRACE_CONT), (.getRegisters, PTRACE_GETREGS), (.setRegisters, PTRACE_SETREGS),
      (.systemCall, PTRACE_SYSCALL), (.setOptions, PTRACE_SETOPTIONS), (.getEventMessage, PTRACE_GETEVENTMSG),
      (.getSignalInformation, PTRACE_GETSIGINFO), (.seize, PTRACE_SEIZE), (.interrupt, PTRACE_INTERRUPT),
      (.listen, PTRACE_LISTEN), (.getSignalMask, PTRACE_GETSIGMASK), (.setSignalMask, PTRACE_SETSIGMASK),
      (.getSystemCallInformation, PTRACE_GET_SYSCALL_INFO),
    ]
    for (ours, theirs) in pairs { #expect(ours.rawValue == UInt32(theirs)) }
  }

  @Test func optionsAndEvents() {
    let options: [(PtraceOptions, Int32)] = [
      (.marksSystemCalls, PTRACE_O_TRACESYSGOOD), (.traceFork, 1 << PTRACE_EVENT_FORK),
      (.traceVfork, 1 << PTRACE_EVENT_VFORK), (.traceClone, 1 << PTRACE_EVENT_CLONE),
      (.traceExec, 1 << PTRACE_EVENT_EXEC), (.traceSeccomp, 1 << PTRACE_EVENT_SECCOMP), (.exitKill, 1 << 20),
    ]
    for (ours, theirs) in options { #expect(ours.rawValue == UInt32(theirs)) }
    let events: [(PtraceEvent, Int32)] = [
      (.fork, PTRACE_EVENT_FORK), (.vfork, PTRACE_EVENT_VFORK), (.clone, PTRACE_EVENT_CLONE),
      (.exec, PTRACE_EVENT_EXEC), (.seccomp, PTRACE_EVENT_SECCOMP), (.stop, PTRACE_EVENT_STOP),
    ]
    for (ours, theirs) in events { #expect(ours.rawValue == theirs) }
    #expect(Signal.systemCallStop.rawValue == SIGTRAP | 0x80)
    #expect(WaitOptions.noHang.rawValue == UInt32(WNOHANG))
  }

  @Test func systemCallInformation() {
    // The kernel writes as much as there is room for; the structure ends with what belongs to a seccomp stop.
    #expect(MemoryLayout<SystemCallInformation>.size <= MemoryLayout<ptrace_syscall_info>.size)
    var theirs = ptrace_syscall_info()
    theirs.op = UInt8(PTRACE_SYSCALL_INFO_SECCOMP)
    theirs.arch = 2
    theirs.instruction_pointer = 3
    theirs.stack_pointer = 4
    theirs.seccomp.nr = 5
    theirs.seccomp.args = (6, 7, 8, 9, 10, 11)
    theirs.seccomp.ret_data = 12
    let ours = withUnsafeBytes(of: theirs) { $0.loadUnaligned(as: SystemCallInformation.self) }
    #expect(ours.isSeccompStop)
    #expect(ours.architecture == 2 && ours.instructionPointer == 3 && ours.stackPointer == 4 && ours.number == 5)
    #expect(ours.arguments == (6, 7, 8, 9, 10, 11))
    #expect(ours.data == 12)
  }

  @Test func notification() {
    #expect(MemoryLayout<SeccompNotification>.size == MemoryLayout<seccomp_notif>.size)
    var theirs = seccomp_notif()
    theirs.id = 1
    theirs.pid = 2
    theirs.data.nr = 3
    theirs.data.arch = 4
    theirs.data.instruction_pointer = 5
    theirs.data.args = (6, 7, 8, 9, 10, 11)
    let ours = unsafeBitCast(theirs, to: SeccompNotification.self)
    #expect(ours.identifier == 1 && ours.thread == 2 && ours.number == 3 && ours.architecture == 4)
    #expect(ours.instructionPointer == 5)
    #expect(ours.arguments == (6, 7, 8, 9, 10, 11))
  }

  @Test(
    arguments: [
      (7, 7, 0), (-1, 0, -1), (-4095, 0, -4095), (-4096, -4096, 0), (.min, .min, 0), (.max, .max, 0),
    ] as [(Int, Int64, Int32)]) func response(_ result: Int, _ value: Int64, _ error: Int32)
  {
    #expect(MemoryLayout<SeccompResponse>.size == MemoryLayout<seccomp_notif_resp>.size)
    let theirs = unsafeBitCast(SeccompResponse(9, result), to: seccomp_notif_resp.self)
    #expect(theirs.id == 9 && theirs.val == value && theirs.error == error && theirs.flags == 0)
  }

  @Test func installedDescriptor() {
    #expect(MemoryLayout<SeccompDescriptor>.size == MemoryLayout<seccomp_notif_addfd>.size)
    let theirs = unsafeBitCast(
      SeccompDescriptor(1, 2, [.setNumber, .send], at: 3, closeOnExec: true), to: seccomp_notif_addfd.self)
    #expect(theirs.id == 1 && theirs.srcfd == 2 && theirs.newfd == 3)
    #expect(theirs.flags == UInt32(SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND))
    #expect(theirs.newfd_flags == UInt32(O_CLOEXEC))
  }

  @Test func listenerRequests() {
    let pairs: [(SeccompRequest, UInt64)] = [
      (.receive, vd_ioctl_notify_receive), (.send, vd_ioctl_notify_send), (.isValid, vd_ioctl_notify_is_valid),
      (.addDescriptor, vd_ioctl_notify_add), (.setFlags, vd_ioctl_notify_set_flags),
    ]
    for (ours, theirs) in pairs { #expect(UInt64(ours.rawValue) == theirs) }
  }

  @Test func cloneFlagsAndMasks() {
    let pairs: [(CloneFlags, Int32)] = [
      (.memory, CLONE_VM), (.fileSystem, CLONE_FS), (.descriptors, CLONE_FILES),
    ]
    for (ours, theirs) in pairs { #expect(ours.rawValue == UInt64(theirs)) }
    #expect(MemoryLayout<CPUMask>.size == MemoryLayout<cpu_set_t>.size)
  }
}
