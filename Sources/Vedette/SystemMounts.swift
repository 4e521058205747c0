// What every sandbox has besides its layers: /proc, /dev, /dev/shm and a small /sys, all of our own making.

import CLinux
import DevFS
import KernFS
import LinuxABI
import ProcFS
import Sentry
import TmpFS
import VFS

/// Mounts the file systems that stand for the kernel's own.
struct SystemMounts {
  let state: SentryState
  /// The root of a devpts of the sandbox's own; nil without namespaces.
  let devpts: CInt?
  let identity: IdentityMap
  let plan: MountPlan

  /// - Throws: what making the mount points throws: a root that is not a tree of directories, say.
  func mount() throws(Errno) {
    let source = state.source
    try mount(try ProcFilesystem(source: source, store: state.store), at: "/proc", "proc")
    let terminals: OwnedDescriptor?
    if let devpts {
      terminals = try Host.duplicate(devpts)
      state.terminalDevice = UInt64(try Host.stat(devpts).st_dev)
    } else {
      terminals = nil
    }
    let devices = DevFilesystem(
      store: state.store, terminals: source, devpts: terminals, user: identity.user, group: identity.group)
    try mount(devices, at: "/dev", "devtmpfs")
    let shared = TmpFilesystem(
      store: state.store, rootPermissions: Permissions(rawValue: 0o1777), owner: identity.user, group: identity.group)
    try mount(shared, at: "/dev/shm", "tmpfs")
    try mount(SystemFilesystem(store: state.store), at: "/sys", "sysfs", isReadOnly: true)
  }

  private func mount(_ filesystem: Filesystem, at path: String, _ source: String, isReadOnly: Bool = false)
    throws(Errno)
  {
    let point = try plan.point(Array(path.utf8), in: state.vfs)
    try state.vfs.mount(filesystem, at: point, isReadOnly: isReadOnly, source: Array(source.utf8))
  }
}

/// /sys with the few files that the C library and language runtimes read: which processors there are. Nothing else of
/// the host shows.
private final class SystemFilesystem: KernFilesystem {
  private var top: StaticDirectory?

  init(store: BackingStore) {
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

  override var root: Inode {
    guard let top else { preconditionFailure("the root is made with the file system") }
    return top
  }

  override func statistics() throws(Errno) -> FilesystemStatistics {
    FilesystemStatistics(magic: 0x6265_6572 /* SYSFS_MAGIC */)
  }
}
