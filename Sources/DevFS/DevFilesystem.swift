// /dev: a writable tree in memory that is born with the short list of devices a program may expect. Only this list ever
// reaches a device of the host; nodes that a guest makes are names without a device behind them.
//
// Locks: the tree lock only (VFS, Filesystem.swift).

public import Kernel
public import KernFS
public import LinuxABI
public import VFS

/// What the sentry knows of terminals.
public protocol TerminalSource: AnyObject {
  /// Opens the controlling terminal of the thread whose call is being served.
  ///
  /// - Throws: `.noSuchAddressOrDevice` if it has none.
  func openControllingTerminal(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor

  /// The numbers of the host's /dev/pts whose master a guest opened here and still holds. Asked only where there is no
  /// devpts of the sandbox's own.
  func guestTerminals() -> [UInt32]

  /// A guest is being given the master of the host's terminal `number`.
  func noteTerminal(_ number: UInt32)
}

/// The devtmpfs of a sandbox.
public final class DevFilesystem: KernFilesystem {
  private var top: OrderedDirectory?
  /// /dev/pts, which a guest may remove: ptmx and the terminals that are open refer to it.
  private var terminalDirectory: TerminalDirectory?

  /// - Parameters:
  ///   - devpts: the root of a devpts instance of the sandbox's own, whose `ptmx` may be opened; nil to use the host's.
  ///   - user: the owner of terminals as shown inside.
  public init(
    store: BackingStore, terminals: any TerminalSource, devpts: consuming OwnedDescriptor?, user: UInt32 = 0,
    group: UInt32 = 0
  ) {
    super.init(typeName: "devtmpfs", store: store)
    let root = OrderedDirectory(self, rootPermissions: Permissions(rawValue: 0o755))
    root.populate("null", HostDevice(self, "/dev/null", major: 1, minor: 3))
    root.populate("zero", HostDevice(self, "/dev/zero", major: 1, minor: 5))
    root.populate("full", HostDevice(self, "/dev/full", major: 1, minor: 7))
    root.populate("random", HostDevice(self, "/dev/random", major: 1, minor: 8))
    root.populate("urandom", HostDevice(self, "/dev/urandom", major: 1, minor: 9))
    root.populate("tty", ControllingTerminal(self, terminals))
    root.populate("console", MissingDevice(self, major: 5, minor: 1, Permissions(rawValue: 0o600), user, group))
    let pts = TerminalDirectory(self, terminals, devpts: devpts, user: user, group: group)
    root.populate("ptmx", TerminalMultiplexer(self, pts))
    root.populate("pts", pts)
    terminalDirectory = pts
    root.populate(
      "shm",
      OrderedDirectory(self, NewInode(.directory, permissions: Permissions(rawValue: 0o1777), owner: 0, group: 0)))
    root.populate("fd", Symlink(self, to: "/proc/self/fd"))
    root.populate("stdin", Symlink(self, to: "/proc/self/fd/0"))
    root.populate("stdout", Symlink(self, to: "/proc/self/fd/1"))
    root.populate("stderr", Symlink(self, to: "/proc/self/fd/2"))
    top = root
  }

  public override var root: Inode {
    guard let top else { preconditionFailure("the root is made with the file system") }
    return top
  }

  /// Terminals come and go.
  public override var revalidates: Bool { true }

  public override func tearDown() {
    top?.dissolve()
    top = nil
    terminalDirectory = nil
  }

  public override var supportsAccessLists: Bool { true }

  public override var mountOptions: [UInt8] { Array("rw,nosuid,mode=755".utf8) }

  public override func statistics() throws(Errno) -> FilesystemStatistics {
    let host = try store.statistics()
    return FilesystemStatistics(
      magic: 0x0102_1994 /* TMPFS_MAGIC */, blockSize: host.blockSize, blocks: host.blocks,
      freeBlocks: host.freeBlocks, availableBlocks: host.availableBlocks, files: host.files,
      freeFiles: host.freeFiles)
  }
}
