// Calls that name another process by its number: signals, groups, priorities, clocks. Without a pid namespace a number may
// be any process of the host: to guests there are none but guests, and nothing distinguishes a process that exists from one that does not.

import Gate
import Kernel
import LinuxABI

extension SystemCallTable {
  mutating func addOtherProcesses() {
    addKill()
    addGroupsAndPriorities()
    refused(
      101, "ptrace", .notPermitted, "another process's memory and registers: guests are traced already", .word("op"),
      .pid)
    refused(
      312, "kcmp", .notPermitted, "what two processes share of the kernel", .int("pid1"), .int("pid2"), .int("type"))
    refused(438, "pidfd_getfd", .notPermitted, "another process's descriptors", .descriptor("pidfd"), .int("targetfd"))
  }

  private mutating func addKill() {
    served(
      62, "kill", .pid, .signal,
      as: .depends { policy in
        // The pid namespace bounds all but the process group, which reaches the caller's own processes.
        policy.isolation == .full
          ? CallPolicy([ArgumentRule(.trace, when: .oneOf(argument: 0, [0, UInt32.max]))], otherwise: .native)
          : CallPolicy(otherwise: .trace)
      }
    ) { (call, process, signal) throws(Errno) in
      try call.kill(process, signal)
    }
    served(200, "tkill", .int("tid"), .signal, as: .bounded) { (call, thread, _) throws(Errno) in
      try call.nativeIfGuest(thread)
    }
    served(234, "tgkill", .int("tgid"), .int("tid"), .signal, as: .bounded) { (call, _, thread, _) throws(Errno) in
      try call.nativeIfGuest(thread)
    }
    served(129, "rt_sigqueueinfo", .pid, .signal, .bytes("info"), as: .bounded) { (call, process, _, _) throws(Errno) in
      try call.nativeIfGuest(process)
    }
    served(297, "rt_tgsigqueueinfo", .int("tgid"), .int("tid"), .signal, .bytes("info"), as: .bounded) {
      (call, _, thread, _, _) throws(Errno) in
      try call.nativeIfGuest(thread)
    }
    served(434, "pidfd_open", .pid, .int("flags"), as: .bounded) { (call, process, _) throws(Errno) in
      try call.nativeIfGuest(process)
    }
    served(424, "pidfd_send_signal", .descriptor("pidfd"), .signal, .bytes("info"), .int("flags"), as: .trace) {
      (call, descriptor, signal, information, flags) throws(Errno) in
      try call.sendByDescriptor(descriptor, signal, information, flags)
    }
  }

  private mutating func addGroupsAndPriorities() {
    served(109, "setpgid", .pid, .int("pgid"), as: .bounded) { (call, process, group) throws(Errno) in
      try call.setGroup(of: process, group)
    }
    served(121, "getpgid", .pid, as: .boundedButSelf) { (call, process) throws(Errno) in
      try call.nativeIfGuestOrSelf(process)
    }
    served(124, "getsid", .pid, as: .boundedButSelf) { (call, process) throws(Errno) in
      try call.nativeIfGuestOrSelf(process)
    }
    served(140, "getpriority", .priorityTarget, .int("who"), as: .bounded) { (call, which, who) throws(Errno) in
      try call.priority(which, who)
    }
    // A process group or a user's processes may hold others.
    served(
      141, "setpriority", .priorityTarget, .int("who"), .int("prio"),
      as: .depends { policy in
        policy.isolation == .full
          ? CallPolicy([ArgumentRule(.errno(.notPermitted), when: .int(0, 1))], otherwise: .native)
          : CallPolicy(otherwise: .trace)
      }
    ) { (call, which, who, _) throws(Errno) in
      guard which == .process else { throw .permissionDenied }
      return try call.nativeIfGuestOrSelf(who)
    }
    served(
      251, "ioprio_set", .inputPriorityTarget, .int("who"), .int("ioprio"),
      as: .depends { policy in
        policy.isolation == .full
          ? CallPolicy([ArgumentRule(.errno(.notPermitted), when: .int(0, 2))], otherwise: .native)
          : CallPolicy(otherwise: .trace)
      }
    ) { (call, which, who, _) throws(Errno) in
      guard which == .process else { throw .notPermitted }
      return try call.nativeIfGuestOrSelf(who)
    }
    served(252, "ioprio_get", .inputPriorityTarget, .int("who"), as: .bounded) { (call, which, who) throws(Errno) in
      try call.inputPriority(which, who)
    }
    served(274, "get_robust_list", .pid, .bytes("head_ptr"), .bytes("len_ptr"), as: .boundedButSelf) {
      (call, process, _, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(process)
    }
  }
}

extension Treatment {
  /// A call that names a process: bounded by the pid namespace, or by the sentry.
  static var bounded: Treatment {
    .depends { CallPolicy(otherwise: $0.isolation == .full ? .native : .trace) }
  }

  /// The same, where 0 is the caller. Whether there is a process of a number is nothing to learn either.
  static var boundedButSelf: Treatment {
    .depends { policy in
      policy.isolation == .full
        ? CallPolicy(otherwise: .native)
        : CallPolicy([ArgumentRule(.native, when: .int(0, 0))], otherwise: .trace)
    }
  }
}

extension CallContext {
  /// Without a pid namespace a number may be any process of the host: only guests may be named.
  func nativeIfGuest(_ number: ThreadID) throws(Errno) -> Outcome {
    if hasPidNamespace || number <= 0 || tasks[number] != nil { return .native }
    throw .noSuchProcess
  }

  func nativeIfGuestOrSelf(_ number: ThreadID) throws(Errno) -> Outcome {
    number == 0 ? .native : try nativeIfGuest(number)
  }

  /// `pidfd_send_signal(2)`. A pidfd can only be one that pidfd_open or clone gave, so its process is a guest. A process's
  /// directory in /proc is one as well; the sandbox's is none to the kernel.
  fileprivate func sendByDescriptor(_ descriptor: Descriptor, _ signal: Signal, _ information: Buffer, _ flags: CInt)
    throws(Errno) -> Outcome
  {
    let status = try status(descriptor)
    guard let node = files.registry.node(status), !node.isPath, let process = node.inode.signalledProcess else {
      return .native
    }
    if flags != 0 { throw .invalidArgument }
    if process < 0 { throw .noSuchProcess }
    return .substitute(
      information.isNull
        ? SystemCall(.kill, process, signal) : SystemCall(.rt_sigqueueinfo, process, signal, information))
  }

  /// `kill(2)`. The first guest is in the caller's process group, so "my group" can hold processes that are no guests:
  /// there the sentry sends to each guest itself. The same for every group where no pid namespace bounds the call.
  fileprivate func kill(_ target: ThreadID, _ signal: Signal) throws(Errno) -> Outcome {
    if target > 0 { return try nativeIfGuest(target) }
    // The one id whose group cannot be written down (kernel/signal.c, `kill_something_info`).
    if target == .min { throw .noSuchProcess }
    if hasPidNamespace && target != 0 { return .native }
    guard (0...Signal.highest).contains(signal.rawValue) else { throw .invalidArgument }
    let group: ThreadID
    if target == 0 {
      group = try Host.processGroup(of: task.thread)
    } else {
      group = target == -1 ? -1 : -target
    }
    var isFound = false
    // The caller last, so that it has not died before all others were sent to.
    let own = task.process.leader
    for leader in tasks.processes.keys.filter({ $0 != own }) + (group == -1 ? [] : [own]) {
      if group != -1, !Host.isProcess(leader, in: group) { continue }
      isFound = true
      Host.signalProcess(leader, signal.rawValue)
    }
    if !isFound { throw .noSuchProcess }
    return .value(0)
  }

  /// `setpgid(2)`: of a guest, to a new group or to one of guests.
  fileprivate func setGroup(of process: ThreadID, _ group: ThreadID) throws(Errno) -> Outcome {
    if hasPidNamespace { return .native }
    let target = process == 0 ? task.process.leader : process
    guard group <= 0 || group == target || tasks.isGroup(group) else { throw .notPermitted }
    return try nativeIfGuestOrSelf(process)
  }

  /// `getpriority(2)`: the highest among the guests meant. The kernel's answer is 20 less the nice value.
  fileprivate func priority(_ which: PriorityTarget, _ who: CInt) throws(Errno) -> Outcome {
    if hasPidNamespace { return .native }
    var group = who
    switch which {
    case .process: return try nativeIfGuestOrSelf(who)
    case .group:
      if group == 0 { group = try Host.processGroup(of: task.thread) }
    case .user:
      // All guests are one user's, whatever they are inside.
      let user = UInt32(bitPattern: who)
      guard user == 0 || user == task.credentials.user.real else { throw .noSuchProcess }
    default: return .native
    }
    var highest = 0
    for leader in tasks.processes.keys {
      if which == .group, !Host.isProcess(leader, in: group) { continue }
      if let priority = try? Host.priority(of: leader) { highest = max(highest, priority) }
    }
    if highest == 0 { throw .noSuchProcess }
    return .value(highest)
  }

  /// `ioprio_get(2)`.
  fileprivate func inputPriority(_ which: InputPriorityTarget, _ who: CInt) throws(Errno) -> Outcome {
    if hasPidNamespace { return .native }
    switch which {
    case .process: return try nativeIfGuestOrSelf(who)
    case .group, .user:
      // Of the own group or user: the caller's is one of those priorities.
      guard who == 0 else { throw .noSuchProcess }
      return .substitute(SystemCall(.ioprio_get, InputPriorityTarget.process, 0))
    default: throw .invalidArgument
    }
  }
}
