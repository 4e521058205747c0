// What a file system knows of an inode and what a caller may change of it.

public import LinuxABI

/// The attributes of an inode at one moment: `struct stat` without the device that holds it (`man 7 inode`).
public struct Attributes: Sendable {
  public var type: FileType
  public var permissions: Permissions
  public var owner: UInt32
  public var group: UInt32
  public var linkCount: UInt32
  /// Bytes.
  public var size: Int64
  /// 512-byte units.
  public var blocks: Int64
  /// Preferred transfer size in bytes.
  public var blockSize: UInt32 = 4096
  /// The device a device node names, in the kernel's `dev_t` encoding of `stat(2)`.
  public var device: UInt64 = 0
  public var number: UInt64
  public var accessTime: Timestamp
  public var modificationTime: Timestamp
  public var changeTime: Timestamp
  /// nil where the file system keeps none.
  public var birthTime: Timestamp?

  public init(
    type: FileType, permissions: Permissions, owner: UInt32, group: UInt32, linkCount: UInt32, size: Int64 = 0,
    blocks: Int64 = 0, number: UInt64, time: Timestamp
  ) {
    self.type = type
    self.permissions = permissions
    self.owner = owner
    self.group = group
    self.linkCount = linkCount
    self.size = size
    self.blocks = blocks
    self.number = number
    accessTime = time
    modificationTime = time
    changeTime = time
    birthTime = time
  }
}

/// A change of attributes, checked already. Whatever is nil or `.keep` stays as it is; the change time always becomes now.
public struct AttributeChange: Sendable {
  public var permissions: Permissions?
  public var owner: UInt32?
  public var group: UInt32?
  public var accessTime: TimeChange = .keep
  public var modificationTime: TimeChange = .keep

  public init() {}
}

/// What a new inode is to be. Owner, group and mode are final: umask, setgid directories and default ACLs are applied.
public struct NewInode: Sendable {
  public enum Kind: Sendable {
    case regular
    case directory
    case symlink(target: [UInt8])
    /// A FIFO, socket or device node; `device` as in `stat(2)`.
    case node(FileType, device: UInt64)
  }
  public var kind: Kind
  public var permissions: Permissions
  public var owner: UInt32
  public var group: UInt32

  public init(_ kind: Kind, permissions: Permissions, owner: UInt32, group: UInt32) {
    self.kind = kind
    self.permissions = permissions
    self.owner = owner
    self.group = group
  }

  public var type: FileType {
    switch kind {
    case .regular: .regular
    case .directory: .directory
    case .symlink: .symlink
    case .node(let type, _): type
    }
  }
}

/// One name in a directory, as `getdents64(2)` shows it. `name` is borrowed.
public struct DirectoryEntry {
  public var name: Name
  public var number: UInt64
  public var type: FileType
  /// Where an iteration goes on behind this entry.
  public var next: Int64

  @inlinable
  public init(name: Name, number: UInt64, type: FileType, next: Int64) {
    self.name = name
    self.number = number
    self.type = type
    self.next = next
  }
}

/// What `statfs(2)` says of a file system.
public struct FilesystemStatistics: Sendable {
  /// f_type.
  public var magic: Int
  public var blockSize: Int
  public var blocks: UInt64
  public var freeBlocks: UInt64
  public var availableBlocks: UInt64
  public var files: UInt64
  public var freeFiles: UInt64
  public var nameLength: Int = 255

  public init(
    magic: Int, blockSize: Int = 4096, blocks: UInt64 = 0, freeBlocks: UInt64 = 0, availableBlocks: UInt64 = 0,
    files: UInt64 = 0, freeFiles: UInt64 = 0
  ) {
    self.magic = magic
    self.blockSize = blockSize
    self.blocks = blocks
    self.freeBlocks = freeBlocks
    self.availableBlocks = availableBlocks
    self.files = files
    self.freeFiles = freeFiles
  }
}
