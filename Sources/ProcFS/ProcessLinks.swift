// The links of a process directory that lead to positions: cwd, root, exe, and one for each descriptor.

import KernFS
import LinuxABI
import VFS

/// `cwd`, `root` or `exe`.
final class PositionLink: DynamicLink {
  enum Kind { case workingDirectory, root, executable }

  private let thread: ProcessThread
  private let kind: Kind

  init(
    _ filesystem: ProcFilesystem, _ thread: ProcessThread, _ kind: Kind, number: UInt64, _ owner: UInt32,
    _ group: UInt32
  ) {
    self.thread = thread
    self.kind = kind
    super.init(filesystem, number: number, owner: owner, group: group)
  }

  /// - Throws: `.noSuchFileOrDirectory` for a zombie, `.permissionDenied`.
  override func magicTarget() throws(Errno) -> Position? {
    try proc.source.checkAccess(to: thread)
    do throws(Errno) {
      switch kind {
      case .workingDirectory: return try proc.source.workingDirectory(of: thread)
      case .root: return try proc.source.root(of: thread)
      case .executable: return try proc.source.executable(of: thread.process)
      }
    } catch  where error == .noSuchProcess { throw .noSuchFileOrDirectory }
  }

  override func readlink() throws(Errno) -> [UInt8] {
    guard let position = try magicTarget() else { throw .noSuchFileOrDirectory }
    return try proc.source.linkText(of: position)
  }
}

extension ProcessSource {
  /// What a link to `position` says.
  ///
  /// - Throws: `.fileNameTooLong` if the path and its NUL have no room in PATH_MAX (`do_proc_readlink`).
  fileprivate func linkText(of position: Position) throws(Errno) -> [UInt8] {
    let path = path(of: position)
    if path.count >= Name.maximumPath { throw .fileNameTooLong }
    return path
  }
}

/// `fd` or `fdinfo`.
///
/// Cursors: a descriptor stands at its number and one.
final class DescriptorDirectory: DynamicDirectory {
  enum Kind { case links, information }

  private let thread: ProcessThread
  private let kind: Kind
  private let firstNumber: UInt64

  init(
    _ filesystem: ProcFilesystem, _ thread: ProcessThread, _ kind: Kind, number: UInt64, firstNumber: UInt64,
    _ permissions: Permissions, _ owner: UInt32, _ group: UInt32
  ) {
    self.thread = thread
    self.kind = kind
    self.firstNumber = firstNumber
    super.init(filesystem, number: number, permissions: permissions, owner: owner, group: group)
  }

  private func exists(_ number: Int32) throws(Errno) -> Bool {
    do throws(Errno) {
      _ = try proc.source.descriptor(number, of: thread)
      return true
    } catch  where error == .badFileDescriptor || error == .noSuchProcess { return false }
  }

  override func lookup(_ name: Name) throws(Errno) -> Inode? {
    try proc.source.checkAccess(to: thread)
    guard let number = Digits.identifier(name), try exists(number) else { return nil }
    let inode = firstNumber + UInt64(number)
    switch kind {
    case .links: return DescriptorLink(proc, thread, number, number: inode, owner, group)
    case .information: return DescriptorInformation(proc, thread, number, number: inode, owner, group)
    }
  }

  override func isValid(child: Inode, name: Name) -> Bool {
    guard let number = Digits.identifier(name) else { return false }
    do throws(Errno) { return try exists(number) } catch { return false }
  }

  /// `proc_fd_permission`: a process reaches its own descriptors whoever owns the directory, which is root once it has
  /// changed its ids.
  override func grants(_ wanted: AccessMode) -> Bool {
    kind == .links && !wanted.contains(.write) && proc.source.current?.process == thread.process
  }

  override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    try proc.source.checkAccess(to: thread)
    for number in try proc.source.descriptors(of: thread).sorted() where Int64(number) + 1 >= cursor {
      let goesOn = Name.with(Text.decimal(Int64(number))) { name in
        body(
          DirectoryEntry(
            name: name, number: firstNumber + UInt64(UInt32(bitPattern: number)),
            type: kind == .links ? .symlink : .regular, next: Int64(number) + 2))
      }
      if !goesOn { return }
    }
  }
}

/// /proc/PID/fd/N.
final class DescriptorLink: DynamicLink {
  private let thread: ProcessThread
  private let descriptor: Int32

  init(
    _ filesystem: ProcFilesystem, _ thread: ProcessThread, _ descriptor: Int32, number: UInt64, _ owner: UInt32,
    _ group: UInt32
  ) {
    self.thread = thread
    self.descriptor = descriptor
    super.init(filesystem, number: number, owner: owner, group: group)
  }

  override var size: Int64 { 64 }

  /// The permissions show how the descriptor is open: `lr-x------`, `l-wx------`, `lrwx------`.
  override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    let information = try proc.source.descriptorInformation(descriptor, of: thread)
    switch ProcessText.accessMode(information) {
    case 0: result.permissions = Permissions(rawValue: 0o500)
    case 1: result.permissions = Permissions(rawValue: 0o300)
    default: result.permissions = Permissions(rawValue: 0o700)
    }
    return result
  }

  private func target() throws(Errno) -> ProcessDescriptor {
    try proc.source.checkAccess(to: thread)
    do throws(Errno) {
      return try proc.source.descriptor(descriptor, of: thread)
    } catch  where error == .badFileDescriptor || error == .noSuchProcess { throw .noSuchFileOrDirectory }
  }

  override func readlink() throws(Errno) -> [UInt8] {
    switch try target() {
    case .node(let position): try proc.source.linkText(of: position)
    case .foreign(let text): text
    }
  }

  override func magicTarget() throws(Errno) -> Position? {
    switch try target() {
    case .node(let position): return position
    case .foreign(let text):
      let file: ForeignDescriptor
      do throws(Errno) {
        file = try proc.source.foreignDescriptor(descriptor, of: thread)
      } catch  where error == .badFileDescriptor || error == .noSuchProcess { throw .noSuchFileOrDirectory }
      let attributes = try proc.source.attributes(ofForeign: file.status)
      return proc.source.anonymousPosition(ForeignFile(proc, file, attributes), named: text)
    }
  }
}

/// /proc/PID/fdinfo/N.
final class DescriptorInformation: DynamicFile {
  private let thread: ProcessThread
  private let descriptor: Int32

  init(
    _ filesystem: ProcFilesystem, _ thread: ProcessThread, _ descriptor: Int32, number: UInt64, _ owner: UInt32,
    _ group: UInt32
  ) {
    self.thread = thread
    self.descriptor = descriptor
    super.init(filesystem, number: number, owner: owner, group: group)
  }

  override func content() throws(Errno) -> [UInt8] {
    try proc.source.checkAccess(to: thread)
    return try proc.source.descriptorInformation(descriptor, of: thread)
  }
}

/// /proc/PID/ns: one set of namespaces, the same for all guests, with the kernel's numbers for the first ones
/// (include/linux/proc_ns.h). They can be compared, not entered.
enum NamespaceLinks {
  private static let links: [(StaticString, StaticString)] = [
    ("cgroup", "cgroup:[4026531835]"), ("ipc", "ipc:[4026531839]"), ("mnt", "mnt:[4026531841]"),
    ("net", "net:[4026531840]"), ("pid", "pid:[4026531836]"), ("pid_for_children", "pid:[4026531836]"),
    ("time", "time:[4026531834]"), ("time_for_children", "time:[4026531834]"), ("user", "user:[4026531837]"),
    ("uts", "uts:[4026531838]"),
  ]

  static func directory(_ filesystem: ProcFilesystem, number: UInt64, _ owner: UInt32, _ group: UInt32) -> KernInode {
    let directory = StaticDirectory(filesystem, number: number, permissions: Permissions(rawValue: 0o511))
    (directory.owner, directory.group) = (owner, group)
    for (name, text) in links {
      let link = Symlink(filesystem, to: text)
      link.linkCount = 1
      directory.populate(name, link)
    }
    return directory
  }
}
