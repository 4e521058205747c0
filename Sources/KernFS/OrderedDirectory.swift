// A writable directory: its children in the order they came, each name holding its inode. What `create` makes is the file
// system's business (`KernFilesystem.makeInode`).

import Kernel
public import LinuxABI
public import VFS

/// A directory in memory that guests may change.
///
/// Link counts: a child directory counts for its parent, by its `..`; a removed directory has 0 and takes no new children.
open class OrderedDirectory: KernInode {
  private final var children = DirectoryIndex<KernInode>()

  public init(_ filesystem: KernFilesystem, _ new: NewInode) {
    super.init(
      filesystem, type: .directory, permissions: new.permissions, owner: new.owner, group: new.group, linkCount: 0)
  }

  /// A root: a directory that is linked although no name leads to it.
  public init(_ filesystem: KernFilesystem, rootPermissions: Permissions, owner: UInt32 = 0, group: UInt32 = 0) {
    super.init(
      filesystem, type: .directory, permissions: rootPermissions, owner: owner, group: group, linkCount: 2)
  }

  /// Empties this directory and all below it, one by one: a deep tree must not unwind on the stack.
  public final func dissolve() {
    var pending = [self]
    while let directory = pending.popLast() {
      directory.children.iterate(from: 0) { name, child, _ in
        directory.charge(-MemoryCost.name(name.count))
        if let child = child as? OrderedDirectory { pending.append(child) }
        return true
      }
      directory.children.removeAll()
    }
  }

  /// A directory that still has children ends with them: level by level, because a guest's tree can be deeper than our stack.
  deinit {
    if children.isEmpty { return }
    var pending: [OrderedDirectory] = []
    takeDirectories(&pending)
    while var directory = pending.popLast() {
      if isKnownUniquelyReferenced(&directory) { directory.takeDirectories(&pending) }
    }
  }

  /// Empties the index and gives the directories in it away.
  private func takeDirectories(_ directories: inout [OrderedDirectory]) {
    children.iterate(from: 0) { _, child, _ in
      if child.isDirectory, let child = child as? OrderedDirectory { directories.append(child) }
      return true
    }
    children.removeAll()
  }

  /// As tmpfs counts: 20 bytes a name, `.` and `..` included.
  public final override var size: Int64 { Int64(2 + children.count) * 20 }

  public final var isEmpty: Bool { children.isEmpty }

  open override func lookup(_ name: Name) throws(Errno) -> Inode? { children.lookup(name) }

  /// Puts `child` under `name`, past all checks: for what a file system is born with.
  public final func populate(_ name: StaticString, _ child: KernInode) {
    Name.with(name) { name in add(name, child) }
  }

  open override func create(_ name: Name, _ new: NewInode) throws(Errno) -> Inode {
    try checkAdding(name)
    let child = try kernel.makeInode(new)
    add(name, child)
    touch()
    return child
  }

  open override func createTemporary(_ new: NewInode) throws(Errno) -> Inode { try kernel.makeInode(new) }

  open override func link(_ name: Name, to inode: Inode) throws(Errno) {
    guard let child = inode as? KernInode, child.filesystem === filesystem else { throw .improperLink }
    if child.linkCount == .max { throw .tooManyLinks }
    try checkAdding(name)
    add(name, child)
    child.noteChange()
    touch()
  }

  open override func unlink(_ name: Name, _ inode: Inode) throws(Errno) {
    guard let child = children.lookup(name), child === inode else { throw .noSuchFileOrDirectory }
    drop(name, child)
    touch()
  }

  open override func removeDirectory(_ name: Name, _ inode: Inode) throws(Errno) {
    guard let child = children.lookup(name), child === inode else { throw .noSuchFileOrDirectory }
    try Self.checkEmpty(child)
    drop(name, child)
    touch()
  }

  open override func rename(
    _ name: Name, _ inode: Inode, to newDirectory: Inode, _ newName: Name, replacing replaced: Inode?,
    _ flags: RenameFlags
  ) throws(Errno) {
    guard let target = newDirectory as? OrderedDirectory, target.filesystem === filesystem else { throw .improperLink }
    guard let moved = children.lookup(name), moved === inode else { throw .noSuchFileOrDirectory }
    let victim = target.children.lookup(newName)
    guard victim === replaced else { throw replaced == nil ? .fileExists : .noSuchFileOrDirectory }
    if flags.contains(.exchange) {
      guard let victim else { throw .noSuchFileOrDirectory }
      exchange(name, moved, target, newName, victim)
      return
    }
    if let victim { try Self.checkEmpty(victim) } else { try target.checkAdding(newName) }
    let whiteout = flags.contains(.whiteout) ? try makeWhiteout() : nil
    if let victim { target.drop(newName, victim, keepingName: true) }
    if target === self && whiteout == nil && victim == nil {
      charge(MemoryCost.name(newName.count) - MemoryCost.name(name.count))
      children.rename(name, to: newName)
    } else {
      take(name, moved, keepingName: whiteout != nil)
      if let whiteout {
        whiteout.linkCount = 1
        children.replace(name, whiteout)
      }
      target.put(newName, moved, nameIsThere: victim != nil)
    }
    moved.noteChange()
    touch()
    if target !== self { target.touch() }
  }

  open override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    if cursor == 0 { noteAccess() }
    children.iterate(from: cursor) { name, child, next in
      body(DirectoryEntry(name: name, number: child.number, type: child.type, next: next))
    }
  }

  // MARK: - The index and the counts

  private func exchange(
    _ name: Name, _ moved: KernInode, _ target: OrderedDirectory, _ newName: Name, _ victim: KernInode
  ) {
    children.replace(name, victim)
    target.children.replace(newName, moved)
    if target !== self && moved.isDirectory != victim.isDirectory {
      if moved.isDirectory {
        linkCount -= 1
        target.linkCount += 1
      } else {
        linkCount += 1
        target.linkCount -= 1
      }
    }
    moved.noteChange()
    victim.noteChange()
    touch()
    if target !== self { target.touch() }
  }

  /// The character device 0:0 that RENAME_WHITEOUT leaves (`man 2 rename`).
  private func makeWhiteout() throws(Errno) -> KernInode {
    try kernel.makeInode(NewInode(.node(.characterDevice, device: 0), permissions: [], owner: 0, group: 0))
  }

  /// Whether one more name has room here.
  private func checkAdding(_ name: Name) throws(Errno) {
    if linkCount == 0 { throw .noSuchFileOrDirectory }
    if linkCount == .max { throw .tooManyLinks }
    try kernel.budget.check(MemoryCost.name(name.count))
  }

  private static func checkEmpty(_ inode: KernInode) throws(Errno) {
    if let directory = inode as? OrderedDirectory, !directory.isEmpty { throw .directoryNotEmpty }
  }

  /// A name for `child`, counted.
  private func add(_ name: Name, _ child: KernInode) {
    if child.isDirectory { child.linkCount = 2 } else { child.linkCount += 1 }
    put(name, child, nameIsThere: false)
  }

  /// Places `child`, whose own count stays.
  private func put(_ name: Name, _ child: KernInode, nameIsThere: Bool) {
    children.insert(name, child)
    if !nameIsThere { charge(MemoryCost.name(name.count)) }
    if child.isDirectory { linkCount += 1 }
  }

  /// Takes `child` away, whose own count stays.
  private func take(_ name: Name, _ child: KernInode, keepingName: Bool) {
    if !keepingName {
      children.remove(name)
      charge(-MemoryCost.name(name.count))
    }
    if child.isDirectory { linkCount -= 1 }
  }

  /// Removes the name of `child`, counted; a directory loses both its links at once.
  private func drop(_ name: Name, _ child: KernInode, keepingName: Bool = false) {
    take(name, child, keepingName: keepingName)
    if child.isDirectory { child.linkCount = 0 } else { child.linkCount -= 1 }
    child.noteChange()
  }

  private func touch() {
    let now = Timestamp.now()
    modificationTime = now
    changeTime = now
  }
}
