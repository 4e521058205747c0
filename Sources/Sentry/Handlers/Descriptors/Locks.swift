// File locks: flock(2) and the lock commands of fcntl(2). The kernel keeps them, on the inode of the backing file; a lower
// file's is the host's own, where a lock would stand in the way of the host's processes. So it is copied up before it is
// locked, and guests lock the copy. A file that cannot be copied up has no writer inside: shared locks of it never meet an
// exclusive one, and are granted without anybody's knowing; an exclusive lock is refused with ENOLCK.
//
// Another thread that shares the descriptor table may put a lower file at the number between our look and the kernel's.
// Where there is one, a lock that belongs to the open file description is taken by us on a duplicate that was looked at;
// one that belongs to the process is looked for when the call has returned.

import Gate
import Kernel
import LinuxABI
import ProcFS
import VFS

extension SystemCallTable {
  mutating func addLocks() {
    served(73, "flock", .fd, .lockOperation, as: .trace, repeated: true) {
      (call, descriptor, operation) throws(Errno) in
      try call.flock(descriptor, operation)
    }
  }
}

/// Whose inode a lock of a guest would be on.
enum LockDomain {
  /// The guests' own: the kernel may do as it is asked.
  case guests
  /// A lower file, which can perhaps be copied up.
  case lower(Inode)
  /// The host's: a device, or a file that the caller has handed in for reading.
  case host
}

/// The six commands of fcntl(2) that concern locks.
struct LockCommand {
  enum Kind { case ask, take, wait }
  var kind: Kind
  /// The lock belongs to the open file description (F_OFD_*), not to the process.
  var isOfDescription: Bool

  init?(_ command: DescriptorCommand) {
    switch command {
    case .getLock: (kind, isOfDescription) = (.ask, false)
    case .setLock: (kind, isOfDescription) = (.take, false)
    case .setLockWaiting: (kind, isOfDescription) = (.wait, false)
    case .getDescriptionLock: (kind, isOfDescription) = (.ask, true)
    case .setDescriptionLock: (kind, isOfDescription) = (.take, true)
    case .setDescriptionLockWaiting: (kind, isOfDescription) = (.wait, true)
    default: return nil
    }
  }
}

extension OpenFiles {
  /// What stands at `descriptor`, whose host status is `status`.
  ///
  /// - Parameter copy: the duplicate of it that will be locked, -1 if there is none: then it is the one that is judged, whatever
  ///   is at the number by now.
  func lockDomain(
    _ status: FileStatus, _ descriptor: Descriptor, of table: DescriptorTable, copy: CInt = -1
  ) -> LockDomain {
    if let node = node(status, descriptor.number, of: table) {
      switch node.inode.type {
      case .regular where node.isLower && !node.isPath: return .lower(node.inode)
      case .characterDevice, .blockDevice: return isOwnTerminal(status) || node.isPath ? .guests : .host
      default: return .guests
      }
    }
    if registry.hasForgotten(BackingIdentity(status)) { return .host }
    switch status.type {
    case .none, .socket: return .guests
    case .characterDevice, .blockDevice: return isOwnTerminal(status) ? .guests : .host
    case .regular, .directory, .fifo, .symlink:
      do throws(Errno) {
        let file =
          copy < 0 ? try table.foreign(descriptor.number) : try ForeignDescriptor(try Host.duplicate(copy))
        if file.isAnonymousPipe || file.access.contains(.write) { return .guests }
        if status.linkCount != 0 { return .host }
        let name =
          copy < 0
          ? try table.kernelText(descriptor.number)
          : try Host.readlink("/proc/self/fd/\(copy)", in: AtFlags.currentDirectory)
        return name.starts(with: "/memfd:".utf8) ? .guests : .host
      } catch {
        return .host
      }
    }
  }

  /// A lock of a process has been taken while another thread could change the table. If that was used to lock a file of the
  /// host, the lock is there as long as a descriptor of the file stays open in this table (`man 2 fcntl`: any close takes
  /// it away), so it can be found; and the process is ended.
  func checkRangeLock(of task: Task) {
    do throws(Errno) {
      for number in try task.descriptors.numbers() {
        guard let status = try? task.descriptors.stat(number), status.type != .socket else {
          continue
        }
        if case .guests = lockDomain(status, Descriptor(number), of: task.descriptors) { continue }
        guard let information = try? DescriptorInformation(number, of: task.thread) else { continue }
        if information.hasProcessLock {
          Host.signalProcess(task.process.leader, Signal.kill.rawValue)
          return
        }
      }
    } catch {
      // The process has gone, and its locks with it.
    }
  }
}

extension CallContext {
  /// The host's status of a descriptor; of a duplicate, which is what is used then, if somebody else may change the table.
  func look(at descriptor: Descriptor) throws(Errno) -> (status: FileStatus, copy: CInt) {
    if !descriptors.isShared { return (try status(descriptor), -1) }
    let copy = try duplicate(descriptor)
    return (try Host.stat(copy.rawValue), copy.release())
  }

  // MARK: - flock

  fileprivate func flock(_ descriptor: Descriptor, _ operation: LockOperation) throws(Errno) -> Outcome {
    guard let kind = operation.kind else { throw .invalidArgument }
    let (status, duplicate) = try look(at: descriptor)
    let copy = duplicate >= 0 ? OwnedDescriptor(duplicate) : nil
    switch files.lockDomain(status, descriptor, of: task.descriptors, copy: duplicate) {
    case .guests:
      guard let copy else { return .native }
      return takeAtOnce(mayWait: operation.mayWait) { () throws(Errno) in
        try Host.lock(copy.rawValue, as: operation)
      }
    case .lower(let inode):
      if kind == .unlock { return .value(0) }
      if try isCopiedUpForLocking(inode) { return again() }
    case .host:
      break
    }
    if kind == .exclusive { throw .noLocks }
    return .value(0)
  }

  /// A lock of an open file description, taken by us on a duplicate without waiting. A guest that wants to wait asks again
  /// after 1 to 16 ms; a signal ends that as it ends the call.
  ///
  /// - Parameter take: false if it is not to be had.
  private func takeAtOnce(mayWait: Bool, _ take: () throws(Errno) -> Bool) -> Outcome {
    var result = 0
    do throws(Errno) {
      if !(try take()) { result = Errno.wouldBlock.result }
    } catch {
      result = error.result
    }
    guard mayWait, result == Errno.wouldBlock.result else {
      task.lockAttempts = 0
      return .value(result)
    }
    let nanoseconds = UInt64(1_000_000) << UInt64(min(task.lockAttempts, 4))
    task.lockAttempts = min(task.lockAttempts + 1, 4)
    return repeated(after: nanoseconds)
  }

  /// The guest sleeps, and makes the call again.
  ///
  /// - Parameter nanoseconds: less than a second.
  func repeated(after nanoseconds: UInt64) -> Outcome {
    let pause = withUnsafeBytes(of: TimeSpecification(nanoseconds: nanoseconds)) { [UInt8]($0) }
    return .after(SystemCall(.nanosleep, 0, 0), pause, argument: 0)
  }

  /// Copies a lower file up, so that the guests' descriptors of it become descriptors of the copy.
  ///
  /// - Returns: they do, and the call is to come again; false if no guest can ever write to the file.
  /// - Throws: ENOLCK if there is no room for a copy, or the descriptor could not be replaced.
  private func isCopiedUpForLocking(_ inode: Inode) throws(Errno) -> Bool {
    // Copied up, and yet this descriptor is the lower file's: it came back from a socket, or could not be replaced.
    guard inode.isBackedByLower else { throw .noLocks }
    do throws(Errno) {
      try inode.copyUpContent()
    } catch {
      if error == .readOnlyFileSystem { return false }
      throw .noLocks
    }
    guard !inode.isBackedByLower else { throw .noLocks }
    return true
  }

  // MARK: - fcntl

  func rangeLock(_ descriptor: Descriptor, _ command: LockCommand, _ address: Pointer<RangeLock>) throws(Errno)
    -> Outcome
  {
    let (status, duplicate) = try look(at: descriptor)
    let copy = duplicate >= 0 ? OwnedDescriptor(duplicate) : nil
    let domain = files.lockDomain(status, descriptor, of: task.descriptors, copy: duplicate)
    if case .guests = domain {
      guard let copy else { return .native }
      // Of a process, the kernel must take it itself; see `checkRangeLock`.
      guard command.isOfDescription else { return observe(.rangeLock) }
      if command.kind == .ask { return .native }
      let lock = try memory.load(address)
      return takeAtOnce(mayWait: command.kind == .wait) { () throws(Errno) in try Host.lock(copy.rawValue, lock) }
    }
    let lock = try memory.load(address)
    guard (0...2).contains(lock.whence), !command.isOfDescription || lock.process == 0,
      lock.whence != 0 || lock.start >= 0
    else { throw .invalidArgument }
    guard let kind = lock.kind else { throw .invalidArgument }
    if command.kind == .ask {
      if kind == .unlock { throw .invalidArgument }
      // No guest has a lock there, and the host's are not shown.
      try memory.store(RangeLock.Kind.unlock.rawValue, at: address.cast())
      return .value(0)
    }
    if kind == .unlock { return .value(0) }
    let access = try descriptors.foreign(descriptor.number).access
    guard access.contains(kind == .read ? .read : .write) else { throw .badFileDescriptor }
    if case .lower(let inode) = domain, try isCopiedUpForLocking(inode) { return again() }
    if kind == .write { throw .noLocks }
    return .value(0)
  }
}
