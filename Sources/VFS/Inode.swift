// The inode: a file apart from its names. Every file system subclasses it and overrides what its inodes can do; what is
// not overridden answers as Linux does for an inode of the wrong kind.
//
// The VFS, not the file system, checks types, permissions, read-only mounts, name lengths, stickiness and existence
// before it calls; an inode may rely on that. All calls happen under the tree lock (Filesystem.swift).

public import Kernel
public import LinuxABI

/// A file, directory, symlink or node of one file system. Identity is object identity: all names of one file have one object.
open class Inode {
  // Two or three of these objects stand behind each cached name: wide fields come first, so that none are padded.

  public final let filesystem: Filesystem
  /// `st_ino`: constant for the life of the inode, over copy-up and rename too.
  public final let number: UInt64

  // What a walk needs at every component, kept here so that it costs no call. The subclass keeps it current.

  /// The access ACL in the kernel's xattr encoding (`system.posix_acl_access`); nil when the mode says it all.
  public final var accessList: [UInt8]?

  /// The default ACL of a directory, as far as the VFS has asked for it; empty for none. Kept only where nothing changes
  /// behind our back (`Filesystem.revalidates`).
  final var defaultList: [UInt8]?

  /// The inotify watches on it (Watch.swift); nearly always none.
  public internal(set) final var watches: [Watch] = []

  public final var owner: UInt32
  public final var group: UInt32
  /// The deny-write count: how many processes execute this file (ETXTBSY, `man 2 open`). The sentry counts them.
  public final var denyWriteCount: UInt32 = 0
  public final var permissions: Permissions
  public final let type: FileType
  /// Made by O_TMPFILE without O_EXCL: it may be given a name although it has none (`man 2 open`).
  public final var isLinkable = false

  public init(
    filesystem: Filesystem, type: FileType, number: UInt64, permissions: Permissions, owner: UInt32, group: UInt32
  ) {
    self.filesystem = filesystem
    self.type = type
    self.number = number
    self.permissions = permissions
    self.owner = owner
    self.group = group
  }

  @inlinable
  public final var isDirectory: Bool { type == .directory }

  /// What the mode refuses, the file system may allow all the same (/proc/PID/fd to the process itself).
  open func grants(_ wanted: AccessMode) -> Bool { false }

  /// The bytes of `name` if the file system keeps them with this inode: a dentry that must keep them too shares them.
  open func stored(_ name: Name) -> [UInt8]? { nil }

  /// The file of the host that it shows, however it is reached; nil for what the host does not have.
  open var hostFile: FileIdentity? { nil }

  /// Of a directory that has been moved, by an earlier run too, the paths at which its layers have it: the rules for those hold
  /// for it still.
  open var formerPaths: [[[UInt8]]] { [] }

  // MARK: - Metadata

  /// All attributes, as they are now. The C function is `stat(2)`.
  open func attributes() throws(Errno) -> Attributes { throw .noFunction }

  /// `st_nlink` alone, for file systems that know it without a call to the host.
  open func countLinks() throws(Errno) -> UInt32 { try attributes().linkCount }

  /// Applies a change that has been checked. The C functions are `chmod(2)`, `chown(2)`, `utimensat(2)`.
  open func setAttributes(_ change: AttributeChange) throws(Errno) { throw .notPermitted }

  /// `truncate(2)`: sets the size of a regular file, permission checked already.
  open func truncate(to size: Int64) throws(Errno) { throw isDirectory ? .isDirectory : .invalidArgument }

  // MARK: - Directory

  /// The child called `name`, or nil. `name` is never `.` or `..`.
  ///
  /// - Throws: `.permissionDenied` when the host refuses the supervisor; other errnos of the host.
  open func lookup(_ name: Name) throws(Errno) -> Inode? { throw .notDirectory }

  /// Whether the dentry `name` → `child` still holds; asked only where `Filesystem.revalidates`.
  open func isValid(child: Inode, name: Name) -> Bool { true }

  /// Makes a new child. The C functions are `mkdir(2)`, `mknod(2)`, `symlink(2)` and `open(2)` with O_CREAT.
  ///
  /// - Precondition: no child of that name exists.
  open func create(_ name: Name, _ new: NewInode) throws(Errno) -> Inode { throw .notPermitted }

  /// Makes a regular file with no name and link count 0: `open(2)` with O_TMPFILE.
  open func createTemporary(_ new: NewInode) throws(Errno) -> Inode { throw .notSupportedOnSocket }

  /// Gives `inode`, of this file system and no directory, one more name: `link(2)`.
  open func link(_ name: Name, to inode: Inode) throws(Errno) { throw .notPermitted }

  /// Removes the name of `inode`, which is no directory: `unlink(2)`.
  open func unlink(_ name: Name, _ inode: Inode) throws(Errno) { throw .notPermitted }

  /// Removes the directory `inode`: `rmdir(2)`.
  ///
  /// - Throws: `.directoryNotEmpty`.
  open func removeDirectory(_ name: Name, _ inode: Inode) throws(Errno) { throw .notPermitted }

  /// Moves `inode` from `name` here to `newName` in `newDirectory` of the same file system: `renameat2(2)`.
  ///
  /// `replaced` is what bore the new name: removed, or with `.exchange` moved to the old name. The caller has excluded
  /// loops, type mismatches and two names of one inode. `.noReplace` has been decided already.
  ///
  /// - Throws: `.directoryNotEmpty` if `replaced` is a directory that is not empty.
  open func rename(
    _ name: Name, _ inode: Inode, to newDirectory: Inode, _ newName: Name, replacing replaced: Inode?,
    _ flags: RenameFlags
  ) throws(Errno) { throw .notPermitted }

  /// Whether the directory can be read at all: asked at `open(2)`, where a program expects the refusal.
  ///
  /// - Throws: `.permissionDenied` for what the supervisor's caller may not read on the host, whatever user the guest is inside.
  open func checkListing() throws(Errno) {}

  /// Shows the children from `cursor` on to `body` until it returns false (that entry will be shown again).
  ///
  /// Cursor 0 is the start; `.` and `..` are the VFS's. A cursor stays good while names come and go: what is there all
  /// the time is shown exactly once, what is removed is not shown again (POSIX `readdir`, `telldir`).
  open func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) { throw .notDirectory }

  // MARK: - Symlink

  /// The target of a symlink.
  open func readlink() throws(Errno) -> [UInt8] { throw .invalidArgument }

  /// A symlink that leads to a position instead of a path (`/proc/self/fd/N`, `/proc/self/exe`, `/proc/self/cwd`); nil otherwise.
  open func magicTarget() throws(Errno) -> Position? { nil }

  /// The process whose directory in /proc this is, by its number inside; nil otherwise. To pidfd_send_signal(2) such a
  /// directory is a pidfd.
  open var signalledProcess: Int32? { nil }

  // MARK: - Content

  /// A descriptor of the backing file, for a regular file, FIFO or device node. Flags that the VFS has dealt with
  /// (O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_CLOEXEC) are absent; O_TRUNC is the inode's to do, on its own terms.
  /// Permissions have been checked.
  open func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    throw type == .socket ? .noSuchAddressOrDevice : .invalidArgument
  }

  /// A descriptor for writing has been opened by a task whose writes clear set-id bits, or do not (CAP_FSETID).
  open func willBeWritten(clearingSetIDs: Bool) {}

  /// A descriptor that `open` gives away now is one of a file of the host that guests may only read.
  open var isBackedByLower: Bool { false }

  /// Its bytes lie in the store, and count against the store's size.
  open var isStored: Bool { false }

  /// The content of `other`, of the same file system and without a name in the tree, becomes this one's at once; no guest has
  /// opened either. False if that cannot be: then it is to be copied.
  open func takeContent(of other: Inode) -> Bool { false }

  // MARK: - Extended attributes (names carry their prefix; the VFS has checked it and the caller's right)

  /// `getxattr(2)`. - Throws: `.noData` if there is none of that name.
  open func extendedAttribute(_ name: Name) throws(Errno) -> [UInt8] { throw .notSupportedOnSocket }

  /// `setxattr(2)`. - Throws: `.fileExists` with `.create`, `.noData` with `.replace`, `.noSpace`.
  open func setExtendedAttribute(_ name: Name, to value: [UInt8], _ flags: XattrFlags) throws(Errno) {
    throw .notSupportedOnSocket
  }

  /// Sets the access ACL and the mode that goes with it, or, with nil, removes the list and sets the mode: one operation
  /// for every task that looks at the file.
  open func setAccessList(_ list: [UInt8]?, _ permissions: Permissions) throws(Errno) {
    var change = AttributeChange()
    change.permissions = permissions
    try setAttributes(change)
    try Name.with("system.posix_acl_access") { name throws(Errno) in
      if let list { return try setExtendedAttribute(name, to: list, []) }
      do throws(Errno) { try removeExtendedAttribute(name) } catch  where error == .noData {}
    }
    accessList = list
  }

  /// `removexattr(2)`.
  open func removeExtendedAttribute(_ name: Name) throws(Errno) { throw .notSupportedOnSocket }

  /// `listxattr(2)`: the names.
  open func extendedAttributeNames() throws(Errno) -> [[UInt8]] { [] }

  // MARK: - Backing file

  /// The guest's identity of the file, constant over copy-up: `st_dev` and `st_ino`.
  public final var identity: FileIdentity { FileIdentity(device: filesystem.deviceNumber, number: number) }

  /// The bytes lie in the backing file in which they stay: no copy-up will give the inode another one.
  open var hasFinalBacking: Bool { true }

  /// Copies the content up, unless that has been done.
  ///
  /// - Postcondition: `hasFinalBacking`.
  /// - Throws: `.readOnlyFileSystem` where nothing can be written; `.resourceTemporarilyUnavailable` (`CopyUpObserver.mayWait`); what the copy-up fails with.
  open func copyUpContent() throws(Errno) {
    if isBackedByLower { throw .readOnlyFileSystem }
  }
}
