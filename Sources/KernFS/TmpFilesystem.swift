// tmpfs: a writable file system in memory, the toolkit's directories and store-backed files and nothing more. It serves
// /tmp, /dev/shm and the memory upper of an overlay.
//
// Locks: the tree lock only (VFS, Filesystem.swift).

public import LinuxABI
public import VFS

/// A file system whose directories are in the supervisor's memory and whose file contents are in the backing store.
public final class TmpFilesystem: KernFilesystem {
  private var top: OrderedDirectory?

  /// An empty tree. Its space is the store's: what the store cannot hold is ENOSPC.
  ///
  /// - Parameter inodeLimit: the largest number of inodes; nil for as many as the store has.
  public init(
    store: BackingStore, rootPermissions: Permissions = Permissions(rawValue: 0o755), owner: UInt32 = 0,
    group: UInt32 = 0, inodeLimit: Int? = nil
  ) {
    super.init(typeName: "tmpfs", store: store)
    if let inodeLimit {
      self.inodeLimit = inodeLimit
    } else if let files = try? store.statistics().files, files > 0 {
      self.inodeLimit = Int(clamping: files)
    }
    top = OrderedDirectory(self, rootPermissions: rootPermissions, owner: owner, group: group)
  }

  public override var root: Inode {
    guard let top else { preconditionFailure("the root is made with the file system") }
    return top
  }

  public override func tearDown() {
    top?.dissolve()
    top = nil
  }

  public override var supportsAccessLists: Bool { true }

  public override var mountOptions: [UInt8] { Array("rw,relatime".utf8) }

  /// The store's space, and the fewer of its inodes and ours.
  public override func statistics() throws(Errno) -> FilesystemStatistics {
    let host = try store.statistics()
    var result = FilesystemStatistics(
      magic: 0x0102_1994 /* TMPFS_MAGIC */, blockSize: host.blockSize, blocks: host.blocks,
      freeBlocks: host.freeBlocks, availableBlocks: host.availableBlocks)
    if inodeLimit < Int.max {
      let free = UInt64(max(0, inodeLimit - inodeCount))
      result.files = UInt64(inodeLimit)
      result.freeFiles = host.files > 0 ? min(free, host.freeFiles) : free
    }
    return result
  }
}
