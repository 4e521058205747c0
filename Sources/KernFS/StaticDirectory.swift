// A directory whose children are there from the beginning and stay, such as /proc/sys.

public import LinuxABI
public import VFS

/// A read-only directory, filled when its file system is built.
public final class StaticDirectory: KernInode {
  private var children = DirectoryIndex<KernInode>()

  public init(
    _ filesystem: KernFilesystem, number: UInt64 = InodeNumbers.next(),
    permissions: Permissions = Permissions(rawValue: 0o555)
  ) {
    super.init(filesystem, type: .directory, number: number, permissions: permissions, linkCount: 2)
  }

  /// Adds `child`, at construction only.
  public func populate(_ name: StaticString, _ child: KernInode) { Name.with(name) { populate($0, child) } }

  /// Adds `child`, at construction only.
  public func populate(_ name: Name, _ child: KernInode) {
    children.insert(name, child)
    if child.isDirectory { linkCount += 1 }
  }

  /// The directory at `name`, made if there is none: for trees that are written down as paths.
  public func directory(_ name: Name) -> StaticDirectory {
    if let child = children.lookup(name) as? StaticDirectory { return child }
    let child = StaticDirectory(kernel)
    populate(name, child)
    return child
  }

  public override func lookup(_ name: Name) throws(Errno) -> Inode? { children.lookup(name) }

  public override func setAttributes(_ change: AttributeChange) throws(Errno) { throw .notPermitted }

  /// As the kernel's /proc, where the lookup of a new name already fails.
  public override func create(_ name: Name, _ new: NewInode) throws(Errno) -> Inode { throw .noSuchFileOrDirectory }

  public override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    children.iterate(from: cursor) { name, child, next in
      body(DirectoryEntry(name: name, number: child.number, type: child.type, next: next))
    }
  }
}

/// A directory whose names come from somewhere else and may change by themselves. The subclass overrides `lookup`,
/// `isValid` and `iterate`; nothing can be made or removed in it.
open class DynamicDirectory: KernInode {
  public init(
    _ filesystem: KernFilesystem, number: UInt64 = InodeNumbers.next(),
    permissions: Permissions = Permissions(rawValue: 0o555), owner: UInt32 = 0, group: UInt32 = 0
  ) {
    super.init(
      filesystem, type: .directory, number: number, permissions: permissions, owner: owner, group: group, linkCount: 2)
  }

  open override func setAttributes(_ change: AttributeChange) throws(Errno) { throw .notPermitted }

  open override func create(_ name: Name, _ new: NewInode) throws(Errno) -> Inode { throw .noSuchFileOrDirectory }
}
