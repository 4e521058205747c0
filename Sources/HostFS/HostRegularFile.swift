// Regular files, symlinks and nodes of the host.

import Kernel
import LinuxABI
import VFS

/// A regular file: the guest gets a descriptor of the host file itself.
final class HostRegularFile: HostInode {
  /// Set-id bits that a native write must not clear, because the writer has CAP_FSETID inside; it never has it on the
  /// host, so they are put back when somebody looks.
  private var keptSetIDs: Permissions = []
  /// Whoever opened the file for writing last has that capability: bits that are set later are kept too.
  private var keepsSetIDs = false

  override func willBeWritten(clearingSetIDs: Bool) {
    guard host.isStore else { return }
    keepsSetIDs = !clearingSetIDs
    keptSetIDs = clearingSetIDs ? [] : permissions.intersection([.setUserID, .setGroupID])
  }

  override func attributes() throws(Errno) -> Attributes {
    let now = try super.attributes()
    let lost = keptSetIDs.subtracting(now.permissions)
    if lost.isEmpty { return now }
    var change = AttributeChange()
    change.permissions = now.permissions.union(lost)
    try super.setAttributes(change)
    return try super.attributes()
  }

  override func setAttributes(_ change: AttributeChange) throws(Errno) {
    if let permissions = change.permissions {
      keptSetIDs =
        keepsSetIDs ? permissions.intersection([.setUserID, .setGroupID]) : keptSetIDs.intersection(permissions)
    }
    try super.setAttributes(change)
  }

  override var isBackedByLower: Bool { !host.isWritable }

  override func truncate(to size: Int64) throws(Errno) {
    guard host.isWritable else { throw .readOnlyFileSystem }
    try keepingSetIDs { () throws(Errno) in
      let descriptor = try open(.writeOnly)
      try Host.truncate(descriptor.rawValue, to: size)
    }
    CrashPoint.passed("truncate")
    try refresh()
  }

  /// A truncation by us clears set-id bits on the host. Whether it clears the guest's is for the VFS to say, who knows
  /// the caller.
  private func keepingSetIDs<T: ~Copyable>(_ truncation: () throws(Errno) -> T) throws(Errno) -> T {
    if !host.isStore || permissions.isDisjoint(with: [.setUserID, .setGroupID]) { return try truncation() }
    let before = try attributes().permissions
    let result = try truncation()
    if try super.attributes().permissions != before {
      var change = AttributeChange()
      change.permissions = before
      try super.setAttributes(change)
    }
    return result
  }

  /// A lower layer is opened for reading only, whatever is asked; O_TRUNC is the host's to do on a writable tree.
  override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    guard host.isWritable || !(flags.isWriting || flags.contains(.truncate)) else { throw .readOnlyFileSystem }
    if !flags.contains(.truncate) { return try openHere(flags) }
    return try keepingSetIDs { () throws(Errno) in try openHere(flags) }
  }

  private func openHere(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    // Bits that `openat2` would refuse, and those that would make it something else than an open.
    let wanted = flags.intersection(.known).subtracting([
      .create, .exclusive, .noFollow, .directory, .path, .temporaryBit,
    ])
    if held >= 0 {
      return try Host.withProcName(of: held) { path throws(Errno) in try openNamed(path, wanted) }
    }
    guard let parent else { throw .noSuchFileOrDirectory }
    return try host.descriptors.with(parent) { directory throws(Errno) in
      try name.withCString { name throws(Errno) in
        if host.policy == .immutable, !isMountRoot {
          // A mount that has come over the name since is not entered.
          do throws(Errno) {
            return try Host.withoutWaiting(wanted) { flags throws(Errno) in
              try Host.open(
                name, in: directory, flags.union([.largeFile, .noControllingTerminal]),
                resolve: [.beneath, .noMagicLinks, .noSymlinks, .noCrossDevice])
            }
          } catch {
            throw error == .improperLink ? Errno.staleNFSFileHandle : error
          }
        }
        return try openShared(name, in: directory, wanted)
      }
    }
  }

  /// The host may have put a FIFO or a device under the name meanwhile: it must neither block us nor be opened.
  private func openShared(_ name: UnsafePointer<CChar>, in directory: CInt, _ flags: OpenFlags) throws(Errno)
    -> OwnedDescriptor
  {
    let seen = try Host.open(name, in: directory, [.path, .noFollow], resolve: [.beneath, .noMagicLinks])
    guard try Host.stat(seen.rawValue).type == .regular else {
      throw .staleNFSFileHandle
    }
    try host.verify(seen.rawValue, at: name, in: directory, is: self)
    return try Host.withProcName(of: seen.rawValue) { path throws(Errno) in try openNamed(path, flags) }
  }

  /// A process of the host may hold a lease on the file.
  private func openNamed(_ path: UnsafePointer<CChar>, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try Host.withoutWaiting(flags) { flags throws(Errno) in try Host.openTrusted(path, flags) }
  }
}

/// A symlink; the VFS follows it, never the host.
final class HostSymlink: HostInode {
  /// The target of a link in an immutable tree, once read.
  private var target: [UInt8]?

  override func readlink() throws(Errno) -> [UInt8] {
    if let target { return target }
    let read = try at { (directory, name, _) throws(Errno) in try Host.readlink(name, in: directory) }
    if host.policy == .immutable { target = read }
    return read
  }
}

/// A FIFO, socket or device node: shown by stat. One that the host made is never opened; a FIFO of a store is the guest's.
final class HostNode: HostInode {
  private var device: UInt64 = 0

  override var namedDevice: UInt64 {
    get { device }
    set { device = newValue }
  }

  /// The host's own file is a regular one; RENAME_WHITEOUT leaves a true device 0:0, which has no record.
  var isRecord = false
  override var isRecordedNode: Bool { isRecord }

  /// Opens a FIFO of a writable tree, without waiting for the other end: that is the sentry's to do.
  ///
  /// - Throws: `.noSuchAddressOrDevice` for a socket, a FIFO of a lower layer, and for O_WRONLY while no task reads;
  ///   `.permissionDenied` for a device.
  override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    guard type == .fifo else { throw type == .socket ? .noSuchAddressOrDevice : .permissionDenied }
    guard host.isWritable else { throw .noSuchAddressOrDevice }
    let seen = try at { (directory, name, flags) throws(Errno) in
      if flags.contains(.emptyPath) { return try Host.duplicate(directory).release() }
      return try Host.open(name, in: directory, [.path, .noFollow], resolve: [.beneath, .noMagicLinks]).release()
    }
    let node = OwnedDescriptor(seen)
    guard try Host.stat(node.rawValue).type == .fifo else { throw .staleNFSFileHandle }
    let wanted = flags.intersection(.known).subtracting([
      .create, .exclusive, .noFollow, .directory, .path, .temporaryBit, .truncate,
    ])
    return try Host.withProcName(of: node.rawValue) { path throws(Errno) in
      try Host.withoutWaiting(wanted) { flags throws(Errno) in try Host.openTrusted(path, flags) }
    }
  }
}
