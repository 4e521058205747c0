// The text files of a process directory.

import Kernel
import KernFS
import LinuxABI
import VFS

/// A file whose content says something about a thread.
final class ProcessFile: DynamicFile {
  enum Content {
    /// The host's bytes, for everybody.
    case host(StaticString)
    /// The host's bytes, for who may trace the process.
    case restricted(StaticString)
    /// The host's bytes, and the host's file for who writes.
    case writable(StaticString)
    /// `maps` or `smaps`.
    case maps(StaticString)
    case constant(StaticString)
    case limits
    case stat
    case status
    case mounts
    case mountInformation
    case mountStatistics
    case children
  }

  private let thread: ProcessThread
  private let what: Content

  init(
    _ filesystem: ProcFilesystem, _ thread: ProcessThread, _ what: Content, number: UInt64, _ permissions: Permissions,
    _ owner: UInt32, _ group: UInt32
  ) {
    self.thread = thread
    self.what = what
    super.init(filesystem, number: number, permissions: permissions, owner: owner, group: group)
  }

  /// - Throws: `.noSuchProcess` if it has gone, `.permissionDenied` if the reader may not trace it.
  override func content() throws(Errno) -> [UInt8] {
    let source = proc.source
    switch what {
    case .host(let name), .writable(let name): return try source.hostFile(name, of: thread)
    case .restricted(let name):
      try source.checkAccess(to: thread)
      return try source.hostFile(name, of: thread)
    case .maps(let name):
      try source.checkAccess(to: thread)
      return ProcessText.maps(try source.hostFile(name, of: thread), source)
    case .constant(let text): return Text.bytes(text)
    case .limits: return ProcessText.limits(try source.hostFile("limits", of: thread))
    case .stat: return ProcessText.stat(try source.hostFile("stat", of: thread), thread, source)
    case .status:
      return ProcessText.status(
        try source.hostFile("status", of: thread), thread, try source.identity(of: thread), source)
    case .mounts: return source.mounts(of: thread.process)
    case .mountInformation: return source.mountInformation(of: thread.process)
    case .mountStatistics: return source.mountStatistics(of: thread.process)
    case .children:
      var text = TextBuilder()
      for field in try source.hostFile("children", of: thread).split(separator: Text.space) {
        guard let host = Digits.parse(field).flatMap({ Int32(exactly: $0) }) else { continue }
        let inside = source.insideID(ofHost: host)
        if inside == 0 { continue }
        text.append(decimal: inside)
        text.append(Text.space)
      }
      return text.bytes
    }
  }

  /// Bytes that are the host's own are read from the host's file, live: `tr ' ' x </proc/self/cmdline` is opened by one
  /// program and read by the next.
  override func openForReading(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    switch what {
    case .host(let name), .writable(let name): return try proc.source.openHostFile(name, of: thread, flags)
    case .restricted(let name):
      try proc.source.checkAccess(to: thread)
      return try proc.source.openHostFile(name, of: thread, flags)
    default: return try super.openForReading(flags)
    }
  }

  override func openForWriting(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    guard case .writable(let name) = what else { throw .permissionDenied }
    return try proc.source.openHostFile(
      name, of: thread, flags.subtracting([.truncate, .create, .exclusive, .append]))
  }
}

extension ProcessSource {
  /// Whether the thread being served may look into `thread`: the rule of PTRACE_MODE_READ (`man 2 ptrace`) without what
  /// a sandbox has not, such as Yama.
  ///
  /// - Throws: `.permissionDenied`.
  func checkAccess(to thread: ProcessThread) throws(Errno) {
    guard let current, current.process != thread.process else { return }
    let caller = try identity(of: current)
    // CAP_SYS_PTRACE.
    if caller.effective & (1 << 19) != 0 { return }
    let target = try identity(of: thread)
    let (user, group) = (caller.users.filesystem, caller.groups.filesystem)
    guard target.users.real == user, target.users.effective == user, target.users.saved == user,
      target.groups.real == group, target.groups.effective == group, target.groups.saved == group,
      target.permitted & ~caller.permitted == 0
    else { throw .permissionDenied }
    let owner = owner(of: thread)
    // Not dumpable: the owner is root.
    if owner.user != target.users.effective { throw .permissionDenied }
  }
}
