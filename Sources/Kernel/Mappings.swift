// Mappings: the supervisor's own, and what the kernel says of other processes'.

public import LinuxABI

extension Host {
  /// `mmap(2)` with MAP_PRIVATE and PROT_READ of a file's first page, for as long as `body` runs with its address.
  ///
  /// - Throws: `.noDevice` for a file that cannot be mapped, and what else mmap(2) says.
  public static func withFirstPage<T>(of file: CInt, _ body: (UInt64) throws(Errno) -> T) throws(Errno) -> T {
    let address = try call(
      .mmap, 0, 4096, Int(Protection.read.rawValue), Int(MapFlags.isPrivate.rawValue), Int(file))
    defer { raw(.munmap, address, 4096) }
    return try body(UInt64(UInt(bitPattern: address)))
  }

  /// PROCMAP_QUERY of `ioctl(2)`: a mapping of the process whose /proc/PID/maps `maps` is; false if there is none.
  ///
  /// - Throws: `.inappropriateIOCTLForDevice` before Linux 6.11, `.noSuchProcess` if the process has no memory any more.
  @inlinable
  public static func fill(_ query: inout MappingQuery, from maps: CInt) throws(Errno) -> Bool {
    let result = withUnsafeMutablePointer(to: &query) { raw(.ioctl, Int(maps), 0xc068_6611, Int(bitPattern: $0)) }
    if result == Errno.noSuchFileOrDirectory.result { return false }
    _ = try Errno.check(result)
    return true
  }

  /// PAGEMAP_SCAN of `ioctl(2)`: how many regions of the process whose /proc/PID/pagemap `pagemap` is have been written to
  /// where the scan says.
  ///
  /// - Throws: `.inappropriateIOCTLForDevice` before Linux 6.7, `.noSuchProcess` if the process has no memory any more.
  @inlinable
  public static func fill(_ scan: inout PageScan, from pagemap: CInt) throws(Errno) -> Int {
    let result = withUnsafeMutablePointer(to: &scan) { raw(.ioctl, Int(pagemap), 0xc060_6610, Int(bitPattern: $0)) }
    return try Errno.check(result)
  }
}
