// Directories: reading them, and the working directory, root and umask of a task.

import Gate
import Kernel
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addDirectories() {
    served(217, "getdents64", .fd, .bytes("dirp"), .int("count"), as: .trace) {
      (call, descriptor, buffer, size) throws(Errno) in
      try call.getdents(descriptor, into: buffer, size, isLegacy: false)
    }
    served(78, "getdents", .fd, .bytes("dirp"), .int("count"), as: .trace) {
      (call, descriptor, buffer, size) throws(Errno) in
      try call.getdents(descriptor, into: buffer, size, isLegacy: true)
    }
    served(80, "chdir", .path, as: .value) { (call, path) throws(Errno) in
      try call.changeDirectory(try call.position(path))
    }
    served(81, "fchdir", .fd, as: .trace) { (call, descriptor) throws(Errno) in
      guard case .position(let position) = try call.target(descriptor) else { throw .notDirectory }
      return try call.changeDirectory(position)
    }
    served(161, "chroot", .path, as: .value) { (call, path) throws(Errno) in
      try call.changeRoot(try call.position(path))
    }
    served(79, "getcwd", .buffer, .size, as: .value) { (call, buffer, size) throws(Errno) in
      try call.getcwd(into: buffer, size)
    }
    served(95, "umask", .mode, as: .value) { (call, mask) throws(Errno) in
      let old = call.task.context.umask
      call.task.context.umask = mask.intersection(Permissions(rawValue: 0o777))
      return .value(Int(old.rawValue))
    }
  }
}

extension CallContext {
  fileprivate func changeDirectory(_ position: Position) throws(Errno) -> Outcome {
    try checkEnterable(position)
    task.context.workingDirectory = position
    notifier?.checkUnlinked()
    return .value(0)
  }

  fileprivate func changeRoot(_ position: Position) throws(Errno) -> Outcome {
    try checkEnterable(position)
    if !task.credentials.fileCredentials.has(.systemChroot) { throw .notPermitted }
    task.context.root = position
    return .value(0)
  }

  /// A directory that the task may make its working directory or root.
  private func checkEnterable(_ position: Position) throws(Errno) {
    guard let inode = position.dentry.inode, inode.isDirectory else { throw .notDirectory }
    // A directory of the host that the caller of the sandbox has handed in: nothing in it is part of the tree.
    if position.isDetached { throw .permissionDenied }
    try task.credentials.fileCredentials.check(.execute, on: inode)
  }

  fileprivate func getcwd(into buffer: Buffer, _ size: ByteCount) throws(Errno) -> Outcome {
    let position = task.context.workingDirectory
    if vfs.isUnlinked(position) { throw .noSuchFileOrDirectory }
    // As the kernel shows a directory outside the task's root (`man 2 getcwd`).
    var path = vfs.shownPath(of: position, from: task.context.root, outside: "(unreachable)")
    path.append(0)
    if path.count > Name.maximumPath { throw .fileNameTooLong }
    if UInt64(path.count) > size.value { throw .outOfRange }
    try memory.write(path, at: buffer)
    return .value(path.count)
  }

  /// `getdents64(2)` and its older form. The descriptor's own file position is the cursor: 0 `.`, 1 `..`, then the
  /// file system's cursors moved up by two.
  fileprivate func getdents(_ descriptor: Descriptor, into guestBuffer: Buffer, _ count: CInt, isLegacy: Bool)
    throws(Errno) -> Outcome
  {
    guard case .position(let position) = try openTarget(descriptor) else { throw .notDirectory }
    guard let directory = position.dentry.inode, directory.isDirectory else { throw .notDirectory }
    let copy = try descriptors.cursor(descriptor.number)
    if position.dentry.isDeleted { throw .noSuchFileOrDirectory }
    let start = try copy.position()
    // The kernel counts in an int: from 2^31 on there is no room (fs/readdir.c, `struct getdents_callback64`).
    let size = min(max(Int(count), 0), scratch.count)
    var writer = EntryWriter(buffer: UnsafeMutableRawBufferPointer(rebasing: scratch[..<size]), isLegacy: isLegacy)
    var cursor = start
    if cursor == 0, writer.append(dot, directory.number, .directory, next: 1) { cursor = 1 }
    if cursor == 1 {
      let up = vfs.parentInode(of: position, below: task.context.root) ?? directory
      if writer.append(dotDot, up.number, .directory, next: 2) { cursor = 2 }
    }
    if cursor >= 2, !writer.isFull {
      let isHidden = vfs.hiddenNames(of: position.dentry)
      try directory.iterate(from: cursor == .max ? .max : cursor - 2) { entry in
        // The last entry of an ext4 directory has the largest offset there is.
        let next = entry.next > .max - 2 ? .max : entry.next + 2
        if let isHidden, isHidden(entry.name) {
          cursor = next
          return true
        }
        guard writer.append(entry.name.bytes, entry.number, entry.type, next: next) else { return false }
        cursor = next
        return true
      }
    }
    vfs.report(.access, of: directory, at: position.dentry)
    if writer.count == 0 {
      if writer.isFull { throw .invalidArgument }
      return .value(0)
    }
    try memory.write(UnsafeRawBufferPointer(rebasing: scratch[..<writer.count]), at: guestBuffer)
    if try copy.move(to: cursor) { return .value(writer.count) }
    let seek = (
      registers.0, UInt64(bitPattern: cursor), UInt64(Host.SeekOrigin.start.rawValue), UInt64(0), UInt64(0), UInt64(0)
    )
    return .substituteAnswering(SystemCall(number: SystemCallNumber.lseek.index, arguments: seek), value: writer.count)
  }
}

/// `.` and `..`
private let dots: StaticString = ".."
private var dot: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: dots.utf8Start, count: 1) }
private var dotDot: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: dots.utf8Start, count: 2) }

/// Fills a buffer with `struct linux_dirent64`, or `struct linux_dirent` for the call of 1992.
private struct EntryWriter {
  let buffer: UnsafeMutableRawBufferPointer
  let isLegacy: Bool
  private(set) var count = 0
  private(set) var isFull = false

  init(buffer: UnsafeMutableRawBufferPointer, isLegacy: Bool) {
    self.buffer = buffer
    self.isLegacy = isLegacy
  }

  /// False if the entry does not fit any more.
  mutating func append(_ name: UnsafeRawBufferPointer, _ number: UInt64, _ type: FileType, next: Int64) -> Bool {
    let header = isLegacy ? 18 : 19
    // The older form has the type in its last byte, behind the name's NUL.
    let length = (header + name.count + (isLegacy ? 2 : 1) + 7) & ~7
    guard count + length <= buffer.count else {
      isFull = true
      return false
    }
    let entry = UnsafeMutableRawBufferPointer(rebasing: buffer[count..<(count + length)])
    // What is left of the last eight bytes is padding.
    entry.storeBytes(of: 0, toByteOffset: length - 8, as: UInt64.self)
    entry.storeBytes(of: number, toByteOffset: 0, as: UInt64.self)
    entry.storeBytes(of: next, toByteOffset: 8, as: Int64.self)
    entry.storeBytes(of: UInt16(length), toByteOffset: 16, as: UInt16.self)
    if isLegacy { entry[length - 1] = type.directoryEntryType } else { entry[18] = type.directoryEntryType }
    UnsafeMutableRawBufferPointer(rebasing: entry[header...]).copyMemory(from: name)
    count += length
    return true
  }
}
