// The calls of inotify(7).

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addInotify() {
    served(253, "inotify_init", as: .descriptor) { (call) throws(Errno) in try call.makeInotifyInstance([]) }
    served(294, "inotify_init1", .inotifyFlags, as: .descriptor) { (call, flags) throws(Errno) in
      try call.makeInotifyInstance(flags)
    }
    served(254, "inotify_add_watch", .fd, .path, .inotifyMask, as: .trace) {
      (call, descriptor, path, mask) throws(Errno) in
      try call.addInotifyWatch(descriptor, path, mask)
    }
    served(255, "inotify_rm_watch", .fd, .int("wd"), as: .trace) { (call, descriptor, watch) throws(Errno) in
      let (notifier, queue) = try call.inotifyInstance(descriptor)
      try notifier.removeWatch(queue, watch)
      return .value(0)
    }
    refused(300, "fanotify_init", .notPermitted, "events of the host's file systems", .int("flags"))
    refused(301, "fanotify_mark", .noFunction, "events of the host's file systems", .fd, .int("flags"))
  }
}

extension CallContext {
  fileprivate func makeInotifyInstance(_ flags: InotifyFlags) throws(Errno) -> Outcome {
    guard flags.isSubset(of: [.closeOnExec, .nonBlocking]) else { throw .invalidArgument }
    let notifier: Notifier
    if let known = files.notifier {
      notifier = known
    } else {
      notifier = try Notifier(files, vfs)
      files.notifier = notifier
      sandbox.newNotifier = notifier.descriptor
    }
    return .descriptor(
      try notifier.makeInstance(nonBlocking: flags.contains(.nonBlocking)), closeOnExec: flags.contains(.closeOnExec))
  }

  /// - Throws: `.badFileDescriptor`; `.invalidArgument` for a descriptor of something else.
  fileprivate func inotifyInstance(_ descriptor: Descriptor) throws(Errno) -> (Notifier, InotifyQueue) {
    let status = try status(descriptor)
    if files.registry.node(status)?.isPath == true { throw .badFileDescriptor }
    guard let notifier, let queue = notifier.instance(status) else { throw .invalidArgument }
    return (notifier, queue)
  }

  /// The order of checks is the kernel's (fs/notify/inotify/inotify_user.c).
  fileprivate func addInotifyWatch(_ descriptor: Descriptor, _ path: GuestString, _ mask: InotifyMask) throws(Errno)
    -> Outcome
  {
    guard mask.isSubset(of: .known), !mask.isEmpty else { throw .invalidArgument }
    let status = try status(descriptor)
    if mask.isSuperset(of: [.maskAdd, .maskCreate]), files.registry.node(status)?.isPath != true {
      throw .invalidArgument
    }
    let (notifier, queue) = try inotifyInstance(descriptor)
    let position = try position(path, follow: !mask.contains(.dontFollow))
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if mask.contains(.onlyDirectory), !inode.isDirectory { throw .notDirectory }
    // What has no name in the tree is the host's: a pipe, a file that the caller of the sandbox has handed in.
    if position.isDetached { throw .permissionDenied }
    try task.credentials.fileCredentials.check(.read, on: inode)
    try vfs.checkRules(.read, of: position.dentry)
    return .value(Int(try notifier.addWatch(queue, position, inode, mask)))
  }
}
