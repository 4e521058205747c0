// The way into a guest's descriptor table, which is the kernel's own: a kept descriptor of /proc/TID/fd tells what a
// number stands for, and a pidfd gets a duplicate. Nothing is cached, so nothing can be out of step.

public import CLinux
public import LinuxABI

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
    if directory >= 0 { _ = vd_syscall(Int(SYS_close), Int(directory), 0, 0, 0, 0, 0) }
    if pidfd >= 0 { _ = vd_syscall(Int(SYS_close), Int(pidfd), 0, 0, 0, 0, 0) }
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
  public func stat(_ number: CInt) throws(Errno) -> stat {
    if number < 0 { throw .badFileDescriptor }
    do throws(Errno) {
      return try statOnce(number)
    } catch {
      guard caller != thread else { throw error }
      reach(through: caller)
      return try statOnce(number)
    }
  }

  private func statOnce(_ number: CInt) throws(Errno) -> stat {
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

  /// A duplicate of a guest's descriptor in our own table. The C function is `pidfd_getfd(2)`.
  ///
  /// - Throws: `.badFileDescriptor`.
  public func duplicate(_ number: CInt) throws(Errno) -> OwnedDescriptor {
    // Says whether the table can be reached through `thread` still.
    _ = try stat(number)
    if pidfd < 0 { pidfd = try Host.openProcess(thread).release() }
    return try Host.duplicate(number, from: pidfd)
  }

  /// The numbers in use.
  public func numbers() throws(Errno) -> [CInt] {
    if caller != thread, vd_syscall(Int(SYS_tkill), Int(thread), 0, 0, 0, 0, 0) < 0 { reach(through: caller) }
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
