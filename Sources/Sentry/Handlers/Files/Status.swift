// stat, access, readlink, statfs: what a file is.

import Gate
import Kernel
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addStatus() {
    served(4, "stat", .path, .status, as: .value) { (call, path, buffer) throws(Errno) in
      try call.stat(.position(try call.position(path)), into: buffer)
    }
    served(6, "lstat", .path, .status, as: .value) { (call, path, buffer) throws(Errno) in
      try call.stat(.position(try call.position(path, follow: false)), into: buffer)
    }
    served(5, "fstat", .fd, .status, as: .trace) { (call, descriptor, buffer) throws(Errno) in
      try call.stat(try call.target(descriptor), into: buffer)
    }
    served(262, "newfstatat", .dirfd, .path, .status, .atFlags, as: .value(traceIf: .anyBit(3, emptyPath))) {
      (call, directory, path, buffer, flags) throws(Errno) in
      guard flags.isSubset(of: [.symlinkNoFollow, .noAutomount, .emptyPath]) else { throw .invalidArgument }
      let target = try call.target(path, at: directory, flags, follow: !flags.contains(.symlinkNoFollow))
      return try call.stat(target, into: buffer)
    }
    served(
      332, "statx", .dirfd, .path, .atFlags, .statxMask, Arg<Pointer<ExtendedStatus>>("statxbuf"),
      as: .value(traceIf: .anyBit(2, emptyPath))
    ) { (call, directory, path, flags, mask, buffer) throws(Errno) in
      try call.statx(path, at: directory, flags, mask, into: buffer)
    }
    served(21, "access", .path, .accessMode, as: .value) { (call, path, mode) throws(Errno) in
      try call.access(path, at: .current, mode, [])
    }
    served(269, "faccessat", .dirfd, .path, .accessMode, as: .value) { (call, directory, path, mode) throws(Errno) in
      try call.access(path, at: directory, mode, [])
    }
    served(439, "faccessat2", .dirfd, .path, .accessMode, .accessFlags, as: .value) {
      (call, directory, path, mode, flags) throws(Errno) in
      try call.access(path, at: directory, mode, flags)
    }
    served(89, "readlink", .path, .buffer, .int("bufsiz"), as: .value) { (call, path, buffer, size) throws(Errno) in
      try call.readlink(path, at: .current, into: buffer, size)
    }
    served(267, "readlinkat", .dirfd, .path, .buffer, .int("bufsiz"), as: .value) {
      (call, directory, path, buffer, size) throws(Errno) in
      try call.readlink(path, at: directory, into: buffer, size)
    }
    served(137, "statfs", .path, Arg<Pointer<StatFS>>("buf"), as: .value) { (call, path, buffer) throws(Errno) in
      try call.statfs(try call.position(path), into: buffer)
    }
    served(138, "fstatfs", .fd, Arg<Pointer<StatFS>>("buf"), as: .trace) { (call, descriptor, buffer) throws(Errno) in
      switch try call.target(descriptor) {
      case .position(let position): return try call.statfs(position, into: buffer)
      case .foreign: return .native
      }
    }
    served(136, "ustat", .device, Arg<Pointer<UStat>>("ubuf"), as: .value) { (call, device, buffer) throws(Errno) in
      try call.ustat(device, into: buffer)
    }
    refused(139, "sysfs", .noFunction, "a list of file system types; /proc/filesystems has it", .int("option"))
    refused(468, "file_getattr", .noFunction, "attributes of the host's file systems", .dirfd, .path, .buffer, .size)
    refused(469, "file_setattr", .noFunction, "attributes of the host's file systems", .dirfd, .path, .buffer, .size)
  }
}

/// AT_EMPTY_PATH.
private let emptyPath = AtFlags.emptyPath.rawValue

extension Arg where Value == Pointer<FileStatus> {
  fileprivate static var status: Arg { Arg("statbuf") }
}

/// `struct ustat`: f_tfree (an int, padded), f_tinode, two names of six bytes that stay empty.
typealias UStat = (UInt64, UInt64, UInt64, UInt64)

extension CallContext {
  fileprivate func stat(_ target: Target, into buffer: Pointer<FileStatus>) throws(Errno) -> Outcome {
    var result: FileStatus
    switch target {
    case .foreign(_, let status):
      result = status
      result.owner = identity.inside(user: status.owner)
      result.group = identity.inside(group: status.group)
    case .position(let position):
      guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
      let attributes = try inode.attributes()
      result = FileStatus()
      result.device = inode.filesystem.deviceNumber
      result.inode = attributes.number
      result.mode = UInt32(attributes.type.rawValue | attributes.permissions.rawValue)
      result.linkCount = UInt64(linkCount(attributes, position))
      result.owner = attributes.owner
      result.group = attributes.group
      result.namedDevice = attributes.device
      result.size = attributes.size
      result.blockSize = Int64(attributes.blockSize)
      result.blocks = attributes.blocks
      result.accessTime = attributes.accessTime
      result.modificationTime = attributes.modificationTime
      result.changeTime = attributes.changeTime
    }
    try memory.store(result, at: buffer)
    return .value(0)
  }

  /// A directory that has been removed has no links left, whatever its layers say.
  private func linkCount(_ attributes: Attributes, _ position: Position) -> UInt32 {
    attributes.type == .directory && position.dentry.isDeleted ? 0 : attributes.linkCount
  }

  fileprivate func statx(
    _ path: GuestString, at directory: DirectoryDescriptor, _ flags: AtFlags, _ mask: StatxMask,
    into buffer: Pointer<ExtendedStatus>
  ) throws(Errno) -> Outcome {
    if mask.contains(.reserved) { throw .invalidArgument }
    guard flags.isSubset(of: [.symlinkNoFollow, .noAutomount, .emptyPath, .statxSyncMask]),
      flags.intersection(.statxSyncMask) != .statxSyncMask
    else { throw .invalidArgument }
    var result: ExtendedStatus
    switch try target(path, at: directory, flags, follow: !flags.contains(.symlinkNoFollow)) {
    case .foreign(let descriptor, _):
      result = try descriptors.statx(descriptor.number)
      result.owner = identity.inside(user: result.owner)
      result.group = identity.inside(group: result.group)
    case .position(let position):
      guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
      let attributes = try inode.attributes()
      result = ExtendedStatus()
      result.mask = ExtendedStatus.usual
      if attributes.birthTime == nil { result.mask &= ~ExtendedStatus.birthTimeBit }
      result.blockSize = attributes.blockSize
      result.attributesMask = ExtendedStatus.mountRoot
      if position.dentry === position.mount.root { result.attributes = ExtendedStatus.mountRoot }
      result.linkCount = linkCount(attributes, position)
      result.owner = attributes.owner
      result.group = attributes.group
      result.mode = attributes.type.rawValue | attributes.permissions.rawValue
      result.inode = attributes.number
      result.size = UInt64(bitPattern: attributes.size)
      result.blocks = UInt64(bitPattern: attributes.blocks)
      result.access = ExtendedTime(attributes.accessTime)
      result.modification = ExtendedTime(attributes.modificationTime)
      result.change = ExtendedTime(attributes.changeTime)
      if let birth = attributes.birthTime { result.birth = ExtendedTime(birth) }
      result.namedDeviceMajor = DeviceNumber.major(attributes.device)
      result.namedDeviceMinor = DeviceNumber.minor(attributes.device)
      result.deviceMajor = DeviceNumber.major(inode.filesystem.deviceNumber)
      result.deviceMinor = DeviceNumber.minor(inode.filesystem.deviceNumber)
      if mask.contains(.uniqueMountID) {
        result.mask = result.mask & ~ExtendedStatus.mountBit | ExtendedStatus.uniqueMount
        result.mount = position.mount.uniqueID
      } else {
        result.mount = UInt64(position.mount.id)
      }
    }
    try memory.store(result, at: buffer)
    return .value(0)
  }

  fileprivate func access(
    _ path: GuestString, at directory: DirectoryDescriptor, _ request: AccessRequest, _ flags: AtFlags
  ) throws(Errno) -> Outcome {
    let wanted = try request.mode()
    guard flags.isSubset(of: [.effectiveAccess, .symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
    // The whole walk is done with the real ids unless AT_EACCESS (`man 2 access`).
    let credentials =
      flags.contains(.effectiveAccess) ? task.credentials.fileCredentials : task.credentials.accessCredentials
    let caller = VirtualFileSystem.Caller(context: task.context, credentials: credentials)
    let bytes = try bytes(of: path)
    let position: Position
    if bytes.isEmpty {
      guard flags.contains(.emptyPath) else { throw .noSuchFileOrDirectory }
      switch try target(directory) {
      case .foreign: return .value(0)
      case .position(let found): position = found
      }
    } else {
      let path = VirtualFileSystem.Path(bytes, from: try start(of: bytes, at: directory))
      position = try vfs.resolve(path, caller, follow: !flags.contains(.symlinkNoFollow))
    }
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if wanted.isEmpty { return .value(0) }
    try credentials.check(wanted, on: inode)
    if wanted.contains(.read) { try vfs.checkRules(.read, of: position.dentry) }
    // A device or FIFO may be written to on a read-only file system.
    if wanted.contains(.write), inode.type == .regular || inode.isDirectory || inode.type == .symlink {
      try vfs.checkWritable(position)
    }
    return .value(0)
  }

  fileprivate func readlink(
    _ path: GuestString, at directory: DirectoryDescriptor, into buffer: Buffer, _ size: CInt
  ) throws(Errno) -> Outcome {
    if size <= 0 { throw .invalidArgument }
    let bytes = try bytes(of: path)
    let position: Position
    let isEmpty = bytes.isEmpty
    if isEmpty {
      guard case .position(let found) = try target(directory) else { throw .noSuchFileOrDirectory }
      position = found
    } else {
      let path = VirtualFileSystem.Path(bytes, from: try start(of: bytes, at: directory))
      position = try vfs.resolve(path, task.caller, follow: false)
    }
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if inode.type != .symlink { throw isEmpty ? .noSuchFileOrDirectory : .invalidArgument }
    let target = try inode.readlink()
    let count = min(target.count, Int(size))
    let outcome: Result<Void, Errno> = target.withUnsafeBytes { bytes in
      do throws(Errno) {
        return .success(try memory.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: buffer))
      } catch { return .failure(error) }
    }
    try outcome.get()
    return .value(count)
  }

  /// `ustat(2)`: free blocks and inodes of the mounted file system with a device number.
  ///
  /// - Throws: `.invalidArgument` if none has it.
  fileprivate func ustat(_ device: Device, into buffer: Pointer<UStat>) throws(Errno) -> Outcome {
    guard let filesystem = vfs.mountList.first(where: { $0.filesystem.deviceNumber == device.number })?.filesystem
    else {
      throw .invalidArgument
    }
    let statistics = try filesystem.statistics()
    try memory.store((statistics.freeBlocks & 0xffff_ffff, statistics.freeFiles, 0, 0), at: buffer)
    return .value(0)
  }

  fileprivate func statfs(_ position: Position, into buffer: Pointer<StatFS>) throws(Errno) -> Outcome {
    let statistics = try position.mount.filesystem.statistics()
    var result = StatFS()
    result.magic = statistics.magic
    result.blockSize = statistics.blockSize
    result.fragmentSize = statistics.blockSize
    result.blocks = statistics.blocks
    result.freeBlocks = statistics.freeBlocks
    result.availableBlocks = statistics.availableBlocks
    result.files = statistics.files
    result.freeFiles = statistics.freeFiles
    result.nameLength = statistics.nameLength
    result.identifier.0 = Int32(truncatingIfNeeded: position.mount.filesystem.deviceNumber)
    // ST_VALID, ST_RELATIME, ST_RDONLY.
    result.flags = 0x20 | 0x1000 | (position.mount.isReadOnly ? 1 : 0)
    try memory.store(result, at: buffer)
    return .value(0)
  }
}
