// For the files that still name the fields of stat(2) and statx(2) as C does.

import CLinux
import LinuxABI

extension FileStatus {
  var st_dev: UInt {
    get { UInt(device) }
    set { device = UInt64(newValue) }
  }
  var st_ino: UInt {
    get { UInt(inode) }
    set { inode = UInt64(newValue) }
  }
  var st_mode: UInt32 {
    get { mode }
    set { mode = newValue }
  }
  var st_nlink: UInt {
    get { UInt(linkCount) }
    set { linkCount = UInt64(newValue) }
  }
  var st_uid: UInt32 {
    get { owner }
    set { owner = newValue }
  }
  var st_gid: UInt32 {
    get { group }
    set { group = newValue }
  }
  var st_rdev: UInt {
    get { UInt(namedDevice) }
    set { namedDevice = UInt64(newValue) }
  }
  var st_size: Int {
    get { Int(size) }
    set { size = Int64(newValue) }
  }
  var st_blksize: Int {
    get { Int(blockSize) }
    set { blockSize = Int64(newValue) }
  }
  var st_blocks: Int {
    get { Int(blocks) }
    set { blocks = Int64(newValue) }
  }
  var st_atim: timespec {
    get { accessTime.timespecValue }
    set { accessTime = Timestamp(newValue) }
  }
  var st_mtim: timespec {
    get { modificationTime.timespecValue }
    set { modificationTime = Timestamp(newValue) }
  }
  var st_ctim: timespec {
    get { changeTime.timespecValue }
    set { changeTime = Timestamp(newValue) }
  }
}

extension ExtendedStatus {
  var stx_mask: UInt32 {
    get { mask }
    set { mask = newValue }
  }
  var stx_blksize: UInt32 {
    get { blockSize }
    set { blockSize = newValue }
  }
  var stx_attributes: UInt64 {
    get { attributes }
    set { attributes = newValue }
  }
  var stx_attributes_mask: UInt64 {
    get { attributesMask }
    set { attributesMask = newValue }
  }
  var stx_nlink: UInt32 {
    get { linkCount }
    set { linkCount = newValue }
  }
  var stx_uid: UInt32 {
    get { owner }
    set { owner = newValue }
  }
  var stx_gid: UInt32 {
    get { group }
    set { group = newValue }
  }
  var stx_mode: UInt16 {
    get { mode }
    set { mode = newValue }
  }
  var stx_ino: UInt64 {
    get { inode }
    set { inode = newValue }
  }
  var stx_size: UInt64 {
    get { size }
    set { size = newValue }
  }
  var stx_blocks: UInt64 {
    get { blocks }
    set { blocks = newValue }
  }
  var stx_atime: ExtendedTime {
    get { access }
    set { access = newValue }
  }
  var stx_mtime: ExtendedTime {
    get { modification }
    set { modification = newValue }
  }
  var stx_ctime: ExtendedTime {
    get { change }
    set { change = newValue }
  }
  var stx_btime: ExtendedTime {
    get { birth }
    set { birth = newValue }
  }
  var stx_rdev_major: UInt32 {
    get { namedDeviceMajor }
    set { namedDeviceMajor = newValue }
  }
  var stx_rdev_minor: UInt32 {
    get { namedDeviceMinor }
    set { namedDeviceMinor = newValue }
  }
  var stx_dev_major: UInt32 {
    get { deviceMajor }
    set { deviceMajor = newValue }
  }
  var stx_dev_minor: UInt32 {
    get { deviceMinor }
    set { deviceMinor = newValue }
  }
  var stx_mnt_id: UInt64 {
    get { mount }
    set { mount = newValue }
  }
}

extension Timestamp {
  init(_ time: timespec) {
    self.init(TimeSpecification(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec)))
  }
  var timespecValue: timespec { timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds)) }
  var statxTimestamp: ExtendedTime { ExtendedTime(self) }
}
