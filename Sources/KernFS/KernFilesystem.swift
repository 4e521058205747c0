// The toolkit for in-memory file systems: TmpFS, ProcFS and DevFS are put together from the pieces of this module.
//
// What gVisor's kernfs does by reference counts and a file-system-wide lock shrinks here to little:
// - Lock: the tree lock of VFS (Filesystem.swift) is held around every call; nothing here locks.
// - Lifetimes: a dentry names an inode and holds it, a directory's index holds its children, ARC does the memory.
//   What lives apart from memory (a file of the backing store) ends in the `deinit` of the inode that owns it, so there
//   is no destruction to defer: the last reference is dropped under the tree lock like every other one.
// - Counts are kept only where a guest sees them: links.
// - Revalidation: a file system whose names come and go by themselves says `revalidates` and answers `isValid`.
//
// The pieces: `KernInode` (attributes), `OrderedDirectory` (writable), `StaticDirectory` (fixed children),
// `DynamicDirectory` (lookup by the subclass), `BackedFile` (content in the store), `DynamicFile` (content from a
// producer), `Symlink`, `MagicLink`, `FIFO`, `SocketNode`, `DeviceNode`.

public import LinuxABI
public import VFS
import Synchronization

/// Fresh inode numbers for all in-memory file systems of the process.
public enum InodeNumbers {
  private static let last = Atomic<UInt64>(1)

  /// A number that no other inode has.
  public static func next() -> UInt64 { last.add(1, ordering: .relaxed).newValue }

  /// The first of `count` numbers in a row that no other inode has.
  public static func reserve(_ count: UInt64) -> UInt64 { last.add(count, ordering: .relaxed).oldValue + 1 }
}

/// A file system of the toolkit: the store that holds the content, and the bounds on what a guest can make.
open class KernFilesystem: Filesystem {
  public final let store: BackingStore

  /// The largest number of inodes; `create` answers ENOSPC beyond it.
  public final var inodeLimit = Int.max
  /// Inodes that exist now.
  public internal(set) final var inodeCount = 0

  public init(typeName: StaticString, store: BackingStore) {
    self.store = store
    super.init(typeName: typeName)
    budget = store.budget
  }

  /// The inode that `new` describes, with no link yet: what `create` in a writable directory puts under a name.
  ///
  /// - Throws: `.noSpace` beyond the limits or if the store is full.
  open func makeInode(_ new: NewInode) throws(Errno) -> KernInode {
    if inodeCount >= inodeLimit { throw .noSpace }
    var cost = new.type == .directory ? MemoryCost.directory : MemoryCost.inode
    if case .symlink(let target) = new.kind { cost += target.count }
    try budget.check(cost)
    let inode = try makeUncharged(new)
    inode.charge(cost)
    return inode
  }

  private func makeUncharged(_ new: NewInode) throws(Errno) -> KernInode {
    switch new.kind {
    case .regular: return try BackedFile(self, new)
    case .directory: return OrderedDirectory(self, new)
    case .symlink(let target): return Symlink(self, target: target, new)
    case .node(.fifo, _): return try FIFO(self, new)
    case .node(.socket, _): return SocketNode(self, new)
    case .node(.regular, _): return try BackedFile(self, new)
    case .node(let type, let device):
      guard type == .characterDevice || type == .blockDevice else { throw .invalidArgument }
      return DeviceNode(self, type: type, device: device, new)
    }
  }

  /// Lets go of every inode that nothing else holds, and with them of the store's files. A file system and its root hold
  /// each other, so without this they live as long as the process, which is right for a program that runs one sandbox.
  ///
  /// - Postcondition: the file system is not used again.
  open func tearDown() {}
}
