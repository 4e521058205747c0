// All inotify instances of the sandbox, and what ties the three sources of events together: operations that are served
// (reported by the VFS), what guests do natively (`HostWatches`), and room in a pipe (`InotifyQueue`). It exists from the
// first `inotify_init(2)` on.
//
// Part of the sentry's state, under the tree lock. A thread of the platform waits for the epoll instance, without the
// lock, and then has `serve` called under it. Before a call is served what happened natively is reported first, so events come
// in the order of what they report.

import Kernel
import LinuxABI
import VFS

/// See the head of this file.
final class Notifier: WatchKeeper {
  private unowned let files: OpenFiles
  private let vfs: VirtualFileSystem
  private let host: HostWatches
  private let epoll: OwnedDescriptor
  private var queues: [BackingIdentity: InotifyQueue] = [:]
  /// What epoll reports of an instance: a number, and the instance's identity.
  private var tokens: [UInt64: BackingIdentity] = [:]
  private var lastToken: UInt64 = 0
  /// Watched inodes without a name that somebody uses.
  private var unlinked: [Inode] = []
  /// What the call being served does to backing files, that the VFS reports itself.
  private var ownWork: [(inode: Inode, mask: InotifyMask)] = []
  /// When it is worth asking which of the files that are watched for their directories are still open.
  private var sweepAt = 1024
  private var removed = 0

  // The bounds are the host's, as /proc/sys/fs/inotify shows them.
  private let maximumQueued: Int
  private let maximumInstances: Int
  private let maximumWatches: Int

  init(_ files: OpenFiles, _ vfs: VirtualFileSystem) throws(Errno) {
    self.files = files
    self.vfs = vfs
    host = try HostWatches()
    epoll = try Host.makeEpoll()
    maximumQueued = Self.setting("/proc/sys/fs/inotify/max_queued_events", otherwise: 16384)
    maximumInstances = Self.setting("/proc/sys/fs/inotify/max_user_instances", otherwise: 128)
    maximumWatches = Self.setting("/proc/sys/fs/inotify/max_user_watches", otherwise: 8192)
    try Host.control(epoll.rawValue, .add, host.descriptor, EpollEvent(.readable, token: 0))
    vfs.watchKeeper = self
  }

  private static func setting(_ path: String, otherwise: Int) -> Int {
    guard let text = try? Host.readFile(path) else { return otherwise }
    return Int(String(decoding: text.prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self)) ?? otherwise
  }

  /// Readable when `serve` has something to do.
  var descriptor: CInt { epoll.rawValue }

  // MARK: - epoll

  /// Something has happened: natively, or a guest has read, or closed its instance.
  func serve() {
    withUnsafeTemporaryAllocation(of: EpollEvent.self, capacity: 16) { events in
      guard let count = try? Host.wait(epoll.rawValue, into: events, milliseconds: 0) else { return }
      for event in events[..<count] {
        guard let identity = tokens[event.token], let queue = queues[identity] else { continue }
        if event.events.contains(.failed) {
          tokens[event.token] = nil
          queues[identity] = nil
          queue.close()
          trim()
          checkUnlinked()
        } else if event.events.contains(.writable) {
          queue.feed()
        }
      }
    }
    drain()
  }

  // MARK: - Instances

  /// `inotify_init1(2)`: the guest's end of a new instance.
  ///
  /// - Throws: `.tooManyOpenFiles` at fs.inotify.max_user_instances.
  func makeInstance(nonBlocking: Bool) throws(Errno) -> OwnedDescriptor {
    guard queues.count < maximumInstances else { throw .tooManyOpenFiles }
    let ends = try InotifyQueue.pipe(nonBlocking: nonBlocking)
    let guestEnd = OwnedDescriptor(ends.reading)
    let queue = InotifyQueue(vfs: vfs, writeEnd: OwnedDescriptor(ends.writing), bound: maximumQueued)
    let identity = BackingIdentity(try Host.stat(ends.writing))
    lastToken += 1
    let token = lastToken
    // Without any event asked for, that the last reader has gone is reported all the same (`man 2 epoll_ctl`, EPOLLERR).
    try Host.control(epoll.rawValue, .add, ends.writing, EpollEvent([], token: token))
    queue.onWaiting = { [unowned self, unowned queue] isWaiting in
      let event = EpollEvent(isWaiting ? .writable : [], token: token)
      do throws(Errno) { try Host.control(epoll.rawValue, .modify, queue.writeDescriptor, event) } catch {}
    }
    queues[identity] = queue
    tokens[token] = identity
    return guestEnd
  }

  /// The instance that a descriptor with this host status is the guest's end of.
  func instance(_ status: FileStatus) -> InotifyQueue? { queues[BackingIdentity(status)] }

  /// `inotify_add_watch(2)`, permission checked.
  func addWatch(_ queue: InotifyQueue, _ position: Position, _ inode: Inode, _ mask: InotifyMask) throws(Errno)
    -> Int32
  {
    let number = try queue.watch(inode, mask, mayAdd: vfs.watchCount < maximumWatches)
    do throws(Errno) {
      try watchBacking(of: inode, position.dentry)
    } catch {
      // At the host's limit the guest is answered with its own; what cannot be opened, no guest can change natively either.
      if error == .noSpace {
        try queue.remove(number)
        throw error
      }
    }
    return number
  }

  func removeWatch(_ queue: InotifyQueue, _ number: Int32) throws(Errno) {
    try queue.remove(number)
    removed += 1
    if removed * 2 > host.count { trim() }
  }

  // MARK: - Backing files

  /// What of the native events anybody wants to know of an inode that is open by the name `dentry`.
  private func interest(_ inode: Inode, _ dentry: Dentry?) -> InotifyMask {
    // A close may be the last use of a file without a name.
    var mask: InotifyMask = inode.watches.isEmpty ? [] : [.closeWrite, .closeNoWrite]
    for watch in inode.watches { mask.formUnion(watch.mask) }
    if let directory = dentry?.parent?.inode { for watch in directory.watches { mask.formUnion(watch.mask) } }
    return mask.intersection(.native)
  }

  private func watchBacking(of inode: Inode, _ dentry: Dentry) throws(Errno) {
    switch inode.type {
    case .regular:
      let mask = interest(inode, dentry)
      if !mask.isEmpty { try host.watch(opening: inode, dentry, mask) }
    case .directory:
      // What is open in it already, and itself.
      let nodes = files.registry.nodes { $0.inode === inode || $0.position.dentry.parent?.inode === inode }
      if nodes.isEmpty { return }
      let open = try files.openIdentities()
      for (identity, node) in nodes where open.contains(identity) && !node.isPath {
        let mask = interest(node.inode, node.position.dentry)
        if mask.isEmpty { continue }
        if node.inode.isDirectory {
          guard let placeholder = files.registry.placeholder(identity) else { continue }
          try host.watch(placeholder, node.inode, node.position.dentry, mask)
        } else if node.inode.type == .regular {
          try host.watch(opening: node.inode, node.position.dentry, mask)
        }
      }
    default: break
    }
  }

  /// A guest is about to get `file`, which stands for `position`.
  func opened(_ file: CInt, _ position: Position, _ inode: Inode) {
    guard inode.type == .regular || inode.isDirectory else { return }
    let mask = interest(inode, position.dentry)
    if mask.isEmpty { return }
    do throws(Errno) {
      if host.count >= sweepAt { sweep() }
      try host.watch(file, inode, position.dentry, mask)
    } catch {
      // What will be done with this file is unknown. No guest can read what the caller cannot.
      if error != .permissionDenied { for queue in queues.values { queue.overflow() } }
    }
  }

  /// Copy-up: from now on the bytes of `file` are the inode `upper`'s. Watches follow.
  func backingChanged(of file: Inode, to upper: Inode) {
    for former in host.forget(file) {
      do throws(Errno) {
        let reference: OwnedDescriptor
        do {
          let opened = try upper.open([.largeFile])
          reference = try Host.openTrusted("/proc/self/fd/\(opened.rawValue)", [.path])
        }
        try host.watch(reference.rawValue, file, former.dentry, former.mask)
      } catch {
        for queue in queues.values { queue.overflow() }
      }
    }
  }

  /// A descriptor of the supervisor's own will be closed: that is reported to no watch.
  func willClose(_ file: CInt) { host.willClose(file) }

  /// Drops the watches of backing files that no guest's watch needs any more.
  private func trim() {
    removed = 0
    host.keep { !interest($1, $2).isEmpty }
  }

  /// Drops the watches of files that are watched for their directories only and are open no more.
  private func sweep() {
    guard let open = try? files.openIdentities() else { return }
    host.keep { identity, inode, _ in !inode.watches.isEmpty || open.contains(identity) }
    sweepAt = max(1024, host.count * 2)
  }

  // MARK: - Events

  /// The call being served will do this to the backing file of `inode`; the VFS reports it itself.
  func willDo(_ mask: InotifyMask, to inode: Inode) { ownWork.append((inode, mask)) }

  /// Before a call is served: what has happened until now is reported first.
  func beginCall() {
    if host.count > 0 { drain() }
  }

  /// After a served call: what it has done to backing files itself is passed over.
  func finishCall() {
    if ownWork.isEmpty { return }
    drain()
    ownWork = []
  }

  /// Reports what has happened natively so far.
  func drain() {
    var hasClosed = false
    let isComplete = host.drain { event, inode, dentry in
      if isOwnWork(event, inode) { return }
      if !event.isDisjoint(with: [.closeWrite, .closeNoWrite]) { hasClosed = true }
      vfs.report(event, of: inode, at: dentry)
    }
    if !isComplete { for queue in queues.values { queue.overflow() } }
    if hasClosed { checkUnlinked() }
  }

  private func isOwnWork(_ event: InotifyMask, _ inode: Inode) -> Bool {
    guard let index = ownWork.firstIndex(where: { $0.inode === inode && event.isSubset(of: $0.mask) }) else {
      return false
    }
    // It is closed once.
    ownWork[index].mask.subtract(event.intersection([.closeWrite, .closeNoWrite]))
    return true
  }

  // MARK: - The last use of a file without a name

  func isInUse(_ inode: Inode) -> Bool {
    for process in files.tasks.processes.values where process.executable?.dentry.inode === inode { return true }
    for task in files.tasks.values {
      if task.context.workingDirectory.dentry.inode === inode || task.context.root.dentry.inode === inode {
        return true
      }
    }
    let nodes = files.registry.nodes { $0.inode === inode }
    if nodes.isEmpty { return false }
    guard let open = try? files.openIdentities() else { return true }
    return !open.isDisjoint(with: nodes.map(\.0))
  }

  func awaitLastUse(of inode: Inode) { unlinked.append(inode) }

  /// A use may have ended: a close, a change of directory, the end of a task.
  func checkUnlinked() {
    if unlinked.isEmpty { return }
    let ended = unlinked.filter { $0.watches.isEmpty || !isInUse($0) }
    unlinked.removeAll { inode in ended.contains { $0 === inode } }
    for inode in ended {
      // It may have been given a name again (`man 2 linkat`, AT_EMPTY_PATH).
      guard inode.isDirectory || (try? inode.attributes().linkCount) == 0 else { continue }
      vfs.reportDeletion(of: inode)
    }
  }
}
