// Calls that name other processes, and what else is watched: signals, groups, unshare, mmap of files.

import CLinux
import Gate
import LinuxABI
import MemoryMap
import VFS

let processHandlers: [(CInt, Handler)] = [
  (SYS_kill, { (state, task, call) throws(Errno) in try state.kill(task, call) }),
  (SYS_tkill, { (state, task, call) throws(Errno) in try state.nativeIfGuest(call.arguments.0) }),
  (SYS_tgkill, { (state, task, call) throws(Errno) in try state.nativeIfGuest(call.arguments.1) }),
  (SYS_rt_sigqueueinfo, { (state, task, call) throws(Errno) in try state.nativeIfGuest(call.arguments.0) }),
  (SYS_rt_tgsigqueueinfo, { (state, task, call) throws(Errno) in try state.nativeIfGuest(call.arguments.1) }),
  (434 /* pidfd_open */, { (state, task, call) throws(Errno) in try state.nativeIfGuest(call.arguments.0) }),
  (424 /* pidfd_send_signal */, { (state, task, call) throws(Errno) in try state.sendByDescriptor(task, call) }),
  (
    SYS_prlimit64,
    { (state, task, call) throws(Errno) in
      guard UInt32(truncatingIfNeeded: call.arguments.1) == 4 /* RLIMIT_CORE */ else {
        return try state.nativeIfGuestOrSelf(call.arguments.0)
      }
      let target = Int32(truncatingIfNeeded: call.arguments.0)
      if target != 0, state.task(insideID: target) == nil { throw .noSuchProcess }
      return try state.coreLimit(task, new: call.arguments.2, old: call.arguments.3)
    }
  ),
  (
    SYS_getrlimit,
    { (state, task, call) throws(Errno) in
      if call.arguments.1 == 0 { throw .badAddress }
      return try state.coreLimit(task, new: 0, old: call.arguments.1)
    }
  ),
  (
    SYS_setrlimit,
    { (state, task, call) throws(Errno) in
      if call.arguments.1 == 0 { throw .badAddress }
      return try state.coreLimit(task, new: call.arguments.1, old: 0)
    }
  ),
  (SYS_sched_setparam, { (state, task, call) throws(Errno) in try state.nativeIfGuestOrSelf(call.arguments.0) }),
  (SYS_sched_setscheduler, { (state, task, call) throws(Errno) in try state.nativeIfGuestOrSelf(call.arguments.0) }),
  (SYS_sched_setattr, { (state, task, call) throws(Errno) in try state.nativeIfGuestOrSelf(call.arguments.0) }),
  (SYS_sched_setaffinity, { (state, task, call) throws(Errno) in try state.nativeIfGuestOrSelf(call.arguments.0) }),
  (SYS_setpgid, { (state, task, call) throws(Errno) in try state.nativeIfGuestOrSelf(call.arguments.0) }),
  (SYS_getpgid, { (state, task, call) throws(Errno) in try state.nativeIfGuestOrSelf(call.arguments.0) }),
  (SYS_getsid, { (state, task, call) throws(Errno) in try state.nativeIfGuestOrSelf(call.arguments.0) }),
  (
    SYS_setpriority,
    { (state, task, call) throws(Errno) in
      // PRIO_PROCESS only: a process group or a user's processes may hold others.
      guard call.arguments.0 == 0 else { throw .permissionDenied }
      return try state.nativeIfGuestOrSelf(call.arguments.1)
    }
  ),
  (
    SYS_ioprio_set,
    { (state, task, call) throws(Errno) in
      guard call.arguments.0 == 1 else { throw .notPermitted }
      return try state.nativeIfGuestOrSelf(call.arguments.1)
    }
  ),
  (
    SYS_unshare,
    { (state, task, call) throws(Errno) in
      let allowed = UInt64(CLONE_FS) | UInt64(CLONE_FILES) | UInt64(CLONE_SYSVSEM)
      guard call.arguments.0 & ~allowed == 0 else { throw .notPermitted }
      return .observed
    }
  ),
  (SYS_mmap, { (state, task, call) throws(Errno) in try state.map(task, call) }),
  (SYS_seccomp, { (state, task, call) throws(Errno) in state.addFilter(task, at: call.arguments.2) }),
  (
    SYS_prctl,
    { (state, task, call) throws(Errno) in
      if CInt(truncatingIfNeeded: call.arguments.0) == PR_SET_SECCOMP {
        return state.addFilter(task, at: call.arguments.2)
      }
      return try state.credentials(task, call)
    }
  ),
]

extension SentryState {
  /// `mmap(2)` of a file: the kernel does it, and what may move with a copy-up is recorded before it is made.
  fileprivate func map(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let number = CInt(truncatingIfNeeded: call.arguments.4)
    let status = try task.descriptors.stat(number)
    mappingCheck?.look(at: task.space, of: task.thread)
    guard let node = node(status, number, of: task.descriptors) else { return .native }
    // The stand-in for an O_PATH descriptor is one that the kernel would answer with EACCES.
    if node.isPath { throw .badFileDescriptor }
    // While a move is due, an old descriptor may still be one of the lower file.
    guard node.inode.type == .regular, !node.inode.isSettled || !pendingRelocations.isEmpty else { return .native }
    let (address, length, offset) = (call.arguments.0, call.arguments.1, call.arguments.5)
    let end = offset.addingExactly(length)?.pageAligned
    // What the kernel refuses need not be recorded.
    guard length > 0, let end, end <= UInt64(Int64.max), offset & 4095 == 0 else { return .native }
    let isFixed = call.arguments.3 & UInt64(MAP_FIXED) != 0
    // A fixed place that no address space has is refused by the kernel: ENOMEM (mm/mmap.c, `get_unmapped_area`).
    if isFixed, Range(from: address, count: end - offset) == nil { return .native }
    var access = MappingAccess(rawValue: UInt8(truncatingIfNeeded: call.arguments.2 & 7))
    // MAP_SHARED and MAP_SHARED_VALIDATE.
    if call.arguments.3 & UInt64(MAP_SHARED) != 0 { access.insert(.shared) }
    try task.space.map(
      node.inode, offset..<end, at: isFixed && address & 4095 == 0 ? address : nil, access: access)
    if !node.inode.isSettled { mappingCheck?.lowerDevice(UInt64(status.st_dev)) }
    return .native
  }

  /// Without a pid namespace a number may be any process of the host: only guests may be named.
  /// RLIMIT_CORE of any guest (`man 2 getrlimit`): none at all, soft and hard. The kernel's is 1, which keeps a core from a
  /// program that core_pattern names too (`man 5 core`), so a guest may not set it, not even to 0.
  fileprivate func coreLimit(_ task: Task, new: UInt64, old: UInt64) throws(Errno) -> Outcome {
    if new != 0 {
      let soft = try task.memory.load(UInt64.self, at: new)
      let hard = try task.memory.load(UInt64.self, at: new &+ 8)
      if soft > hard { throw .invalidArgument }
      if hard > 0 { throw .notPermitted }
    }
    if old != 0 {
      try task.memory.store(0 as UInt64, at: old)
      try task.memory.store(0 as UInt64, at: old &+ 8)
    }
    return .value(0)
  }

  fileprivate func nativeIfGuest(_ argument: UInt64) throws(Errno) -> Outcome {
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
}
