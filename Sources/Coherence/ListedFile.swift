// How the kernel's lists of mappings name a file.

import Kernel
import LinuxABI

/// A file as the kernel's lists of mappings name it: device (major number in the upper half) and inode number. Some file
/// systems show another device there than stat(2) does (btrfs, overlayfs).
struct ListedFile: Sendable, Hashable {
  var device: UInt64
  var number: UInt64

  init(device: UInt64, number: UInt64) {
    self.device = device
    self.number = number
  }

  /// tmpfs, ext2 to ext4, XFS (linux/magic.h): there it is what stat(2) says.
  private static let plainFilesystems: [Int] = [0x0102_1994, 0xef53, 0x5846_5342]

  /// The file of a descriptor of ours; on file systems that we do not know the kernel is asked with a mapping of our own.
  ///
  /// - Throws: `.noDevice` and what else `mmap(2)` says.
  init(of descriptor: CInt) throws(Errno) {
    if Self.plainFilesystems.contains(try Host.fileSystem(of: descriptor).magic) {
      let status = try Host.stat(descriptor)
      self.init(
        device: UInt64(DeviceNumber.major(status.device)) << 32 | UInt64(DeviceNumber.minor(status.device)),
        number: status.inode)
      return
    }
    let entry = try Host.withFirstPage(of: descriptor) { address throws(Errno) in try KernelMapping.find(address) }
    guard let entry else { throw .ioError }
    self = entry.file
  }
}
