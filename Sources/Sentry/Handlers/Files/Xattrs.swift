// The sixteen extended attribute calls (`man 7 xattr`): sizes and flags here, rules in the VFS.

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addXattrs() {
    addXattrsOfPaths()
    addXattrsOfDescriptors()
    served(
      463, "setxattrat", .dirfd, .path, .atFlags, .string("name"), .xattrArguments, .size, as: .value, repeated: true
    ) { (call, directory, path, flags, name, arguments, size) throws(Errno) in
      let given = try call.structure(arguments, size: size)
      try call.check(flags)
      return try call.setXattr(
        name, Buffer(given.value), ByteCount(UInt64(given.size)), XattrFlags(rawValue: given.flags)
      ) { () throws(Errno) in try call.named(path, at: directory, flags) }
    }
    served(
      464, "getxattrat", .dirfd, .path, .atFlags, .string("name"), .xattrArguments, .size, as: .value, repeated: true
    ) { (call, directory, path, flags, name, arguments, size) throws(Errno) in
      let given = try call.structure(arguments, size: size)
      try call.check(flags)
      guard given.flags == 0 else { throw .invalidArgument }
      return try call.getXattr(
        try call.named(path, at: directory, flags), name, into: Buffer(given.value), ByteCount(UInt64(given.size)))
    }
    served(465, "listxattrat", .dirfd, .path, .atFlags, .bytes("list"), .size, as: .value, repeated: true) {
      (call, directory, path, flags, list, size) throws(Errno) in
      try call.check(flags)
      return try call.listXattrs(try call.named(path, at: directory, flags), into: list, size)
    }
    served(466, "removexattrat", .dirfd, .path, .atFlags, .string("name"), as: .value, repeated: true) {
      (call, directory, path, flags, name) throws(Errno) in
      try call.check(flags)
      return try call.removeXattr(try call.named(path, at: directory, flags), name)
    }
  }

  private mutating func addXattrsOfPaths() {
    for (set, get, list, remove, follow) in [
      ((188, "setxattr"), (191, "getxattr"), (194, "listxattr"), (197, "removexattr"), true),
      ((189, "lsetxattr"), (192, "lgetxattr"), (195, "llistxattr"), (198, "lremovexattr"), false),
    ] as [((Int, StaticString), (Int, StaticString), (Int, StaticString), (Int, StaticString), Bool)] {
      served(
        set.0, set.1, .path, .string("name"), .bytes("value"), .size, .xattrFlags, as: .value, repeated: true
      ) { (call, path, name, value, size, flags) throws(Errno) in
        try call.setXattr(name, value, size, flags) { () throws(Errno) in try call.position(path, follow: follow) }
      }
      served(get.0, get.1, .path, .string("name"), .bytes("value"), .size, as: .value, repeated: true) {
        (call, path, name, value, size) throws(Errno) in
        try call.getXattr(try call.position(path, follow: follow), name, into: value, size)
      }
      served(list.0, list.1, .path, .bytes("list"), .size, as: .value, repeated: true) {
        (call, path, list, size) throws(Errno) in
        try call.listXattrs(try call.position(path, follow: follow), into: list, size)
      }
      served(remove.0, remove.1, .path, .string("name"), as: .value, repeated: true) {
        (call, path, name) throws(Errno) in
        try call.removeXattr(try call.position(path, follow: follow), name)
      }
    }
  }

  private mutating func addXattrsOfDescriptors() {
    served(
      190, "fsetxattr", .fd, .string("name"), .bytes("value"), .size, .xattrFlags, as: .trace, repeated: true
    ) { (call, descriptor, name, value, size, flags) throws(Errno) in
      try call.setXattr(name, value, size, flags) { () throws(Errno) in try call.opened(descriptor) }
    }
    served(193, "fgetxattr", .fd, .string("name"), .bytes("value"), .size, as: .trace, repeated: true) {
      (call, descriptor, name, value, size) throws(Errno) in
      try call.getXattr(try call.opened(descriptor), name, into: value, size)
    }
    served(196, "flistxattr", .fd, .bytes("list"), .size, as: .trace, repeated: true) {
      (call, descriptor, list, size) throws(Errno) in
      try call.listXattrs(try call.opened(descriptor), into: list, size)
    }
    served(199, "fremovexattr", .fd, .string("name"), as: .trace, repeated: true) {
      (call, descriptor, name) throws(Errno) in
      try call.removeXattr(try call.opened(descriptor), name)
    }
  }
}

/// `struct xattr_args` (linux/xattr.h, Linux 6.13).
struct XattrArguments: BitwiseCopyable {
  var value: UInt64
  var size: UInt32
  var flags: UInt32
}

extension Arg where Value == Pointer<XattrArguments> {
  fileprivate static var xattrArguments: Arg { Arg("args") }
}

extension CallContext {
  /// AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH.
  fileprivate func check(_ flags: AtFlags) throws(Errno) {
    guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
  }

  /// What the `*xattrat` calls name: a path, or with AT_EMPTY_PATH a descriptor.
  fileprivate func named(_ path: GuestString, at directory: DirectoryDescriptor, _ flags: AtFlags) throws(Errno)
    -> Position
  {
    let bytes =
      path.isNull && flags.contains(.emptyPath)
      ? UnsafeRawBufferPointer(start: nil, count: 0) : try bytes(of: path)
    guard bytes.isEmpty else {
      let path = VirtualFileSystem.Path(bytes, from: try start(of: bytes, at: directory))
      return try vfs.resolve(path, task.caller, follow: !flags.contains(.symlinkNoFollow))
    }
    guard flags.contains(.emptyPath) else { throw .noSuchFileOrDirectory }
    if directory.isCurrent { return task.context.workingDirectory }
    return try opened(directory.descriptor)
  }

  /// - Throws: `.notSupportedOnSocket` for a descriptor of no file of the tree: pipes and sockets have no attributes.
  fileprivate func opened(_ descriptor: Descriptor) throws(Errno) -> Position {
    guard case .position(let position) = try openTarget(descriptor) else { throw .notSupportedOnSocket }
    return position
  }

  /// XATTR_NAME_MAX is 255 (linux/limits.h).
  private func attributeName(_ name: GuestString) throws(Errno) -> Name {
    let bytes: UnsafeRawBufferPointer
    do throws(Errno) {
      bytes = try self.bytes(of: name, .second)
    } catch {
      throw error == .fileNameTooLong ? .outOfRange : error
    }
    if bytes.isEmpty || bytes.count > 255 { throw .outOfRange }
    return Name(bytes)
  }

  fileprivate func getXattr(_ position: Position, _ name: GuestString, into buffer: Buffer, _ size: ByteCount)
    throws(Errno) -> Outcome
  {
    let name = try attributeName(name)
    return try deliver(try vfs.extendedAttribute(name, of: position, task.caller), into: buffer, size)
  }

  /// Name, size and value are looked at before the file is, as in the kernel (`setxattr_copy`).
  fileprivate func setXattr(
    _ name: GuestString, _ value: Buffer, _ size: ByteCount, _ flags: XattrFlags,
    of find: () throws(Errno) -> Position
  ) throws(Errno) -> Outcome {
    guard flags.isSubset(of: [.create, .replace]) else { throw .invalidArgument }
    let name = try attributeName(name)
    // XATTR_SIZE_MAX.
    if size.value > 65536 { throw .argListTooLong }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(size.value)])
    try memory.read(into: buffer, at: value.address)
    let bytes = [UInt8](buffer)
    try vfs.setExtendedAttribute(name, of: try find(), to: bytes, flags, task.caller)
    return .value(0)
  }

  fileprivate func listXattrs(_ position: Position, into buffer: Buffer, _ size: ByteCount) throws(Errno) -> Outcome {
    var list: [UInt8] = []
    for name in try vfs.extendedAttributeNames(of: position, task.caller) {
      list.append(contentsOf: name)
      list.append(0)
    }
    return try deliver(list, into: buffer, size)
  }

  fileprivate func removeXattr(_ position: Position, _ name: GuestString) throws(Errno) -> Outcome {
    try vfs.removeExtendedAttribute(try attributeName(name), of: position, task.caller)
    return .value(0)
  }

  /// Size 0 asks for the size; a buffer that is too small is ERANGE.
  private func deliver(_ bytes: [UInt8], into buffer: Buffer, _ size: ByteCount) throws(Errno) -> Outcome {
    if size.value == 0 { return .value(bytes.count) }
    if UInt64(bytes.count) > size.value { throw .outOfRange }
    try memory.write(bytes, at: buffer)
    return .value(bytes.count)
  }
}
