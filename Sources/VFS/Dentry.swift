// A dentry is a name for an inode in a directory; a position is a dentry seen through a mount.

/// One name in the tree. A dentry holds its parent; the cache and positions hold dentries. An inode may have several.
///
/// A negative dentry (`inode == nil`) says that the name does not exist.
public final class Dentry {
  /// nil only for the root of a file system. Changes with rename.
  public internal(set) var parent: Dentry?
  public internal(set) var name: [UInt8]
  public let inode: Inode?

  // The cache's own: chain within a bucket, the list from hot to cold, and the hash of (parent, name). There is one of
  // these objects for each name that is known: the small fields stand together at the end.
  var nextInBucket: Unmanaged<Dentry>?
  var hotter: Unmanaged<Dentry>?
  var colder: Unmanaged<Dentry>?
  /// Of a directory, the first of its cached negative dentries; of one of these, the next. They hold their directory, so
  /// they go when it is removed.
  var negatives: Unmanaged<Dentry>?
  /// Of a cached negative dentry, the one before; nil for the first.
  var previousNegative: Unmanaged<Dentry>?
  var hash: UInt32 = 0
  /// What the rules of the run say here (PathRules.swift).
  var ruleState = PathRules.State.free
  /// Used since the cold end last passed it.
  var isReferenced = false
  private var flags = Flags()

  private struct Flags: OptionSet {
    let rawValue: UInt8
    static let cached = Flags(rawValue: 1)
    static let deleted = Flags(rawValue: 2)
    static let mountPoint = Flags(rawValue: 4)
    static let aboveMountPoint = Flags(rawValue: 8)
    static let refused = Flags(rawValue: 16)
  }

  @inline(__always)
  private func set(_ flag: Flags, _ isSet: Bool) {
    if isSet { flags.insert(flag) } else { flags.remove(flag) }
  }

  var isCached: Bool {
    get { flags.contains(.cached) }
    set { set(.cached, newValue) }
  }
  /// A rule keeps everybody from it: see `VirtualFileSystem.judged`.
  var isRefused: Bool {
    get { flags.contains(.refused) }
    set { set(.refused, newValue) }
  }
  /// The name is gone (unlinked, replaced or moved away under another dentry): `getcwd` answers ENOENT, paths end in ` (deleted)`.
  public internal(set) var isDeleted: Bool {
    get { flags.contains(.deleted) }
    set { set(.deleted, newValue) }
  }
  /// At least one mount has this dentry as its mount point.
  public internal(set) var isMountPoint: Bool {
    get { flags.contains(.mountPoint) }
    set { set(.mountPoint, newValue) }
  }
  /// A mount point is somewhere below, so the name stays (EBUSY): what is mounted there is there to be found, or to hide what
  /// it covers. The kernel would let the directory move, and the mount with it.
  public internal(set) var isAboveMountPoint: Bool {
    get { flags.contains(.aboveMountPoint) }
    set { set(.aboveMountPoint, newValue) }
  }

  init(parent: Dentry?, name: [UInt8], inode: Inode?) {
    self.parent = parent
    self.name = name
    self.inode = inode
  }

  deinit { ParentChain.release(&parent) { $0.parent.take() } }
}

/// A mount: a tree of dentries attached to a position.
public final class Mount {
  /// The mount ID of /proc/self/mountinfo and `statx`.
  public let id: Int
  public let filesystem: Filesystem
  /// The dentry of `filesystem` shown at the mount point; the file system's root unless it is a bind of a part.
  public let root: Dentry
  /// Where it is attached; nil for the root mount.
  public let point: Position?
  public internal(set) var isReadOnly: Bool
  /// What mountinfo shows as the source.
  public let source: [UInt8]
  /// Of a bind, where its source stands on the host: rules that name that path hold below it too.
  public var hostPath: [UInt8]?

  init(id: Int, filesystem: Filesystem, root: Dentry, point: Position?, isReadOnly: Bool, source: [UInt8]) {
    self.id = id
    self.filesystem = filesystem
    self.root = root
    self.point = point
    self.isReadOnly = isReadOnly
    self.source = source
  }
}

/// Where a path leads: a dentry as seen through a mount.
public struct Position {
  public let mount: Mount
  public let dentry: Dentry

  @inlinable
  public init(mount: Mount, dentry: Dentry) {
    self.mount = mount
    self.dentry = dentry
  }

  /// It is not in the tree: something of the kernel's that only has a description.
  public var isDetached: Bool { dentry.parent == nil && dentry !== mount.root }

  @inlinable
  public static func == (a: Position, b: Position) -> Bool { a.mount === b.mount && a.dentry === b.dentry }
}
