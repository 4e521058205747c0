// `open(2)`, as far as names and permissions go: what the path leads to, or what is made there (fs/namei.c,
// `path_openat`). Turning the result into a descriptor is the sentry's.

public import LinuxABI

extension VirtualFileSystem {
  /// What an open has arrived at. For a regular file made by O_TMPFILE the dentry has no name in the cache.
  public struct Opened {
    public let position: Position
    public let inode: Inode
    /// The file did not exist before, so permissions of the file itself and O_TRUNC do not matter.
    public let isNew: Bool
  }

  /// Resolves, and makes if asked, the file that `flags` and `mode` describe, with every check that `open` does.
  ///
  /// - Precondition: the flags are consistent (`openat2` rules are the handler's).
  /// - Throws: the errnos of `man 2 open`.
  public func open(_ path: Path, _ flags: OpenFlags, mode: Permissions, _ caller: Caller, _ resolve: ResolveFlags = [])
    throws(Errno) -> Opened
  {
    if flags.isTemporary && !flags.contains(.path) {
      return try openTemporary(path, flags, mode: mode, caller, resolve)
    }
    if flags.contains(.create) && !flags.contains(.path) {
      return try openCreating(path, flags, mode: mode, caller, resolve)
    }
    var walk = try walk(path, caller, resolve)
    while true {
      let last = try walk.walkToParent()
      var arrived: Position
      switch last.kind {
      case .root, .dot: arrived = walk.position
      case .dotDot:
        try walk.ascend()
        arrived = walk.position
      case .normal:
        let child = try child(last.name, of: walk.position)
        guard let inode = child.dentry.inode else { throw .noSuchFileOrDirectory }
        if inode.type == .symlink && (!flags.contains(.noFollow) || last.hasTrailingSlash) {
          try walk.follow(inode, isLast: true, hasTrailingSlash: last.hasTrailingSlash)
          if !walk.hasArrived { continue }
          arrived = walk.position
        } else {
          if last.hasTrailingSlash && !inode.isDirectory { throw .notDirectory }
          try walk.enter(child)
          arrived = walk.position
        }
      }
      return try checkOpen(arrived, flags, caller)
    }
  }

  /// `may_open`, for a file that exists already. Also for re-opening by /proc/self/fd and for exec.
  public func checkOpen(_ position: Position, _ flags: OpenFlags, _ caller: Caller) throws(Errno) -> Opened {
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if flags.contains(.directory) && !inode.isDirectory {
      throw .notDirectory
    }
    let opened = Opened(position: position, inode: inode, isNew: false)
    if flags.contains(.path) { return opened }
    var wanted = flags.access
    if flags.contains(.truncate) { wanted.insert(.write) }
    switch inode.type {
    case .symlink: throw .tooManySymbolicLinkLevels
    case .directory where wanted.contains(.write) || flags.contains(.create): throw .isDirectory
    case .characterDevice, .blockDevice, .fifo, .socket:
      break
    case .directory, .regular:
      if wanted.contains(.write) { try checkWritable(position) }
      if wanted.contains(.read) { try checkRules(.read, of: position.dentry) }
    }
    try caller.credentials.check(wanted, on: inode)
    if flags.contains(.noAccessTime) && !caller.credentials.owns(inode) { throw .notPermitted }
    return opened
  }

  private func openCreating(
    _ path: Path, _ flags: OpenFlags, mode: Permissions, _ caller: Caller, _ resolve: ResolveFlags
  ) throws(Errno) -> Opened {
    var walk = try walk(path, caller, resolve)
    while true {
      let last = try walk.walkToParent()
      if last.hasTrailingSlash, last.kind == .normal { throw .isDirectory }
      if last.kind == .dotDot { try walk.ascend() }
      guard last.kind == .normal else { throw flags.contains(.exclusive) ? .fileExists : .isDirectory }
      let found = try child(last.name, of: walk.position)
      guard let inode = found.dentry.inode else {
        try checkWritable(walk.position.mount)
        try checkRules(.make, of: found.dentry)
        let dentry = try make(.regular, mode, last.name, in: walk.position, caller)
        guard let made = dentry.inode else { throw .ioError }
        return Opened(position: Position(mount: walk.position.mount, dentry: dentry), inode: made, isNew: true)
      }
      if flags.contains(.exclusive) { throw .fileExists }
      if inode.type == .symlink && !flags.contains(.noFollow) {
        try walk.follow(inode, isLast: true, hasTrailingSlash: false)
        if !walk.hasArrived { continue }
      } else {
        try walk.enter(found)
      }
      guard let target = walk.position.dentry.inode, let directory = found.dentry.parent?.inode else {
        throw .noSuchFileOrDirectory
      }
      try checkSticky(target, in: directory, caller)
      return try checkOpen(walk.position, flags, caller)
    }
  }

  /// fs.protected_regular and fs.protected_fifos (`Documentation/admin-guide/sysctl/fs.rst`) at level 1: in a
  /// world-writable sticky directory O_CREAT does not open what belongs to another user.
  private func checkSticky(_ inode: Inode, in directory: Inode, _ caller: Caller) throws(Errno) {
    // Links, sockets and device nodes are never meant to be opened so, whatever the settings say.
    guard directory.permissions.contains(.sticky), directory.permissions.rawValue & 0o002 != 0,
      protectsStickyFiles || (inode.type != .regular && inode.type != .fifo), !inode.isDirectory,
      inode.owner != directory.owner, inode.owner != caller.credentials.user
    else { return }
    throw .permissionDenied
  }

  private func openTemporary(
    _ path: Path, _ flags: OpenFlags, mode: Permissions, _ caller: Caller, _ resolve: ResolveFlags
  ) throws(Errno) -> Opened {
    let position = try self.resolve(
      path.bytes, from: path.start, in: caller.context, caller.credentials, follow: !flags.contains(.noFollow), resolve)
    guard let directory = position.dentry.inode, directory.isDirectory else { throw .notDirectory }
    try checkWritable(position)
    try caller.credentials.check([.write, .execute], on: directory)
    let (new, accessList, _) = try newInode(.regular, mode, in: directory, caller)
    let inode = try directory.createTemporary(new)
    try inherit(accessList, nil, inode)
    inode.isLinkable = !flags.contains(.exclusive)
    // As Linux names it: "#" and the inode number, and not in the directory.
    let name = Array("#\(inode.number)".utf8)
    let dentry = Dentry(parent: position.dentry, name: name, inode: inode)
    dentry.isDeleted = true
    return Opened(position: Position(mount: position.mount, dentry: dentry), inode: inode, isNew: true)
  }
}
