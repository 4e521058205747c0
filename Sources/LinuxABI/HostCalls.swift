// The supervisor's own calls on host files: one typed wrapper each, all by descriptor. Paths given here are single
// components or fixed strings of ours, never a guest's path.

public import CLinux

/// The raw calls of the supervisor. A thrown errno is the kernel's.
public enum Host {
  /// `openat2(2)`. `path` is resolved beneath `directory`, through no symlink and no magic link, unless `resolve` says otherwise.
  @inlinable
  public static func open(
    _ path: UnsafePointer<CChar>, in directory: CInt, _ flags: OpenFlags, mode: UInt32 = 0,
    resolve: ResolveFlags = [.beneath, .noMagicLinks, .noSymlinks]
  ) throws(Errno) -> OwnedDescriptor {
    var how = open_how(
      flags: UInt64(flags.union(.closeOnExec).rawValue), mode: UInt64(mode), resolve: resolve.rawValue)
    var attempts = 0
    while true {
      attempts += 1
      let result = withUnsafeMutablePointer(to: &how) { how in
        vd_syscall(
          Int(SYS_openat2), Int(directory), Int(bitPattern: path), Int(bitPattern: how), MemoryLayout<open_how>.size, 0,
          0)
      }
      // A concurrent rename makes BENEATH fail with EAGAIN (`man 2 openat2`); so does, for good, a lease under O_NONBLOCK.
      if result == -Int(EAGAIN) || result == -Int(EINTR), attempts < Self.attempts { continue }
      return OwnedDescriptor(CInt(truncatingIfNeeded: try Errno.check(result)))
    }
  }

  /// How often a call that says EINTR or EAGAIN is made.
  @usableFromInline
  static let attempts = 100

  /// An open that waits for nothing, whatever is opened: not for the other end of a FIFO, a terminal's carrier, or the end of
  /// another process's lease (EAGAIN then). Of a descriptor that comes back without O_NONBLOCK in `flags` it is cleared again.
  @inlinable
  public static func withoutWaiting(
    _ flags: OpenFlags, _ open: (OpenFlags) throws(Errno) -> OwnedDescriptor
  ) throws(Errno) -> OwnedDescriptor {
    let opened = try open(flags.union(.nonBlocking))
    if flags.isDisjoint(with: [.nonBlocking, .path]) {
      // F_SETFL; the access mode and creation flags in the word are ignored.
      try call(SYS_fcntl, Int(opened.rawValue), 4, Int(flags.rawValue))
    }
    return opened
  }

  /// `openat(2)` for paths that are ours or the user's own (a layer's root, /dev/null), so symlinks are followed.
  @inlinable
  public static func openTrusted(
    _ path: UnsafePointer<CChar>, in directory: CInt = AtFlags.currentDirectory, _ flags: OpenFlags, mode: UInt32 = 0
  )
    throws(Errno) -> OwnedDescriptor
  {
    var attempts = 0
    while true {
      attempts += 1
      let result = vd_syscall(
        Int(SYS_openat), Int(directory), Int(bitPattern: path), Int(flags.union(.closeOnExec).rawValue), Int(mode), 0, 0
      )
      if result == -Int(EINTR), attempts < Self.attempts { continue }
      return OwnedDescriptor(CInt(truncatingIfNeeded: try Errno.check(result)))
    }
  }

  /// `newfstatat(2)` of one component, symlinks not followed; of the descriptor itself with an empty name and AT_EMPTY_PATH.
  @inlinable
  public static func stat(_ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags = .symlinkNoFollow)
    throws(Errno) -> stat
  {
    var result = CLinux.stat()
    _ = try Errno.check(
      withUnsafeMutablePointer(to: &result) { buffer in
        vd_syscall(
          Int(SYS_newfstatat), Int(directory), Int(bitPattern: name), Int(bitPattern: buffer), Int(flags.rawValue), 0, 0
        )
      })
    return result
  }

  /// `fstat(2)`.
  @inlinable
  public static func stat(_ descriptor: CInt) throws(Errno) -> stat {
    var result = CLinux.stat()
    _ = try Errno.check(
      withUnsafeMutablePointer(to: &result) { buffer in
        vd_syscall(Int(SYS_fstat), Int(descriptor), Int(bitPattern: buffer), 0, 0, 0, 0)
      })
    return result
  }

  /// STATX_MNT_ID_UNIQUE: a mount's number that no other mount ever has (Linux 6.8; older ones leave the bit out of the
  /// answer and give the number that mountinfo shows).
  public static let uniqueMount: UInt32 = 0x4000
  /// STATX_ATTR_MOUNT_ROOT, in `stx_attributes`.
  public static let mountRoot: UInt64 = 0x2000

  /// `statx(2)` of one component or, with AT_EMPTY_PATH, of the descriptor; the basic fields, btime and the mount id.
  @inlinable
  public static func statx(_ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags = .symlinkNoFollow)
    throws(Errno) -> statx
  {
    var result = CLinux.statx()
    _ = try Errno.check(
      withUnsafeMutablePointer(to: &result) { buffer in
        vd_syscall(
          Int(SYS_statx), Int(directory), Int(bitPattern: name), Int(flags.union(.noAutomount).rawValue),
          0x1fff | Int(uniqueMount), Int(bitPattern: buffer), 0)
      })
    return result
  }

  /// `readlinkat(2)`; the whole target, however long.
  public static func readlink(_ name: UnsafePointer<CChar>, in directory: CInt) throws(Errno) -> [UInt8] {
    try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer throws(Errno) in
      let count = try Errno.check(
        vd_syscall(
          Int(SYS_readlinkat), Int(directory), Int(bitPattern: name), Int(bitPattern: buffer.baseAddress), buffer.count,
          0, 0))
      return [UInt8](buffer[..<count])
    }
  }

  /// A call of at most six arguments whose result is a count or 0, for the wrappers that need no care.
  @inlinable
  @discardableResult
  public static func call(
    _ number: CInt, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
  )
    throws(Errno) -> Int
  {
    try Errno.check(vd_syscall(Int(number), a, b, c, d, e, f))
  }

  /// `mkdirat(2)`.
  @inlinable
  public static func makeDirectory(_ name: UnsafePointer<CChar>, in directory: CInt, mode: UInt32) throws(Errno) {
    try call(SYS_mkdirat, Int(directory), Int(bitPattern: name), Int(mode))
  }

  /// `unlinkat(2)`; with `.removeDirectory` the C function is `rmdir(2)`.
  @inlinable
  public static func unlink(_ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags = []) throws(Errno) {
    try call(SYS_unlinkat, Int(directory), Int(bitPattern: name), Int(flags.rawValue))
  }

  /// `renameat2(2)`.
  @inlinable
  public static func rename(
    _ name: UnsafePointer<CChar>, in directory: CInt, to newName: UnsafePointer<CChar>, in newDirectory: CInt,
    _ flags: RenameFlags = []
  ) throws(Errno) {
    try call(
      SYS_renameat2, Int(directory), Int(bitPattern: name), Int(newDirectory), Int(bitPattern: newName),
      Int(flags.rawValue))
  }

  /// `linkat(2)` of one component, symlinks not followed unless AT_SYMLINK_FOLLOW.
  @inlinable
  public static func link(
    _ name: UnsafePointer<CChar>, in directory: CInt, to newName: UnsafePointer<CChar>, in newDirectory: CInt,
    _ flags: AtFlags = []
  ) throws(Errno) {
    try call(
      SYS_linkat, Int(directory), Int(bitPattern: name), Int(newDirectory), Int(bitPattern: newName),
      Int(flags.rawValue))
  }

  /// `symlinkat(2)`.
  @inlinable
  public static func symlink(_ target: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, in directory: CInt)
    throws(Errno)
  {
    try call(SYS_symlinkat, Int(bitPattern: target), Int(directory), Int(bitPattern: name))
  }

  /// `mknodat(2)`; `mode` carries the type.
  @inlinable
  public static func makeNode(_ name: UnsafePointer<CChar>, in directory: CInt, mode: UInt32, device: UInt64 = 0)
    throws(Errno)
  {
    try call(SYS_mknodat, Int(directory), Int(bitPattern: name), Int(mode), Int(bitPattern: UInt(device)))
  }

  /// `ftruncate(2)`.
  @inlinable
  public static func truncate(_ descriptor: CInt, to size: Int64) throws(Errno) {
    try call(SYS_ftruncate, Int(descriptor), Int(size))
  }

  /// `pwrite64(2)` until all is written.
  public static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: CInt, at offset: Int64 = 0) throws(Errno) {
    var done = 0
    while done < bytes.count {
      let count = try call(
        SYS_pwrite64, Int(descriptor), Int(bitPattern: bytes.baseAddress) + done, bytes.count - done, Int(offset) + done
      )
      if count == 0 { throw .ioError }
      done += count
    }
  }

  /// `pread64(2)`; returns the count, 0 at the end.
  @inlinable
  public static func read(into buffer: UnsafeMutableRawBufferPointer, from descriptor: CInt, at offset: Int64)
    throws(Errno) -> Int
  {
    try call(SYS_pread64, Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count, Int(offset))
  }

  /// Everything a file holds from its start, for small files such as those of the host's /proc.
  public static func readAll(_ descriptor: CInt) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    return try withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 16) { buffer throws(Errno) in
      while true {
        let count = try call(SYS_read, Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count)
        if count == 0 { return bytes }
        bytes.append(contentsOf: buffer[..<count])
      }
    }
  }

  /// `readAll` of the file at a path of ours.
  public static func readFile(_ path: UnsafePointer<CChar>) throws(Errno) -> [UInt8] {
    // The binding keeps the descriptor open: a temporary would be closed before it is read.
    let descriptor = try openTrusted(path, [])
    return try readAll(descriptor.rawValue)
  }

  /// `pidfd_open(2)` of a thread; before Linux 6.9, which has PIDFD_THREAD, of a thread group's leader only.
  public static func openProcess(_ thread: Int32) throws(Errno) -> OwnedDescriptor {
    var result = vd_syscall(Int(SYS_pidfd_open), Int(thread), 0, 0, 0, 0, 0)
    // No leader: EINVAL, or ENOENT.
    if result == -Int(EINVAL) || result == -Int(ENOENT) {
      result = vd_syscall(Int(SYS_pidfd_open), Int(thread), 0o200, 0, 0, 0, 0)
    }
    return OwnedDescriptor(CInt(truncatingIfNeeded: try Errno.check(result)))
  }

  /// Whether the kernel, and the filters above us, let us take a duplicate from another process. A container engine's
  /// default profile refuses that to who has no CAP_SYS_PTRACE; a descriptor that does not exist is EBADF.
  public static let takesDescriptors =
    vd_syscall(Int(SYS_pidfd_getfd), -1, 0, 0, 0, 0, 0) == -Int(EBADF)

  /// `pidfd_getfd(2)`: a duplicate of descriptor `number` of the process that `process` stands for (`openProcess`).
  public static func duplicate(_ number: CInt, from process: CInt) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(CInt(truncatingIfNeeded: try call(SYS_pidfd_getfd, Int(process), Int(number))))
  }

  /// `fcntl(F_DUPFD_CLOEXEC)`.
  @inlinable
  public static func duplicate(_ descriptor: CInt) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(CInt(truncatingIfNeeded: try call(SYS_fcntl, Int(descriptor), 1030, 0)))
  }
}
