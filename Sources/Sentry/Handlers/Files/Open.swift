// open, creat, openat, openat2: the calls whose answer is a descriptor.

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addOpen() {
    served(2, "open", .path, .openFlags, .mode, as: .descriptor, repeated: true) {
      (call, path, flags, mode) throws(Errno) in
      // open(2) ignores what it does not know.
      try call.open(path, at: .current, flags.intersection(.known), mode, [])
    }
    served(85, "creat", .path, .mode, as: .descriptor, repeated: true) { (call, path, mode) throws(Errno) in
      try call.open(path, at: .current, [.create, .writeOnly, .truncate], mode, [])
    }
    served(257, "openat", .dirfd, .path, .openFlags, .mode, as: .descriptor, repeated: true) {
      (call, directory, path, flags, mode) throws(Errno) in
      try call.open(path, at: directory, flags.intersection(.known), mode, [])
    }
    served(
      437, "openat2", .dirfd, .path, Arg<Pointer<OpenHow>>("how"), .size, as: .descriptor, repeated: true
    ) { (call, directory, path, how, size) throws(Errno) in
      try call.open(path, at: directory, try call.structure(how, size: size))
    }
    refused(303, "name_to_handle_at", .notSupportedOnSocket, "handles of the host's files", .dirfd, .path, .buffer)
    refused(
      304, "open_by_handle_at", .notPermitted, "any file of the host's file system", .descriptor("mount_fd"), .buffer)
    refused(
      447, "memfd_secret", .noFunction, "memory that the supervisor could not read", .word("flags"))
  }
}

/// `struct open_how` (linux/openat2.h).
struct OpenHow: BitwiseCopyable {
  var flags: UInt64
  var mode: UInt64
  var resolve: UInt64
}

extension CallContext {
  fileprivate func open(
    _ name: GuestString, at directory: DirectoryDescriptor, _ given: OpenFlags, _ mode: Permissions,
    _ resolve: ResolveFlags
  ) throws(Errno) -> Outcome {
    var flags = given
    if flags.contains(.path) { flags.formIntersection([.path, .directory, .noFollow, .closeOnExec]) }
    // Since Linux 6.4, before the path is looked at.
    if flags.isSuperset(of: [.create, .directory]), !flags.isTemporary { throw .invalidArgument }
    if flags.isTemporary {
      guard flags.contains(.directory), flags.isWriting else { throw .invalidArgument }
    }
    let bytes = try bytes(of: name)
    if bytes.isEmpty { throw .noSuchFileOrDirectory }
    // Scoped resolution starts at the descriptor whatever the path looks like.
    let isScoped = !resolve.isDisjoint(with: [.beneath, .inRoot])
    let path = VirtualFileSystem.Path(
      bytes, from: try start(of: isScoped ? UnsafeRawBufferPointer(start: nil, count: 0) : bytes, at: directory))
    let opened = try vfs.open(path, flags, mode: mode, task.caller, resolve)
    if flags.isWriting || flags.contains(.truncate), isExecuting(opened.inode) { throw .textFileBusy }
    guard let descriptor = try files.descriptor(opened, flags, for: task, wake: { wake($0) }) else {
      return .sleep(isSlow: true)
    }
    return .descriptor(descriptor, closeOnExec: flags.contains(.closeOnExec))
  }

  /// ETXTBSY: some guest runs this file as its program.
  func isExecuting(_ inode: Inode) -> Bool { inode.denyWriteCount > 0 }

  /// `openat2(2)`: unknown flags are refused.
  fileprivate func open(_ name: GuestString, at directory: DirectoryDescriptor, _ how: OpenHow) throws(Errno) -> Outcome
  {
    let resolve = ResolveFlags(rawValue: how.resolve)
    guard how.flags & ~UInt64(OpenFlags.known.rawValue) == 0, resolve.isSubset(of: .known),
      !resolve.isSuperset(of: [.beneath, .inRoot])
    else { throw .invalidArgument }
    let flags = OpenFlags(rawValue: UInt32(how.flags))
    let makes = flags.contains(.create) || flags.isTemporary
    if makes ? how.mode & ~0o7777 != 0 : how.mode != 0 { throw .invalidArgument }
    if flags.contains(.path), !flags.isSubset(of: [.path, .directory, .noFollow, .closeOnExec]) {
      throw .invalidArgument
    }
    if resolve.contains(.cached), makes || flags.contains(.truncate) { throw .resourceTemporarilyUnavailable }
    return try open(name, at: directory, flags, Permissions(mode: how.mode), resolve)
  }
}
