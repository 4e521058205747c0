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
]

extension SentryState {
  fileprivate func named(_ task: Task, _ call: SystemCall, follow: Bool) throws(Errno) -> Position {
    try vfs.resolve(try path(task, at: here, call.arguments.0), task.caller, follow: follow)
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
