// Finding the sandbox's command before there is a guest: as the first guest would, in its own tree.

import LinuxABI
import VFS

extension SentryState {
  /// `execvp(3)`: a name without a slash is looked for in `searchPath`.
  func findCommand(_ name: [UInt8], searchPath: [UInt8], workingDirectory: [UInt8]) throws(Errno) -> [UInt8] {
    if name.isEmpty { throw .noSuchFileOrDirectory }
    let task = temporaryTask(workingDirectory)
    if name.contains(0x2f) {
      try checkExecutable(task, name)
      return name
    }
    var failure = Errno.noSuchFileOrDirectory
    for directory in searchPath.split(separator: 0x3a, omittingEmptySubsequences: false) {
      let candidate = (directory.isEmpty ? [0x2e] : [UInt8](directory)) + [0x2f] + name
      do throws(Errno) {
        try checkExecutable(task, candidate)
        return candidate
      } catch {
        // A candidate that may not be executed is remembered. One that is not there is not, and neither is a directory
        // that may not be searched: shells say "not found" then.
        if error == .permissionDenied, isFound(task, candidate) { failure = error }
      }
    }
    throw failure
  }

  /// `chdir(2)`, without going there.
  func checkDirectory(_ path: [UInt8]) throws(Errno) {
    let task = temporaryTask()
    try withUnsafeBytesOf(path) { bytes throws(Errno) in
      let position = try vfs.resolve(VirtualFileSystem.Path(bytes, from: task.context.root), task.caller)
      guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
      guard inode.type == .directory else { throw .notDirectory }
      try task.caller.credentials.check(.execute, on: inode)
    }
  }

  func isDirectory(_ path: [UInt8], workingDirectory: [UInt8]) -> Bool {
    inode(temporaryTask(workingDirectory), path)?.isDirectory ?? false
  }

  private func isFound(_ task: Task, _ path: [UInt8]) -> Bool { inode(task, path) != nil }

  private func inode(_ task: Task, _ path: [UInt8]) -> Inode? {
    do throws(Errno) {
      return try withUnsafeBytesOf(path) { bytes throws(Errno) in
        let start = bytes.first == 0x2f ? task.context.root : task.context.workingDirectory
        return try vfs.resolve(VirtualFileSystem.Path(bytes, from: start), task.caller).dentry.inode
      }
    } catch {
      return nil
    }
  }

  private func checkExecutable(_ task: Task, _ path: [UInt8]) throws(Errno) {
    try withUnsafeBytesOf(path) { bytes throws(Errno) in
      let start = bytes.first == 0x2f ? task.context.root : task.context.workingDirectory
      let position = try vfs.resolve(VirtualFileSystem.Path(bytes, from: start), task.caller)
      guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
      guard inode.type == .regular else { throw .permissionDenied }
      try task.caller.credentials.check(.execute, on: inode)
    }
  }
}
