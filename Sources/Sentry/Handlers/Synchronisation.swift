// fsync and its kin. What no guest can have changed needs no writing back, and is the host's business; so is the host's
// whole file system (syncfs).

import CLinux
import Gate
import LinuxABI
import VFS

let synchronisationHandlers: [(CInt, Handler)] = [
  (SYS_fsync, { (state, task, call) throws(Errno) in try state.synchronise(task, call) }),
  (SYS_fdatasync, { (state, task, call) throws(Errno) in try state.synchronise(task, call) }),
  (
    SYS_sync_file_range,
    { (state, task, call) throws(Errno) in
      let (offset, length) = (Int64(bitPattern: call.arguments.1), Int64(bitPattern: call.arguments.2))
      // SYNC_FILE_RANGE_WAIT_BEFORE, WRITE, WAIT_AFTER.
      guard call.arguments.3 & 0xffff_ffff & ~7 == 0, offset >= 0, length >= 0,
        Range(from: offset, count: length) != nil
      else { throw .invalidArgument }
      return try state.synchronise(task, call)
    }
  ),
  (
    SYS_fadvise64,
    // POSIX_FADV_DONTNEED: the host's page cache.
    { (state, task, call) throws(Errno) in
      if Int64(bitPattern: call.arguments.2) < 0 { throw .invalidArgument }
      return try state.synchronise(task, call)
    }
  ),
  (
    SYS_syncfs,
    // The one file takes the place of all: the file system is the host's.
    { (state, task, call) throws(Errno) in
      guard case .native = try state.synchronise(task, call) else { return .value(0) }
      let status = try task.descriptors.stat(CInt(truncatingIfNeeded: call.arguments.0))
      guard FileType(mode: status.st_mode) == .regular, UInt64(status.st_dev) != state.storeDevice else {
        return .value(0)
      }
      return .substitute(SystemCall(number: Int(SYS_fsync), arguments: (call.arguments.0, 0, 0, 0, 0, 0)))
    }
  ),
]

extension SentryState {
  /// The call as it is for what guests can write to; success for a file or directory that only the host does.
  fileprivate func synchronise(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let number = CInt(truncatingIfNeeded: call.arguments.0)
    let status = try task.descriptors.stat(number)
    if let node = node(status, number, of: task.descriptors), node.isPath { throw .badFileDescriptor }
    switch FileType(mode: status.st_mode) {
    case .regular, .directory, .blockDevice:
      guard case .guests = lockDomain(status, number, of: task.descriptors) else { return .value(0) }
    default: break
    }
    return .native
  }
}
