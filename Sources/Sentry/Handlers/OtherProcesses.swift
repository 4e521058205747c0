// Calls that name another process by its number: signals, groups, priorities, clocks. Without a pid namespace a number may
// be any process of the host: to guests there are none but guests, and nothing tells a process that is from one that is not.

import CLinux
import Gate
import LinuxABI

/// PRIO_PROCESS and PRIO_PGRP of getpriority(2); PRIO_USER is 2.
private let processPriority: CInt = 0
private let groupPriority: CInt = 1

let otherProcessHandlers: [(CInt, Handler)] = namingThread + namingThreadOrSelf + namingClock + naming

private let naming: [(CInt, Handler)] =
  [
    (SYS_kill, { (state, task, call) throws(Errno) in try state.kill(task, call) }),
    (SYS_tgkill, { (state, task, call) throws(Errno) in try state.nativeIfGuest(call.arguments.1) }),
    (SYS_rt_tgsigqueueinfo, { (state, task, call) throws(Errno) in try state.nativeIfGuest(call.arguments.1) }),
    (424 /* pidfd_send_signal */, { (state, task, call) throws(Errno) in try state.sendByDescriptor(task, call) }),
    (SYS_setpgid, { (state, task, call) throws(Errno) in try state.setGroup(task, call) }),
    (SYS_getpriority, { (state, task, call) throws(Errno) in try state.priority(task, call) }),
    (
      SYS_setpriority,
      { (state, task, call) throws(Errno) in
        // A process group or a user's processes may hold others.
        guard call.arguments.0 & 0xffff_ffff == 0 else { throw .permissionDenied }
        return try state.nativeIfGuestOrSelf(call.arguments.1)
      }
    ),
    (
      SYS_ioprio_set,
      { (state, task, call) throws(Errno) in
        // As for priorities.
        guard call.arguments.0 & 0xffff_ffff == 1 else { throw .notPermitted }
        return try state.nativeIfGuestOrSelf(call.arguments.1)
      }
    ),
    (SYS_ioprio_get, { (state, task, call) throws(Errno) in try state.inputPriority(call) }),
    (SYS_ioctl, { (state, task, call) throws(Errno) in try state.setForeground(task, call) }),
  ]

/// The first argument is the number of a thread.
private let namingThread: [(CInt, Handler)] = [
  SYS_tkill, SYS_rt_sigqueueinfo, 434 /* pidfd_open */,
].map { number in
  (number, { (state, task, call) throws(Errno) in try state.nativeIfGuest(call.arguments.0) })
}

/// The same, and 0 is the caller.
private let namingThreadOrSelf: [(CInt, Handler)] = [
  SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_setattr, SYS_sched_setaffinity, SYS_getpgid,
  SYS_getsid, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_getattr, SYS_sched_rr_get_interval,
  SYS_sched_getaffinity, SYS_get_robust_list,
].map { number in
  (number, { (state, task, call) throws(Errno) in try state.nativeIfGuestOrSelf(call.arguments.0) })
}

/// The first argument is a clock, which may be the CPU time of a process: the complement of its number, and three bits.
private let namingClock: [(CInt, Handler)] = [
  SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_timer_create,
]
.map { number in
  (
    number,
    { (state, task, call) throws(Errno) in
      let clock = CInt(truncatingIfNeeded: call.arguments.0)
      // CLOCKFD: of a descriptor.
      if clock >= 0 || clock & 7 == 3 { return .native }
      let number = ThreadID(truncatingIfNeeded: ~(clock >> 3))
      guard number == 0 || state.hasPidNamespace || state.tasks[number] != nil else { throw .invalidArgument }
      return .native
    }
  )
}

extension SentryState {
  /// Without a pid namespace a number may be any process of the host: only guests may be named.
  func nativeIfGuest(_ argument: UInt64) throws(Errno) -> Outcome {
    let number = ThreadID(truncatingIfNeeded: argument)
    if hasPidNamespace || number <= 0 || tasks[number] != nil { return .native }
    throw .noSuchProcess
  }

  func nativeIfGuestOrSelf(_ argument: UInt64) throws(Errno) -> Outcome {
    ThreadID(truncatingIfNeeded: argument) == 0 ? .native : try nativeIfGuest(argument)
  }

  /// `pidfd_send_signal(2)`. A pidfd can only be one that pidfd_open or clone gave, so its process is a guest. A process's
  /// directory in /proc is one as well; ours is none to the kernel.
  fileprivate func sendByDescriptor(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let status = try task.descriptors.stat(CInt(truncatingIfNeeded: call.arguments.0))
    guard let node = registry.node(status), !node.isPath, let process = node.inode.signalledProcess else {
      return .native
    }
    if call.arguments.3 & 0xffff_ffff != 0 { throw .invalidArgument }
    let number = call.arguments.2 == 0 ? SYS_kill : SYS_rt_sigqueueinfo
    return .substitute(
      SystemCall(
        number: Int(number),
        arguments: (try UInt64(process, or: .noSuchProcess), call.arguments.1, call.arguments.2, 0, 0, 0)))
  }

  /// `kill(2)`. The first guest is in the caller's process group, so "my group" can hold processes that are no guests:
  /// there the sentry sends to each guest itself. The same for every group where no pid namespace bounds the call.
  fileprivate func kill(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let target = ThreadID(truncatingIfNeeded: call.arguments.0)
    let signal = CInt(truncatingIfNeeded: call.arguments.1)
    if target > 0 { return try nativeIfGuest(call.arguments.0) }
    // The one id whose group cannot be written down (kernel/signal.c, `kill_something_info`).
    if target == .min { throw .noSuchProcess }
    if hasPidNamespace && target != 0 { return .native }
    if signal < 0 || signal > 64 { throw .invalidArgument }
    let group: ThreadID
    if target == 0 {
      group = ThreadID(truncatingIfNeeded: try Host.call(SYS_getpgid, Int(task.thread)))
    } else {
      group = target == -1 ? -1 : -target
    }
    var isFound = false
    // The caller last, so that it has not died before all others were sent to.
    let own = task.process.leader
    for leader in processes.keys.filter({ $0 != own }) + (group == -1 ? [] : [own]) {
      if group != -1 {
        let result = vd_syscall(Int(SYS_getpgid), Int(leader), 0, 0, 0, 0, 0)
        if result != Int(group) { continue }
      }
      isFound = true
      _ = vd_syscall(Int(SYS_kill), Int(leader), Int(signal), 0, 0, 0, 0)
    }
    if !isFound { throw .noSuchProcess }
    return .value(0)
  }

  /// Some guest is in this process group.
  fileprivate func isGuestGroup(_ group: ThreadID) -> Bool {
    processes.keys.contains { vd_syscall(Int(SYS_getpgid), Int($0), 0, 0, 0, 0, 0) == Int(group) }
  }

  /// `setpgid(2)`: of a guest, to a new group or to one of guests.
  fileprivate func setGroup(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    if hasPidNamespace { return .native }
    let (number, group) = (
      ThreadID(truncatingIfNeeded: call.arguments.0), ThreadID(truncatingIfNeeded: call.arguments.1)
    )
    let target = number == 0 ? task.process.leader : number
    guard group <= 0 || group == target || isGuestGroup(group) else { throw .notPermitted }
    return try nativeIfGuestOrSelf(call.arguments.0)
  }

  /// `getpriority(2)`: the highest among the guests meant. The kernel's answer is 20 less the nice value.
  fileprivate func priority(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let which = CInt(truncatingIfNeeded: call.arguments.0)
    if hasPidNamespace || which < 0 || which > 2 { return .native }
    if which == processPriority { return try nativeIfGuestOrSelf(call.arguments.1) }
    var group = ThreadID(truncatingIfNeeded: call.arguments.1)
    if which == groupPriority {
      if group == 0 { group = ThreadID(truncatingIfNeeded: try Host.call(SYS_getpgid, Int(task.thread))) }
    } else {
      // All guests are one user's, whatever they are inside.
      let user = UInt32(truncatingIfNeeded: call.arguments.1)
      guard user == 0 || user == task.credentials.user.real else { throw .noSuchProcess }
    }
    var highest = 0
    for leader in processes.keys {
      if which == groupPriority, vd_syscall(Int(SYS_getpgid), Int(leader), 0, 0, 0, 0, 0) != Int(group) { continue }
      highest = max(highest, vd_syscall(Int(SYS_getpriority), Int(processPriority), Int(leader), 0, 0, 0, 0))
    }
    if highest == 0 { throw .noSuchProcess }
    return .value(highest)
  }

  /// `ioprio_get(2)`: IOPRIO_WHO_PROCESS, _PGRP, _USER are 1, 2, 3.
  fileprivate func inputPriority(_ call: SystemCall) throws(Errno) -> Outcome {
    if hasPidNamespace { return .native }
    switch CInt(truncatingIfNeeded: call.arguments.0) {
    case 1: return try nativeIfGuestOrSelf(call.arguments.1)
    case 2, 3:
      // Of the own group or user: the caller's is one of those priorities.
      guard call.arguments.1 & 0xffff_ffff == 0 else { throw .noSuchProcess }
      var own = call
      own.arguments.0 = 1
      return .substitute(own)
    default: throw .invalidArgument
    }
  }

  /// TIOCSPGRP: a terminal's foreground group is one of guests. Anything else of ioctl(2) is the filter's to judge.
  fileprivate func setForeground(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    guard call.arguments.1 & 0xffff_ffff == 0x5410 else { throw Errno(rawValue: ENOTTY) }
    if hasPidNamespace { return .native }
    let group = try task.memory.load(ThreadID.self, at: call.arguments.2)
    guard isGuestGroup(group) else { throw .notPermitted }
    return .substituteReading(call, withUnsafeBytes(of: group) { [UInt8]($0) }, argument: 2)
  }
}
