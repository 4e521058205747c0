// What is done with an open descriptor: reading, writing, its offset, its flags, duplicates.

public import LinuxABI

extension Host {
  /// `close(2)`.
  @inlinable
  public static func close(_ descriptor: CInt) { raw(.close, Int(descriptor)) }

  // MARK: - Content

  /// `pwrite64(2)` until all is written.
  public static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: CInt, at offset: Int64 = 0) throws(Errno) {
    var done = 0
    while done < bytes.count {
      let count = try call(
        .pwrite64, Int(descriptor), Int(bitPattern: bytes.baseAddress) + done, bytes.count - done, Int(offset) + done
      )
      if count == 0 { throw .ioError }
      done += count
    }
  }

  /// `write(2)` until all is written.
  public static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: CInt) throws(Errno) {
    var done = 0
    while done < bytes.count {
      let count = raw(.write, Int(descriptor), Int(bitPattern: bytes.baseAddress) + done, bytes.count - done)
      if count == Errno.interrupted.result { continue }
      if try checkWrite(count, to: descriptor) == 0 { throw .ioError }
      done += count
    }
  }

  /// `write(2)` until all is written.
  public static func writeAll(_ bytes: [UInt8], to descriptor: CInt) throws(Errno) {
    try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
      try writeAll(UnsafeRawBufferPointer(bytes), to: descriptor)
    }
  }

  /// `write(2)`, once: the count that was written.
  public static func write(once bytes: UnsafeRawBufferPointer, to descriptor: CInt) throws(Errno) -> Int {
    try checkWrite(raw(.write, Int(descriptor), Int(bitPattern: bytes.baseAddress), bytes.count), to: descriptor)
  }

  /// 0, 1 and 2 are the user's, who may have closed them.
  private static func checkWrite(_ result: Int, to descriptor: CInt) throws(Errno) -> Int {
    try descriptor <= 2 ? Errno.check(result) : check(.write, result)
  }

  /// `pwrite64(2)`, once: the count that was written.
  public static func write(once bytes: UnsafeRawBufferPointer, to descriptor: CInt, at offset: Int64) throws(Errno)
    -> Int
  {
    try call(.pwrite64, Int(descriptor), Int(bitPattern: bytes.baseAddress), bytes.count, Int(offset))
  }

  /// `pread64(2)`; returns the count, 0 at the end.
  @inlinable
  public static func read(into buffer: UnsafeMutableRawBufferPointer, from descriptor: CInt, at offset: Int64)
    throws(Errno) -> Int
  {
    try call(.pread64, Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count, Int(offset))
  }

  /// `read(2)`; returns the count, 0 at the end.
  public static func read(into buffer: UnsafeMutableRawBufferPointer, from descriptor: CInt) throws(Errno) -> Int {
    while true {
      let count = raw(.read, Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count)
      if count != Errno.interrupted.result { return try check(.read, count) }
    }
  }

  /// Everything a file holds from its offset on, for small files such as those of the host's /proc.
  public static func readAll(_ descriptor: CInt) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    return try withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 16) { buffer throws(Errno) in
      while true {
        let count = try read(into: buffer, from: descriptor)
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

  /// `getdents64(2)`: fills `buffer` with records (`DirectoryRecord`) from the directory's offset on; 0 at the end.
  @inlinable
  public static func readDirectory(_ directory: CInt, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
    try call(.getdents64, Int(directory), Int(bitPattern: buffer.baseAddress), buffer.count)
  }

  /// Calls `body` with every name in a directory, `.` and `..` too, from the directory's offset on.
  public static func forEachName(in directory: CInt, _ body: (Name) -> Void) throws(Errno) {
    try withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 8) { buffer throws(Errno) in
      while true {
        let count = try readDirectory(directory, into: buffer)
        if count == 0 { return }
        var rest = 0..<count
        while let record = DirectoryRecord(UnsafeRawBufferPointer(buffer), in: rest) {
          body(record.name)
          rest = record.end..<count
        }
      }
    }
  }

  /// The `whence` of lseek(2).
  public enum SeekOrigin: Int {
    case start = 0
    case current = 1
    case end = 2
    /// SEEK_DATA and SEEK_HOLE.
    case data = 3
    case hole = 4
  }

  /// `lseek(2)`: the offset after it.
  @inlinable
  @discardableResult
  public static func seek(_ descriptor: CInt, to offset: Int64, from origin: SeekOrigin = .start) throws(Errno) -> Int64
  {
    Int64(try call(.lseek, Int(descriptor), Int(offset), origin.rawValue))
  }

  /// `ftruncate(2)`.
  @inlinable
  public static func truncate(_ descriptor: CInt, to size: Int64) throws(Errno) {
    try call(.ftruncate, Int(descriptor), Int(size))
  }

  /// `copy_file_range(2)` from one file to the same offset of another; the count, 0 where the source has ended.
  public static func copyRange(from source: CInt, to target: CInt, at offset: Int64, count: Int) throws(Errno) -> Int {
    var offsets = (offset, offset)
    return try withUnsafeMutablePointer(to: &offsets) { offsets throws(Errno) in
      let start = Int(bitPattern: offsets)
      return try call(.copy_file_range, Int(source), start, Int(target), start + 8, count)
    }
  }

  /// `fallocate(2)` on a duplicate of a guest's descriptor: EBADF says that it is not open for writing.
  public static func allocate(_ descriptor: CInt, _ mode: AllocationMode, at offset: Int64, count: Int64) throws(Errno)
  {
    try callForGuest(.fallocate, Int(descriptor), Int(mode.rawValue), Int(offset), Int(count))
  }

  /// `cachestat(2)` of a duplicate of a guest's descriptor; `flags` are the guest's, and must be 0 for the kernel.
  public static func cacheStatistics(of descriptor: CInt, in range: CacheRange, flags: CInt) throws(Errno)
    -> CacheStatistics
  {
    var range = range
    var statistics = CacheStatistics()
    _ = try withUnsafeMutablePointer(to: &range) { range throws(Errno) in
      try withUnsafeMutablePointer(to: &statistics) { statistics throws(Errno) in
        try callForGuest(
          .cachestat, Int(descriptor), Int(bitPattern: range), Int(bitPattern: statistics), Int(flags))
      }
    }
    return statistics
  }

  /// FICLONE of `ioctl_ficlone(2)`: `target` shares the blocks of `source`.
  public static func clone(_ source: CInt, to target: CInt) throws(Errno) {
    try call(.ioctl, Int(target), 0x4004_9409, Int(source))
  }

  // MARK: - The description and the number

  /// F_GETFL of `fcntl(2)`: access mode and status flags.
  @inlinable
  public static func openFlags(of descriptor: CInt) throws(Errno) -> OpenFlags {
    OpenFlags(rawValue: UInt32(truncatingIfNeeded: try call(.fcntl, Int(descriptor), 3)))
  }

  /// F_SETFL of `fcntl(2)`; the access mode and creation flags in the word are ignored.
  @inlinable
  public static func setOpenFlags(of descriptor: CInt, to flags: OpenFlags) throws(Errno) {
    try call(.fcntl, Int(descriptor), 4, Int(flags.rawValue))
  }

  /// F_GETSIG of `fcntl(2)`: what a description sends when it becomes ready; number 0 for none that was set.
  public static func readinessSignal(of descriptor: CInt) throws(Errno) -> Signal {
    Signal(rawValue: Int32(truncatingIfNeeded: try call(.fcntl, Int(descriptor), 11)))
  }

  /// F_SETSIG of `fcntl(2)`.
  public static func setReadinessSignal(of descriptor: CInt, to signal: Signal) throws(Errno) {
    try call(.fcntl, Int(descriptor), 10, Int(signal.rawValue))
  }

  /// F_GETFD of `fcntl(2)`: whether the number is a descriptor of ours.
  public static func isOpen(_ descriptor: CInt) -> Bool { raw(.fcntl, Int(descriptor), 1) >= 0 }

  /// F_DUPFD_CLOEXEC of `fcntl(2)`.
  @inlinable
  public static func duplicate(_ descriptor: CInt) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(CInt(truncatingIfNeeded: try call(.fcntl, Int(descriptor), 1030, 0)))
  }

  /// `pipe2(2)` with O_CLOEXEC.
  public static func makePipe(_ flags: OpenFlags = []) throws(Errno) -> (reading: CInt, writing: CInt) {
    var ends: (CInt, CInt) = (-1, -1)
    _ = try withUnsafeMutablePointer(to: &ends) { ends throws(Errno) in
      try call(.pipe2, Int(bitPattern: ends), Int(flags.union(.closeOnExec).rawValue))
    }
    return (ends.0, ends.1)
  }

  /// F_SETPIPE_SZ of `fcntl(2)`; false if it may not be so large.
  @discardableResult
  public static func setPipeSize(_ pipe: CInt, to size: Int) -> Bool { raw(.fcntl, Int(pipe), 1031, size) >= 0 }

  /// FIONREAD of `ioctl(2)`: the bytes that wait in a pipe; 0 if the kernel does not say.
  @inlinable
  public static func unreadCount(of pipe: CInt) -> Int {
    var count: CInt = 0
    let result = withUnsafeMutablePointer(to: &count) { raw(.ioctl, Int(pipe), 0x541b, Int(bitPattern: $0)) }
    return result == 0 ? Int(count) : 0
  }

  /// `tee(2)`: what is in a pipe, to another as well; the count, 0 at the end.
  public static func tee(from source: CInt, to target: CInt, count: Int, _ flags: SpliceFlags) throws(Errno) -> Int {
    try call(.tee, Int(source), Int(target), count, Int(flags.rawValue))
  }

  /// The locks of flock(2).
  public enum LockKind: Int {
    case shared = 1
    case exclusive = 2
  }

  /// `flock(2)` with LOCK_NB: whether the lock was to be had.
  public static func lock(_ descriptor: CInt, _ kind: LockKind) throws(Errno) -> Bool {
    let result = raw(.flock, Int(descriptor), kind.rawValue | 4)
    if result == Errno.wouldBlock.result { return false }
    _ = try check(.flock, result)
    return true
  }

  /// `flock(2)` with LOCK_UN.
  public static func unlock(_ descriptor: CInt) { raw(.flock, Int(descriptor), 8) }

  // MARK: - Terminals

  /// TCGETS of `ioctl_tty(2)`, as isatty(3): the descriptor is a terminal's.
  public static func isTerminal(_ descriptor: CInt) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { buffer in
      raw(.ioctl, Int(descriptor), 0x5401, Int(bitPattern: buffer.baseAddress)) == 0
    }
  }

  /// What `termios(3)` has of a terminal.
  public struct TerminalSettings: Sendable {
    fileprivate var bytes: [UInt8]
  }

  /// TCGETS of `ioctl_tty(2)`, as tcgetattr(3); nil if it is no terminal.
  public static func terminalSettings(of descriptor: CInt) -> TerminalSettings? {
    var bytes = [UInt8](repeating: 0, count: 64)
    let result = bytes.withUnsafeMutableBytes { raw(.ioctl, Int(descriptor), 0x5401, Int(bitPattern: $0.baseAddress)) }
    return result == 0 ? TerminalSettings(bytes: bytes) : nil
  }

  /// TCSETSW of `ioctl_tty(2)`, as tcsetattr(3) with TCSADRAIN. Nothing happens if that is not possible.
  ///
  /// - Precondition: in the background SIGTTOU is blocked.
  public static func setTerminalSettings(of descriptor: CInt, _ settings: TerminalSettings) {
    settings.bytes.withUnsafeBytes { _ = raw(.ioctl, Int(descriptor), 0x5403, Int(bitPattern: $0.baseAddress)) }
  }

  /// TIOCGPTN of `ioctl_tty(2)`: the number of a pseudo terminal's other side.
  public static func terminalNumber(of master: CInt) throws(Errno) -> UInt32 {
    var number: UInt32 = 0
    _ = try withUnsafeMutablePointer(to: &number) { number throws(Errno) in
      try call(.ioctl, Int(master), 0x8004_5430, Int(bitPattern: number))
    }
    return number
  }

  /// TIOCGPGRP of `ioctl_tty(2)`, as tcgetpgrp(3): the foreground process group of the caller's terminal.
  ///
  /// - Throws: `.inappropriateIOCTLForDevice` if it is no terminal, or not the controlling one.
  public static func foregroundGroup(of terminal: CInt) throws(Errno) -> Int32 {
    var group: Int32 = 0
    _ = try withUnsafeMutablePointer(to: &group) { group throws(Errno) in
      try callForGuest(.ioctl, Int(terminal), 0x540f, Int(bitPattern: group))
    }
    return group
  }

  /// TIOCSPGRP of `ioctl_tty(2)`, as tcsetpgrp(3). From the background it raises SIGTTOU, unless that is blocked.
  public static func setForegroundGroup(of terminal: CInt, to group: Int32) throws(Errno) {
    var group = group
    _ = try withUnsafeMutablePointer(to: &group) { group throws(Errno) in
      try callForGuest(.ioctl, Int(terminal), 0x5410, Int(bitPattern: group))
    }
  }
}
