// A file system: the super-block facts that its inodes share.
//
// Locking of the whole file-system tree (VFS, KernFS and every file system): one lock, the tree lock, which the sentry
// holds around every call into them. The types are not Sendable and are reached only through that lock, so the
// compiler proves it. Nothing below the lock waits for a guest.

public import LinuxABI
import Synchronization

/// How much a file system keeps for those who may still have it open: a reason to look who has.
public struct Orphans: Sendable {
  /// Files.
  public var count = 0
  /// What they took on the disk when they lost their last name.
  public var bytes: Int64 = 0

  public init(count: Int = 0, bytes: Int64 = 0) {
    self.count = count
    self.bytes = bytes
  }
}

/// The super-block of one mounted or layered file system.
open class Filesystem {
  /// `st_dev` of every inode, in the encoding of `stat(2)`; unique within the process.
  public let deviceNumber: UInt64
  /// The type as /proc/self/mountinfo names it.
  public let typeName: StaticString

  /// Pays for what guests make here and we must remember; set before the first guest.
  public final var budget = MemoryBudget.unlimited

  public init(typeName: StaticString) {
    self.typeName = typeName
    let minor = Self.nextDevice.add(1, ordering: .relaxed).newValue
    self.deviceNumber = (minor & 0xff) | (minor & ~0xff) << 12
  }

  /// Anonymous devices have major number 0 (`Documentation/admin-guide/devices.txt`); the first 0x40 minors are left to the host's.
  private static let nextDevice = Atomic<UInt64>(0x40)

  /// The root directory. Created with the file system; never nil afterwards.
  open var root: Inode { preconditionFailure("a file system has a root") }

  /// The whole file system refuses changes with EROFS.
  open var isReadOnly: Bool { false }

  /// Names may appear and vanish by themselves (/proc/PID, a shared bind mount): a cached dentry is asked for anew
  /// through `Inode.isValid(child:name:)` at each use, and negative dentries are not kept.
  open var revalidates: Bool { false }

  /// No name can be made: looking up one that is not there is ENOENT whatever is wanted of it, as in the kernel's /proc.
  open var hasFixedNames: Bool { false }

  /// Inodes can hold POSIX access lists, so a new inode's directory is asked for a default list.
  open var supportsAccessLists: Bool { false }

  /// Set-user-ID bits, devices and the like mean nothing here; shown in mountinfo.
  open var mountOptions: [UInt8] { [] }

  /// Files that no name leads to any more and that an inode object keeps on the disk.
  open var orphans: Orphans { Orphans() }

  /// Where a host file may stand, by what the kernel says of a descriptor of it in /proc/self/fd: paths below the root. To
  /// be verified by the caller: names may have changed since.
  open func candidatePaths(ofHost text: [UInt8]) -> [[UInt8]] { [] }

  /// `statfs(2)`.
  open func statistics() throws(Errno) -> FilesystemStatistics { throw .noFunction }
}
