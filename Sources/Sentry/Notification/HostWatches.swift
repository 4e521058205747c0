// What guests do with open files runs natively: the supervisor has an inotify instance of its own on the backing files of
// watched inodes, and of open files in watched directories, and learns of reads, writes and closes from it. A backing file
// is named by a descriptor of ours, never by a path of a guest's or of the host's.
//
// Part of the sentry's state, under the tree lock.

import Kernel
import LinuxABI
import VFS

/// The supervisor's own watches, by the backing files they are on.
final class HostWatches {
  /// Who shows a backing file: nearly always one inode.
  struct User {
    weak var inode: Inode?
    /// The name it was last opened by.
    weak var dentry: Dentry?
  }

  private struct Entry {
    var identity: BackingIdentity
    var mask: InotifyMask
    var users: [User]
    /// So many closes to come are the supervisor's own.
    var ownCloses = 0
  }

  private let instance: OwnedDescriptor
  private var entries: [CInt: Entry] = [:]
  private var numbers: [BackingIdentity: CInt] = [:]

  /// - Throws: `.tooManyOpenFiles` at the user's limit of instances.
  init() throws(Errno) {
    instance = try Host.makeInotifyInstance()
  }

  var descriptor: CInt { instance.rawValue }
  var count: Int { entries.count }

  // MARK: - Adding and removing

  /// Watches the file that `file`, a descriptor of ours, has open, on behalf of `inode`.
  ///
  /// - Throws: `.noSpace` at the user's limit of watches, `.permissionDenied` for what the caller may not read.
  func watch(_ file: CInt, _ inode: Inode, _ dentry: Dentry?, _ mask: InotifyMask) throws(Errno) {
    let identity = BackingIdentity(try Host.stat(file))
    let user = User(inode: inode, dentry: dentry)
    if let number = numbers[identity], var entry = entries[number] {
      if let index = entry.users.firstIndex(where: { $0.inode === inode }) {
        if dentry != nil { entry.users[index] = user }
      } else {
        entry.users.append(user)
      }
      if !mask.isSubset(of: entry.mask) {
        _ = try Host.addWatch(instance.rawValue, of: file, mask.union(.maskAdd))
        entry.mask.formUnion(mask)
      }
      entries[number] = entry
      return
    }
    let number = try Host.addWatch(instance.rawValue, of: file, mask)
    // An entry of that number would be one whose file is known by another identity (btrfs): it is replaced.
    entries[number] = Entry(identity: identity, mask: mask, users: [user])
    numbers[identity] = number
  }

  /// Opens the content of `inode` for a watch. The open file is closed again before there is a watch, so that our own
  /// close is no watch's event; what is left is a reference by O_PATH, whose close is none.
  func watch(opening inode: Inode, _ dentry: Dentry?, _ mask: InotifyMask) throws(Errno) {
    let reference: OwnedDescriptor
    do {
      let file = try inode.open([.largeFile])
      willClose(file.rawValue)
      reference = try Host.openTrusted("/proc/self/fd/\(file.rawValue)", [.path])
    }
    try watch(reference.rawValue, inode, dentry, mask)
  }

  /// `file` is the supervisor's own and will be closed: not to be reported.
  func willClose(_ file: CInt) {
    guard let status = try? Host.stat(file), let number = numbers[BackingIdentity(status)],
      entries[number]?.mask.contains(.closeNoWrite) == true
    else { return }
    entries[number]?.ownCloses += 1
  }

  /// The content of `inode` is another file from now on. Returns the names by which it was watched, none if it was not.
  func forget(_ inode: Inode) -> [(dentry: Dentry?, mask: InotifyMask)] {
    var found: [(Dentry?, InotifyMask)] = []
    for (number, entry) in entries {
      guard let user = entry.users.first(where: { $0.inode === inode }) else { continue }
      found.append((user.dentry, entry.mask))
      entries[number]?.users.removeAll { $0.inode === inode }
      if entry.users.count == 1 { remove(number) }
    }
    return found
  }

  /// Keeps the entries of which one user at least is still of interest.
  func keep(_ isWanted: (BackingIdentity, Inode, Dentry?) -> Bool) {
    for (number, entry) in entries {
      let isKept = entry.users.contains { user in
        user.inode.map { isWanted(entry.identity, $0, user.dentry) } ?? false
      }
      if !isKept { remove(number) }
    }
  }

  private func remove(_ number: CInt) {
    Host.removeWatch(instance.rawValue, number)
    forget(number)
  }

  private func forget(_ number: CInt) {
    guard let entry = entries.removeValue(forKey: number) else { return }
    if numbers[entry.identity] == number { numbers[entry.identity] = nil }
  }

  // MARK: - Events

  /// Takes all that has happened since the last time; `body` gets each event once for every inode that shows the file.
  ///
  /// - Returns: false if the kernel's queue has overflowed.
  func drain(_ body: (InotifyMask, Inode, Dentry?) -> Void) -> Bool {
    var isComplete = true
    withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: 8) { buffer in
      while true {
        // Nothing more is there: EAGAIN.
        guard let count = try? Host.read(into: buffer, from: instance.rawValue), count > 0 else { return }
        var offset = 0
        while offset + MemoryLayout<InotifyEventHeader>.size <= count {
          let event = buffer.loadUnaligned(fromByteOffset: offset, as: InotifyEventHeader.self)
          offset += MemoryLayout<InotifyEventHeader>.size + Int(event.nameLength)
          if event.mask.contains(.queueOverflow) { isComplete = false }
          if event.mask.contains(.ignored) { forget(event.watch) }
          translate(event.watch, event.mask.intersection(.native), body)
        }
      }
    }
    return isComplete
  }

  private func translate(_ number: CInt, _ event: InotifyMask, _ body: (InotifyMask, Inode, Dentry?) -> Void) {
    guard !event.isEmpty, let entry = entries[number] else { return }
    if event == .closeNoWrite, entry.ownCloses > 0 {
      entries[number]?.ownCloses -= 1
      return
    }
    for user in entry.users {
      if let inode = user.inode { body(event, inode, user.dentry) }
    }
  }
}
