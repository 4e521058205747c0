// What else is watched of a process: unshare, mmap of files, filters of its own.

import CLinux
import Gate
import LinuxABI
import VFS

let processHandlers: [(CInt, Handler)] = [
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
  /// `mmap(2)` of a file: the kernel does it, and that the file may be mapped is recorded before.
  fileprivate func map(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let number = CInt(truncatingIfNeeded: call.arguments.4)
    let status = try task.descriptors.stat(number)
    coherence.checkMappings(of: task.space, task.thread)
    guard let node = node(status, number, of: task.descriptors) else { return .native }
    // The stand-in for an O_PATH descriptor is one that the kernel would answer with EACCES.
    if node.isPath { throw .badFileDescriptor }
    guard node.inode.type == .regular else { return .native }
    // What the kernel refuses need not be recorded: a length or an end that there is not (mm/mmap.c, `get_unmapped_area`).
    let (address, length, offset) = (call.arguments.0, call.arguments.1, call.arguments.5)
    guard length > 0, let end = offset.addingExactly(length)?.pageAligned, end <= UInt64(Int64.max) else {
      return .native
    }
    let isFixed = call.arguments.3 & UInt64(MAP_FIXED) != 0
    if isFixed, Range(from: address, count: end &- offset) == nil { return .native }
    try coherence.willMap(node.inode, task.space, hostDevice: UInt64(status.st_dev))
    return .native
  }
}
