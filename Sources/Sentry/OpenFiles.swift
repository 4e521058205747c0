// What stands for what: which file of the tree a guest's descriptor means, and which open file of the host a guest is to get
// for a file of the tree. The kernel keeps the descriptors; `NodeRegistry` leads from a backing file to the file of the tree.

import Coherence
import Gate
import Kernel
import KernFS
import LinuxABI
import VFS

/// The files that guests have open. Part of the sentry's state, under the tree lock.
final class OpenFiles {
  private let vfs: VirtualFileSystem
  let tasks: TaskTable
  let registry: NodeRegistry
  /// `st_dev` of the sandbox's own devpts on the host; nil if it has none.
  var terminalDevice: UInt64?
  /// Exists from the first inotify instance on.
  var notifier: Notifier?
  let fifoWaits = FIFOWaits()

  private let coherence: Coherence

  init(_ vfs: VirtualFileSystem, store: BackingStore, tasks: TaskTable, _ coherence: Coherence) {
    self.coherence = coherence
    self.vfs = vfs
    self.tasks = tasks
    registry = NodeRegistry(store: store)
  }

  // MARK: - What a descriptor stands for

  /// What the descriptor `number`, whose host status is `status`, stands for. The slave of a pseudo-terminal can come
  /// without an open of ours (TIOCGPTPEER): it is found by its number. A lower file whose node has gone is found by the
  /// kernel's name of it.
  func node(_ status: FileStatus, _ number: CInt, of table: DescriptorTable) -> NodeRegistry.Node? {
    if let known = registry.node(status) { return known }
    if registry.hasForgotten(BackingIdentity(status)) { return rediscover(status, number, of: table) }
    guard isOwnTerminal(status), status.type == .characterDevice else { return nil }
    let path = Array("/dev/pts/\(DeviceNumber.minor(status.namedDevice))".utf8)
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

  /// The file is on the sandbox's own devpts.
  func isOwnTerminal(_ status: FileStatus) -> Bool { terminalDevice == status.device }

  /// The node of a lower file that the registry has forgotten. The name that the kernel gives the descriptor is only where
  /// to look: what is found is the file itself, or nothing is.
  private func rediscover(_ status: FileStatus, _ number: CInt, of table: DescriptorTable) -> NodeRegistry.Node? {
    guard let text = try? table.kernelText(number) else { return nil }
    for mount in vfs.mountList {
      let root = Position(mount: mount, dentry: mount.root)
      if let found = registerAgain(root, status) { return found }
      for path in mount.filesystem.candidatePaths(ofHost: text) {
        do throws(Errno) {
          let position = try withUnsafeBytesOf(path) { bytes throws(Errno) in
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

  private func registerAgain(_ position: Position, _ status: FileStatus) -> NodeRegistry.Node? {
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

  // MARK: - Opening

  /// The open file a guest is to get for what an `open` has arrived at; nil if it must wait for a FIFO's other end.
  func descriptor(
    _ opened: VirtualFileSystem.Opened, _ flags: OpenFlags, for task: Task, wake: (ThreadID) -> Void
  ) throws(Errno) -> OwnedDescriptor? {
    reclaim()
    let inode = opened.inode
    if inode.isDirectory || flags.contains(.path) {
      if !flags.contains(.path) { try inode.checkListing() }
      let placeholder = try registry.openPlaceholder(opened.position, inode, flags)
      if !flags.contains(.path) { reportOpened(placeholder.rawValue, opened.position, inode) }
      return placeholder
    }
    var hostFlags = flags.subtracting([
      .create, .exclusive, .noFollow, .directory, .noAccessTime, .temporaryBit, .closeOnExec,
    ])
    hostFlags.insert(.noControllingTerminal)
    if opened.isNew { hostFlags.remove(.truncate) }
    let truncates = hostFlags.contains(.truncate) && inode.type == .regular
    if truncates { notifier?.willDo(.modify, to: inode) }
    guard let descriptor = try hostDescriptor(opened, hostFlags, for: task, wake) else { return nil }
    if hostFlags.contains(.truncate), inode.type == .regular { try vfs.dropSetIDs(of: inode, task.caller) }
    if flags.isWriting, inode.type == .regular {
      inode.willBeWritten(clearingSetIDs: !task.credentials.fileCredentials.has(.setID))
    }
    // What came by /proc/self/fd from outside the tree (a pipe, a memfd) stays the kernel's.
    if opened.position.isDetached { return descriptor }
    try registry.register(descriptor.rawValue, opened.position, inode)
    reportOpened(descriptor.rawValue, opened.position, inode)
    if truncates { vfs.report(.modify, of: inode, at: opened.position.dentry) }
    return descriptor
  }

  /// IN_OPEN; what is done with the open file is watched from here on, if anybody wants to know.
  func reportOpened(_ descriptor: CInt, _ position: Position, _ inode: Inode) {
    if vfs.watchCount == 0 { return }
    notifier?.opened(descriptor, position, inode)
    vfs.report(.open, of: inode, at: position.dentry)
  }

  private func hostDescriptor(
    _ opened: VirtualFileSystem.Opened, _ flags: OpenFlags, for task: Task, _ wake: (ThreadID) -> Void
  ) throws(Errno) -> OwnedDescriptor? {
    let inode = opened.inode
    // Device 0:0, the whiteout of RENAME_WHITEOUT, has no driver anywhere.
    if inode.type == .characterDevice || inode.type == .blockDevice, try inode.attributes().device == 0 {
      throw .noSuchAddressOrDevice
    }
    guard inode.type == .fifo else { return try inode.open(flags) }
    return try fifoWaits.open(inode, at: opened.position, flags, by: task.thread, wake: wake)
  }

  // MARK: - What is open no more

  /// Drops the nodes that no guest has open any more, and with them the bytes of files without a name, when there are
  /// enough of them for the question to be worth its cost.
  func reclaim() {
    let filesystem = vfs.root.mount.filesystem
    guard registry.isSweepDue(filesystem) else { return }
    // A table that cannot be looked at may hold anything: nothing is dropped then.
    guard let (open, cost) = try? lookAtDescriptors() else { return }
    registry.sweep(open, filesystem, cost: cost)
    coherence.removeFinal()
  }

  /// What stands in any guest's descriptor table.
  ///
  /// - Throws: what keeps us from looking: `.tooManyOpenFiles`, `.noMemory`.
  func openIdentities() throws(Errno) -> Set<BackingIdentity> { try lookAtDescriptors().open }

  /// The same, and how many descriptors and tables had to be looked at.
  private func lookAtDescriptors() throws(Errno) -> (open: Set<BackingIdentity>, cost: Int) {
    var open: Set<BackingIdentity> = []
    var cost = 0
    var seen: Set<ObjectIdentifier> = []
    for task in tasks.values where seen.insert(ObjectIdentifier(task.descriptors)).inserted {
      cost += 1
      do throws(Errno) {
        for number in try task.descriptors.numbers() {
          cost += 1
          do throws(Errno) {
            open.insert(BackingIdentity(try task.descriptors.stat(number)))
          } catch {
            // Closed meanwhile.
            if error != .badFileDescriptor { throw error }
          }
        }
      } catch {
        // A task that is going away: what only it had open need not be known.
        if !DescriptorTable.isGone(error) { throw error }
      }
    }
    return (open, cost)
  }
}
