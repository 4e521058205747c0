// The attributes that every in-memory inode has, kept in the object.

import Kernel
public import LinuxABI
public import VFS

/// An inode whose attributes are in memory: the base of all pieces of the toolkit.
///
/// Between calls `linkCount` is what `stat` shows: the number of names; for a directory 2 and its subdirectories, 0 once
/// it is removed.
open class KernInode: Inode {
  public final var linkCount: UInt32
  public final var accessTime: Timestamp
  public final var modificationTime: Timestamp
  public final var changeTime: Timestamp
  public final let birthTime: Timestamp
  final var xattrs: ExtendedAttributes?
  /// Bytes taken of the file system's budget: for the inode, its attributes and, of a directory, the names in it.
  private final var charged = 0

  /// The file system, by the type it was given as.
  public final var kernel: KernFilesystem { unsafeDowncast(filesystem, to: KernFilesystem.self) }

  public init(
    _ filesystem: KernFilesystem, type: FileType, number: UInt64 = InodeNumbers.next(), permissions: Permissions,
    owner: UInt32 = 0, group: UInt32 = 0, linkCount: UInt32 = 1
  ) {
    self.linkCount = linkCount
    let now = Timestamp.now()
    accessTime = now
    modificationTime = now
    changeTime = now
    birthTime = now
    filesystem.inodeCount += 1
    super.init(
      filesystem: filesystem, type: type, number: number, permissions: permissions, owner: owner, group: group)
  }

  deinit {
    kernel.inodeCount -= 1
    kernel.budget.giveBack(charged)
  }

  /// Takes bytes of the budget, which has been asked; a negative number gives some back. The end of the inode gives all back.
  final func charge(_ count: Int) {
    kernel.budget.take(count)
    charged += count
  }

  /// Bytes, as `stat` shows them, of an inode whose size is known without asking anyone.
  open var size: Int64 { 0 }

  open override func attributes() throws(Errno) -> Attributes {
    var result = Attributes(
      type: type, permissions: permissions, owner: owner, group: group, linkCount: linkCount, size: size,
      number: number, time: birthTime)
    result.accessTime = accessTime
    result.modificationTime = modificationTime
    result.changeTime = changeTime
    return result
  }

  public final override func countLinks() throws(Errno) -> UInt32 { linkCount }

  open override func setAttributes(_ change: AttributeChange) throws(Errno) {
    let now = Timestamp.now()
    if let new = change.permissions { permissions = new }
    if let new = change.owner { owner = new }
    if let new = change.group { group = new }
    if let new = change.accessTime.resolved(now: now) { accessTime = new }
    if let new = change.modificationTime.resolved(now: now) { modificationTime = new }
    changeTime = now
  }

  /// The inode was read: its access time moves by the rule of relatime (`man 8 mount`).
  public final func noteAccess() {
    let now = Timestamp.now()
    // The difference wraps, as the kernel's does for times that a guest has set far away (fs/inode.c, `relatime_need_update`).
    if accessTime <= modificationTime || accessTime <= changeTime || now.seconds &- accessTime.seconds >= 86400 {
      accessTime = now
    }
  }

  /// The inode's link count or directory changed.
  public final func noteChange() {
    changeTime = Timestamp.now()
    linksChanged()
  }

  /// Called after each change of `linkCount` by a name that came or went.
  func linksChanged() {}

  // MARK: - Extended attributes

  open override func extendedAttribute(_ name: Name) throws(Errno) -> [UInt8] {
    guard let value = xattrs?.index.lookup(name) else { throw .noData }
    return value
  }

  open override func setExtendedAttribute(_ name: Name, to value: [UInt8], _ flags: XattrFlags) throws(Errno) {
    if value.count > 65536 { throw .argListTooLong }
    let list = xattrs ?? ExtendedAttributes()
    let old = list.index.lookup(name)
    if old != nil && flags.contains(.create) { throw .fileExists }
    if old == nil && flags.contains(.replace) { throw .noData }
    let growth =
      MemoryCost.attribute(name.count, value.count) - (old.map { MemoryCost.attribute(name.count, $0.count) } ?? 0)
    if growth > 0 { try kernel.budget.check(growth) }
    charge(growth)
    list.index.insert(name, value)
    xattrs = list
    changeTime = Timestamp.now()
  }

  open override func removeExtendedAttribute(_ name: Name) throws(Errno) {
    guard let list = xattrs, let old = list.index.remove(name) else { throw .noData }
    charge(-MemoryCost.attribute(name.count, old.count))
    if list.index.isEmpty { xattrs = nil }
    changeTime = Timestamp.now()
  }

  open override func extendedAttributeNames() throws(Errno) -> [[UInt8]] {
    var names: [[UInt8]] = []
    xattrs?.index.iterate(from: 0) { name, _, _ in
      names.append(name.copy)
      return true
    }
    return names
  }
}

/// The extended attributes of one inode, apart from it because most inodes have none. An index and not a list: a
/// directory of an overlay's upper layer has one for each whiteout.
final class ExtendedAttributes {
  var index = DirectoryIndex<[UInt8]>()
}
