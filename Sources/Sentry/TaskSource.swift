// What /proc and /dev ask of the sentry: the processes, their descriptors and terminals.

public import DevFS
import Gate
public import Kernel
public import LinuxABI
public import ProcFS
public import VFS

/// Answers for `SentryState`; owned by it, so it never outlives it.
public final class TaskSource: ProcessSource, TerminalSource {
  private unowned let state: SentryState
  private var hostTerminals: Set<UInt32> = []

  init(_ state: SentryState) { self.state = state }

  // MARK: - Processes

  public var current: ProcessThread? { state.room.current.map(identify) }

  private func identify(_ task: Task) -> ProcessThread {
    let leader = state.tasks[task.process.leader] ?? task
    return ProcessThread(process: state.tasks.insideID(of: leader), thread: state.tasks.insideID(of: task))
  }

  private func task(_ thread: ProcessThread) throws(Errno) -> Task {
    // The leader of a process may be gone while its threads run on.
    guard let task = state.tasks.task(insideID: thread.thread) ?? state.tasks.task(insideID: thread.process) else {
      throw .noSuchProcess
    }
    return task
  }

  public func processes() -> [Int32] {
    state.tasks.processes.values.compactMap { process in
      (state.tasks[process.leader] ?? process.threads.first.flatMap { state.tasks[$0] }).map {
        state.tasks.insideID(of: $0)
      }
    }
  }

  public func threads(of process: Int32) -> [Int32] {
    guard let task = state.tasks.task(insideID: process) else { return [] }
    return task.process.threads.compactMap { state.tasks[$0] }.map { state.tasks.insideID(of: $0) }
  }

  public func exists(_ thread: ProcessThread) -> Bool {
    guard let task = state.tasks.task(insideID: thread.thread) else { return false }
    return state.tasks.insideID(of: state.tasks[task.process.leader] ?? task) == thread.process
  }

  public func identity(of thread: ProcessThread) throws(Errno) -> ProcessIdentity {
    let task = try task(thread)
    let credentials = task.credentials
    var identity = ProcessIdentity(
      user: credentials.user.real, group: credentials.group.real, supplementaryGroups: credentials.groups,
      umask: task.context.umask)
    identity.users = (
      credentials.user.real, credentials.user.effective, credentials.user.saved, credentials.user.fileSystem
    )
    identity.groups = (
      credentials.group.real, credentials.group.effective, credentials.group.saved, credentials.group.fileSystem
    )
    identity.inheritable = credentials.inheritable.rawValue
    identity.permitted = credentials.permitted.rawValue
    identity.effective = credentials.effective.rawValue
    identity.bounding = credentials.bounding.rawValue
    identity.ambient = credentials.ambient.rawValue
    return identity
  }

  public func owner(of thread: ProcessThread) -> (user: UInt32, group: UInt32) {
    guard let credentials = (try? task(thread))?.credentials, credentials.isDumpable else { return (0, 0) }
    return (credentials.user.effective, credentials.group.effective)
  }

  private func hostPath(_ thread: ProcessThread, _ name: String) throws(Errno) -> String {
    let task = try task(thread)
    return thread.process == thread.thread
      ? "/proc/\(task.process.leader)/\(name)" : "/proc/\(task.process.leader)/task/\(task.thread)/\(name)"
  }

  public var networkIsHidden: Bool { state.networkIsHidden }

  public func hostFile(_ name: StaticString, of thread: ProcessThread) throws(Errno) -> [UInt8] {
    try Host.readFile(try hostPath(thread, "\(name)"))
  }

  public func openHostFile(_ name: StaticString, of thread: ProcessThread, _ flags: OpenFlags) throws(Errno)
    -> OwnedDescriptor
  {
    try Host.openTrusted(try hostPath(thread, "\(name)"), flags)
  }

  public func insideID(ofHost id: Int32) -> Int32 {
    if let task = state.tasks[id] { return state.tasks.insideID(of: task) }
    return id <= 0 ? id : state.tasks.insideID(ofHost: id)
  }

  public func executable(of process: Int32) throws(Errno) -> Position {
    guard let position = try task(ProcessThread(process: process)).process.executable else {
      throw .noSuchFileOrDirectory
    }
    return position
  }

  public func workingDirectory(of thread: ProcessThread) throws(Errno) -> Position {
    try task(thread).context.workingDirectory
  }

  public func root(of thread: ProcessThread) throws(Errno) -> Position { try task(thread).context.root }

  // MARK: - Descriptors

  public func descriptors(of thread: ProcessThread) throws(Errno) -> [Int32] {
    try task(thread).descriptors.numbers()
  }

  public func descriptor(_ number: Int32, of thread: ProcessThread) throws(Errno) -> ProcessDescriptor {
    let table = try task(thread).descriptors
    let status = try table.stat(number)
    if let node = state.files.node(status, number, of: table) {
      // No guest ever gets a lower file for writing: such a descriptor is one that the caller has handed in.
      let isForeign = node.isLower ? try isWritable(number, table) : false
      if !isForeign { return .node(node.position) }
    }
    if state.files.notifier?.instance(status) != nil { return .foreign(Array("anon_inode:inotify".utf8)) }
    return .foreign(try table.kernelText(number))
  }

  private func isWritable(_ number: Int32, _ table: DescriptorTable) throws(Errno) -> Bool {
    try table.foreign(number).access.contains(.write)
  }

  public func descriptorInformation(_ number: Int32, of thread: ProcessThread) throws(Errno) -> [UInt8] {
    try Host.readFile(try hostPath(thread, "fdinfo/\(number)"))
  }

  public func foreignDescriptor(_ number: Int32, of thread: ProcessThread) throws(Errno) -> ForeignDescriptor {
    try task(thread).descriptors.foreign(number)
  }

  public func attributes(ofForeign status: FileStatus) throws(Errno) -> Attributes {
    guard let type = status.type else { throw .noSuchFileOrDirectory }
    var attributes = Attributes(
      type: type, permissions: status.permissions,
      owner: state.identity.inside(user: status.owner), group: state.identity.inside(group: status.group),
      linkCount: UInt32(clamping: status.linkCount), size: status.size, blocks: status.blocks,
      number: status.inode, time: status.modificationTime)
    attributes.accessTime = status.accessTime
    attributes.changeTime = status.changeTime
    attributes.device = status.namedDevice
    attributes.birthTime = nil
    return attributes
  }

  public func anonymousPosition(_ inode: Inode, named text: [UInt8]) -> Position? {
    state.vfs.detachedPosition(named: text, inode)
  }

  // MARK: - Names

  public func path(of position: Position) -> [UInt8] {
    if position.isDetached { return position.dentry.name }
    return state.vfs.shownPath(of: position, from: state.room.current?.context.root ?? state.vfs.root)
  }

  public func mappedFile(device: UInt64, inode: UInt64) -> MappedFile? {
    guard let node = state.files.registry.node(BackingIdentity(device: device, number: inode)) else { return nil }
    return MappedFile(
      path: path(of: node.position), device: node.inode.filesystem.deviceNumber, inode: node.inode.number)
  }

  public func mountInformation(of process: Int32) -> [UInt8] { MountText.mountInformation(of: state.vfs) }

  public func mounts(of process: Int32) -> [UInt8] { MountText.mounts(of: state.vfs) }

  public func hostName() -> [UInt8] { state.names.host }

  // MARK: - Terminals

  /// The guest's controlling terminal, found by its number in /proc/PID/stat: ours if it is the caller's, else a slave
  /// of the sandbox's devpts.
  public func openControllingTerminal(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    guard let task = state.room.current else { throw .noSuchAddressOrDevice }
    let guestTerminal = try Self.terminal(of: task.thread)
    if guestTerminal == 0 { throw .noSuchAddressOrDevice }
    if guestTerminal == (try Self.terminal(of: Host.ownProcess)) {
      return try Host.withoutWaiting(flags) { flags throws(Errno) in try Host.openTrusted("/dev/tty", flags) }
    }
    let path = Array("/dev/pts/\(DeviceNumber.minor(guestTerminal))".utf8)
    return try withUnsafeBytesOf(path) { bytes throws(Errno) in
      let position = try state.vfs.resolve(
        VirtualFileSystem.Path(bytes, from: state.vfs.root), .supervisor(of: state.vfs))
      guard let inode = position.dentry.inode else { throw .noSuchAddressOrDevice }
      return try inode.open(flags)
    }
  }

  /// `tty_nr` of `man 5 proc`: a device number, 0 for none.
  private static func terminal(of thread: ThreadID) throws(Errno) -> UInt64 {
    let text = try Host.readFile("/proc/\(thread)/stat")
    // comm may hold anything but ends with the last parenthesis; tty_nr is the fifth field behind it.
    guard let end = text.lastIndex(of: 0x29) else { return 0 }
    let fields = text[(end + 1)...].split(separator: 0x20)
    guard fields.count > 4 else { return 0 }
    return UInt64(String(decoding: fields[4], as: UTF8.self)) ?? 0
  }

  public func guestTerminals() -> [UInt32] { [UInt32](hostTerminals) }

  public func noteTerminal(_ number: UInt32) { hostTerminals.insert(number) }
}
