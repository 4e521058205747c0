// FIFOs, sockets and device nodes.

public import Kernel
public import LinuxABI
public import VFS

/// A FIFO: a real one in the store, so that reading, writing and polling are the kernel's.
public final class FIFO: KernInode {
  private let file: UInt64

  init(_ filesystem: KernFilesystem, _ new: NewInode) throws(Errno) {
    file = try filesystem.store.createFIFO()
    super.init(
      filesystem, type: .fifo, permissions: new.permissions, owner: new.owner, group: new.group, linkCount: 0)
  }

  deinit { kernel.store.remove(file) }

  public override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    let status = try kernel.store.stat(file)
    result.accessTime = status.accessTime
    result.modificationTime = status.modificationTime
    result.changeTime = max(result.changeTime, status.changeTime)
    return result
  }

  public override func setAttributes(_ change: AttributeChange) throws(Errno) {
    if change.accessTime != .keep || change.modificationTime != .keep {
      try kernel.store.setTimes(file, access: change.accessTime, modification: change.modificationTime)
    }
    try super.setAttributes(change)
  }

  /// Opens without waiting for the other end (`man 7 fifo`): that is the caller's to do, outside the tree lock.
  ///
  /// - Throws: `.noSuchAddressOrDevice` for O_WRONLY while no task reads.
  public override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    if flags.contains(.path) { return try kernel.store.open(file, flags) }
    return try Host.withoutWaiting(flags.subtracting(.truncate)) { flags throws(Errno) in
      try kernel.store.open(file, flags)
    }
  }
}

/// The name of a Unix socket. The socket itself is bound, by the supervisor, to a path in the store.
public final class SocketNode: KernInode {
  private var file: UInt64?

  init(_ filesystem: KernFilesystem, _ new: NewInode) {
    super.init(
      filesystem, type: .socket, permissions: new.permissions, owner: new.owner, group: new.group, linkCount: 0)
  }

  deinit { if let file { kernel.store.remove(file) } }

  /// The path that `bind(2)` of the guest's socket is given instead of the guest's; once per node.
  ///
  /// - Throws: `.addressInUse` if it was asked for before.
  public func bindingPath() throws(Errno) -> [UInt8] {
    if file != nil { throw .addressInUse }
    let number = try kernel.store.reserveSocketNumber()
    file = number
    return kernel.store.path(of: number)
  }

  /// The path that `connect(2)` is given.
  ///
  /// - Throws: `.connectionRefused` if nothing was ever bound here (a node made by `mknod(2)`).
  public func connectingPath() throws(Errno) -> [UInt8] {
    guard let file else { throw .connectionRefused }
    return kernel.store.path(of: file)
  }

  /// With O_PATH a descriptor of the bound socket in the store; else ENXIO, as `open(2)` of a socket.
  public override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    guard flags.contains(.path) else { throw .noSuchAddressOrDevice }
    guard let file else { throw .connectionRefused }
    return try kernel.store.open(file, flags)
  }
}

/// A device node that guests made: shown by `stat`, never opened, because no device answers to it here.
public final class DeviceNode: KernInode {
  private let device: UInt64

  init(_ filesystem: KernFilesystem, type: FileType, device: UInt64, _ new: NewInode) {
    self.device = device
    super.init(
      filesystem, type: type, permissions: new.permissions, owner: new.owner, group: new.group, linkCount: 0)
  }

  public override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    result.device = device
    return result
  }

  public override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    throw device == 0 ? .noSuchAddressOrDevice : .permissionDenied
  }
}
