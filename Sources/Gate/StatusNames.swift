// For the files that still name the fields of stat(2) and statx(2) as C does.

package import CLinux
package import LinuxABI

extension FileStatus {
  package var st_dev: UInt {
    get { UInt(device) }
    set { device = UInt64(newValue) }
  }
  package var st_ino: UInt {
    get { UInt(inode) }
    set { inode = UInt64(newValue) }
  }
  package var st_mode: UInt32 {
    get { mode }
    set { mode = newValue }
  }
  package var st_nlink: UInt {
    get { UInt(linkCount) }
    set { linkCount = UInt64(newValue) }
  }
  package var st_uid: UInt32 {
    get { owner }
    set { owner = newValue }
  }
  package var st_gid: UInt32 {
    get { group }
    set { group = newValue }
  }
  package var st_rdev: UInt {
    get { UInt(namedDevice) }
    set { namedDevice = UInt64(newValue) }
  }
  package var st_size: Int {
    get { Int(size) }
    set { size = Int64(newValue) }
  }
  package var st_blksize: Int {
    get { Int(blockSize) }
    set { blockSize = Int64(newValue) }
  }
  package var st_blocks: Int {
    get { Int(blocks) }
    set { blocks = Int64(newValue) }
  }
  package var st_atim: timespec {
    get { accessTime.timespecValue }
    set { accessTime = Timestamp(newValue) }
  }
  package var st_mtim: timespec {
    get { modificationTime.timespecValue }
    set { modificationTime = Timestamp(newValue) }
  }
  package var st_ctim: timespec {
    get { changeTime.timespecValue }
    set { changeTime = Timestamp(newValue) }
  }
}

extension ExtendedStatus {
  package var stx_mask: UInt32 {
    get { mask }
    set { mask = newValue }
  }
  package var stx_blksize: UInt32 {
    get { blockSize }
    set { blockSize = newValue }
  }
  package var stx_attributes: UInt64 {
    get { attributes }
    set { attributes = newValue }
  }
  package var stx_attributes_mask: UInt64 {
    get { attributesMask }
    set { attributesMask = newValue }
  }
  package var stx_nlink: UInt32 {
    get { linkCount }
    set { linkCount = newValue }
  }
  package var stx_uid: UInt32 {
    get { owner }
    set { owner = newValue }
  }
  package var stx_gid: UInt32 {
    get { group }
    set { group = newValue }
  }
  package var stx_mode: UInt16 {
    get { mode }
    set { mode = newValue }
  }
  package var stx_ino: UInt64 {
    get { inode }
    set { inode = newValue }
  }
  package var stx_size: UInt64 {
    get { size }
    set { size = newValue }
  }
  package var stx_blocks: UInt64 {
    get { blocks }
    set { blocks = newValue }
  }
  package var stx_atime: ExtendedTime {
    get { access }
    set { access = newValue }
  }
  package var stx_mtime: ExtendedTime {
    get { modification }
    set { modification = newValue }
  }
  package var stx_ctime: ExtendedTime {
    get { change }
    set { change = newValue }
  }
  package var stx_btime: ExtendedTime {
    get { birth }
    set { birth = newValue }
  }
  package var stx_rdev_major: UInt32 {
    get { namedDeviceMajor }
    set { namedDeviceMajor = newValue }
  }
  package var stx_rdev_minor: UInt32 {
    get { namedDeviceMinor }
    set { namedDeviceMinor = newValue }
  }
  package var stx_dev_major: UInt32 {
    get { deviceMajor }
    set { deviceMajor = newValue }
  }
  package var stx_dev_minor: UInt32 {
    get { deviceMinor }
    set { deviceMinor = newValue }
  }
  package var stx_mnt_id: UInt64 {
    get { mount }
    set { mount = newValue }
  }
}

extension Timestamp {
  package init(_ time: timespec) {
    self.init(TimeSpecification(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec)))
  }
  package var timespecValue: timespec { timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds)) }
  package var statxTimestamp: ExtendedTime { ExtendedTime(self) }
}
