// Watches of inotify(7): each is one receiver's interest in one inode, whatever names or layers the inode has. Operations
// report what they have done; what guests do natively with open files the sentry reports through `report(_:of:at:)`.
//
// Guarded by the tree lock. While no inode is watched an operation looks at `watchCount` and at nothing else.

public import LinuxABI

/// Where the events of watches go.
public protocol WatchReceiver: AnyObject {
  /// Something happened that `watch` asks for. `name` is empty for the watched inode itself, else it is an entry of it.
  func receive(_ event: InotifyMask, cookie: UInt32, name: [UInt8], from watch: Watch)

  /// The inode of `watch` exists no more: the receiver detaches it.
  func inodeIsGone(_ watch: Watch)
}

/// What only the sentry knows of inodes: who uses them.
public protocol WatchKeeper: AnyObject {
  /// Some guest has the inode open, works in it or executes it.
  func isInUse(_ inode: Inode) -> Bool

  /// `inode` has no name any more and is in use: when that ends, `VirtualFileSystem.reportDeletion(of:)` is to be called.
  func awaitLastUse(of inode: Inode)
}

/// One watch. It holds its inode, so that there is never a second object for the file.
public final class Watch {
  public let inode: Inode
  public let receiver: any WatchReceiver
  /// The number that `inotify_add_watch(2)` returned.
  public let descriptor: Int32
  /// Events, `.excludeUnlinked` and `.oneShot`.
  public var mask: InotifyMask

  public init(inode: Inode, receiver: any WatchReceiver, descriptor: Int32, mask: InotifyMask) {
    self.inode = inode
    self.receiver = receiver
    self.descriptor = descriptor
    self.mask = mask
  }
}

extension VirtualFileSystem {
  /// From now on what happens to its inode is reported to `watch`.
  public func attach(_ watch: Watch) {
    watch.inode.watches.append(watch)
    watchCount += 1
  }

  /// The end of a watch. Nothing happens if it has ended already.
  public func detach(_ watch: Watch) {
    guard let index = watch.inode.watches.firstIndex(where: { $0 === watch }) else { return }
    watch.inode.watches.remove(at: index)
    watchCount -= 1
  }

  // MARK: - Events

  /// Something happened to `inode`, reached by the name `dentry`: reported to the directory of that name with the name, then
  /// the inode itself, as in `__fsnotify_parent` (fs/notify/fsnotify.c).
  public func report(_ event: InotifyMask, of inode: Inode, at dentry: Dentry?) {
    if watchCount == 0 { return }
    let isExcluded = dentry?.isDeleted == true && !event.isDisjoint(with: Self.ofOpenFiles)
    if let dentry, let directory = dentry.parent?.inode, !directory.watches.isEmpty {
      notify(directory, marked(event, inode), name: dentry.name, isExcluded: isExcluded)
    }
    notify(inode, marked(event, inode), isExcluded: isExcluded)
  }

  /// Events that carry an open file, which IN_EXCL_UNLINK applies to.
  private static var ofOpenFiles: InotifyMask { InotifyMask.native.union(.open) }

  /// A name in `directory` came or went; not reported to the inode behind it.
  func report(_ event: InotifyMask, of name: [UInt8], _ inode: Inode, in directory: Inode, cookie: UInt32 = 0) {
    notify(directory, marked(event, inode), name: name, cookie: cookie)
  }

  /// The number of names of `inode` has changed. With the last one it is deleted, unless a task has it open.
  func reportLinks(of inode: Inode) {
    if inode.watches.isEmpty { return }
    if !inode.isDirectory { notify(inode, .attributes) }
    var count: UInt32 = 0
    if !inode.isDirectory {
      do throws(Errno) { count = try inode.attributes().linkCount } catch {}
    }
    if count > 0 { return }
    if let watchKeeper, watchKeeper.isInUse(inode) { return watchKeeper.awaitLastUse(of: inode) }
    reportDeletion(of: inode)
  }

  /// The inode is deleted and no task has it open any more: IN_DELETE_SELF, and the end of its watches.
  public func reportDeletion(of inode: Inode) {
    notify(inode, .deleteSelf)
    for watch in inode.watches { watch.receiver.inodeIsGone(watch) }
  }

  /// A rename has happened. The two names share a cookie (`fsnotify_move`).
  func reportMove(
    of inode: Inode, from oldName: [UInt8], in oldDirectory: Inode, to newName: [UInt8], in newDirectory: Inode,
    replacing replaced: Inode?
  ) {
    moveCookie &+= 1
    report(.movedFrom, of: oldName, inode, in: oldDirectory, cookie: moveCookie)
    report(.movedTo, of: newName, inode, in: newDirectory, cookie: moveCookie)
    if let replaced { reportLinks(of: replaced) }
    notify(inode, .moveSelf)
  }

  private func marked(_ event: InotifyMask, _ inode: Inode) -> InotifyMask {
    inode.isDirectory ? event.union(.isDirectory) : event
  }

  private func notify(
    _ inode: Inode, _ event: InotifyMask, name: [UInt8] = [], cookie: UInt32 = 0, isExcluded: Bool = false
  ) {
    // A copy: a receiver may end the watch.
    for watch in inode.watches {
      if watch.mask.isDisjoint(with: event.intersection(.allEvents)) { continue }
      if isExcluded, watch.mask.contains(.excludeUnlinked) { continue }
      watch.receiver.receive(event, cookie: cookie, name: name, from: watch)
    }
  }
}
