// What a guest has open that is no file of the virtual tree: the caller's standard streams, a pipe, a socket, a memfd. By
// whatever name it is reached, it gets what the open file description allows already and nothing more.
//
// The description is duplicated once; what is asked of the kernel, and what is then done, is asked and done by that
// duplicate. A guest that puts another file at the number meanwhile (`dup2(2)`) changes nothing.

public import Kernel
public import KernFS
public import LinuxABI
public import VFS

/// A duplicate of such a descriptor.
public struct ForeignDescriptor: ~Copyable {
  private let file: OwnedDescriptor
  /// The host's status of the file.
  public let status: FileStatus
  /// F_GETFL: access mode and status flags of the open file description.
  public let flags: OpenFlags
  private let isHandle: Bool

  /// - Parameter file: a duplicate of the guest's descriptor (`pidfd_getfd(2)`), ours from now on.
  public init(_ file: consuming OwnedDescriptor) throws(Errno) {
    let status = try Host.stat(file.rawValue)
    let flags = try Host.openFlags(of: file.rawValue)
    self.file = file
    self.status = status
    self.flags = flags
    isHandle = false
  }

  /// Where no duplicate can be taken: the file, and what the guest may do with it.
  ///
  /// - Parameters:
  ///   - handle: the guest's file, opened with O_PATH, ours from now on.
  ///   - flags: of a description of the same file that the guest had after `handle` was opened.
  public init(handle: consuming OwnedDescriptor, flags: OpenFlags) throws(Errno) {
    let status = try Host.stat(handle.rawValue)
    file = handle
    self.status = status
    self.flags = flags
    isHandle = true
  }

  /// nil for an anonymous inode (epoll, eventfd).
  public var type: FileType? { status.type }

  /// The access that the description has; none for O_PATH, and for the mode 3 that stands for it here.
  public var access: AccessMode {
    flags.contains(.path) || flags.rawValue & 3 == 3 ? [] : flags.access
  }

  /// PIPEFS_MAGIC of linux/magic.h: made by `pipe(2)`, without a name anywhere on the host.
  public var isAnonymousPipe: Bool {
    guard type == .fifo else { return false }
    do throws(Errno) { return try Host.fileSystem(of: file.rawValue).magic == StatFS.pipe } catch { return false }
  }

  /// Whether `open("/proc/self/fd/N")` with these flags asks for no more than the description allows. An anonymous pipe
  /// may be opened at either end, as on Linux.
  ///
  /// - Throws: `.noSuchAddressOrDevice` for what cannot be opened; `.permissionDenied`; `.notPermitted` for O_NOATIME.
  public func check(_ wanted: OpenFlags) throws(Errno) {
    guard let type, type != .socket, type != .symlink else { throw .noSuchAddressOrDevice }
    // Its entries are not in the tree.
    if type == .directory { throw .permissionDenied }
    if isAnonymousPipe { return }
    guard !access.isEmpty, access.isSuperset(of: wanted.access) else { throw .permissionDenied }
    if type == .regular, wanted.contains(.truncate), !access.contains(.write) { throw .permissionDenied }
    if wanted.contains(.noAccessTime), !flags.contains(.noAccessTime) { throw .notPermitted }
  }

  /// Opens the file anew, without waiting for whatever a device or a FIFO waits for.
  public func open(_ wanted: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try check(wanted)
    var asked = wanted.intersection(.known).subtracting([
      .create, .exclusive, .noFollow, .directory, .path, .temporaryBit,
    ])
    asked.insert(.noControllingTerminal)
    if type == .regular { return try reopen(asked) }
    asked.remove(.truncate)
    let opened = try reopen(asked.union(.nonBlocking))
    if !asked.contains(.nonBlocking) {
      try Host.setOpenFlags(of: opened.rawValue, to: asked)
    }
    return opened
  }

  private func reopen(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try Host.openTrusted("/proc/self/fd/\(file.rawValue)", flags)
  }

  /// `ftruncate(2)`: `truncate(2)` of the link.
  public func truncate(to size: Int64) throws(Errno) {
    if type == .directory { throw .isDirectory }
    guard type == .regular else { throw .invalidArgument }
    guard access.contains(.write) else { throw .permissionDenied }
    if !isHandle { return try Host.truncate(file.rawValue, to: size) }
    let opened = try reopen(.writeOnly)
    try Host.truncate(opened.rawValue, to: size)
  }
}

/// The inode that the link of a foreign descriptor leads to. Made anew each time the link is followed.
public final class ForeignFile: KernInode {
  private let descriptor: ForeignDescriptor
  private let status: Attributes

  init(_ filesystem: ProcFilesystem, _ descriptor: consuming ForeignDescriptor, _ status: Attributes) {
    self.descriptor = descriptor
    self.status = status
    super.init(
      filesystem, type: status.type, number: status.number, permissions: status.permissions, owner: status.owner,
      group: status.group)
  }

  public override func attributes() throws(Errno) -> Attributes { status }

  public override func setAttributes(_ change: AttributeChange) throws(Errno) { throw .notPermitted }

  public override func extendedAttribute(_ name: Name) throws(Errno) -> [UInt8] { throw .notSupportedOnSocket }

  public override func extendedAttributeNames() throws(Errno) -> [[UInt8]] { [] }

  public override func setExtendedAttribute(_ name: Name, to value: [UInt8], _ flags: XattrFlags) throws(Errno) {
    throw .notSupportedOnSocket
  }

  public override func removeExtendedAttribute(_ name: Name) throws(Errno) { throw .notSupportedOnSocket }

  public override func truncate(to size: Int64) throws(Errno) { try descriptor.truncate(to: size) }

  /// A directory of the host that the caller has handed in: nothing in it is part of the tree.
  public override func checkListing() throws(Errno) { throw .permissionDenied }

  public override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor { try descriptor.open(flags) }
}
