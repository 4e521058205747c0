// A host directory: lookup is one statx of one component, changes are the `*at` call of the same name.

import Kernel
import LinuxABI
import VFS

/// A directory of the host.
final class HostDirectory: HostInode {
  /// The slot of its descriptor in `DirectoryDescriptors`; -1 while it is not open.
  var slot = -1
  /// What is hidden below it (HiddenPaths.swift).
  var hides: HiddenPaths?

  deinit { host.descriptors.release(self) }

  override func hold() throws(Errno) {
    if held < 0 { keep(try host.descriptors.take(self)) }
  }

  /// Found readable once; of a tree that does not change that is for ever.
  private var isListable = false

  override func checkListing() throws(Errno) {
    if isListable || host.readsAll || isHidden { return }
    try host.descriptors.with(self) { descriptor throws(Errno) in
      try Host.mayAccess("", in: descriptor, .read, .emptyPath)
    }
    isListable = host.policy == .immutable && !host.isWritable
  }

  // MARK: - Lookup

  override func lookup(_ name: Name) throws(Errno) -> Inode? { try find(name) }

  private func find(_ name: Name) throws(Errno) -> HostInode? {
    if isHidden { return nil }
    return try host.descriptors.with(self) { descriptor throws(Errno) -> HostInode? in
      do throws(Errno) {
        let found = try host.find(name, in: descriptor, of: self)
        return try host.inode(found, parent: self, name: name)
      } catch {
        if error == .noSuchFileOrDirectory { return nil }
        throw error
      }
    }
  }

  override func isValid(child: Inode, name: Name) -> Bool {
    do throws(Errno) {
      return try find(name) === child
    } catch {
      return false
    }
  }

  // MARK: - Change

  override func create(_ name: Name, _ new: NewInode) throws(Errno) -> Inode {
    guard host.isWritable, !isHidden else { throw .readOnlyFileSystem }
    let new = try host.permitted(new)
    host.listing.treeChanged()
    return try host.descriptors.with(self) { descriptor throws(Errno) in
      try name.withCString { name throws(Errno) in try make(name, new, in: descriptor) }
      CrashPoint.passed("make")
      do throws(Errno) {
        let stored = name.copy
        try applyMetadata(stored, new, in: descriptor)
        guard let inode = try find(name) else { throw .noSuchFileOrDirectory }
        return inode
      } catch {
        // Nothing half made stays behind.
        try name.withCString { name throws(Errno) in
          try Host.unlink(name, in: descriptor, new.type == .directory ? .removeDirectory : [])
        }
        throw error
      }
    }
  }

  private func make(_ name: UnsafePointer<CChar>, _ new: NewInode, in descriptor: CInt) throws(Errno) {
    let mode = host.recordsAttributes ? new.record.hostMode : UInt32(new.permissions.rawValue)
    switch new.kind {
    case .regular:
      _ = try Host.open(name, in: descriptor, [.writeOnly, .create, .exclusive, .noFollow], mode: mode)
    case .directory:
      try Host.makeDirectory(name, in: descriptor, mode: mode)
    case .symlink(let target):
      try target.withCString { target throws(Errno) in try Host.symlink(target, name, in: descriptor) }
    case .node(let type, let device):
      if host.recordsAttributes && (type == .characterDevice || type == .blockDevice) {
        _ = try Host.open(name, in: descriptor, [.writeOnly, .create, .exclusive, .noFollow], mode: mode)
      } else {
        try Host.makeNode(
          name, in: descriptor, mode: UInt32(type.rawValue) | UInt32(new.permissions.rawValue), device: device)
      }
    }
  }

  /// Gives a new file the owner and the mode asked for, where the host did not.
  private func applyMetadata(_ name: [UInt8], _ new: NewInode, in descriptor: CInt) throws(Errno) {
    let record = new.record
    if host.recordsAttributes {
      switch record.type {
      case .regular, .directory, .characterDevice, .blockDevice: try record.write(.child(descriptor, name))
      case .symlink, .fifo, .socket: break
      }
      return
    }
    try name.withCString { name throws(Errno) in
      let facts = try Host.stat(name, in: descriptor)
      let (owner, group) = (host.hostUser(new.owner), host.hostGroup(new.group))
      if facts.owner != owner || facts.group != group {
        do throws(Errno) {
          try Host.changeOwner(name, in: descriptor, .symlinkNoFollow, to: owner, group)
          CrashPoint.passed("owner")
        } catch {
          // On a bind mount new files belong to whom the host says if we may not give them away.
          guard host.policy == .shared, error == .notPermitted else { throw error }
        }
      }
      guard new.type != .symlink else { return }
      if try Host.stat(name, in: descriptor).permissions != new.permissions {
        try Host.changeMode(name, in: descriptor, .symlinkNoFollow, to: new.permissions)
        CrashPoint.passed("mode")
      }
    }
  }

  override func createTemporary(_ new: NewInode) throws(Errno) -> Inode {
    guard host.isWritable, !isHidden else { throw .readOnlyFileSystem }
    let new = try host.permitted(new)
    let mode = host.recordsAttributes ? new.record.hostMode : UInt32(new.permissions.rawValue)
    let opened = try host.descriptors.with(self) { descriptor throws(Errno) in
      try Host.open(".", in: descriptor, [.temporaryBit, .directory, .readWrite], mode: mode)
    }
    CrashPoint.passed("nameless")
    // What is kept is no writer: the file may be executed.
    let kept = try Host.withProcName(of: opened.rawValue) { path throws(Errno) in try Host.openTrusted(path, .path) }
    let inode = try host.namelessFile(kept)
    if host.recordsAttributes { try inode.atProc { path throws(Errno) in try new.record.write(path) } }
    var change = AttributeChange()
    if inode.owner != new.owner || inode.group != new.group {
      change.owner = new.owner
      change.group = new.group
    }
    change.permissions = new.permissions
    try inode.setAttributes(change)
    return inode
  }

  override func link(_ name: Name, to inode: Inode) throws(Errno) {
    let file = try own(inode)
    if file.isHidden { throw .notPermitted }
    host.listing.treeChanged()
    try host.descriptors.with(self) { descriptor throws(Errno) in
      try name.withCString { name throws(Errno) in
        if file.held >= 0 {
          try Host.withProcName(of: file.held) { path throws(Errno) in
            try Host.link(path, in: AtFlags.currentDirectory, to: name, in: descriptor, .symlinkFollow)
          }
        } else {
          try file.at { (directory, oldName, _) throws(Errno) in
            try Host.link(oldName, in: directory, to: name, in: descriptor)
          }
        }
      }
    }
    CrashPoint.passed("link")
    file.letGo()
    file.parent = self
    file.name = name.copy
    try file.refresh()
  }

  override func unlink(_ name: Name, _ inode: Inode) throws(Errno) {
    try remove(name, own(inode), [])
  }

  override func removeDirectory(_ name: Name, _ inode: Inode) throws(Errno) {
    try remove(name, own(inode), .removeDirectory)
  }

  private func remove(_ name: Name, _ file: HostInode, _ flags: AtFlags) throws(Errno) {
    host.listing.treeChanged()
    try losing(file, name) { () throws(Errno) in
      try host.descriptors.with(self) { descriptor throws(Errno) in
        try name.withCString { name throws(Errno) in try Host.unlink(name, in: descriptor, flags) }
      }
    }
    CrashPoint.passed("unlink")
  }

  /// Takes the step by which `file` loses the name that it is known by here; who has it open keeps it.
  private func losing(_ file: HostInode?, _ name: Name, _ step: () throws(Errno) -> Void) throws(Errno) {
    guard let file, file.held < 0, file.parent === self, name.equals(file.name) else { return try step() }
    try file.hold()
    do throws(Errno) {
      try step()
    } catch {
      // It has its name still, unless the host took that away.
      if error != .noSuchFileOrDirectory { file.letGo() }
      throw error
    }
  }

  override func rename(
    _ name: Name, _ inode: Inode, to newDirectory: Inode, _ newName: Name, replacing replaced: Inode?,
    _ flags: RenameFlags
  ) throws(Errno) {
    let file = try own(inode)
    guard let target = newDirectory as? HostDirectory, target.filesystem === filesystem else { throw .improperLink }
    if target.isHidden { throw .readOnlyFileSystem }
    // RENAME_WHITEOUT would leave a device node.
    if flags.contains(.whiteout), host.policy == .shared { throw .invalidArgument }
    let other = try replaced.map { (inode) throws(Errno) in try own(inode) }
    host.listing.treeChanged()
    let loser = flags.contains(.exchange) ? nil : other
    try target.losing(loser, newName) { () throws(Errno) in
      try host.descriptors.with(self) { from throws(Errno) in
        try host.descriptors.with(target) { to throws(Errno) in
          try name.withCString { name throws(Errno) in
            try newName.withCString { newName throws(Errno) in
              try Host.rename(name, in: from, to: newName, in: to, flags)
            }
          }
        }
      }
    }
    CrashPoint.passed("rename")
    file.parent = target
    file.name = newName.copy
    if flags.contains(.exchange), let other {
      other.parent = self
      other.name = name.copy
    }
  }

  /// The inode as one of this writable file system.
  private func own(_ inode: Inode) throws(Errno) -> HostInode {
    guard host.isWritable, !isHidden else { throw .readOnlyFileSystem }
    guard inode.filesystem === filesystem else { throw .improperLink }
    return unsafeDowncast(inode, to: HostInode.self)
  }

  // MARK: - Listing

  override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    if isHidden { return }
    try host.listing.read(self, from: cursor, body)
  }
}

extension NewInode {
  var record: AttributeRecord {
    var device: UInt64 = 0
    if case .node(_, let named) = kind { device = named }
    return AttributeRecord(type: type, permissions: permissions, owner: owner, group: group, device: device)
  }
}
