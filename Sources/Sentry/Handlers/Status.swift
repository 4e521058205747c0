// stat and its kin, access, statfs: what a file is.

import CLinux
import Gate
import LinuxABI
import VFS

let statusHandlers: [(CInt, Handler)] = [
  (
    SYS_stat,
    { (state, task, call) throws(Errno) in
      try state.stat(task, path: call.arguments.0, into: call.arguments.1, follow: true)
    }
  ),
  (
    SYS_lstat,
    { (state, task, call) throws(Errno) in
      try state.stat(task, path: call.arguments.0, into: call.arguments.1, follow: false)
    }
  ),
  (
    SYS_fstat,
    { (state, task, call) throws(Errno) in
      try state.writeStat(
        task, try state.target(task, descriptor: state.descriptorOnly(call.arguments.0)), call.arguments.1)
    }
  ),
  (
    SYS_newfstatat,
    { (state, task, call) throws(Errno) in
      let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.3))
      guard flags.isSubset(of: [.symlinkNoFollow, .noAutomount, .emptyPath]) else { throw .invalidArgument }
      let target = try state.target(
        task, at: call.arguments.0, call.arguments.1, flags, follow: !flags.contains(.symlinkNoFollow))
      return try state.writeStat(task, target, call.arguments.2)
    }
  ),
  (SYS_statx, { (state, task, call) throws(Errno) in try state.statx(task, call) }),
  (
    SYS_access,
    { (state, task, call) throws(Errno) in
      try state.access(task, at: UInt64(bitPattern: -100), call.arguments.0, call.arguments.1, [])
    }
  ),
  (
    SYS_faccessat,
    { (state, task, call) throws(Errno) in
      try state.access(task, at: call.arguments.0, call.arguments.1, call.arguments.2, [])
    }
  ),
  (
    439 /* faccessat2 */,
    { (state, task, call) throws(Errno) in
      let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.3))
      return try state.access(task, at: call.arguments.0, call.arguments.1, call.arguments.2, flags)
    }
  ),
  (
    SYS_readlink,
    { (state, task, call) throws(Errno) in
      try state.readlink(task, at: UInt64(bitPattern: -100), call.arguments.0, call.arguments.1, call.arguments.2)
    }
  ),
  (
    SYS_readlinkat,
    { (state, task, call) throws(Errno) in
      try state.readlink(task, at: call.arguments.0, call.arguments.1, call.arguments.2, call.arguments.3)
    }
  ),
  (
    SYS_statfs,
    { (state, task, call) throws(Errno) in
      let path = try state.path(task, at: UInt64(bitPattern: -100), call.arguments.0)
      return try state.writeStatfs(task, try state.vfs.resolve(path, task.caller), call.arguments.1)
    }
  ),
  (SYS_ustat, { (state, task, call) throws(Errno) in try state.ustat(task, call) }),
  (
    SYS_fstatfs,
    { (state, task, call) throws(Errno) in
      switch try state.target(task, descriptor: state.descriptorOnly(call.arguments.0)) {
      case .position(let position): return try state.writeStatfs(task, position, call.arguments.1)
      case .foreign: return .native
      }
    }
  ),
]

extension SentryState {
  /// A descriptor argument that may not be AT_FDCWD.
  func descriptorOnly(_ argument: UInt64) throws(Errno) -> UInt64 {
    if CInt(truncatingIfNeeded: argument) < 0 { throw .badFileDescriptor }
    return argument
  }

  fileprivate func stat(_ task: Task, path address: UInt64, into buffer: UInt64, follow: Bool) throws(Errno) -> Outcome
  {
    let path = try path(task, at: UInt64(bitPattern: -100), address)
    return try writeStat(task, .position(try vfs.resolve(path, task.caller, follow: follow)), buffer)
  }

  fileprivate func writeStat(_ task: Task, _ target: Target, _ buffer: UInt64) throws(Errno) -> Outcome {
    var result: stat
    switch target {
    case .foreign(_, let status):
      result = status
      result.st_uid = identity.inside(user: status.st_uid)
      result.st_gid = identity.inside(group: status.st_gid)
    case .position(let position):
      guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
      let attributes = try inode.attributes()
      result = CLinux.stat()
      result.st_dev = UInt(inode.filesystem.deviceNumber)
      result.st_ino = UInt(attributes.number)
      result.st_mode = UInt32(attributes.type.rawValue | attributes.permissions.rawValue)
      result.st_nlink = UInt(linkCount(attributes, position))
      result.st_uid = attributes.owner
      result.st_gid = attributes.group
      result.st_rdev = UInt(attributes.device)
      result.st_size = Int(attributes.size)
      result.st_blksize = Int(attributes.blockSize)
      result.st_blocks = Int(attributes.blocks)
      result.st_atim = attributes.accessTime.timespecValue
      result.st_mtim = attributes.modificationTime.timespecValue
      result.st_ctim = attributes.changeTime.timespecValue
    }
    try task.memory.store(result, at: buffer)
    return .value(0)
  }

  /// A directory that has been removed has no links left, whatever its layers say.
  private func linkCount(_ attributes: Attributes, _ position: Position) -> UInt32 {
    attributes.type == .directory && position.dentry.isDeleted ? 0 : attributes.linkCount
  }

  fileprivate func statx(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.2))
    let mask = UInt32(truncatingIfNeeded: call.arguments.3)
    if mask & 0x8000_0000 != 0 { throw .invalidArgument }
    guard flags.isSubset(of: [.symlinkNoFollow, .noAutomount, .emptyPath, .statxSyncMask]),
      flags.intersection(.statxSyncMask) != .statxSyncMask
    else { throw .invalidArgument }
    let target = try target(
      task, at: call.arguments.0, call.arguments.1, flags, follow: !flags.contains(.symlinkNoFollow))
    var result: statx
    switch target {
    case .foreign(let number, _):
      let copy = try task.descriptors.duplicate(number)
      result = try Name.with("") { name throws(Errno) in
        try name.withCString { path throws(Errno) in try Host.statx(path, in: copy.rawValue, .emptyPath) }
      }
      result.stx_uid = identity.inside(user: result.stx_uid)
      result.stx_gid = identity.inside(group: result.stx_gid)
    case .position(let position):
      guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
      let attributes = try inode.attributes()
      result = CLinux.statx()
      // STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID.
      result.stx_mask = 0x7ff | (attributes.birthTime != nil ? 0x800 : 0) | 0x1000
      result.stx_blksize = attributes.blockSize
      result.stx_attributes_mask = 0x2000
      if position.dentry === position.mount.root { result.stx_attributes = 0x2000 /* STATX_ATTR_MOUNT_ROOT */ }
      result.stx_nlink = linkCount(attributes, position)
      result.stx_uid = attributes.owner
      result.stx_gid = attributes.group
      result.stx_mode = attributes.type.rawValue | attributes.permissions.rawValue
      result.stx_ino = attributes.number
      result.stx_size = UInt64(bitPattern: attributes.size)
      result.stx_blocks = UInt64(bitPattern: attributes.blocks)
      result.stx_atime = attributes.accessTime.statxTimestamp
      result.stx_mtime = attributes.modificationTime.statxTimestamp
      result.stx_ctime = attributes.changeTime.statxTimestamp
      if let birth = attributes.birthTime { result.stx_btime = birth.statxTimestamp }
      result.stx_rdev_major = DeviceNumber.major(attributes.device)
      result.stx_rdev_minor = DeviceNumber.minor(attributes.device)
      result.stx_dev_major = DeviceNumber.major(inode.filesystem.deviceNumber)
      result.stx_dev_minor = DeviceNumber.minor(inode.filesystem.deviceNumber)
      result.stx_mnt_id = UInt64(position.mount.id)
    }
    try task.memory.store(result, at: call.arguments.4)
    return .value(0)
  }

  fileprivate func access(_ task: Task, at descriptor: UInt64, _ address: UInt64, _ mode: UInt64, _ flags: AtFlags)
    throws(Errno) -> Outcome
  {
    let mode = UInt32(truncatingIfNeeded: mode)
    if mode & ~7 != 0 { throw .invalidArgument }
    guard flags.isSubset(of: [.effectiveAccess, .symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
    let wanted = AccessMode(rawValue: UInt8(mode))
    // The whole walk is done with the real ids unless AT_EACCESS (`man 2 access`).
    let credentials =
      flags.contains(.effectiveAccess) ? task.credentials.fileCredentials : task.credentials.accessCredentials
    let caller = VirtualFileSystem.Caller(context: task.context, credentials: credentials)
    let bytes = try path(task, address)
    let position: Position
    if bytes.isEmpty {
      guard flags.contains(.emptyPath) else { throw .noSuchFileOrDirectory }
      switch try target(task, descriptor: descriptor) {
      case .foreign: return .value(0)
      case .position(let found): position = found
      }
    } else {
      let path = VirtualFileSystem.Path(bytes, from: try start(task, descriptor, for: bytes))
      position = try vfs.resolve(path, caller, follow: !flags.contains(.symlinkNoFollow))
    }
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if mode == 0 { return .value(0) }
    try credentials.check(wanted, on: inode)
    // A device or FIFO may be written to on a read-only file system.
    if wanted.contains(.write), inode.type == .regular || inode.isDirectory || inode.type == .symlink {
      try vfs.checkWritable(position.mount)
    }
    return .value(0)
  }

  fileprivate func readlink(_ task: Task, at descriptor: UInt64, _ address: UInt64, _ buffer: UInt64, _ size: UInt64)
    throws(Errno) -> Outcome
  {
    let size = Int(Int32(truncatingIfNeeded: size))
    if size <= 0 { throw .invalidArgument }
    let bytes = try path(task, address)
    let position: Position
    let isEmpty = bytes.isEmpty
    if isEmpty {
      guard case .position(let found) = try target(task, descriptor: descriptor) else { throw .noSuchFileOrDirectory }
      position = found
    } else {
      let path = VirtualFileSystem.Path(bytes, from: try start(task, descriptor, for: bytes))
      position = try vfs.resolve(path, task.caller, follow: false)
    }
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if inode.type != .symlink { throw isEmpty ? .noSuchFileOrDirectory : .invalidArgument }
    let target = try inode.readlink()
    let count = min(target.count, size)
    let outcome: Result<Void, Errno> = target.withUnsafeBytes { bytes in
      do throws(Errno) {
        return .success(try task.memory.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: buffer))
      } catch { return .failure(error) }
    }
    try outcome.get()
    return .value(count)
  }

  /// `ustat(2)`: free blocks and inodes of the mounted file system with a device number.
  ///
  /// - Throws: `.invalidArgument` if none has it.
  fileprivate func ustat(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let device = call.arguments.0 & 0xffff_ffff
    guard let filesystem = vfs.mountList.first(where: { $0.filesystem.deviceNumber == device })?.filesystem else {
      throw .invalidArgument
    }
    let statistics = try filesystem.statistics()
    // struct ustat: f_tfree (int, padded), f_tinode, two names of six bytes that stay empty.
    let result: (UInt64, UInt64, UInt64, UInt64) = (
      statistics.freeBlocks & 0xffff_ffff, statistics.freeFiles, 0, 0
    )
    try task.memory.store(result, at: call.arguments.1)
    return .value(0)
  }

  fileprivate func writeStatfs(_ task: Task, _ position: Position, _ buffer: UInt64) throws(Errno) -> Outcome {
    let statistics = try position.mount.filesystem.statistics()
    var result = statfs()
    result.f_type = statistics.magic
    result.f_bsize = statistics.blockSize
    result.f_frsize = statistics.blockSize
    result.f_blocks = UInt(statistics.blocks)
    result.f_bfree = UInt(statistics.freeBlocks)
    result.f_bavail = UInt(statistics.availableBlocks)
    result.f_files = UInt(statistics.files)
    result.f_ffree = UInt(statistics.freeFiles)
    result.f_namelen = statistics.nameLength
    result.f_fsid.__val.0 = Int32(truncatingIfNeeded: position.mount.filesystem.deviceNumber)
    // ST_VALID, ST_RELATIME, ST_RDONLY.
    result.f_flags = 0x20 | 0x1000 | (position.mount.isReadOnly ? 1 : 0)
    try task.memory.store(result, at: buffer)
    return .value(0)
  }
}
