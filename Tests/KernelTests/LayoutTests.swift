import CLinux
import LinuxABI
import Testing

/// The structures that LinuxABI spells out are the kernel's, field by field.
@Suite struct LayoutTests {
  @Test func fileStatus() {
    #expect(MemoryLayout<FileStatus>.size == MemoryLayout<stat>.size)
    #expect(MemoryLayout<FileStatus>.stride == MemoryLayout<stat>.stride)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<FileStatus>.offset(of: \.device), MemoryLayout<stat>.offset(of: \.st_dev)),
      (MemoryLayout<FileStatus>.offset(of: \.inode), MemoryLayout<stat>.offset(of: \.st_ino)),
      (MemoryLayout<FileStatus>.offset(of: \.linkCount), MemoryLayout<stat>.offset(of: \.st_nlink)),
      (MemoryLayout<FileStatus>.offset(of: \.mode), MemoryLayout<stat>.offset(of: \.st_mode)),
      (MemoryLayout<FileStatus>.offset(of: \.owner), MemoryLayout<stat>.offset(of: \.st_uid)),
      (MemoryLayout<FileStatus>.offset(of: \.group), MemoryLayout<stat>.offset(of: \.st_gid)),
      (MemoryLayout<FileStatus>.offset(of: \.namedDevice), MemoryLayout<stat>.offset(of: \.st_rdev)),
      (MemoryLayout<FileStatus>.offset(of: \.size), MemoryLayout<stat>.offset(of: \.st_size)),
      (MemoryLayout<FileStatus>.offset(of: \.blockSize), MemoryLayout<stat>.offset(of: \.st_blksize)),
      (MemoryLayout<FileStatus>.offset(of: \.blocks), MemoryLayout<stat>.offset(of: \.st_blocks)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
    var status = FileStatus()
    status.accessTime = Timestamp(seconds: 1, nanoseconds: 2)
    status.modificationTime = Timestamp(seconds: 3, nanoseconds: 4)
    status.changeTime = Timestamp(seconds: 5, nanoseconds: 6)
    let copy = unsafeBitCast(status, to: stat.self)
    #expect(copy.st_atim.tv_sec == 1 && copy.st_atim.tv_nsec == 2)
    #expect(copy.st_mtim.tv_sec == 3 && copy.st_mtim.tv_nsec == 4)
    #expect(copy.st_ctim.tv_sec == 5 && copy.st_ctim.tv_nsec == 6)
  }

  @Test func extendedStatus() {
    #expect(MemoryLayout<ExtendedStatus>.size == 256)
    #expect(MemoryLayout<ExtendedStatus>.size == MemoryLayout<statx>.size)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<ExtendedStatus>.offset(of: \.mask), MemoryLayout<statx>.offset(of: \.stx_mask)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.blockSize), MemoryLayout<statx>.offset(of: \.stx_blksize)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.attributes), MemoryLayout<statx>.offset(of: \.stx_attributes)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.linkCount), MemoryLayout<statx>.offset(of: \.stx_nlink)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.owner), MemoryLayout<statx>.offset(of: \.stx_uid)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.group), MemoryLayout<statx>.offset(of: \.stx_gid)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.mode), MemoryLayout<statx>.offset(of: \.stx_mode)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.inode), MemoryLayout<statx>.offset(of: \.stx_ino)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.size), MemoryLayout<statx>.offset(of: \.stx_size)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.blocks), MemoryLayout<statx>.offset(of: \.stx_blocks)),
      (
        MemoryLayout<ExtendedStatus>.offset(of: \.attributesMask), MemoryLayout<statx>.offset(of: \.stx_attributes_mask)
      ),
      (MemoryLayout<ExtendedStatus>.offset(of: \.access), MemoryLayout<statx>.offset(of: \.stx_atime)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.birth), MemoryLayout<statx>.offset(of: \.stx_btime)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.change), MemoryLayout<statx>.offset(of: \.stx_ctime)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.modification), MemoryLayout<statx>.offset(of: \.stx_mtime)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.namedDeviceMajor), MemoryLayout<statx>.offset(of: \.stx_rdev_major)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.deviceMinor), MemoryLayout<statx>.offset(of: \.stx_dev_minor)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.mount), MemoryLayout<statx>.offset(of: \.stx_mnt_id)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
    #expect(MemoryLayout<ExtendedTime>.stride == MemoryLayout<statx_timestamp>.stride)
    #expect(
      MemoryLayout<ExtendedTime>.offset(of: \.nanoseconds) == MemoryLayout<statx_timestamp>.offset(of: \.tv_nsec))
  }

  @Test func fileSystemStatus() {
    #expect(MemoryLayout<StatFS>.size == MemoryLayout<statfs>.size)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<StatFS>.offset(of: \.magic), MemoryLayout<statfs>.offset(of: \.f_type)),
      (MemoryLayout<StatFS>.offset(of: \.blockSize), MemoryLayout<statfs>.offset(of: \.f_bsize)),
      (MemoryLayout<StatFS>.offset(of: \.blocks), MemoryLayout<statfs>.offset(of: \.f_blocks)),
      (MemoryLayout<StatFS>.offset(of: \.freeBlocks), MemoryLayout<statfs>.offset(of: \.f_bfree)),
      (MemoryLayout<StatFS>.offset(of: \.availableBlocks), MemoryLayout<statfs>.offset(of: \.f_bavail)),
      (MemoryLayout<StatFS>.offset(of: \.files), MemoryLayout<statfs>.offset(of: \.f_files)),
      (MemoryLayout<StatFS>.offset(of: \.freeFiles), MemoryLayout<statfs>.offset(of: \.f_ffree)),
      (MemoryLayout<StatFS>.offset(of: \.identifier), MemoryLayout<statfs>.offset(of: \.f_fsid)),
      (MemoryLayout<StatFS>.offset(of: \.nameLength), MemoryLayout<statfs>.offset(of: \.f_namelen)),
      (MemoryLayout<StatFS>.offset(of: \.fragmentSize), MemoryLayout<statfs>.offset(of: \.f_frsize)),
      (MemoryLayout<StatFS>.offset(of: \.flags), MemoryLayout<statfs>.offset(of: \.f_flags)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
  }

  @Test func vector() {
    #expect(MemoryLayout<IOVector>.size == MemoryLayout<iovec>.size)
    #expect(MemoryLayout<IOVector>.offset(of: \.count) == MemoryLayout<iovec>.offset(of: \.iov_len))
  }

  @Test func filterInstruction() {
    #expect(MemoryLayout<FilterInstruction>.size == MemoryLayout<sock_filter>.size)
    #expect(MemoryLayout<FilterInstruction>.offset(of: \.jumpTrue) == MemoryLayout<sock_filter>.offset(of: \.jt))
    #expect(MemoryLayout<FilterInstruction>.offset(of: \.jumpFalse) == MemoryLayout<sock_filter>.offset(of: \.jf))
    #expect(MemoryLayout<FilterInstruction>.offset(of: \.operand) == MemoryLayout<sock_filter>.offset(of: \.k))
  }
}
