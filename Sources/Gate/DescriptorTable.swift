// The way into a guest's descriptor table, which is the kernel's own: a kept descriptor of /proc/TID/fd shows what a
// number stands for, and a pidfd gets a duplicate. Nothing is cached, so nothing can be out of step. What is done where no
// duplicate can be taken is in Sentry, Duplicates.swift.

public import Kernel
public import LinuxABI

/// See `DescriptorTable.handle`.
public struct DescriptorHandle: ~Copyable {
  private let file: OwnedDescriptor
  /// Access mode and status flags.
  public let flags: OpenFlags

  init(file: consuming OwnedDescriptor, flags: OpenFlags) {
    self.file = file
    self.flags = flags
  }

  /// The file's handle, the caller's from now on.
  public consuming func takeFile() -> OwnedDescriptor { file }
}

/// What the kernel calls a socket's protocol (`struct proto`); of what is no socket, nothing.
public struct SocketProtocol: Sendable {
  /// TCP and UDP over IPv4 and IPv6, and nothing else.
  public let isInternet: Bool
  /// UDP over either.
  public let isDatagram: Bool

  init(name: some Collection<UInt8>) {
    let name = name.prefix { $0 != 0 }
    isInternet = ["TCP", "TCPv6", "UDP", "UDPv6"].contains { name.elementsEqual($0.utf8) }
    isDatagram = ["UDP", "UDPv6"].contains { name.elementsEqual($0.utf8) }
  }
}

/// A descriptor table (`struct files_struct`), shared by all tasks that CLONE_FILES ties together. It is looked at through one of
/// them, so a task that may have got a table of its own is to leave before it can have.
public final class DescriptorTable {
  private var directory: CInt = -1
  private var pidfd: CInt = -1
  /// The thread through which the table is reached: a member, as long as there is one.
  private var thread: ThreadID
  /// The threads whose table this is.
  private var members: Set<ThreadID>
  /// How many have left, and may come back.
  private var awayCount = 0

  /// The member whose call is being served, or was last: it lives, while `thread` may have died unnoticed so far.
  public private(set) var caller: ThreadID

  public init(thread: ThreadID) {
    self.thread = thread
    caller = thread
    members = [thread]
  }

  // MARK: - Whose it is

  /// Another task can change the table at any time.
  public var isShared: Bool { members.count + awayCount > 1 }

  /// `clone(2)` with CLONE_FILES has made another member.
  public func join(_ thread: ThreadID) {
    members.insert(thread)
    if !members.contains(self.thread) { reach(through: thread) }
    if !members.contains(caller) { caller = thread }
  }

  /// From now on nothing is looked at through this thread: it has gone, or may get another table.
  public func leave(_ thread: ThreadID) {
    members.remove(thread)
    guard self.thread == thread || caller == thread, let other = members.first else { return }
    if self.thread == thread { reach(through: other) }
    if caller == thread { caller = other }
  }

  /// As `leave`, in a call that may fail and leave all as it was: `returned` follows.
  public func leaveForACall(_ thread: ThreadID) {
    leave(thread)
    awayCount += 1
  }

  /// The call of `leaveForACall` is over.
  public func returned(_ thread: ThreadID, isMember: Bool) {
    awayCount -= 1
    if isMember { join(thread) }
  }

  /// A call of this member is about to be served.
  public func serves(_ thread: ThreadID) { caller = thread }

  deinit { forget() }

  private func forget() {
    if directory >= 0 { Host.close(directory) }
    if pidfd >= 0 { Host.close(pidfd) }
    directory = -1
    pidfd = -1
  }

  private func reach(through thread: ThreadID) {
    if thread != self.thread {
      forget()
      self.thread = thread
    }
  }

  // MARK: - What it holds

  /// The host's status of what a guest's descriptor refers to; its device and inode identify the backing file.
  ///
  /// - Throws: `.badFileDescriptor`.
  public func stat(_ number: CInt) throws(Errno) -> FileStatus {
    if number < 0 { throw .badFileDescriptor }
    do throws(Errno) {
      return try statOnce(number)
    } catch {
      guard caller != thread else { throw error }
      reach(through: caller)
      return try statOnce(number)
    }
  }

  private func statOnce(_ number: CInt) throws(Errno) -> FileStatus {
    if directory < 0 {
      directory = try Host.openTrusted("/proc/\(thread)/fd", [.directory, .path]).release()
    }
    do throws(Errno) {
      return try withName(of: number) { name throws(Errno) in try Host.stat(name, in: directory, []) }
    } catch {
      throw error == .noSuchFileOrDirectory ? .badFileDescriptor : error
    }
  }

  /// What the directory calls a descriptor.
  private func withName<T>(of number: CInt, _ body: (UnsafePointer<CChar>) throws(Errno) -> T) throws(Errno) -> T {
    try Digits.withDecimal(UInt64(max(number, 0)), body)
  }

  /// `statx(2)` of what a guest's descriptor refers to.
  ///
  /// - Throws: `.badFileDescriptor`.
  public func statx(_ number: CInt) throws(Errno) -> ExtendedStatus {
    _ = try stat(number)
    return try withName(of: number) { name throws(Errno) in try Host.statx(name, in: directory, []) }
  }

  /// A handle of the file (O_PATH), and what the kernel says of the descriptor then: where no duplicate can be taken. Both are
  /// of one file, so whatever a thread of the guest's has put at the number meanwhile, it could do to that file what the
  /// flags say.
  ///
  /// - Throws: `.badFileDescriptor`.
  public func handle(_ number: CInt) throws(Errno) -> DescriptorHandle {
    _ = try stat(number)
    let handle = try Host.openTrusted("/proc/\(thread)/fd/\(number)", [.path])
    let information = try DescriptorInformation(number, of: thread)
    // The mount's number as mountinfo and fdinfo have it.
    let facts = try Host.statx(
      "", in: handle.rawValue, .emptyPath, asking: ExtendedStatus.inodeBit | ExtendedStatus.mountBit)
    guard information.inode == facts.inode, information.mount == facts.mount else { throw .badFileDescriptor }
    return DescriptorHandle(file: handle, flags: information.flags.subtracting(.closeOnExec))
  }

  /// The protocol of a socket, by the attribute that the kernel's sockets have (system.sockprotoname).
  ///
  /// - Throws: `.badFileDescriptor`.
  public func protocolName(_ number: CInt) throws(Errno) -> SocketProtocol {
    _ = try stat(number)
    var name: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    let count = withUnsafeMutableBytes(of: &name) { name in
      Host.withProcessPath(thread, "fd/", number) { path in
        try? Host.extendedAttribute("system.sockprotoname", following: path, into: name)
      }
    }
    return withUnsafeBytes(of: name) { SocketProtocol(name: $0.prefix(count ?? 0)) }
  }

  /// The file position of a guest's descriptor.
  ///
  /// - Throws: `.badFileDescriptor`.
  public func position(_ number: CInt) throws(Errno) -> Int64 {
    _ = try stat(number)
    guard let position = try DescriptorInformation(number, of: thread).position else { throw .badFileDescriptor }
    return position
  }

  /// A duplicate of a guest's descriptor in our own table. The C function is `pidfd_getfd(2)`.
  ///
  /// - Precondition: `Host.takesDescriptors`; see `SentryState.duplicate`.
  /// - Throws: `.badFileDescriptor`.
  public func duplicate(_ number: CInt) throws(Errno) -> OwnedDescriptor {
    // Says whether the table can be reached through `thread` still.
    _ = try stat(number)
    if pidfd < 0 { pidfd = try Host.openProcess(thread).release() }
    return try Host.duplicate(number, from: pidfd)
  }

  /// The numbers in use. A thread that has died, and has not been reported yet, shows none: then the others are asked.
  ///
  /// - Throws: `.noSuchFileOrDirectory` or `.noSuchProcess` if the last member has gone; what else opening and reading
  ///   /proc/TID/fd fails with, and then the table may hold anything.
  public func numbers() throws(Errno) -> [CInt] {
    let first = thread
    var failure: Errno?
    for member in [first] + members.filter({ $0 != first }) {
      reach(through: member)
      do throws(Errno) {
        let found = try numbersOnce()
        if !found.isEmpty { return found }
      } catch {
        if failure == nil || !Self.isGone(error) { failure = error }
      }
    }
    if let failure { throw failure }
    return []
  }

  /// What the kernel says of a task's directory when the task has been released.
  public static func isGone(_ error: Errno) -> Bool {
    error == .noSuchFileOrDirectory || error == .noSuchProcess
  }

  private func numbersOnce() throws(Errno) -> [CInt] {
    let listing = try Host.openTrusted("/proc/\(thread)/fd", [.directory])
    var numbers: [CInt] = []
    try Host.forEachName(in: listing.rawValue) { name in
      if let number = Digits.identifier(name) { numbers.append(number) }
    }
    if directory < 0 { directory = listing.release() }
    return numbers.sorted()
  }

  /// The target of /proc/TID/fd/N as the kernel words it.
  public func kernelText(_ number: CInt) throws(Errno) -> [UInt8] {
    _ = try stat(number)
    return try withName(of: number) { name throws(Errno) in try Host.readlink(name, in: directory) }
  }
}
