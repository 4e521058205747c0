// The tree that guests see: mounts, dentries, and the resolution of paths in it. What is done at the end of a path is
// in `Operations.swift` and `Open.swift`.
//
// Guarded by the tree lock, like everything below it (Filesystem.swift).

public import LinuxABI

/// One tree of mounted file systems.
public final class VirtualFileSystem {
  let cache: DentryCache
  private var mounts: [Mount] = []
  private var mountsByPoint: [ObjectIdentifier: [Mount]] = [:]
  private var nextMountID = 21
  public let root: Position
  /// fs.protected_regular and fs.protected_fifos are on, as on the host (`Documentation/admin-guide/sysctl/fs.rst`).
  public var protectsStickyFiles = false
  /// fs.protected_hardlinks is on, as on the host.
  public var protectsHardLinks = false

  /// How many watches there are. While there are none they are not looked for.
  public internal(set) var watchCount = 0
  /// Who knows which inodes are in use; set by the sentry with the first watch.
  public weak var watchKeeper: (any WatchKeeper)?
  /// Ties the two events of a rename together.
  var moveCookie: UInt32 = 0
  /// What is refused where (RuleChecks.swift); nil while nothing is.
  var rules: PathRules?
  var ruleLinks: RuleLinks?

  // Two halves of one buffer: a symlink's target and what is left of the path are joined in the half that is not in use.
  // 40 links of at most 4095 bytes each fit.
  private static let expansionCapacity = 41 * 4097
  private let expansions: UnsafeMutableRawBufferPointer
  private var usesSecondHalf = false

  /// Mounts `filesystem` as the root. `cacheBound` is how many dentries are kept, as far as nothing holds them; each costs
  /// up to 600 bytes with its inode.
  public init(root filesystem: Filesystem, source: [UInt8], isReadOnly: Bool = false, cacheBound: Int = 1 << 18) {
    cache = DentryCache(bound: cacheBound)
    expansions = .allocate(byteCount: 2 * Self.expansionCapacity, alignment: 16)
    let dentry = cache.makeRoot(filesystem.root)
    let mount = Mount(id: 20, filesystem: filesystem, root: dentry, point: nil, isReadOnly: isReadOnly, source: source)
    root = Position(mount: mount, dentry: dentry)
    mounts.append(mount)
  }

  deinit { expansions.deallocate() }

  // MARK: - Mounts

  /// Every mount, the root first.
  public var mountList: [Mount] { mounts }

  /// Attaches a file system's root, or one of its files, at `point`. The C function is `mount(2)`.
  ///
  /// - Throws: `.notDirectory` if one is a directory and the other is not.
  @discardableResult
  public func mount(
    _ filesystem: Filesystem, showing part: Inode? = nil, at point: Position, isReadOnly: Bool, source: [UInt8]
  ) throws(Errno) -> Mount {
    let top = part ?? filesystem.root
    guard top.isDirectory == (point.dentry.inode?.isDirectory ?? false) else { throw .notDirectory }
    let mount = Mount(
      id: nextMountID, filesystem: filesystem, root: cache.makeRoot(top), point: point,
      isReadOnly: isReadOnly, source: source)
    nextMountID += 1
    mounts.append(mount)
    mountsByPoint[ObjectIdentifier(point.dentry), default: []].append(mount)
    point.dentry.isMountPoint = true
    var above = point.dentry.parent
    while let dentry = above {
      dentry.isAboveMountPoint = true
      above = dentry.parent
    }
    return mount
  }

  /// Nothing can be changed through the root mount any more; through others it can. As `mount(2)` with MS_REMOUNT, MS_BIND
  /// and MS_RDONLY.
  public func makeRootReadOnly() { root.mount.isReadOnly = true }

  @inline(__always)
  func crossMounts(_ position: Position) -> Position {
    position.dentry.isMountPoint ? mounted(on: position) : position
  }

  private func mounted(on position: Position) -> Position {
    var current = position
    while current.dentry.isMountPoint,
      let mount = mountsByPoint[ObjectIdentifier(current.dentry)]?.last(where: { $0.point?.mount === current.mount })
    {
      current = Position(mount: mount, dentry: mount.root)
    }
    return current
  }

  /// The directory above, through mount roots, but never above `root`.
  func parent(of position: Position, below root: Position) -> Position {
    var current = position
    while current.dentry === current.mount.root {
      guard let point = current.mount.point else { return current }
      current = point
      if current == root { return current }
    }
    guard let up = current.dentry.parent else { return current }
    return crossMounts(Position(mount: current.mount, dentry: up))
  }

  // MARK: - Dentries

  /// The child `name` of a directory, positive or negative, mounts not crossed.
  func child(_ name: Name, of position: Position) throws(Errno) -> Position {
    Position(mount: position.mount, dentry: try child(name, of: position.dentry))
  }

  func child(_ name: Name, of directory: Dentry) throws(Errno) -> Dentry {
    guard let inode = directory.inode else { throw .noSuchFileOrDirectory }
    if name.count > Name.maximumLength { throw .fileNameTooLong }
    // Not even what is known to be missing there.
    if directory.isDeleted { throw .noSuchFileOrDirectory }
    if let cached = cache.find(name, in: directory) {
      // Whatever the host has made of the name since: what a mount hides stays hidden.
      if !inode.filesystem.revalidates || cached.isMountPoint || cached.isAboveMountPoint {
        return cached.isRefused ? try judged(cached) : cached
      }
      if let child = cached.inode, inode.isValid(child: child, name: name) {
        return cached.isRefused ? try judged(cached) : cached
      }
      drop(cached)
    }
    if !cache.hasRoom() { throw .noMemory }
    let found = try inode.lookup(name)
    if found == nil, inode.filesystem.hasFixedNames { throw .noSuchFileOrDirectory }
    if found == nil && inode.filesystem.revalidates {
      return try ruled(Dentry(parent: directory, name: name.copy, inode: nil))
    }
    return try ruled(cache.insert(name, in: directory, found))
  }

  /// Forgets a name that has ceased to be.
  func drop(_ dentry: Dentry) {
    dentry.isDeleted = true
    cache.remove(dentry)
    cache.removeNegatives(of: dentry)
  }

  /// Joins a symlink's target and the rest of the path.
  func expand(_ target: [UInt8], before rest: UnsafeRawBufferPointer, addingSlash: Bool) -> UnsafeRawBufferPointer {
    usesSecondHalf.toggle()
    let offset = usesSecondHalf ? Self.expansionCapacity : 0
    let half = UnsafeMutableRawBufferPointer(rebasing: expansions[offset..<(offset + Self.expansionCapacity)])
    let length = min(target.count, 4095)
    target.withUnsafeBytes { half.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<length])) }
    var count = length
    if rest.count != 0 || addingSlash {
      half[count] = 0x2f
      count += 1
    }
    let restLength = min(rest.count, half.count - count)
    UnsafeMutableRawBufferPointer(rebasing: half[count...]).copyMemory(
      from: UnsafeRawBufferPointer(rebasing: rest[..<restLength]))
    return UnsafeRawBufferPointer(rebasing: half[..<(count + restLength)])
  }

  // MARK: - Resolution

  /// Resolves a path to something that exists.
  ///
  /// - Parameter follow: whether a symlink at the end is followed (a trailing slash always follows).
  /// - Throws: as `PathWalk.walkToParent`; `.notDirectory` for a trailing slash behind anything else.
  public func resolve(
    _ path: UnsafeRawBufferPointer, from start: Position, in context: FilesystemContext, _ credentials: Credentials,
    follow: Bool = true, _ resolve: ResolveFlags = []
  ) throws(Errno) -> Position {
    var walk = try PathWalk(self, path, from: start, root: context.root, credentials, resolve)
    while true {
      let last = try walk.walkToParent()
      switch last.kind {
      case .root, .dot: return walk.position
      case .dotDot:
        try walk.ascend()
        return walk.position
      case .normal:
        let child = try child(last.name, of: walk.position)
        guard let inode = child.dentry.inode else { throw .noSuchFileOrDirectory }
        if inode.type == .symlink && (follow || last.hasTrailingSlash) {
          try walk.follow(inode, isLast: true, hasTrailingSlash: last.hasTrailingSlash)
          if walk.hasArrived { return walk.position }
          continue
        }
        if last.hasTrailingSlash && !inode.isDirectory { throw .notDirectory }
        try walk.enter(child)
        return walk.position
      }
    }
  }

  /// The path of a position as seen from `root`: `getcwd(2)`, `/proc/self/fd`.
  ///
  /// The caller has room for PATH_MAX bytes at the most: of a longer path only so much is put together that it is seen to
  /// be too long, and that is its end.
  ///
  /// - Returns: the path, with ` (deleted)` behind it if the name is gone and `marksDeleted`; nil if it is not below `root`.
  public func path(of position: Position, from root: Position, marksDeleted: Bool = true) -> [UInt8]? {
    var names: [[UInt8]] = []
    var current = position
    var isDeleted = false
    var length = 0
    while !(current == root), length <= 4096 {
      if current.dentry === current.mount.root {
        guard let point = current.mount.point else { return nil }
        current = point
        continue
      }
      guard let up = current.dentry.parent else { return nil }
      if current.dentry.isDeleted { isDeleted = true }
      names.append(current.dentry.name)
      length += current.dentry.name.count + 1
      current = Position(mount: current.mount, dentry: up)
    }
    var path: [UInt8] = []
    for name in names.reversed() {
      path.append(0x2f)
      path.append(contentsOf: name)
    }
    if path.isEmpty { path.append(0x2f) }
    if isDeleted && marksDeleted { path.append(contentsOf: " (deleted)".utf8) }
    return path
  }

  /// The path as getcwd(2) and the links of /proc show it (`d_path`): from the root of everything, behind `outside`, if
  /// `root` is not above the position. It may be longer than PATH_MAX; those two say ENAMETOOLONG then.
  public func shownPath(of position: Position, from root: Position, outside: StaticString = "") -> [UInt8] {
    path(of: position, from: root)
      ?? outside.withUTF8Buffer { Array($0) } + (path(of: position, from: self.root) ?? [0x2f])
  }

  /// Whether the name of a position is gone. Only an empty directory can go, so one step shows it, whatever the depth; but
  /// on a bind mount the host may have taken a directory away together with what is below it.
  public func isUnlinked(_ position: Position) -> Bool {
    var next: Dentry? = position.dentry
    while let dentry = next {
      if dentry.isDeleted { return true }
      guard position.mount.filesystem.revalidates else { return false }
      next = dentry.parent
    }
    return false
  }
}

extension VirtualFileSystem {
  /// A position outside the tree that only has a name: for an executable that came as a descriptor (a memfd).
  /// or for an inode that no name leads to.
  public func detachedPosition(named text: [UInt8], _ inode: Inode? = nil) -> Position {
    Position(mount: root.mount, dentry: Dentry(parent: nil, name: text, inode: inode))
  }

  /// The inode that `..` leads to from a directory: what its `..` entry shows.
  public func parentInode(of position: Position, below root: Position) -> Inode? {
    if position == root { return position.dentry.inode }
    return parent(of: position, below: root).dentry.inode
  }
}
