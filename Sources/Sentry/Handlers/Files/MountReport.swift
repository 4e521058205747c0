// `struct statmount` (linux/mount.h) of one mount: what /proc/PID/mountinfo shows, as numbers and strings.

import LinuxABI
import VFS

/// See the head of this file.
struct MountReport {
  /// STATMOUNT_...: what is asked for, and what has been answered.
  struct Mask: OptionSet {
    let rawValue: UInt64
    static let superblock = Mask(rawValue: 0x1)
    static let mount = Mask(rawValue: 0x2)
    static let root = Mask(rawValue: 0x8)
    static let point = Mask(rawValue: 0x10)
    static let type = Mask(rawValue: 0x20)
    static let options = Mask(rawValue: 0x80)
    static let source = Mask(rawValue: 0x200)
    static let supported = Mask(rawValue: 0x1000)
    static let strings: Mask = [.root, .point, .type, .options, .source]
    static let all: Mask = [.superblock, .mount, .strings, .supported]
  }

  /// The structure without its strings.
  static let headerSize = 512

  private var header = [UInt8](repeating: 0, count: headerSize)
  /// Each with its NUL; the structure has the offsets of their first bytes.
  private(set) var strings: [UInt8] = []
  private var answered: Mask = []

  /// - Throws: what the file system's statistics do.
  init(_ mount: Mount, of vfs: VirtualFileSystem, from root: Position, _ asked: Mask) throws(Errno) {
    if asked.contains(.superblock) {
      put(DeviceNumber.major(mount.filesystem.deviceNumber), at: 16)
      put(DeviceNumber.minor(mount.filesystem.deviceNumber), at: 20)
      put(UInt64(bitPattern: Int64(try mount.filesystem.statistics().magic)), at: 24)
      // SB_RDONLY.
      put(UInt32(mount.filesystem.isReadOnly ? 1 : 0), at: 32)
      answered.insert(.superblock)
    }
    if asked.contains(.mount) {
      // The root of the tree hangs below a mount that is in no list, as in mountinfo.
      let parent = mount.point?.mount
      put(mount.uniqueID, at: 40)
      put(parent?.uniqueID ?? 1 << 31 + 1, at: 48)
      put(UInt32(truncatingIfNeeded: mount.id), at: 56)
      put(UInt32(truncatingIfNeeded: parent?.id ?? 1), at: 60)
      // MOUNT_ATTR_RDONLY; MOUNT_ATTR_RELATIME is 0. MS_PRIVATE: there are no peers.
      put(UInt64(mount.isReadOnly ? 1 : 0), at: 64)
      put(UInt64(1) << 18, at: 72)
      answered.insert(.mount)
    }
    if asked.contains(.type) { put(Array("\(mount.filesystem.typeName)".utf8), .type, at: 36) }
    if asked.contains(.root) { put([0x2f], .root, at: 104) }
    if asked.contains(.point) {
      let point = mount.point.flatMap { vfs.path(of: $0, from: root) } ?? [0x2f]
      put(point, .point, at: 108)
    }
    let options = Self.options(mount)
    if asked.contains(.options), !options.isEmpty { put(options, .options, at: 4) }
    if asked.contains(.source) { put(mount.source, .source, at: 124) }
    if asked.contains(.supported) {
      put(Mask.all.rawValue, at: 144)
      answered.insert(.supported)
    }
    put(answered.rawValue, at: 8)
  }

  /// The options of the file system alone: not whether it or the mount can be written to (`statmount_mnt_opts`).
  private static func options(_ mount: Mount) -> [UInt8] {
    let general = ["rw", "ro", "nosuid", "nodev", "noexec", "relatime"]
    let own = mount.filesystem.mountOptions.split(separator: 0x2c).filter { option in
      !general.contains { option.elementsEqual($0.utf8) }
    }
    return [UInt8](own.joined(separator: [0x2c]))
  }

  private mutating func put(_ value: some FixedWidthInteger, at offset: Int) {
    withUnsafeBytes(of: value.littleEndian) { header.replaceSubrange(offset..<(offset + $0.count), with: $0) }
  }

  private mutating func put(_ string: [UInt8], _ bit: Mask, at offset: Int) {
    put(UInt32(strings.count), at: offset)
    strings += string + [0]
    answered.insert(bit)
  }

  /// The structure's first `count` bytes, and if it is whole the strings.
  func bytes(header count: Int) -> [UInt8] {
    var all = header
    let size = UInt32(truncatingIfNeeded: count + strings.count)
    withUnsafeBytes(of: size.littleEndian) { all.replaceSubrange(0..<4, with: $0) }
    return Array(all.prefix(count)) + (count == Self.headerSize ? strings : [])
  }
}
