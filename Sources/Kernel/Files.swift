// The supervisor's own calls on host files: all by descriptor. Paths given here are single components or fixed strings of
// ours, never a guest's path.

public import LinuxABI

/// `struct open_how` (`man 2 openat2`).
@usableFromInline
struct OpenHow {
  @usableFromInline var flags: UInt64
  @usableFromInline var mode: UInt64
  @usableFromInline var resolve: UInt64

  @inlinable
  init(_ flags: OpenFlags, mode: UInt32, _ resolve: ResolveFlags) {
    self.flags = UInt64(flags.rawValue)
    self.mode = UInt64(mode)
    self.resolve = resolve.rawValue
  }
}

extension Host {
  /// `openat2(2)`. `path` is resolved beneath `directory`, through no symlink and no magic link, unless `resolve` says otherwise.
  @inlinable
  public static func open(
    _ path: UnsafePointer<CChar>, in directory: CInt, _ flags: OpenFlags, mode: UInt32 = 0,
    resolve: ResolveFlags = [.beneath, .noMagicLinks, .noSymlinks]
  ) throws(Errno) -> OwnedDescriptor {
    var how = OpenHow(flags.union(.closeOnExec), mode: mode, resolve)
    var attempts = 0
    while true {
      attempts += 1
      let result = withUnsafeMutablePointer(to: &how) { how in
        raw(.openat2, Int(directory), Int(bitPattern: path), Int(bitPattern: how), MemoryLayout<OpenHow>.size)
      }
      // A concurrent rename makes BENEATH fail with EAGAIN (`man 2 openat2`); so does, for good, a lease under O_NONBLOCK.
      if result == Errno.resourceTemporarilyUnavailable.result || result == Errno.interrupted.result,
        attempts < Self.attempts
      {
        continue
      }
      return OwnedDescriptor(CInt(truncatingIfNeeded: try check(.openat2, result)))
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
      try setOpenFlags(of: opened.rawValue, to: flags)
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
      let result = raw(
        .openat, Int(directory), Int(bitPattern: path), Int(flags.union(.closeOnExec).rawValue), Int(mode))
      if result == Errno.interrupted.result, attempts < Self.attempts { continue }
      return OwnedDescriptor(CInt(truncatingIfNeeded: try check(.openat, result)))
    }
  }

  /// `newfstatat(2)` of one component, symlinks not followed; of the descriptor itself with an empty name and AT_EMPTY_PATH.
  @inlinable
  public static func stat(_ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags = .symlinkNoFollow)
    throws(Errno) -> FileStatus
  {
    var result = FileStatus()
    _ = try withUnsafeMutablePointer(to: &result) { buffer throws(Errno) in
      try call(
        .newfstatat, Int(directory), Int(bitPattern: name), Int(bitPattern: buffer), Int(flags.rawValue))
    }
    return result
  }

  /// `fstat(2)`.
  @inlinable
  public static func stat(_ descriptor: CInt) throws(Errno) -> FileStatus {
    var result = FileStatus()
    _ = try withUnsafeMutablePointer(to: &result) { buffer throws(Errno) in
      try call(.fstat, Int(descriptor), Int(bitPattern: buffer))
    }
    return result
  }

  /// `statx(2)` of one component or, with AT_EMPTY_PATH, of the descriptor; the basic fields, btime and the mount id.
  @inlinable
  public static func statx(
    _ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags = .symlinkNoFollow,
    asking mask: UInt32 = ExtendedStatus.usual | ExtendedStatus.uniqueMount
  ) throws(Errno) -> ExtendedStatus {
    var result = ExtendedStatus()
    _ = try withUnsafeMutablePointer(to: &result) { buffer throws(Errno) in
      try call(
        .statx, Int(directory), Int(bitPattern: name), Int(flags.union(.noAutomount).rawValue),
        Int(mask), Int(bitPattern: buffer))
    }
    return result
  }

  /// `readlinkat(2)`: as much of the target as fits; the count.
  @inlinable
  public static func readlink(
    _ name: UnsafePointer<CChar>, in directory: CInt, into buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int {
    try call(.readlinkat, Int(directory), Int(bitPattern: name), Int(bitPattern: buffer.baseAddress), buffer.count)
  }

  /// `readlinkat(2)`; the whole target, however long.
  public static func readlink(_ name: UnsafePointer<CChar>, in directory: CInt) throws(Errno) -> [UInt8] {
    try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer throws(Errno) in
      let count = try readlink(name, in: directory, into: buffer)
      return [UInt8](buffer[..<count])
    }
  }

  /// `mkdirat(2)`.
  @inlinable
  public static func makeDirectory(_ name: UnsafePointer<CChar>, in directory: CInt, mode: UInt32) throws(Errno) {
    try call(.mkdirat, Int(directory), Int(bitPattern: name), Int(mode))
  }

  /// `unlinkat(2)`; with `.removeDirectory` the C function is `rmdir(2)`.
  @inlinable
  public static func unlink(_ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags = []) throws(Errno) {
    try call(.unlinkat, Int(directory), Int(bitPattern: name), Int(flags.rawValue))
  }

  /// `renameat2(2)`.
  @inlinable
  public static func rename(
    _ name: UnsafePointer<CChar>, in directory: CInt, to newName: UnsafePointer<CChar>, in newDirectory: CInt,
    _ flags: RenameFlags = []
  ) throws(Errno) {
    try call(
      .renameat2, Int(directory), Int(bitPattern: name), Int(newDirectory), Int(bitPattern: newName),
      Int(flags.rawValue))
  }

  /// `linkat(2)` of one component, symlinks not followed unless AT_SYMLINK_FOLLOW.
  @inlinable
  public static func link(
    _ name: UnsafePointer<CChar>, in directory: CInt, to newName: UnsafePointer<CChar>, in newDirectory: CInt,
    _ flags: AtFlags = []
  ) throws(Errno) {
    try call(
      .linkat, Int(directory), Int(bitPattern: name), Int(newDirectory), Int(bitPattern: newName),
      Int(flags.rawValue))
  }

  /// `symlinkat(2)`.
  @inlinable
  public static func symlink(_ target: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, in directory: CInt)
    throws(Errno)
  {
    try call(.symlinkat, Int(bitPattern: target), Int(directory), Int(bitPattern: name))
  }

  /// `mknodat(2)`; `mode` carries the type.
  @inlinable
  public static func makeNode(_ name: UnsafePointer<CChar>, in directory: CInt, mode: UInt32, device: UInt64 = 0)
    throws(Errno)
  {
    try call(.mknodat, Int(directory), Int(bitPattern: name), Int(mode), Int(bitPattern: UInt(device)))
  }

  /// `faccessat2(2)` with the effective ids: whether the file may be used so. `flags` beside AT_EACCESS.
  public static func mayAccess(
    _ path: UnsafePointer<CChar>, in directory: CInt = AtFlags.currentDirectory, _ mode: AccessMode,
    _ flags: AtFlags = []
  ) throws(Errno) {
    try call(
      .faccessat2, Int(directory), Int(bitPattern: path), Int(mode.rawValue),
      Int(flags.union(.effectiveAccess).rawValue))
  }

  /// `faccessat(2)`, by the real ids.
  public static func mayAccessByRealID(
    _ path: UnsafePointer<CChar>, in directory: CInt = AtFlags.currentDirectory, _ mode: AccessMode
  ) throws(Errno) {
    try call(.faccessat, Int(directory), Int(bitPattern: path), Int(mode.rawValue))
  }

  /// `fstatfs(2)`.
  @inlinable
  public static func fileSystem(of descriptor: CInt) throws(Errno) -> StatFS {
    var result = StatFS()
    _ = try withUnsafeMutablePointer(to: &result) { buffer throws(Errno) in
      try call(.fstatfs, Int(descriptor), Int(bitPattern: buffer))
    }
    return result
  }

  /// `statfs(2)` of a path of ours or the user's.
  public static func fileSystem(at path: UnsafePointer<CChar>) throws(Errno) -> StatFS {
    var result = StatFS()
    _ = try withUnsafeMutablePointer(to: &result) { buffer throws(Errno) in
      try call(.statfs, Int(bitPattern: path), Int(bitPattern: buffer))
    }
    return result
  }

  /// `umask(2)`: the mask before.
  @discardableResult
  public static func setFileModeMask(_ mask: UInt32) -> UInt32 { UInt32(truncatingIfNeeded: raw(.umask, Int(mask))) }

  /// `geteuid(2)`.
  public static var effectiveUser: UInt32 { UInt32(truncatingIfNeeded: raw(.geteuid)) }

  /// `getegid(2)`.
  public static var effectiveGroup: UInt32 { UInt32(truncatingIfNeeded: raw(.getegid)) }
}
