// Puts the layers together: the tree that the guest sees, made of the host directories and mounts that were asked for.

import DevFS
import HostFS
import Kernel
import KernFS
import Layers
import LinuxABI
import OverlayFS
import ProcFS
import Sentry
import VFS

/// Builds the virtual tree of a sandbox.
struct SandboxTree {
  let configuration: SandboxConfiguration
  let layers: HostLayers
  let store: BackingStore
  let identity: IdentityMap
  /// How many dentries are kept that nothing holds.
  let cachedNames: Int

  /// The root overlay with everything the configuration mounts. `/proc`, `/dev` and `/sys` come from `SystemMounts`.
  func build() throws(SandboxError) -> (VirtualFileSystem, OverlayFilesystem, MountPlan) {
    var stack: [LayerStack.Layer] = []
    for layer in layers.lowers {
      stack.append(LayerStack.Layer(try hostTree(layer, .immutable, writable: false), layer.saved))
    }
    // Before anything is looked up in them. What an upper of an earlier run has is not asked, whoever names it.
    let plain = stack.filter { $0.saved == nil }.map(\.filesystem)
    let plan = try MountPlan(extras.map { ($0.option, $0.destination) }, over: plain)
    let lowers: [Filesystem]
    do throws(ReportedError) {
      lowers = try LayerStack.lowers(stack, budget: store.budget)
    } catch {
      throw SandboxError("--lower: \(error.message)")
    }
    let upper = try upper()
    var record: UpperLayers?
    if case .store(let store) = upper, let store = store as? HostFilesystem,
      case .directory(let path) = configuration.upper
    {
      record = try UpperLayers.verified(
        of: path, over: configuration.rootfs, configuration.lowers, store,
        caller: .init(uid: identity.hostUser, gid: identity.hostGroup),
        inside: .init(uid: identity.user, gid: identity.group))
    }
    let overlay: OverlayFilesystem
    do throws(OverlayError) {
      overlay = try OverlayFilesystem(upper: upper, lowers: lowers, budget: store.budget)
    } catch {
      throw SandboxError(describe(error))
    }
    if case .store(let store) = upper, let store = store as? HostFilesystem,
      case .directory(let path) = configuration.upper
    {
      record?.remember(path, overlay, store)
    }
    let vfs = VirtualFileSystem(root: overlay, source: Array("overlay".utf8), cacheBound: cachedNames)
    vfs.protectsHardLinks = Self.hostSetting("/proc/sys/fs/protected_hardlinks")
    vfs.protectsStickyFiles = Self.hostSetting("/proc/sys/fs/protected_regular")
    return (vfs, overlay, plan)
  }

  /// What the configuration mounts besides the layers.
  private enum Extra {
    case tmpfs(ByteString)
    case bind(HostLayers.Bind)

    var option: String { if case .bind = self { "--bind" } else { "--tmpfs" } }
    var destination: ByteString {
      switch self {
      case .tmpfs(let destination): destination
      case .bind(let bind): bind.destination
      }
    }
  }

  private var extras: [Extra] { configuration.tmpfs.map(Extra.tmpfs) + layers.binds.map(Extra.bind) }

  /// Mounts the binds and tmpfs of the command line, the outer ones first, so that one can lie inside another.
  func mountExtras(in vfs: VirtualFileSystem, _ plan: MountPlan) throws(SandboxError) {
    for extra in extras.sorted(by: { plan.depth($0.destination) < plan.depth($1.destination) }) {
      switch extra {
      case .tmpfs(let destination):
        let filesystem = TmpFilesystem(
          store: store, rootPermissions: Permissions(rawValue: 0o1777), owner: identity.user, group: identity.group)
        try mount(filesystem, at: destination, in: vfs, plan, isReadOnly: false, source: "tmpfs", option: extra.option)
      case .bind(let bind):
        let filesystem = try hostTree(bind.directory, .shared, writable: !bind.readOnly)
        let made = try mount(
          filesystem, showing: bind.file, at: bind.destination, in: vfs, plan, isReadOnly: bind.readOnly,
          source: bind.source, option: extra.option)
        made.hostPath = bind.hostPath
      }
    }
  }

  @discardableResult
  private func mount(
    _ filesystem: Filesystem, showing file: [UInt8]? = nil, at destination: ByteString, in vfs: VirtualFileSystem,
    _ plan: MountPlan, isReadOnly: Bool, source: ByteString, option: String
  ) throws(SandboxError) -> Mount {
    do throws(Errno) {
      let point = try plan.point(destination.bytes, isDirectory: file == nil, in: vfs)
      let part = try file.map { (name) throws(Errno) in
        guard let found = try Name.with(name, { (name) throws(Errno) in try filesystem.root.lookup(name) }) else {
          throw Errno.noSuchFileOrDirectory
        }
        return found
      }
      return try vfs.mount(filesystem, showing: part, at: point, isReadOnly: isReadOnly, source: source.bytes)
    } catch  where error == .tooManySymbolicLinkLevels {
      throw SandboxError(
        "\(option): cannot mount at '\(destination)' inside: a symlink that is not of the layers is in the way (name the "
          + "directory that it leads to, or remove it)")
    } catch {
      throw SandboxError("\(option): cannot mount at '\(destination)' inside: \(error)")
    }
  }

  private func upper() throws(SandboxError) -> OverlayFilesystem.Upper {
    guard let directory = layers.upper else {
      return .memory(TmpFilesystem(store: store, owner: identity.user, group: identity.group))
    }
    return .store(try hostTree(directory, .immutable, writable: true))
  }

  private func hostTree(_ directory: HostLayers.OpenedPath, _ policy: HostFilesystem.Policy, writable: Bool)
    throws(SandboxError) -> HostFilesystem
  {
    do throws(Errno) {
      let filesystem =
        if let saved = directory.saved { try saved.filesystem(directory.take(), ownership: identity) } else {
          try HostFilesystem(
            rootDescriptor: directory.take(), policy: policy, writable: writable, ownership: identity)
        }
      filesystem.budget = store.budget
      return filesystem
    } catch {
      throw SandboxError("\(directory.option): '\(directory.path)': \(error)")
    }
  }

  private func describe(_ error: OverlayError) -> String {
    switch error {
    case .noLayers: "--rootfs: there is no layer to show"
    case .upperIsOverlay: "--upper: the directory is itself an overlay"
    case .upperIsReadOnly: "--upper: the directory is on a read-only file system"
    case .upperIsBusy: "--upper: another run is using the directory (wait for it to end, or name another one)"
    case .upperIsUnfinished: "--upper: the directory was not closed cleanly"
    case .upper(.notSupportedOnSocket): "--upper: the directory is on a file system without extended attributes"
    case .upper(Errno.needsCleaning): "--upper: the directory is damaged (see what vedette fsck says of it)"
    case .upper(let errno): "--upper: the directory cannot be prepared: \(errno)"
    case .lowerIsDynamic(let index): "--lower: layer \(index) changes by itself and cannot be a layer"
    case .lower(let index, let errno): "--lower: layer \(index) cannot be read: \(errno)"
    }
  }

  private static func hostSetting(_ path: String) -> Bool {
    do throws(Errno) {
      return try Host.readFile(path).first.map { $0 != 0x30 } ?? false
    } catch {
      return false
    }
  }
}
