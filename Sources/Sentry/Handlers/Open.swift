// open, creat, openat, openat2: the calls whose answer is a descriptor.

import CLinux
import Gate
import LinuxABI
import VFS

let openHandlers: [(CInt, Handler)] = [
  (
    SYS_open,
    { (state, task, call) throws(Errno) in
      try state.open(task, at: UInt64(bitPattern: -100), call.arguments.0, call.arguments.1, call.arguments.2)
    }
  ),
  (
    SYS_creat,
    { (state, task, call) throws(Errno) in
      let flags: OpenFlags = [.create, .writeOnly, .truncate]
      return try state.open(
        task, at: UInt64(bitPattern: -100), call.arguments.0, UInt64(flags.rawValue), call.arguments.1)
    }
  ),
  (
    SYS_openat,
    { (state, task, call) throws(Errno) in
      try state.open(task, at: call.arguments.0, call.arguments.1, call.arguments.2, call.arguments.3)
    }
  ),
  (SYS_openat2, { (state, task, call) throws(Errno) in try state.open2(task, call) }),
]

extension SentryState {
  fileprivate func open(_ task: Task, at descriptor: UInt64, _ address: UInt64, _ flags: UInt64, _ mode: UInt64)
    throws(Errno) -> Outcome
  {
    // open(2) ignores what it does not know.
    let flags = OpenFlags(rawValue: UInt32(truncatingIfNeeded: flags)).intersection(.known)
    return try open(task, at: descriptor, address, flags, Permissions(mode: mode), [])
  }

  fileprivate func open(
    _ task: Task, at descriptor: UInt64, _ address: UInt64, _ given: OpenFlags, _ mode: Permissions,
    _ resolve: ResolveFlags
  ) throws(Errno) -> Outcome {
    var flags = given
    if flags.contains(.path) { flags.formIntersection([.path, .directory, .noFollow, .closeOnExec]) }
    // Since Linux 6.4, before the path is looked at.
    if flags.isSuperset(of: [.create, .directory]), !flags.isTemporary { throw .invalidArgument }
    if flags.isTemporary {
      guard flags.contains(.directory), flags.isWriting else { throw .invalidArgument }
    }
    let bytes = try self.path(task, address)
    if bytes.isEmpty { throw .noSuchFileOrDirectory }
    // Scoped resolution starts at the descriptor whatever the path looks like.
    let isScoped = !resolve.isDisjoint(with: [.beneath, .inRoot])
    let path = VirtualFileSystem.Path(
      bytes, from: try start(task, descriptor, for: isScoped ? UnsafeRawBufferPointer(start: nil, count: 0) : bytes))
    let opened = try vfs.open(path, flags, mode: mode, task.caller, resolve)
    if flags.isWriting || flags.contains(.truncate), isExecuting(opened.inode) { throw .textFileBusy }
    guard let descriptor = try self.descriptor(opened, flags, for: task) else { return .sleep(isSlow: true) }
    return .descriptor(descriptor, closeOnExec: flags.contains(.closeOnExec))
  }

  /// ETXTBSY: some guest runs this file as its program.
  func isExecuting(_ inode: Inode) -> Bool { inode.runners > 0 }

  /// `openat2(2)`: unknown flags are refused.
  fileprivate func open2(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let structure = try structure(task, at: call.arguments.2, size: call.arguments.3, known: 24)
    let rawFlags = structure.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
    let mode = structure.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let resolve = ResolveFlags(rawValue: structure.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
    guard rawFlags & ~UInt64(OpenFlags.known.rawValue) == 0, resolve.isSubset(of: .known),
      !resolve.isSuperset(of: [.beneath, .inRoot])
    else { throw .invalidArgument }
    let flags = OpenFlags(rawValue: UInt32(rawFlags))
    let makes = flags.contains(.create) || flags.isTemporary
    if makes ? mode & ~0o7777 != 0 : mode != 0 { throw .invalidArgument }
    if flags.contains(.path), !flags.isSubset(of: [.path, .directory, .noFollow, .closeOnExec]) {
      throw .invalidArgument
    }
    if resolve.contains(.cached), makes || flags.contains(.truncate) { throw .resourceTemporarilyUnavailable }
    return try open(task, at: call.arguments.0, call.arguments.1, flags, Permissions(mode: mode), resolve)
  }
}
