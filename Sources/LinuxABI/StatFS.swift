// What statfs(2) fills in, in the kernel's layout for x86-64.

/// `struct statfs` (`man 2 statfs`).
public struct StatFS: BitwiseCopyable, Sendable {
  /// The file system's magic number (`linux/magic.h`).
  public var magic: Int = 0
  public var blockSize: Int = 0
  public var blocks: UInt64 = 0
  public var freeBlocks: UInt64 = 0
  public var availableBlocks: UInt64 = 0
  public var files: UInt64 = 0
  public var freeFiles: UInt64 = 0
  /// `f_fsid`.
  public var identifier: (Int32, Int32) = (0, 0)
  public var nameLength: Int = 0
  /// `f_frsize`.
  public var fragmentSize: Int = 0
  /// `ST_...`.
  public var flags: Int = 0
  @usableFromInline var spare: (Int, Int, Int, Int) = (0, 0, 0, 0)

  @inlinable
  public init() {}

  /// Bytes in use.
  @inlinable
  public var usedBytes: UInt64 {
    freeBlocks > blocks ? 0 : (blocks - freeBlocks).multipliedExactly(by: UInt64(clamping: blockSize)) ?? .max
  }

  /// TMPFS_MAGIC.
  public static let tmpfs = 0x0102_1994
  /// PIPEFS_MAGIC.
  public static let pipe = 0x5049_5045
  /// ST_NOEXEC.
  public static let noExecution = 8
}
