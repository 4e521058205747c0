// All that the sentry knows, behind the tree lock: tasks, mounts, and what stands for what in the kernel.

import CLinux
public import Coherence
public import Gate
public import KernFS
public import LinuxABI
public import VFS

/// The sentry's state. Built once, then reached only through `Sentry`, which holds the tree lock around every use.
public final class SentryState {
  public let vfs: VirtualFileSystem
  public let store: BackingStore
  let registry: NodeRegistry
  let layout: TrampolineLayout
  /// How ids outside are shown inside.
  let identity: IdentityMap
  var tasks: [ThreadID: Task] = [:]
  var processes: [ThreadID: Process] = [:]
  /// `st_dev` of the sandbox's own devpts on the host; nil if it has none.
  public var terminalDevice: UInt64?
  /// `st_dev` of the store on the host.
  let storeDevice: UInt64
  let fifoWaits = FIFOWaits()
  let headers = HeaderCache()
  /// Keeps what guests hold of files coherent over copy-up.
  public let coherence: Coherence
  /// Who is to be woken as soon as the tree lock is free.
  var wakes: [ThreadID] = []
  /// The platform; set before the first guest runs.
  public var control: (any GuestControl)?
  let socketPlaces: SocketPlaces
  /// Exists from the first inotify instance on.
  var notifier: Notifier?
  /// The notifier's descriptor, until the platform has been asked to wait for it.
  var notifierToWaitFor: CInt?
  /// A pid namespace bounds what guests can name.
  let hasPidNamespace: Bool
  /// Abstract socket names end at the sandbox: an own network namespace, or Landlock's scope.
  let abstractSocketsAreScoped: Bool
  /// Guests have no network, but are in the network namespace of the host: /proc/PID/net is not to show it.
  let networkIsHidden: Bool
  /// Where the first guest starts, and its umask.
  public var workingDirectory: [UInt8] = [0x2f]
  public var umask = Permissions(rawValue: 0o022)
  /// Threads by the number guests know them by; filled as numbers are learnt, checked at each use.
  var hostThreads: [Int32: ThreadID] = [:]
  /// The task whose call is being served; `/proc/self` is its process.
  var current: Task?
  /// Its number.
  var currentNumber = -1
  /// Which gate it came by.
  var currentGate = GateKind.trace

  /// What /proc and /dev ask.
  public private(set) lazy var source = TaskSource(self)

  // A path is copied here once and never read again for the same call. Two, for calls with two paths.
  private let firstPath = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
  private let secondPath = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
  /// Scratch for what handlers assemble before it is written to the guest.
  let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 16)

  /// What the call being served named, for `--trace`; empty unless tracing.
  var tracedStrings: [[UInt8]] = []
  var isTracing = false

  /// - Parameters:
  ///   - store: where placeholders and the bytes of memory files live.
  ///   - layout: the secrets that the filter knows too.
  ///   - copyUps: the overlay whose copy-ups guests must not notice; nil if there is none.
  public init(
    vfs: VirtualFileSystem, store: BackingStore, layout: TrampolineLayout, identity: IdentityMap,
    hasPidNamespace: Bool, abstractSocketsAreScoped: Bool, networkIsHidden: Bool, copyUps: (any CopyUpSource)?
  ) throws(Errno) {
    let storeDeviceNumber = try store.deviceNumber()
    self.hasPidNamespace = hasPidNamespace
    self.abstractSocketsAreScoped = abstractSocketsAreScoped
    self.networkIsHidden = networkIsHidden
    self.vfs = vfs
    self.store = store
    self.layout = layout
    self.identity = identity
    registry = NodeRegistry(store: store)
    socketPlaces = SocketPlaces(store.budget)
    storeDevice = storeDeviceNumber
    coherence = Coherence(copyUps)
    coherence.bind(to: self)
  }

  deinit {
    firstPath.deallocate()
    secondPath.deallocate()
    scratch.deallocate()
  }

  /// A structure whose size the guest tells (`copy_struct_from_user`), read once: `known` bytes of it at least, and what
  /// lies behind those is zero. It stands in `scratch`.
  func structure(_ task: Task, at address: UInt64, size: UInt64, known: Int) throws(Errno) -> UnsafeRawBufferPointer {
    if size < known { throw .invalidArgument }
    if size > 4096 { throw .argListTooLong }
    let structure = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(size)])
    try task.memory.read(into: structure, at: address)
    for byte in structure[known...] where byte != 0 { throw .argListTooLong }
    return UnsafeRawBufferPointer(structure)
  }

  // MARK: - Paths

  enum PathSlot { case first, second }

  /// Copies a path out of the guest. - Throws: `.badAddress`, `.fileNameTooLong`.
  func path(_ task: Task, _ address: UInt64, _ slot: PathSlot = .first) throws(Errno) -> UnsafeRawBufferPointer {
    let buffer = slot == .first ? firstPath : secondPath
    let count = try task.memory.readString(into: buffer, at: address)
    let path = UnsafeRawBufferPointer(rebasing: buffer[..<count])
    if isTracing { tracedStrings.append([UInt8](path)) }
    return path
  }

  /// Where a relative path starts. - Throws: `.badFileDescriptor`, `.notDirectory`.
  func start(_ task: Task, _ descriptor: UInt64, for path: UnsafeRawBufferPointer) throws(Errno) -> Position {
    let number = CInt(truncatingIfNeeded: descriptor)
    if path.first == 0x2f { return task.context.root }
    if number == AtFlags.currentDirectory { return task.context.workingDirectory }
    guard let node = node(try task.descriptors.stat(number), number, of: task.descriptors) else { throw .notDirectory }
    return node.position
  }

  /// A path with its start, as `*at` calls give them.
  func path(_ task: Task, at descriptor: UInt64, _ address: UInt64, _ slot: PathSlot = .first) throws(Errno)
    -> VirtualFileSystem.Path
  {
    let bytes = try path(task, address, slot)
    if bytes.isEmpty { throw .noSuchFileOrDirectory }
    return VirtualFileSystem.Path(bytes, from: try start(task, descriptor, for: bytes))
  }

  /// What an `*at` call names: a node of ours, or the host's status of a descriptor that is none of ours (AT_EMPTY_PATH).
  enum Target {
    case position(Position)
    case foreign(CInt, stat)
  }

  /// Resolves the path argument of an `*at` call, with AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW.
  func target(_ task: Task, at descriptor: UInt64, _ address: UInt64, _ flags: AtFlags, follow: Bool) throws(Errno)
    -> Target
  {
    // Since Linux 6.11 a NULL path means the empty path where AT_EMPTY_PATH is given.
    let bytes =
      address == 0 && flags.contains(.emptyPath)
      ? UnsafeRawBufferPointer(start: nil, count: 0) : try path(task, address)
    if bytes.isEmpty {
      guard flags.contains(.emptyPath) else { throw .noSuchFileOrDirectory }
      return try target(task, descriptor: descriptor)
    }
    let path = VirtualFileSystem.Path(bytes, from: try start(task, descriptor, for: bytes))
    return .position(try vfs.resolve(path, task.caller, follow: follow))
  }

  /// What a descriptor stands for; AT_FDCWD is the working directory.
  func target(_ task: Task, descriptor: UInt64) throws(Errno) -> Target {
    let number = CInt(truncatingIfNeeded: descriptor)
    if number == AtFlags.currentDirectory { return .position(task.context.workingDirectory) }
    let status = try task.descriptors.stat(number)
    if let node = node(status, number, of: task.descriptors) { return .position(node.position) }
    return .foreign(number, status)
  }

  /// What the descriptor `number`, whose host status is `status`, stands for. The slave of a pseudo-terminal can come
  /// without an open of ours (TIOCGPTPEER): it is found by its number. A lower file whose node has gone is found by the
  /// kernel's name of it.
  func node(_ status: stat, _ number: CInt, of table: DescriptorTable) -> NodeRegistry.Node? {
    if let known = registry.node(status) { return known }
    if registry.hasForgotten(BackingIdentity(status)) { return rediscover(status, number, of: table) }
    guard let terminalDevice, UInt64(status.st_dev) == terminalDevice,
      FileType(mode: status.st_mode) == .characterDevice
    else { return nil }
    let path = Array("/dev/pts/\(DeviceNumber.minor(UInt64(status.st_rdev)))".utf8)
    do throws(Errno) {
      return try withUnsafeBytesOf(path) { bytes throws(Errno) in
        let position = try vfs.resolve(VirtualFileSystem.Path(bytes, from: vfs.root), .supervisor(of: vfs))
        guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
        return NodeRegistry.Node(position: position, inode: inode)
      }
    } catch {
      return nil
    }
  }

  /// The node of a lower file that the registry has forgotten. The name that the kernel gives the descriptor is only where
  /// to look: what is found is the file itself, or nothing is.
  private func rediscover(_ status: stat, _ number: CInt, of table: DescriptorTable) -> NodeRegistry.Node? {
    guard let text = try? table.kernelText(number) else { return nil }
    for mount in vfs.mountList {
      let root = Position(mount: mount, dentry: mount.root)
      if let found = registerAgain(root, status) { return found }
      for place in mount.filesystem.places(ofHost: text) {
        do throws(Errno) {
          let position = try withUnsafeBytesOf(place) { bytes throws(Errno) in
            try vfs.resolve(VirtualFileSystem.Path(bytes, from: root), .supervisor(of: vfs), follow: false)
          }
          if let found = registerAgain(position, status) { return found }
        } catch {
          // The name has gone, or is another file's here.
        }
      }
    }
    return nil
  }

  private func registerAgain(_ position: Position, _ status: stat) -> NodeRegistry.Node? {
    guard let inode = position.dentry.inode, inode.type == .regular, inode.isBackedByLower else { return nil }
    do throws(Errno) {
      let file = try inode.open([.largeFile, .nonBlocking])
      let found = try Host.stat(file.rawValue)
      guard BackingIdentity(found) == BackingIdentity(status) else { return nil }
      try registry.register(found, position, inode)
      return registry.node(found)
    } catch {
      return nil
    }
  }

  // MARK: - Descriptors

  /// The open file a guest is to get for what an `open` has arrived at; nil if it must wait for a FIFO's other end.
  func descriptor(_ opened: VirtualFileSystem.Opened, _ flags: OpenFlags, for task: Task) throws(Errno)
    -> OwnedDescriptor?
  {
    reclaim()
    let inode = opened.inode
    if inode.isDirectory || flags.contains(.path) {
      if !flags.contains(.path) { try inode.checkListing() }
      let placeholder = try registry.openPlaceholder(opened.position, inode, flags)
      if !flags.contains(.path) { tellOpened(placeholder.rawValue, opened.position, inode) }
      return placeholder
    }
    var hostFlags = flags.subtracting([
      .create, .exclusive, .noFollow, .directory, .noAccessTime, .temporaryBit, .closeOnExec,
    ])
    hostFlags.insert(.noControllingTerminal)
    if opened.isNew { hostFlags.remove(.truncate) }
    let truncates = hostFlags.contains(.truncate) && inode.type == .regular
    if truncates { notifier?.willDo(.modify, to: inode) }
    guard let descriptor = try hostDescriptor(opened, hostFlags, for: task) else { return nil }
    if hostFlags.contains(.truncate), inode.type == .regular { try vfs.dropSetIDs(of: inode, task.caller) }
    if flags.isWriting, inode.type == .regular {
      inode.willBeWritten(clearingSetIDs: !task.credentials.fileCredentials.has(.setID))
    }
    // What came by /proc/self/fd from outside the tree (a pipe, a memfd) stays the kernel's.
    if opened.position.isDetached { return descriptor }
    try registry.register(descriptor.rawValue, opened.position, inode)
    tellOpened(descriptor.rawValue, opened.position, inode)
    if truncates { vfs.report(.modify, of: inode, at: opened.position.dentry) }
    return descriptor
  }

  /// IN_OPEN; what is done with the open file is watched from here on, if anybody wants to know.
  func tellOpened(_ descriptor: CInt, _ position: Position, _ inode: Inode) {
    if vfs.watchCount == 0 { return }
    notifier?.opened(descriptor, position, inode)
    vfs.report(.open, of: inode, at: position.dentry)
  }

  private func hostDescriptor(_ opened: VirtualFileSystem.Opened, _ flags: OpenFlags, for task: Task) throws(Errno)
    -> OwnedDescriptor?
  {
    let inode = opened.inode
    // Device 0:0, the whiteout of RENAME_WHITEOUT, has no driver anywhere.
    if inode.type == .characterDevice || inode.type == .blockDevice, try inode.attributes().device == 0 {
      throw .noSuchAddressOrDevice
    }
    guard inode.type == .fifo else { return try inode.open(flags) }
    return try fifoWaits.open(inode, at: opened.position, flags, by: task.thread) { wakes.append($0) }
  }

  /// Drops the nodes that no guest has open any more, and with them the bytes of files without a name, when there are
  /// enough of them for the question to be worth its cost.
  func reclaim() {
    let filesystem = vfs.root.mount.filesystem
    guard registry.isSweepDue(filesystem) else { return }
    registry.sweep(openIdentities(), filesystem)
    coherence.removeFinal()
  }

  /// What stands in any guest's descriptor table.
  func openIdentities() -> Set<BackingIdentity> {
    var open: Set<BackingIdentity> = []
    var seen: Set<ObjectIdentifier> = []
    for task in tasks.values where seen.insert(ObjectIdentifier(task.descriptors)).inserted {
      do throws(Errno) {
        for number in try task.descriptors.numbers() {
          do throws(Errno) { open.insert(BackingIdentity(try task.descriptors.stat(number))) } catch {}
        }
      } catch {
        // A task that is going away: what only it had open need not be known.
      }
    }
    return open
  }
}
