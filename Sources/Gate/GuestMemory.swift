// Reading and writing a guest's memory. Everything the sentry decides on is read here once into our own memory and
// never again for the same decision.

internal import CLinux
import Kernel
public import LinuxABI

/// The memory of one guest thread. The C functions are `process_vm_readv(2)` and `process_vm_writev(2)`; where a profile
/// refuses those (containerd's default one does to who has no CAP_SYS_PTRACE), /proc/TID/mem.
///
/// A guest can die at any instant: then every operation throws `.noSuchProcess`, which is not an error of ours.
public struct GuestMemory: Sendable {
  /// A thread of the address space, in the supervisor's pid namespace. Unit tests use their own process.
  public let thread: ThreadID

  @inlinable
  public init(thread: ThreadID) { self.thread = thread }

  /// Fills as much of `buffer` as is readable from `address` on; returns the count, which is short at a hole.
  ///
  /// - Throws: `.badAddress` if not one byte is readable, `.noSuchProcess` if the guest is gone.
  public func readPrefix(of buffer: UnsafeMutableRawBufferPointer, at address: UInt64) throws(Errno) -> Int {
    if buffer.count == 0 { return 0 }
    var local = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
    // The kernel stops at the first unreadable iovec element, so one element a page gives the longest prefix.
    let pageSize = 4096
    let first = min(buffer.count, pageSize - Int(address % UInt64(pageSize)))
    return try withUnsafeTemporaryAllocation(
      of: iovec.self, capacity: 1 + (buffer.count - first + pageSize - 1) / pageSize
    ) {
      remote throws(Errno) in
      var count = 0
      var offset = 0
      while offset < buffer.count {
        let length = count == 0 ? first : min(pageSize, buffer.count - offset)
        remote[count] = iovec(
          iov_base: UnsafeMutableRawPointer(bitPattern: UInt(address &+ UInt64(offset))), iov_len: length)
        count += 1
        offset += length
      }
      return try Self.transfer(SYS_process_vm_readv, thread, &local, remote.baseAddress, count)
    }
  }

  /// Fills all of `buffer` from `address`.
  ///
  /// - Throws: `.badAddress` unless every byte is readable, `.noSuchProcess` if the guest is gone.
  public func read(into buffer: UnsafeMutableRawBufferPointer, at address: UInt64) throws(Errno) {
    if try readPrefix(of: buffer, at: address) != buffer.count { throw .badAddress }
  }

  /// Reads one trivial value.
  @inlinable
  public func load<T: BitwiseCopyable>(_ type: T.Type, at address: UInt64) throws(Errno) -> T {
    try withUnsafeTemporaryAllocation(of: T.self, capacity: 1) { value throws(Errno) in
      try read(into: UnsafeMutableRawBufferPointer(value), at: address)
      return value[0]
    }
  }

  /// Reads a NUL-terminated string into `buffer` and returns its length without the NUL.
  ///
  /// - Throws: `.fileNameTooLong` if no NUL is within `buffer.count` bytes, `.badAddress` if memory ends before one.
  public func readString(into buffer: UnsafeMutableRawBufferPointer, at address: UInt64) throws(Errno) -> Int {
    // Most are short, and the cost of copying more from memory that is not in our cache is seen.
    let page = 4096 - Int(address % 4096)
    let near = min(256, buffer.count, page)
    var count = try readPrefix(of: UnsafeMutableRawBufferPointer(rebasing: buffer[..<near]), at: address)
    guard let base = buffer.baseAddress else { throw .fileNameTooLong }
    if let end = memchr(base, 0, count) { return UnsafeRawPointer(end) - UnsafeRawPointer(base) }
    if count == near, count < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[near...])
      do throws(Errno) { count += try readPrefix(of: rest, at: address &+ UInt64(near)) } catch {
        if error != .badAddress { throw error }
      }
      if let end = memchr(base + near, 0, count - near) { return UnsafeRawPointer(end) - UnsafeRawPointer(base) }
    }
    throw count == buffer.count ? .fileNameTooLong : .badAddress
  }

  /// Writes all of `bytes` at `address`. Write-protected pages are refused, as a system call's own copy would be.
  ///
  /// - Throws: `.badAddress` unless every byte was written, `.noSuchProcess` if the guest is gone.
  public func write(_ bytes: UnsafeRawBufferPointer, at address: UInt64) throws(Errno) {
    if bytes.count == 0 { return }
    var local = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    var remote = iovec(iov_base: UnsafeMutableRawPointer(bitPattern: UInt(address)), iov_len: bytes.count)
    if try Self.transfer(SYS_process_vm_writev, thread, &local, &remote, 1) != bytes.count { throw .badAddress }
  }

  /// Writes whole words at a word's boundary as a debugger does: past page protection, and a stack grows to reach them. The
  /// C function is `ptrace(2)` with PTRACE_POKEDATA; the kernel's is `__access_remote_vm`. A file of /proc, /proc/PID/mem,
  /// does the same, but a supervisor's Landlock domain may let it write nothing there.
  ///
  /// - Precondition: the thread is stopped, and the caller is its tracer.
  /// - Throws: `.noSuchProcess` otherwise; `.ioError` or `.badAddress` if there is no such memory and none comes.
  public func poke(_ bytes: UnsafeRawBufferPointer, at address: UInt64) throws(Errno) {
    guard bytes.count % 8 == 0, address % 8 == 0 else { throw .invalidArgument }
    for offset in stride(from: 0, to: bytes.count, by: 8) {
      let word = bytes.loadUnaligned(fromByteOffset: offset, as: Int.self)
      let place = Int(bitPattern: UInt(address)) &+ offset
      _ = try Errno.check(
        vd_syscall(Int(SYS_ptrace), Int(VD_PTRACE_POKEDATA), Int(thread), place, word, 0, 0))
    }
  }

  /// Fills `ranges`, a few pages in all, with zeros.
  ///
  /// - Throws: `.badAddress` unless every byte was written, `.noSuchProcess` if the guest is gone.
  public func clear(_ ranges: [Range<UInt64>]) throws(Errno) {
    // IOV_MAX is 1024 (`man 2 process_vm_readv`).
    for first in stride(from: 0, to: ranges.count, by: 1024) {
      var remote = ranges[first..<min(first + 1024, ranges.count)].map { range in
        iovec(iov_base: UnsafeMutableRawPointer(bitPattern: UInt(range.lowerBound)), iov_len: range.count)
      }
      let total = remote.reduce(0) { $0 + $1.iov_len }
      try withUnsafeTemporaryAllocation(byteCount: total, alignment: 16) { zeros throws(Errno) in
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        var local = iovec(iov_base: zeros.baseAddress, iov_len: total)
        let count = try Self.transfer(SYS_process_vm_writev, thread, &local, &remote, remote.count)
        if count != total { throw .badAddress }
      }
    }
  }

  /// Writes one trivial value.
  @inlinable
  public func store<T: BitwiseCopyable>(_ value: T, at address: UInt64) throws(Errno) {
    let outcome: Result<Void, Errno> = withUnsafeBytes(of: value) { bytes in
      do throws(Errno) { return .success(try write(bytes, at: address)) } catch { return .failure(error) }
    }
    try outcome.get()
  }

  /// Whether the kernel, and the filters above us, let the two calls through; else /proc/TID/mem is what is used.
  public static let isDirect = [SYS_process_vm_readv, SYS_process_vm_writev].allSatisfy { number in
    let result = vd_syscall(Int(number), 0, 0, 0, 0, 0, 0)
    return result != -Int(EPERM) && result != -Int(ENOSYS)
  }

  private static func transfer(
    _ number: CInt, _ thread: ThreadID, _ local: UnsafeMutablePointer<iovec>, _ remote: UnsafeMutablePointer<iovec>?,
    _ remoteCount: Int
  ) throws(Errno) -> Int {
    let result = vd_syscall(
      Int(number), Int(thread), Int(bitPattern: local), 1, Int(bitPattern: remote), remoteCount, 0)
    // Another filter above us refuses the call (EPERM, ENOSYS); for a thread of ours nothing else does.
    if result == -Int(EPERM) || result == -Int(ENOSYS) {
      return try transferByFile(number == SYS_process_vm_writev, thread, local, remote, remoteCount)
    }
    return try Errno.check(result)
  }

  /// The same by /proc/TID/mem (`man 5 proc_pid_mem`), opened for this once: an exec gives a thread another memory. It
  /// writes past page protection: a guest's own private page, which no layer shares.
  private static func transferByFile(
    _ isWriting: Bool, _ thread: ThreadID, _ local: UnsafeMutablePointer<iovec>,
    _ remote: UnsafeMutablePointer<iovec>?, _ remoteCount: Int
  ) throws(Errno) -> Int {
    let file: OwnedDescriptor
    do throws(Errno) {
      file = try withPath(thread) { path throws(Errno) in
        try Host.openTrusted(path, isWriting ? [.writeOnly] : [])
      }
    } catch {
      throw error == .noSuchFileOrDirectory ? .noSuchProcess : error
    }
    var done = 0
    for index in 0..<remoteCount {
      guard let part = remote?[index], let start = local.pointee.iov_base else { break }
      let wanted = min(part.iov_len, local.pointee.iov_len - done)
      let result = vd_syscall(
        Int(isWriting ? SYS_pwrite64 : SYS_pread64), Int(file.rawValue), Int(bitPattern: start + done), wanted,
        Int(bitPattern: part.iov_base), 0, 0)
      if result <= 0 {
        if done > 0 { return done }
        // Without memory (the process is ending) there is nothing to read; EIO is a hole.
        throw result == 0 ? .noSuchProcess : .badAddress
      }
      done += result
      if result < wanted { break }
    }
    return done
  }

  private static func withPath<T: ~Copyable>(
    _ thread: ThreadID, _ body: (UnsafePointer<CChar>) throws(Errno) -> T
  ) throws(Errno) -> T {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { path throws(Errno) in
      guard let start = path.baseAddress else { throw .noMemory }
      strcpy(start, "/proc/")
      Digits.withDecimal(UInt64(max(thread, 0))) { _ = strcat(start, $0) }
      strcat(start, "/mem")
      return try body(start)
    }
  }
}
