// mkdir, mknod, symlink, link, unlink, rmdir, rename: the calls that change names.

import CLinux
import Gate
import LinuxABI
import VFS

private let here = UInt64(bitPattern: Int64(AtFlags.currentDirectory))

let nameHandlers: [(CInt, Handler)] = [
  (
    SYS_mkdir,
    { (state, task, call) throws(Errno) in
      try state.makeDirectory(task, here, call.arguments.0, call.arguments.1)
    }
  ),
  (
    SYS_mkdirat,
    { (state, task, call) throws(Errno) in
      try state.makeDirectory(task, call.arguments.0, call.arguments.1, call.arguments.2)
    }
  ),
  (
    SYS_mknod,
    { (state, task, call) throws(Errno) in
      try state.makeNode(task, here, call.arguments.0, call.arguments.1, call.arguments.2)
    }
  ),
  (
    SYS_mknodat,
    { (state, task, call) throws(Errno) in
      try state.makeNode(task, call.arguments.0, call.arguments.1, call.arguments.2, call.arguments.3)
    }
  ),
  (
    SYS_symlink,
    { (state, task, call) throws(Errno) in
      try state.makeSymlink(task, call.arguments.0, here, call.arguments.1)
    }
  ),
  (
    SYS_symlinkat,
    { (state, task, call) throws(Errno) in
      try state.makeSymlink(task, call.arguments.0, call.arguments.1, call.arguments.2)
    }
  ),
  (
    SYS_link,
    { (state, task, call) throws(Errno) in
      try state.link(task, here, call.arguments.0, here, call.arguments.1, [])
    }
  ),
  (
    SYS_linkat,
    { (state, task, call) throws(Errno) in
      try state.link(
        task, call.arguments.0, call.arguments.1, call.arguments.2, call.arguments.3,
        AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.4)))
    }
  ),
  (
    SYS_unlink,
    { (state, task, call) throws(Errno) in
      try state.vfs.unlink(try state.path(task, at: here, call.arguments.0), task.caller)
      state.reclaim()
      return .value(0)
    }
  ),
  (
    SYS_unlinkat,
    { (state, task, call) throws(Errno) in
      let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.2))
      guard flags.isSubset(of: .removeDirectory) else { throw .invalidArgument }
      let path = try state.path(task, at: call.arguments.0, call.arguments.1)
      if flags.contains(.removeDirectory) {
        try state.vfs.removeDirectory(path, task.caller)
      } else {
        try state.vfs.unlink(path, task.caller)
      }
      state.reclaim()
      return .value(0)
    }
  ),
  (
    SYS_rmdir,
    { (state, task, call) throws(Errno) in
      try state.vfs.removeDirectory(try state.path(task, at: here, call.arguments.0), task.caller)
      state.reclaim()
      return .value(0)
    }
  ),
  (
    SYS_rename,
    { (state, task, call) throws(Errno) in
      try state.rename(task, here, call.arguments.0, here, call.arguments.1, [])
    }
  ),
  (
    SYS_renameat,
    { (state, task, call) throws(Errno) in
      try state.rename(task, call.arguments.0, call.arguments.1, call.arguments.2, call.arguments.3, [])
    }
  ),
  (
    SYS_renameat2,
    { (state, task, call) throws(Errno) in
      try state.rename(
        task, call.arguments.0, call.arguments.1, call.arguments.2, call.arguments.3,
        RenameFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.4)))
    }
  ),
]

extension SentryState {
  fileprivate func makeDirectory(_ task: Task, _ directory: UInt64, _ path: UInt64, _ mode: UInt64) throws(Errno)
    -> Outcome
  {
    try vfs.makeDirectory(try self.path(task, at: directory, path), mode: Permissions(mode: mode), task.caller)
    return .value(0)
  }

  fileprivate func makeNode(_ task: Task, _ directory: UInt64, _ path: UInt64, _ mode: UInt64, _ device: UInt64)
    throws(Errno) -> Outcome
  {
    let format = UInt32(truncatingIfNeeded: mode) & 0o170000
    guard let type = format == 0 ? .regular : FileType(mode: format), type != .symlink else { throw .invalidArgument }
    if type == .directory { throw .notPermitted }
    try vfs.makeNode(
      try self.path(task, at: directory, path), type: type, mode: Permissions(mode: mode),
      device: UInt64(UInt32(truncatingIfNeeded: device)), task.caller)
    return .value(0)
  }

  fileprivate func makeSymlink(_ task: Task, _ target: UInt64, _ directory: UInt64, _ path: UInt64) throws(Errno)
    -> Outcome
  {
    let content = [UInt8](try self.path(task, target, .second))
    if content.isEmpty { throw .noSuchFileOrDirectory }
    try vfs.makeSymlink(content, try self.path(task, at: directory, path), task.caller)
    return .value(0)
  }

  fileprivate func link(
    _ task: Task, _ oldDirectory: UInt64, _ old: UInt64, _ newDirectory: UInt64, _ new: UInt64, _ flags: AtFlags
  ) throws(Errno) -> Outcome {
    guard flags.isSubset(of: [.symlinkFollow, .emptyPath]) else { throw .invalidArgument }
    // AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH, or (Linux 6.10) an opener with the same credentials, which is nearly everyone.
    guard
      case .position(let existing) = try target(
        task, at: oldDirectory, old, flags, follow: flags.contains(.symlinkFollow))
    else { throw .improperLink }
    try vfs.link(existing, to: try path(task, at: newDirectory, new, .second), task.caller)
    return .value(0)
  }

  fileprivate func rename(
    _ task: Task, _ oldDirectory: UInt64, _ old: UInt64, _ newDirectory: UInt64, _ new: UInt64, _ flags: RenameFlags
  ) throws(Errno) -> Outcome {
    guard flags.isSubset(of: [.noReplace, .exchange, .whiteout]),
      !(flags.contains(.exchange) && !flags.isDisjoint(with: [.noReplace, .whiteout]))
    else { throw .invalidArgument }
    let oldPath = try path(task, at: oldDirectory, old)
    try vfs.rename(
      oldPath, to: { () throws(Errno) in try path(task, at: newDirectory, new, .second) }, flags, task.caller)
    reclaim()
    return .value(0)
  }
}
