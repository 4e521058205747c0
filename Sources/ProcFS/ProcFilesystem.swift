// /proc as guests see it: processes of the sandbox only, in the ids of the inside, and system facts from a fixed list of
// the host's files. What the kernel says of a process is asked of a `ProcessSource`, text by text, and rewritten where it
// would show the outside. Nothing of the host's /proc is ever handed out but for the files that a process may write about
// itself.
//
// Content is made when a file is opened. Everything is read-only but for a few files that say so.
// Locks: the tree lock only (VFS, Filesystem.swift).

import Kernel
public import KernFS
public import LinuxABI
public import VFS

/// The proc file system of a sandbox.
public final class ProcFilesystem: KernFilesystem {
  unowned let source: any ProcessSource
  let host: HostProc
  private var top: ProcRoot?
  // Blocks of numbers apart from the common counter, which would be far ahead after a few hundred processes.
  private var lastBlock: UInt64 = 1 << 32

  /// The first of `count` inode numbers that nothing else here has.
  func reserveNumbers(_ count: UInt64) -> UInt64 {
    defer { lastBlock += count }
    return lastBlock
  }

  /// - Parameter source: must live as long as the file system is used; it is not held.
  /// - Throws: what the host says to opening its own /proc.
  public init(source: any ProcessSource, store: BackingStore) throws(Errno) {
    self.source = source
    host = try HostProc()
    super.init(typeName: "proc", store: store)
    top = ProcRoot(self)
  }

  public override var root: Inode {
    guard let top else { preconditionFailure("the root is made with the file system") }
    return top
  }

  public override func tearDown() { top = nil }

  public override var hasFixedNames: Bool { true }

  /// Processes come and go.
  public override var revalidates: Bool { true }

  public override var mountOptions: [UInt8] { Array("rw,nosuid,nodev,noexec,relatime".utf8) }

  public override func statistics() throws(Errno) -> FilesystemStatistics {
    FilesystemStatistics(magic: 0x9fa0 /* PROC_SUPER_MAGIC */)
  }
}

extension KernInode {
  /// The file system, for inodes of this module.
  var proc: ProcFilesystem { unsafeDowncast(filesystem, to: ProcFilesystem.self) }
}

/// The supervisor's own view of /proc, by one descriptor, for facts about the machine.
struct HostProc: ~Copyable {
  private let directory: OwnedDescriptor

  init() throws(Errno) { directory = try Host.openTrusted("/proc", [.path, .directory]) }

  /// The bytes of /proc/`path`, a constant of ours.
  func read(_ path: StaticString) throws(Errno) -> [UInt8] {
    let directory = directory.rawValue
    let file = try path.withCString { path throws(Errno) in
      try Host.openTrusted(path, in: directory, [.noControllingTerminal])
    }
    return try Host.readAll(file.rawValue)
  }

  /// Whether this kernel has the file and lets us read it.
  func has(_ path: StaticString) -> Bool {
    let directory = directory.rawValue
    do throws(Errno) {
      try path.withCString { path throws(Errno) in try Host.mayAccessByRealID(path, in: directory, .read) }
      return true
    } catch { return false }
  }
}
