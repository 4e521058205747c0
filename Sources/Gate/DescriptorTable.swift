// The way into a guest's descriptor table, which is the kernel's own: a kept descriptor of /proc/TID/fd shows what a
// number stands for, and a pidfd gets a duplicate. Nothing is cached, so nothing can be out of step. What is done where no
// duplicate can be taken is in Sentry, Duplicates.swift.

internal import CLinux
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

  init(name: some Collection<UInt8>) {
    let name = name.prefix { $0 != 0 }
    isInternet = ["TCP", "TCPv6", "UDP", "UDPv6"].contains { name.elementsEqual($0.utf8) }
  }
}

/// A descriptor table, shared by all tasks that CLONE_FILES ties together.
public final class DescriptorTable {
  private var directory: CInt = -1
  private var pidfd: CInt = -1
  /// The thread through which the table is reached.
  private var thread: ThreadID

  /// The thread whose call is being served, or was last: it lives, while `thread` may have died unnoticed so far.
  public var caller: ThreadID

  public init(thread: ThreadID) {
    self.thread = thread
    caller = thread
  }

  deinit { forget() }

  private func forget() {
    if directory >= 0 { Host.close(directory) }
    if pidfd >= 0 { Host.close(pidfd) }
    directory = -1
    pidfd = -1
  }

  /// From now on the table is reached through `thread`: the former one has gone or has another table.
  public func reach(through thread: ThreadID) {
    if thread != self.thread {
      forget()
      self.thread = thread
    }
  }

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
      "/proc/\(thread)/fd/\(number)".withCString { path in
        "system.sockprotoname".withCString {
          vd_syscall(
            Int(SYS_getxattr), Int(bitPattern: path), Int(bitPattern: $0), Int(bitPattern: name.baseAddress),
            name.count, 0, 0)
        }
      }
    }
    return withUnsafeBytes(of: name) { SocketProtocol(name: $0.prefix(max(count, 0))) }
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

  /// The numbers in use.
  public func numbers() throws(Errno) -> [CInt] {
    if caller != thread, !Host.signalThread(thread, 0) { reach(through: caller) }
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
