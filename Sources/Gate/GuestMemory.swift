// Reading and writing a guest's memory. Everything the sentry decides on is read here once into our own memory and
// never again for the same decision.

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
    // The kernel stops at the first unreadable iovec element, so one element a page gives the longest prefix.
    let pageSize = 4096
    let first = min(buffer.count, pageSize - Int(address % UInt64(pageSize)))
    return try withUnsafeTemporaryAllocation(
      of: IOVector.self, capacity: 1 + (buffer.count - first + pageSize - 1) / pageSize
    ) {
      remote throws(Errno) in
      var count = 0
      var offset = 0
      while offset < buffer.count {
        let length = count == 0 ? first : min(pageSize, buffer.count - offset)
        remote[count] = IOVector(address: address &+ UInt64(offset), count: length)
        count += 1
        offset += length
      }
      return try Self.read(UnsafeBufferPointer(rebasing: remote[..<count]), of: thread, into: buffer)
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
    if let end = UnsafeRawBufferPointer(rebasing: buffer[..<count]).offset(of: 0) { return end }
    if count == near, count < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[near...])
      do throws(Errno) { count += try readPrefix(of: rest, at: address &+ UInt64(near)) } catch {
        if error != .badAddress { throw error }
      }
      if let end = UnsafeRawBufferPointer(rebasing: buffer[near..<count]).offset(of: 0) { return near + end }
    }
    throw count == buffer.count ? .fileNameTooLong : .badAddress
  }

  /// Writes all of `bytes` at `address`. Write-protected pages are refused, as a system call's own copy would be.
  ///
  /// - Throws: `.badAddress` unless every byte was written, `.noSuchProcess` if the guest is gone.
  public func write(_ bytes: UnsafeRawBufferPointer, at address: UInt64) throws(Errno) {
    if bytes.count == 0 { return }
    var remote = IOVector(address: address, count: bytes.count)
    let count = try withUnsafePointer(to: &remote) { remote throws(Errno) in
      try Self.write(UnsafeBufferPointer(start: remote, count: 1), of: thread, from: bytes)
    }
    if count != bytes.count { throw .badAddress }
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
      let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      try Host.pokeData(of: thread, at: address &+ UInt64(offset), to: word)
    }
  }

  /// Fills `ranges`, a few pages in all, with zeros.
  ///
  /// - Throws: `.badAddress` unless every byte was written, `.noSuchProcess` if the guest is gone.
  public func clear(_ ranges: [Range<UInt64>]) throws(Errno) {
    for first in stride(from: 0, to: ranges.count, by: IOVector.limit) {
      let part = ranges[first..<min(first + IOVector.limit, ranges.count)]
      let remote = part.map { IOVector(address: $0.lowerBound, count: $0.count) }
      let total = part.reduce(0) { $0 + $1.count }
      try withUnsafeTemporaryAllocation(byteCount: total, alignment: 16) { zeros throws(Errno) in
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        let count = try remote.withUnsafeBufferPointer { remote throws(Errno) in
          try Self.write(remote, of: thread, from: UnsafeRawBufferPointer(zeros))
        }
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
  public static var isDirect: Bool { Host.accessesMemory }

  private static func read(
    _ remote: UnsafeBufferPointer<IOVector>, of thread: ThreadID, into buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int {
    do throws(Errno) { return try Host.readMemory(of: thread, remote, into: buffer) } catch {
      guard isRefused(error) else { throw error }
      return try byFile(remote, of: thread, []) { (file, part, address) throws(Errno) in
        try Host.read(
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[part]), from: file, at: Int64(bitPattern: address))
      }
    }
  }

  private static func write(
    _ remote: UnsafeBufferPointer<IOVector>, of thread: ThreadID, from bytes: UnsafeRawBufferPointer
  ) throws(Errno) -> Int {
    do throws(Errno) { return try Host.writeMemory(of: thread, remote, from: bytes) } catch {
      guard isRefused(error) else { throw error }
      return try byFile(remote, of: thread, .writeOnly) { (file, part, address) throws(Errno) in
        try Host.write(
          once: UnsafeRawBufferPointer(rebasing: bytes[part]), to: file, at: Int64(bitPattern: address))
      }
    }
  }

  /// Another filter above us refuses the call; for a thread of ours nothing else does.
  private static func isRefused(_ error: Errno) -> Bool { error == .notPermitted || error == .noFunction }

  /// The same by /proc/TID/mem (`man 5 proc_pid_mem`), opened for this once: an exec gives a thread another memory. It
  /// writes past page protection: a guest's own private page, which no layer shares.
  ///
  /// - Parameter transfer: transfers as much as it can between this part of our memory and that address.
  private static func byFile(
    _ remote: UnsafeBufferPointer<IOVector>, of thread: ThreadID, _ flags: OpenFlags,
    _ transfer: (CInt, Range<Int>, UInt64) throws(Errno) -> Int
  ) throws(Errno) -> Int {
    let file: OwnedDescriptor
    do throws(Errno) {
      file = try Host.withProcessPath(thread, "mem") { path throws(Errno) in try Host.openTrusted(path, flags) }
    } catch {
      throw error == .noSuchFileOrDirectory ? .noSuchProcess : error
    }
    var done = 0
    for piece in remote {
      let wanted = Int(piece.count)
      let count: Int
      // EIO is a hole.
      do throws(Errno) { count = try transfer(file.rawValue, done..<done + wanted, piece.address) } catch {
        if done > 0 { return done }
        throw .badAddress
      }
      // Without memory (the process is ending) there is nothing to read.
      if count == 0 {
        if done > 0 { return done }
        throw .noSuchProcess
      }
      done += count
      if count < wanted { break }
    }
    return done
  }
}
