// Making and ending processes, what a thread shares with others, filters of its own, and prctl.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addProcesses() {
    let note = "asked for where --pids bounds their number"
    served(57, "fork", as: .birth, note: note) { (call) throws(Errno) in try call.mayBear() }
    served(58, "vfork", as: .birth, note: note) { (call) throws(Errno) in try call.mayBear() }
    native(60, "exit", .int("status"))
    native(231, "exit_group", .int("status"))
    native(61, "wait4", .pid, .bytes("wstatus"), .int("options"), .bytes("rusage"))
    native(247, "waitid", .int("idtype"), .int("id"), .bytes("infop"), .int("options"), .bytes("rusage"))
    native(39, "getpid")
    native(110, "getppid")
    native(111, "getpgrp")
    native(112, "setsid")
    native(186, "gettid")
    native(135, "personality", .word("persona"))
    native(158, "arch_prctl", .int("op"), .word("addr"))
    native(218, "set_tid_address", .bytes("tidptr"))
    native(273, "set_robust_list", .bytes("head"), .size("len"))
    native(334, "rseq", .bytes("rseq"), .int("rseq_len"), .int("flags"), .int("sig"))
    let newNamespaces: UInt32 = 0x7e02_0000
    // CLONE_UNTRACED would make a child that nothing stops.
    let untraced: UInt32 = 0x0080_0000
    served(
      56, "clone", .word("flags"), .word("stack"),
      as: .depends {
        CallPolicy(
          [ArgumentRule(.errno(.notPermitted), when: .anyBit(0, newNamespaces | untraced))],
          otherwise: $0.countsTasks ? .trace : .native)
      },
      note: "no new namespaces, and no child without the tracer; \(note)"
    ) { (call, _, _) throws(Errno) in try call.mayBear() }
    refused(
      435, "clone3", .noFunction,
      "its flags lie in memory, where the filter cannot see them; libraries fall back to clone",
      .bytes("cl_args"), .size)
    let unshareable = UnshareFlags.known
    served(
      272, "unshare", .unshareFlags,
      as: .when(
        ArgumentRule(.trace, when: .noBit(0, ~UInt32(unshareable.rawValue))), otherwise: .errno(.notPermitted)),
      note: "no new namespaces"
    ) { (call, flags) throws(Errno) in
      guard flags.isSubset(of: unshareable) else { throw .notPermitted }
      return call.observe(.unshare(flags))
    }
    // One listener a filter chain: a second one is refused by the kernel with this error. What else is added is copied.
    served(
      317, "seccomp", .seccompOperation, .seccompFlags, Arg<Pointer<FilterHeader>>("args"),
      as: .when(
        ArgumentRule(.errno(.resourceBusy), when: .anyBit(1, 8)), ArgumentRule(.trace, when: .int(0, 1)),
        otherwise: .native),
      note: "a guest's filter is remembered: it applies to what is done in its threads after a copy-up"
    ) { (call, _, flags, program) throws(Errno) in
      call.addFilter(program, ofAllThreads: flags.contains(.allThreads))
    }
    served(
      157, "prctl", .processOption, .word("arg2"), .word("arg3"), .word("arg4"), .word("arg5"),
      as: .when(
        ArgumentRule(.native, when: .int(0, 35), .oneOf(argument: 1, [14, 15])),  // PR_SET_MM: MAP, MAP_SIZE
        ArgumentRule(.errno(.notPermitted), when: .int(0, 35)),
        ArgumentRule(.trace, when: .int(0, 22), .equal(argument: 1, mask: .max, value: 2)),  // SECCOMP_MODE_FILTER
        ArgumentRule(.native, when: .oneOf(argument: 0, ProcessControls.native)),
        ArgumentRule(.trace, when: .oneOf(argument: 0, ProcessControls.served)), otherwise: .errno(.invalidArgument)),
      note: "capabilities and dumpability are the sentry's; what concerns more than the caller is EINVAL"
    ) { (call, option, second, third, fourth, fifth) throws(Errno) in
      if option == .setSeccomp { return call.addFilter(third.pointer(), ofAllThreads: false) }
      return try call.control(option, (second.value, third.value, fourth.value, fifth.value))
    }
  }
}

extension UnshareFlags {
  /// What is no namespace.
  static let known: UnshareFlags = [.fileSystem, .files, .semaphores]
}

/// Options of prctl(2).
private enum ProcessControls {
  /// Those that concern the caller alone.
  static let native: [UInt32] = [
    1, 2,  // PR_SET_PDEATHSIG, PR_GET_PDEATHSIG
    13, 14, 15, 16,  // PR_GET_TIMING, PR_SET_TIMING, PR_SET_NAME, PR_GET_NAME
    21, 22,  // PR_GET_SECCOMP, PR_SET_SECCOMP
    25, 26,  // PR_GET_TSC, PR_SET_TSC
    29, 30, 31, 32,  // PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_TASK_PERF_EVENTS_DISABLE, ..._ENABLE
    33, 34,  // PR_MCE_KILL, PR_MCE_KILL_GET
    36, 37, 38, 39, 40, 41, 42,  // CHILD_SUBREAPER, NO_NEW_PRIVS, GET_TID_ADDRESS, THP_DISABLE
    52, 53,  // PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL
    65, 66,  // PR_SET_MDWE, PR_GET_MDWE
    78,  // PR_FUTEX_HASH
    0x5356_4d41, 0x4155_5856,  // PR_SET_VMA, PR_GET_AUXV
  ]

  /// Those that are part of what the sentry keeps: dumpable, keepcaps, bounding set, securebits, ambient set.
  static let served: [UInt32] = [3, 4, 7, 8, 23, 24, 27, 28, 47]
}

extension CallContext {
  fileprivate func addFilter(_ program: Pointer<FilterHeader>, ofAllThreads: Bool) -> Outcome {
    state.willAddFilter(task, program)
    return observe(.filter(ofAllThreads: ofAllThreads))
  }
}

extension Treatment {
  /// Makes a process or a thread.
  fileprivate static var birth: Treatment { .depends { CallPolicy(otherwise: $0.countsTasks ? .trace : .native) } }
}

extension CallContext {
  fileprivate func mayBear() throws(Errno) -> Outcome {
    try tasks.admit(task.thread)
    return .native
  }
}
