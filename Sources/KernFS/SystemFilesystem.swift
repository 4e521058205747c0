// sysfs: the little of /sys that programs need to start.
//
// Locks: the tree lock only (VFS, Filesystem.swift).

import Kernel
public import LinuxABI
public import VFS

/// /sys with the few files that the C library and language runtimes read: which processors there are. Nothing else of
/// the host shows.
public final class SystemFilesystem: KernFilesystem {
  private var top: StaticDirectory?

  public init(store: BackingStore) {
    super.init(typeName: "sysfs", store: store)
    let root = StaticDirectory(self)
    let processors = Self.directory(["devices", "system", "cpu"], in: root)
    for (name, path) in [
      ("online", "/sys/devices/system/cpu/online"), ("possible", "/sys/devices/system/cpu/possible"),
      ("present", "/sys/devices/system/cpu/present"),
    ] as [(StaticString, String)] {
      processors.populate(name, ProducedFile(self) { () throws(Errno) in try Host.readFile(path) })
    }
    _ = Self.directory(["fs", "cgroup"], in: root)
    for name in ["block", "bus", "class", "dev", "kernel", "module"] as [StaticString] {
      _ = Self.directory([name], in: root)
    }
    top = root
  }

  private static func directory(_ path: [StaticString], in root: StaticDirectory) -> StaticDirectory {
    path.reduce(root) { parent, name in Name.with(name) { parent.directory($0) } }
  }

  public override var root: Inode {
    guard let top else { preconditionFailure("the root is made with the file system") }
    return top
  }

  public override func statistics() throws(Errno) -> FilesystemStatistics {
    FilesystemStatistics(magic: 0x6265_6572 /* SYSFS_MAGIC */)
  }
}
