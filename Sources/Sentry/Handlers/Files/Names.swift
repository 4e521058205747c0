// mkdir, mknod, symlink, link, unlink, rmdir, rename: the calls that change names.

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addNames() {
    served(83, "mkdir", .path, .mode, as: .value, repeated: true) { (call, path, mode) throws(Errno) in
      try call.makeDirectory(path, at: .current, mode)
    }
    served(258, "mkdirat", .dirfd, .path, .mode, as: .value, repeated: true) {
      (call, directory, path, mode) throws(Errno) in
      try call.makeDirectory(path, at: directory, mode)
    }
    served(133, "mknod", .path, .fileMode, .device, as: .value, repeated: true) {
      (call, path, mode, device) throws(Errno) in
      try call.makeNode(path, at: .current, mode, device)
    }
    served(259, "mknodat", .dirfd, .path, .fileMode, .device, as: .value, repeated: true) {
      (call, directory, path, mode, device) throws(Errno) in
      try call.makeNode(path, at: directory, mode, device)
    }
    served(88, "symlink", .string("target"), .string("linkpath"), as: .value, repeated: true) {
      (call, target, path) throws(Errno) in
      try call.makeSymlink(path, at: .current, to: target)
    }
    served(266, "symlinkat", .string("target"), .directory("newdirfd"), .string("linkpath"), as: .value, repeated: true)
    {
      (call, target, directory, path) throws(Errno) in
      try call.makeSymlink(path, at: directory, to: target)
    }
    served(86, "link", .string("oldpath"), .string("newpath"), as: .value, repeated: true) {
      (call, old, new) throws(Errno) in
      try call.link(old, at: .current, to: new, at: .current, [])
    }
    served(
      265, "linkat", .directory("olddirfd"), .string("oldpath"), .directory("newdirfd"), .string("newpath"), .atFlags,
      as: .value, repeated: true
    ) { (call, oldDirectory, old, newDirectory, new, flags) throws(Errno) in
      try call.link(old, at: oldDirectory, to: new, at: newDirectory, flags)
    }
    served(87, "unlink", .path, as: .value, repeated: true) { (call, path) throws(Errno) in
      try call.unlink(path, at: .current)
    }
    served(263, "unlinkat", .dirfd, .path, .unlinkFlags, as: .value, repeated: true) {
      (call, directory, path, flags) throws(Errno) in
      guard flags.isSubset(of: .removeDirectory) else { throw .invalidArgument }
      return flags.contains(.removeDirectory)
        ? try call.removeDirectory(path, at: directory) : try call.unlink(path, at: directory)
    }
    served(84, "rmdir", .path, as: .value, repeated: true) { (call, path) throws(Errno) in
      try call.removeDirectory(path, at: .current)
    }
    served(82, "rename", .string("oldpath"), .string("newpath"), as: .value, repeated: true) {
      (call, old, new) throws(Errno) in
      try call.rename(old, at: .current, to: new, at: .current, [])
    }
    served(
      264, "renameat", .directory("olddirfd"), .string("oldpath"), .directory("newdirfd"), .string("newpath"),
      as: .value, repeated: true
    ) { (call, oldDirectory, old, newDirectory, new) throws(Errno) in
      try call.rename(old, at: oldDirectory, to: new, at: newDirectory, [])
    }
    served(
      316, "renameat2", .directory("olddirfd"), .string("oldpath"), .directory("newdirfd"), .string("newpath"),
      .renameFlags, as: .value, repeated: true
    ) { (call, oldDirectory, old, newDirectory, new, flags) throws(Errno) in
      try call.rename(old, at: oldDirectory, to: new, at: newDirectory, flags)
    }
  }
}

extension CallContext {
  fileprivate func makeDirectory(_ path: GuestString, at directory: DirectoryDescriptor, _ mode: Permissions)
    throws(Errno) -> Outcome
  {
    try vfs.makeDirectory(try self.path(path, at: directory), mode: mode, task.caller)
    return .value(0)
  }

  fileprivate func makeNode(
    _ path: GuestString, at directory: DirectoryDescriptor, _ mode: FileMode, _ device: Device
  ) throws(Errno) -> Outcome {
    guard let type = mode.format == 0 ? .regular : FileType(mode: mode.format), type != .symlink else {
      throw .invalidArgument
    }
    if type == .directory { throw .notPermitted }
    try vfs.makeNode(
      try self.path(path, at: directory), type: type, mode: mode.permissions, device: device.number, task.caller)
    return .value(0)
  }

  fileprivate func makeSymlink(_ path: GuestString, at directory: DirectoryDescriptor, to target: GuestString)
    throws(Errno) -> Outcome
  {
    let content = [UInt8](try bytes(of: target, .second))
    if content.isEmpty { throw .noSuchFileOrDirectory }
    try vfs.makeSymlink(content, try self.path(path, at: directory), task.caller)
    return .value(0)
  }

  fileprivate func link(
    _ old: GuestString, at oldDirectory: DirectoryDescriptor, to new: GuestString, at newDirectory: DirectoryDescriptor,
    _ flags: AtFlags
  ) throws(Errno) -> Outcome {
    guard flags.isSubset(of: [.symlinkFollow, .emptyPath]) else { throw .invalidArgument }
    // AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH, or (Linux 6.10) an opener with the same credentials, which is nearly everyone.
    guard
      case .position(let existing) = try target(old, at: oldDirectory, flags, follow: flags.contains(.symlinkFollow))
    else { throw .improperLink }
    try vfs.link(existing, to: try path(new, at: newDirectory, .second), task.caller)
    return .value(0)
  }

  fileprivate func unlink(_ path: GuestString, at directory: DirectoryDescriptor) throws(Errno) -> Outcome {
    try vfs.unlink(try self.path(path, at: directory), task.caller)
    files.reclaim()
    return .value(0)
  }

  fileprivate func removeDirectory(_ path: GuestString, at directory: DirectoryDescriptor) throws(Errno) -> Outcome {
    try vfs.removeDirectory(try self.path(path, at: directory), task.caller)
    files.reclaim()
    return .value(0)
  }

  fileprivate func rename(
    _ old: GuestString, at oldDirectory: DirectoryDescriptor, to new: GuestString, at newDirectory: DirectoryDescriptor,
    _ flags: RenameFlags
  ) throws(Errno) -> Outcome {
    guard flags.isSubset(of: [.noReplace, .exchange, .whiteout]),
      !(flags.contains(.exchange) && !flags.isDisjoint(with: [.noReplace, .whiteout]))
    else { throw .invalidArgument }
    let oldPath = try path(old, at: oldDirectory)
    try vfs.rename(
      oldPath, to: { () throws(Errno) in try path(new, at: newDirectory, .second) }, flags, task.caller)
    files.reclaim()
    return .value(0)
  }
}
