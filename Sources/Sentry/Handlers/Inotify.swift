// The calls of inotify(7).

import CLinux
import Gate
import LinuxABI
import VFS

private let here = UInt64(bitPattern: Int64(AtFlags.currentDirectory))

let inotifyHandlers: [(CInt, Handler)] = [
  (SYS_inotify_init, { (state, _, _) throws(Errno) in try state.makeInotifyInstance([]) }),
  (
    SYS_inotify_init1,
    { (state, _, call) throws(Errno) in
      try state.makeInotifyInstance(OpenFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.0)))
    }
  ),
  (SYS_inotify_add_watch, { (state, task, call) throws(Errno) in try state.addInotifyWatch(task, call) }),
  (
    SYS_inotify_rm_watch,
    { (state, task, call) throws(Errno) in
      let (notifier, queue) = try state.inotifyInstance(task, call.arguments.0)
      try notifier.removeWatch(queue, Int32(truncatingIfNeeded: call.arguments.1))
      return .value(0)
    }
  ),
]

extension SentryState {
  /// IN_CLOEXEC and IN_NONBLOCK have the values of O_CLOEXEC and O_NONBLOCK.
  fileprivate func makeInotifyInstance(_ flags: OpenFlags) throws(Errno) -> Outcome {
    guard flags.isSubset(of: [.closeOnExec, .nonBlocking]) else { throw .invalidArgument }
    let notifier: Notifier
    if let known = self.notifier {
      notifier = known
    } else {
      notifier = try Notifier(self)
      self.notifier = notifier
      notifierToWaitFor = notifier.descriptor
    }
    return .descriptor(
      try notifier.makeInstance(nonBlocking: flags.contains(.nonBlocking)), closeOnExec: flags.contains(.closeOnExec))
  }

  /// - Throws: `.badFileDescriptor`; `.invalidArgument` for a descriptor of something else.
  fileprivate func inotifyInstance(_ task: Task, _ descriptor: UInt64) throws(Errno) -> (Notifier, InotifyQueue) {
    let status = try task.descriptors.stat(CInt(truncatingIfNeeded: descriptor))
    if registry.node(status)?.isPath == true { throw .badFileDescriptor }
    guard let notifier, let queue = notifier.instance(status) else { throw .invalidArgument }
    return (notifier, queue)
  }

  /// The order of checks is the kernel's (fs/notify/inotify/inotify_user.c).
  fileprivate func addInotifyWatch(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let mask = InotifyMask(rawValue: UInt32(truncatingIfNeeded: call.arguments.2))
    guard mask.isSubset(of: .known), !mask.isEmpty else { throw .invalidArgument }
    let status = try task.descriptors.stat(CInt(truncatingIfNeeded: call.arguments.0))
    if mask.isSuperset(of: [.maskAdd, .maskCreate]), registry.node(status)?.isPath != true { throw .invalidArgument }
    let (notifier, queue) = try inotifyInstance(task, call.arguments.0)
    let path = try path(task, at: here, call.arguments.1)
    let position = try vfs.resolve(path, task.caller, follow: !mask.contains(.dontFollow))
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if mask.contains(.onlyDirectory), !inode.isDirectory { throw .notDirectory }
    // What has no name in the tree is the host's: a pipe, a file that the caller has handed in.
    if position.isDetached { throw .permissionDenied }
    try task.credentials.fileCredentials.check(.read, on: inode)
    return .value(Int(try notifier.addWatch(queue, position, inode, mask)))
  }
}
