// What every sandbox has besides its layers: /proc, /dev, /dev/shm and a small /sys, all of our own making.

import DevFS
import Kernel
import KernFS
import LinuxABI
import ProcFS
import Sentry
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
      state.terminalDevice = try Host.stat(devpts).device
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
