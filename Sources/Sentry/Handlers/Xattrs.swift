// The twelve extended attribute calls (`man 7 xattr`): sizes and flags here, rules in the VFS.

import CLinux
import Gate
import LinuxABI
import VFS

private let here = UInt64(bitPattern: Int64(AtFlags.currentDirectory))

let xattrHandlers: [(CInt, Handler)] = [
  (
    SYS_getxattr,
    { (state, task, call) throws(Errno) in
      try state.getXattr(task, try state.named(task, call, follow: true), call)
    }
  ),
  (
    SYS_lgetxattr,
    { (state, task, call) throws(Errno) in
      try state.getXattr(task, try state.named(task, call, follow: false), call)
    }
  ),
  (
    SYS_fgetxattr,
    { (state, task, call) throws(Errno) in
      try state.getXattr(task, try state.opened(task, call), call)
    }
  ),
  (
    SYS_setxattr,
    { (state, task, call) throws(Errno) in
      try state.setXattr(task, call) { () throws(Errno) in try state.named(task, call, follow: true) }
    }
  ),
  (
    SYS_lsetxattr,
    { (state, task, call) throws(Errno) in
      try state.setXattr(task, call) { () throws(Errno) in try state.named(task, call, follow: false) }
    }
  ),
  (
    SYS_fsetxattr,
    { (state, task, call) throws(Errno) in
      try state.setXattr(task, call) { () throws(Errno) in try state.opened(task, call) }
    }
  ),
  (
    SYS_listxattr,
    { (state, task, call) throws(Errno) in
      try state.listXattrs(task, try state.named(task, call, follow: true), call)
    }
  ),
  (
    SYS_llistxattr,
    { (state, task, call) throws(Errno) in
      try state.listXattrs(task, try state.named(task, call, follow: false), call)
    }
  ),
  (
    SYS_flistxattr,
    { (state, task, call) throws(Errno) in
      try state.listXattrs(task, try state.opened(task, call), call)
    }
  ),
  (
    SYS_removexattr,
    { (state, task, call) throws(Errno) in
      try state.removeXattr(task, try state.named(task, call, follow: true), call)
    }
  ),
  (
    SYS_lremovexattr,
    { (state, task, call) throws(Errno) in
      try state.removeXattr(task, try state.named(task, call, follow: false), call)
    }
  ),
  (
    SYS_fremovexattr,
    { (state, task, call) throws(Errno) in
      try state.removeXattr(task, try state.opened(task, call), call)
    }
  ),
  (
    463,  // setxattrat
    { (state, task, call) throws(Errno) in
      let arguments = try state.xattrArguments(task, call)
      try state.checkAtFlags(call)
      let other = call.likeXattr(name: call.arguments.3, arguments)
      return try state.setXattr(task, other) { () throws(Errno) in try state.namedAt(task, call) }
    }
  ),
  (
    464,  // getxattrat
    { (state, task, call) throws(Errno) in
      let arguments = try state.xattrArguments(task, call)
      try state.checkAtFlags(call)
      guard arguments.flags == 0 else { throw .invalidArgument }
      return try state.getXattr(
        task, try state.namedAt(task, call), call.likeXattr(name: call.arguments.3, arguments))
    }
  ),
  (
    465,  // listxattrat
    { (state, task, call) throws(Errno) in
      try state.checkAtFlags(call)
      var other = call
      other.arguments = (0, call.arguments.3, call.arguments.4, 0, 0, 0)
      return try state.listXattrs(task, try state.namedAt(task, call), other)
    }
  ),
  (
    466,  // removexattrat
    { (state, task, call) throws(Errno) in
      try state.checkAtFlags(call)
      var other = call
      other.arguments = (0, call.arguments.3, 0, 0, 0, 0)
      return try state.removeXattr(task, try state.namedAt(task, call), other)
    }
  ),
]

/// `struct xattr_args` (linux/xattr.h, Linux 6.13).
private struct XattrArguments: BitwiseCopyable {
  var value: UInt64
  var size: UInt32
  var flags: UInt32
}

extension SystemCall {
  /// The same in the places where `setxattr(2)` and `getxattr(2)` have it.
  fileprivate func likeXattr(name: UInt64, _ given: XattrArguments) -> SystemCall {
    var other = self
    other.arguments = (0, name, given.value, UInt64(given.size), UInt64(given.flags), 0)
    return other
  }
}

extension SentryState {
  fileprivate func named(_ task: Task, _ call: SystemCall, follow: Bool) throws(Errno) -> Position {
    try vfs.resolve(try path(task, at: here, call.arguments.0), task.caller, follow: follow)
  }

  /// AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH.
  fileprivate func checkAtFlags(_ call: SystemCall) throws(Errno) {
    let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.2))
    guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
  }

  /// What the first three arguments of the `*xattrat` calls name: a path, or with AT_EMPTY_PATH a descriptor.
  fileprivate func namedAt(_ task: Task, _ call: SystemCall) throws(Errno) -> Position {
    let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.2))
    let address = call.arguments.1
    let bytes =
      address == 0 && flags.contains(.emptyPath)
      ? UnsafeRawBufferPointer(start: nil, count: 0) : try path(task, address)
    guard bytes.isEmpty else {
      let path = VirtualFileSystem.Path(bytes, from: try start(task, call.arguments.0, for: bytes))
      return try vfs.resolve(path, task.caller, follow: !flags.contains(.symlinkNoFollow))
    }
    guard flags.contains(.emptyPath) else { throw .noSuchFileOrDirectory }
    if CInt(truncatingIfNeeded: call.arguments.0) == AtFlags.currentDirectory { return task.context.workingDirectory }
    return try opened(task, call)
  }

  /// The structure of `setxattrat` and `getxattrat`.
  fileprivate func xattrArguments(_ task: Task, _ call: SystemCall) throws(Errno) -> XattrArguments {
    try structure(task, at: call.arguments.4, size: call.arguments.5, known: 16).loadUnaligned(as: XattrArguments.self)
  }

  /// - Throws: `.notSupportedOnSocket` for a descriptor that is none of ours: pipes and sockets have none.
  fileprivate func opened(_ task: Task, _ call: SystemCall) throws(Errno) -> Position {
    guard case .position(let position) = try openTarget(task, call.arguments.0) else { throw .notSupportedOnSocket }
    return position
  }

  /// XATTR_NAME_MAX is 255 (linux/limits.h).
  private func attributeName(_ task: Task, _ address: UInt64) throws(Errno) -> Name {
    let bytes: UnsafeRawBufferPointer
    do throws(Errno) {
      bytes = try path(task, address, .second)
    } catch {
      throw error == .fileNameTooLong ? .outOfRange : error
    }
    if bytes.isEmpty || bytes.count > 255 { throw .outOfRange }
    return Name(bytes)
  }

  fileprivate func getXattr(_ task: Task, _ position: Position, _ call: SystemCall) throws(Errno) -> Outcome {
    let name = try attributeName(task, call.arguments.1)
    return try deliver(
      try vfs.extendedAttribute(name, of: position, task.caller), task, call.arguments.2, call.arguments.3)
  }

  /// Name, size and value are looked at before the file is, as in the kernel (`setxattr_copy`).
  fileprivate func setXattr(_ task: Task, _ call: SystemCall, _ find: () throws(Errno) -> Position) throws(Errno)
    -> Outcome
  {
    let flags = XattrFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.4))
    guard flags.isSubset(of: [.create, .replace]) else { throw .invalidArgument }
    let name = try attributeName(task, call.arguments.1)
    // XATTR_SIZE_MAX.
    if call.arguments.3 > 65536 { throw .argListTooLong }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(call.arguments.3)])
    try task.memory.read(into: buffer, at: call.arguments.2)
    let value = [UInt8](buffer)
    try vfs.setExtendedAttribute(name, of: try find(), to: value, flags, task.caller)
    return .value(0)
  }

  fileprivate func listXattrs(_ task: Task, _ position: Position, _ call: SystemCall) throws(Errno) -> Outcome {
    var list: [UInt8] = []
    for name in try vfs.extendedAttributeNames(of: position, task.caller) {
      list.append(contentsOf: name)
      list.append(0)
    }
    return try deliver(list, task, call.arguments.1, call.arguments.2)
  }

  fileprivate func removeXattr(_ task: Task, _ position: Position, _ call: SystemCall) throws(Errno) -> Outcome {
    try vfs.removeExtendedAttribute(try attributeName(task, call.arguments.1), of: position, task.caller)
    return .value(0)
  }

  /// Size 0 asks for the size; a buffer that is too small is ERANGE.
  private func deliver(_ bytes: [UInt8], _ task: Task, _ address: UInt64, _ size: UInt64) throws(Errno) -> Outcome {
    if size == 0 { return .value(bytes.count) }
    if UInt64(bytes.count) > size { throw .outOfRange }
    try task.memory.write(bytes, at: address)
    return .value(bytes.count)
  }
}
