// What is done with names: mkdir, mknod, symlink, link, unlink, rmdir, rename. Each follows the order of checks of the
// kernel (fs/namei.c), because programs and conformance suites see which errno wins.

public import LinuxABI

extension VirtualFileSystem {
  /// Who acts, from where, and what `..` and absolute paths mean.
  public struct Caller {
    public let context: FilesystemContext
    public let credentials: Credentials

    @inlinable
    public init(context: FilesystemContext, credentials: Credentials) {
      self.context = context
      self.credentials = credentials
    }

    /// We ourselves: everything is allowed in the virtual tree.
    public static func supervisor(of filesystem: VirtualFileSystem) -> Caller {
      Caller(
        context: FilesystemContext(
          root: filesystem.root, workingDirectory: filesystem.root, umask: Permissions(rawValue: 0o022)),
        credentials: Credentials(user: 0, group: 0, capabilities: Credentials.allCapabilities))
    }
  }

  /// A path and where it starts.
  public struct Path {
    public let bytes: UnsafeRawBufferPointer
    public let start: Position

    @inlinable
    public init(_ bytes: UnsafeRawBufferPointer, from start: Position) {
      self.bytes = bytes
      self.start = start
    }
  }

  func walk(_ path: Path, _ caller: Caller, _ resolve: ResolveFlags = []) throws(Errno) -> PathWalk {
    try PathWalk(self, path.bytes, from: path.start, root: caller.context.root, caller.credentials, resolve)
  }

  /// `path` resolved to something that exists.
  public func resolve(_ path: Path, _ caller: Caller, follow: Bool = true) throws(Errno) -> Position {
    try resolve(path.bytes, from: path.start, in: caller.context, caller.credentials, follow: follow)
  }

  /// EROFS where the mount, the file system or a rule refuses changes of what is there.
  public func checkWritable(_ position: Position) throws(Errno) {
    try checkWritable(position.mount)
    try checkRules(.change, of: position.dentry)
  }

  /// EROFS where the mount or the file system refuses changes.
  func checkWritable(_ mount: Mount) throws(Errno) {
    if mount.isReadOnly || mount.filesystem.isReadOnly { throw .readOnlyFileSystem }
  }

  // MARK: - Creation

  /// Owner, group and mode of a new inode in `directory`: umask or default ACL, setgid directories.
  func newInode(_ kind: NewInode.Kind, _ mode: Permissions, in directory: Inode, _ caller: Caller) throws(Errno)
    -> (NewInode, accessList: [UInt8]?, defaultList: [UInt8]?)
  {
    var new = NewInode(kind, permissions: mode, owner: caller.credentials.user, group: caller.credentials.group)
    if case .symlink = kind {
      new.permissions = Permissions(rawValue: 0o777)
      if directory.permissions.contains(.setGroupID) { new.group = directory.group }
      return (new, nil, nil)
    }
    var accessList: [UInt8]?
    var defaultList: [UInt8]?
    if let inherited = defaultAccessList(of: directory) {
      (new.permissions, accessList) = AccessControlList.inherit(inherited, mode: mode)
      if new.type == .directory { defaultList = inherited }
    } else {
      new.permissions.subtract(caller.context.umask)
    }
    if directory.permissions.contains(.setGroupID) {
      new.group = directory.group
      if new.type == .directory {
        new.permissions.insert(.setGroupID)
      } else if new.permissions.isSuperset(of: [.setGroupID, .groupExecute]),
        !caller.credentials.isMember(of: new.group), !caller.credentials.has(.setID)
      {
        new.permissions.remove(.setGroupID)
      }
    }
    return (new, accessList, defaultList)
  }

  private func defaultAccessList(of directory: Inode) -> [UInt8]? {
    guard directory.filesystem.supportsAccessLists else { return nil }
    if let known = directory.defaultList { return known.isEmpty ? nil : known }
    let list: [UInt8]? = Name.with("system.posix_acl_default") { name in
      do throws(Errno) { return try directory.extendedAttribute(name) } catch { return nil }
    }
    if !directory.filesystem.revalidates { directory.defaultList = list ?? [] }
    return list
  }

  func make(_ kind: NewInode.Kind, _ mode: Permissions, _ name: Name, in directory: Position, _ caller: Caller)
    throws(Errno) -> Dentry
  {
    guard let parent = directory.dentry.inode else { throw .noSuchFileOrDirectory }
    if isUnlinked(directory) { throw .noSuchFileOrDirectory }
    try caller.credentials.check([.write, .execute], on: parent)
    let (new, accessList, defaultList) = try newInode(kind, mode, in: parent, caller)
    let inode = try parent.create(name, new)
    if let negative = cache.find(name, in: directory.dentry) { cache.remove(negative) }
    let dentry = cache.insert(name, in: directory.dentry, inode)
    place(dentry)
    try inherit(accessList, defaultList, inode)
    if watchCount != 0 { report(.create, of: dentry.name, inode, in: parent) }
    return dentry
  }

  func inherit(_ accessList: [UInt8]?, _ defaultList: [UInt8]?, _ inode: Inode) throws(Errno) {
    if let accessList {
      try Name.with("system.posix_acl_access") { name throws(Errno) in
        try inode.setExtendedAttribute(name, to: accessList, [])
      }
      inode.accessList = accessList
    }
    if let defaultList {
      try Name.with("system.posix_acl_default") { name throws(Errno) in
        try inode.setExtendedAttribute(name, to: defaultList, [])
      }
    }
    if inode.isDirectory, !inode.filesystem.revalidates { inode.defaultList = defaultList ?? [] }
  }

  /// The common head of mkdir, mknod, symlink and link (`filename_create`): the name is normal and free.
  private func freeName<T>(
    _ path: Path, _ caller: Caller, allowsTrailingSlash: Bool, isSymlink: Bool = false,
    _ body: (Position, Name) throws(Errno) -> T
  ) throws(Errno) -> T {
    var walk = try walk(path, caller)
    let last = try walk.walkToParent()
    guard last.kind == .normal else { throw .fileExists }
    let child = try child(last.name, of: walk.position)
    if child.dentry.inode != nil { throw .fileExists }
    if last.hasTrailingSlash && !allowsTrailingSlash { throw .noSuchFileOrDirectory }
    try checkWritable(walk.position.mount)
    try checkRules(isSymlink ? .makeSymlink : .make, of: child.dentry)
    return try body(walk.position, last.name)
  }

  /// `mkdirat(2)`.
  public func makeDirectory(_ path: Path, mode: Permissions, _ caller: Caller) throws(Errno) {
    try freeName(path, caller, allowsTrailingSlash: true) { parent, name throws(Errno) in
      // Linux keeps the sticky bit of a mkdir and drops set-id bits (`man 2 mkdir`).
      _ = try make(.directory, mode.intersection(Permissions(rawValue: 0o1777)), name, in: parent, caller)
    }
  }

  /// `mknodat(2)` of a regular file, FIFO, socket or device node.
  public func makeNode(_ path: Path, type: FileType, mode: Permissions, device: UInt64, _ caller: Caller) throws(Errno)
  {
    if type == .directory { throw .notPermitted }
    if type == .symlink { throw .invalidArgument }
    try freeName(path, caller, allowsTrailingSlash: false) { parent, name throws(Errno) in
      if type == .characterDevice || type == .blockDevice {
        guard let directory = parent.dentry.inode else { throw .noSuchFileOrDirectory }
        try caller.credentials.check([.write, .execute], on: directory)
        // A character device 0:0, the whiteout of kernel overlays, is everybody's (Linux 5.8).
        if !caller.credentials.has(.makeNode), type != .characterDevice || device != 0 { throw .notPermitted }
      }
      _ = try make(type == .regular ? .regular : .node(type, device: device), mode, name, in: parent, caller)
    }
  }

  /// `symlinkat(2)`. - Throws: `.noSuchFileOrDirectory` for an empty target.
  public func makeSymlink(_ target: [UInt8], _ path: Path, _ caller: Caller) throws(Errno) {
    if target.isEmpty { throw .noSuchFileOrDirectory }
    try freeName(path, caller, allowsTrailingSlash: false, isSymlink: true) { parent, name throws(Errno) in
      _ = try make(.symlink(target: target), Permissions(rawValue: 0o777), name, in: parent, caller)
    }
  }

  /// `linkat(2)`: `existing` has been resolved.
  public func link(_ existing: Position, to path: Path, _ caller: Caller) throws(Errno) {
    let isSymlink = existing.dentry.inode?.type == .symlink
    try freeName(path, caller, allowsTrailingSlash: false, isSymlink: isSymlink) { parent, name throws(Errno) in
      guard let inode = existing.dentry.inode, let directory = parent.dentry.inode else { throw .noSuchFileOrDirectory }
      if existing.mount !== parent.mount { throw .improperLink }
      try checkRules(.change, of: existing.dentry)
      try checkLinkable(inode, caller)
      if isUnlinked(parent) { throw .noSuchFileOrDirectory }
      try caller.credentials.check([.write, .execute], on: directory)
      if inode.filesystem !== directory.filesystem { throw .improperLink }
      if inode.isDirectory { throw .notPermitted }
      if !inode.isLinkable, try inode.attributes().linkCount == 0 { throw .noSuchFileOrDirectory }
      try directory.link(name, to: inode)
      // Once: without its last name it is a file like others.
      inode.isLinkable = false
      if let negative = cache.find(name, in: parent.dentry) { cache.remove(negative) }
      place(cache.insert(name, in: parent.dentry, inode))
      if watchCount != 0 {
        reportLinks(of: inode)
        report(.create, of: name.copy, inode, in: directory)
      }
    }
  }

  /// fs.protected_hardlinks: who does not own a file may link it only if it is a plain one that he could change anyway.
  private func checkLinkable(_ inode: Inode, _ caller: Caller) throws(Errno) {
    if !protectsHardLinks || caller.credentials.owns(inode) { return }
    let permissions = inode.permissions
    if inode.type == .regular, !permissions.contains(.setUserID),
      !permissions.isSuperset(of: [.setGroupID, .groupExecute])
    {
      do throws(Errno) { return try caller.credentials.check([.read, .write], on: inode) } catch {}
    }
    throw .notPermitted
  }

  // MARK: - Removal

  /// `may_delete`: write and search permission on the directory, and its sticky bit.
  func checkRemovable(_ victim: Inode, from directory: Inode, _ caller: Caller) throws(Errno) {
    try caller.credentials.check([.write, .execute], on: directory)
    if directory.permissions.contains(.sticky), caller.credentials.user != directory.owner,
      !caller.credentials.owns(victim)
    {
      throw .notPermitted
    }
  }

  /// `unlinkat(2)` without AT_REMOVEDIR.
  public func unlink(_ path: Path, _ caller: Caller) throws(Errno) {
    var walk = try walk(path, caller)
    let last = try walk.walkToParent()
    guard last.kind == .normal else { throw .isDirectory }
    try checkWritable(walk.position.mount)
    let child = try child(last.name, of: walk.position)
    guard let victim = child.dentry.inode, let directory = walk.position.dentry.inode else {
      throw .noSuchFileOrDirectory
    }
    if last.hasTrailingSlash { throw victim.isDirectory ? .isDirectory : .notDirectory }
    try checkRules(.change, of: child.dentry)
    try checkRemovable(victim, from: directory, caller)
    if victim.isDirectory { throw .isDirectory }
    if child.dentry.isMountPoint { throw .resourceBusy }
    try directory.unlink(last.name, victim)
    forget(child.dentry, last.name, in: walk.position.dentry)
    if watchCount != 0 {
      reportLinks(of: victim)
      report(.delete, of: child.dentry.name, victim, in: directory)
    }
  }

  /// `rmdir(2)`.
  public func removeDirectory(_ path: Path, _ caller: Caller) throws(Errno) {
    var walk = try walk(path, caller)
    let last = try walk.walkToParent()
    switch last.kind {
    case .dotDot: throw .directoryNotEmpty
    case .dot: throw .invalidArgument
    case .root: throw .resourceBusy
    case .normal: break
    }
    try checkWritable(walk.position.mount)
    let child = try child(last.name, of: walk.position)
    guard let victim = child.dentry.inode, let directory = walk.position.dentry.inode else {
      throw .noSuchFileOrDirectory
    }
    try checkRules(.change, of: child.dentry)
    try checkRemovable(victim, from: directory, caller)
    if !victim.isDirectory { throw .notDirectory }
    if child.dentry.isMountPoint { throw .resourceBusy }
    if child.dentry.isAboveMountPoint { throw .directoryNotEmpty }
    try directory.removeDirectory(last.name, victim)
    forget(child.dentry, last.name, in: walk.position.dentry)
    if watchCount != 0 {
      reportLinks(of: victim)
      report(.delete, of: child.dentry.name, victim, in: directory)
    }
  }

  /// The name is gone; that it is gone is remembered.
  private func forget(_ dentry: Dentry, _ name: Name, in directory: Dentry) {
    drop(dentry)
    if directory.inode?.filesystem.revalidates == false { place(cache.insert(name, in: directory, nil)) }
  }

  // MARK: - Rename

  /// `renameat2(2)`; the flags' consistency has been checked. `new` is asked for after the old path has been walked: its
  /// directory may be a bad descriptor.
  public func rename(_ old: Path, to new: () throws(Errno) -> Path, _ flags: RenameFlags, _ caller: Caller)
    throws(Errno)
  {
    // The second walk reuses the buffer the first one's name may lie in, so the first name is copied aside.
    var oldWalk = try walk(old, caller)
    let oldLast = try oldWalk.walkToParent()
    let oldName = oldLast.name.copy
    var newWalk = try walk(try new(), caller)
    let newLast = try newWalk.walkToParent()
    let oldParent = oldWalk.position
    let newParent = newWalk.position
    if oldParent.mount !== newParent.mount { throw .improperLink }
    if oldLast.kind != .normal { throw .resourceBusy }
    if newLast.kind != .normal { throw flags.contains(.noReplace) ? .fileExists : .resourceBusy }
    try checkWritable(oldParent.mount)
    try Name.with(oldName) { name throws(Errno) in
      try rename(
        name, oldLast.hasTrailingSlash, in: oldParent, to: newLast.name, newLast.hasTrailingSlash, in: newParent, flags,
        caller)
    }
  }

  private func rename(
    _ oldName: Name, _ oldSlash: Bool, in oldParent: Position, to newName: Name, _ newSlash: Bool,
    in newParent: Position, _ flags: RenameFlags, _ caller: Caller
  ) throws(Errno) {
    let isExchange = flags.contains(.exchange)
    let source = try child(oldName, of: oldParent.dentry)
    guard let moved = source.inode else { throw .noSuchFileOrDirectory }
    let target = try child(newName, of: newParent.dentry)
    if flags.contains(.noReplace), target.inode != nil { throw .fileExists }
    if isExchange {
      guard let other = target.inode else { throw .noSuchFileOrDirectory }
      if !other.isDirectory && newSlash { throw .notDirectory }
    }
    if !moved.isDirectory {
      if oldSlash { throw .notDirectory }
      if !isExchange && newSlash { throw .notDirectory }
    }
    if isAncestor(source, of: newParent.dentry) { throw .invalidArgument }
    if isAncestor(target, of: oldParent.dentry) { throw isExchange ? .invalidArgument : .directoryNotEmpty }
    if let replaced = target.inode, replaced === moved { return }
    try checkMove(source, target, isExchange: isExchange)
    guard let oldDirectory = oldParent.dentry.inode, let newDirectory = newParent.dentry.inode else {
      throw .noSuchFileOrDirectory
    }
    try checkRemovable(moved, from: oldDirectory, caller)
    if let replaced = target.inode {
      try checkRemovable(replaced, from: newDirectory, caller)
      if !isExchange {
        if moved.isDirectory && !replaced.isDirectory { throw .notDirectory }
        if !moved.isDirectory && replaced.isDirectory { throw .isDirectory }
      }
    } else {
      if isUnlinked(newParent) { throw .noSuchFileOrDirectory }
      try caller.credentials.check([.write, .execute], on: newDirectory)
    }
    if oldParent.dentry !== newParent.dentry {
      // Moving a directory rewrites its `..`, so the directory itself must be writable.
      if moved.isDirectory { try caller.credentials.check(.write, on: moved) }
      if isExchange, let other = target.inode, other.isDirectory { try caller.credentials.check(.write, on: other) }
    }
    if source.isMountPoint || target.isMountPoint || source.isAboveMountPoint || target.isAboveMountPoint {
      throw .resourceBusy
    }
    if moved.filesystem !== newDirectory.filesystem { throw .improperLink }
    let replaced = target.inode
    try oldDirectory.rename(oldName, moved, to: newDirectory, newName, replacing: replaced, flags)
    if flags.contains(.whiteout) { try ownWhiteout(oldName, in: oldDirectory, caller) }
    moveDentries(source, target, oldName, in: oldParent.dentry, newName, in: newParent.dentry, flags)
    if watchCount == 0 { return }
    let (from, to) = (oldName.copy, newName.copy)
    reportMove(
      of: moved, from: from, in: oldDirectory, to: to, in: newDirectory, replacing: isExchange ? nil : replaced)
    if isExchange, let replaced {
      reportMove(of: replaced, from: to, in: newDirectory, to: from, in: oldDirectory, replacing: nil)
    }
  }

  /// The node that RENAME_WHITEOUT left belongs to the caller, in a set-group-ID directory to its group, and inherits
  /// the default list.
  private func ownWhiteout(_ name: Name, in directory: Inode, _ caller: Caller) throws(Errno) {
    let kind = NewInode.Kind.node(.characterDevice, device: 0)
    let (new, accessList, _) = try newInode(kind, Permissions(rawValue: 0), in: directory, caller)
    guard let node = try directory.lookup(name) else { return }
    if node.owner != new.owner || node.group != new.group {
      var change = AttributeChange()
      change.owner = new.owner
      change.group = new.group
      try node.setAttributes(change)
    }
    try inherit(accessList, nil, node)
  }

  /// Moves the dentries as the rename has moved their inodes (`d_move` of fs/dcache.c).
  private func moveDentries(
    _ source: Dentry, _ target: Dentry, _ oldName: Name, in oldParent: Dentry, _ newName: Name, in newParent: Dentry,
    _ flags: RenameFlags
  ) {
    if flags.contains(.exchange) {
      cache.remove(target)
      cache.move(source, to: newParent, newName)
      cache.move(target, to: oldParent, oldName)
      place(source)
      place(target)
      return
    }
    drop(target)
    cache.move(source, to: newParent, newName)
    place(source)
    if !flags.contains(.whiteout), oldParent.inode?.filesystem.revalidates == false {
      place(cache.insert(oldName, in: oldParent, nil))
    }
  }

  private func isAncestor(_ dentry: Dentry, of other: Dentry) -> Bool {
    var next: Dentry? = other
    while let current = next {
      if current === dentry { return true }
      next = current.parent
    }
    return false
  }
}
