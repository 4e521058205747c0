// What else is watched of a process: unshare, mmap of files, filters of its own.

import CLinux
import Gate
import LinuxABI
import MemoryMap
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
}
