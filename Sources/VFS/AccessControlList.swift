// POSIX access control lists in the kernel's xattr encoding (linux/posix_acl_xattr.h): version 2, then entries of tag,
// permissions and id, little-endian. The algorithm is that of acl(5).

public import LinuxABI

/// Reads and derives lists in the encoding of `system.posix_acl_access` and `system.posix_acl_default`.
public enum AccessControlList {
  private enum Tag {
    static let ownerUser: UInt16 = 0x01
    static let user: UInt16 = 0x02
    static let ownerGroup: UInt16 = 0x04
    static let group: UInt16 = 0x08
    static let mask: UInt16 = 0x10
    static let other: UInt16 = 0x20
  }

  private struct Entry {
    var tag: UInt16
    var permissions: UInt16
    var id: UInt32
  }

  private static func entries(_ list: [UInt8]) -> [Entry]? {
    guard list.count >= 4, (list.count - 4) % 8 == 0 else { return nil }
    return list.withUnsafeBytes { bytes in
      guard bytes.loadUnaligned(as: UInt32.self) == 2 else { return nil }
      return stride(from: 4, to: bytes.count, by: 8).map { offset in
        Entry(
          tag: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self),
          permissions: bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self),
          id: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
      }
    }
  }

  private static func encode(_ entries: [Entry]) -> [UInt8] {
    var bytes: [UInt8] = [2, 0, 0, 0]
    for entry in entries {
      withUnsafeBytes(of: entry.tag.littleEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: entry.permissions.littleEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: entry.id.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  /// Whether the list grants `wanted` to a caller that is not the owner; nil if it does not apply or is malformed.
  static func evaluate(_ list: [UInt8], for caller: Credentials, owningGroup: UInt32, _ wanted: AccessMode) -> Bool? {
    guard let entries = entries(list) else { return nil }
    let want = UInt16(wanted.rawValue)
    let mask = entries.first { $0.tag == Tag.mask }?.permissions ?? 7
    if let user = entries.first(where: { $0.tag == Tag.user && $0.id == caller.user }) {
      return want & ~(user.permissions & mask) == 0
    }
    var isMember = false
    for entry in entries where entry.tag == Tag.ownerGroup || entry.tag == Tag.group {
      guard caller.isMember(of: entry.tag == Tag.ownerGroup ? owningGroup : entry.id) else { continue }
      isMember = true
      if want & ~(entry.permissions & mask) == 0 { return true }
    }
    if isMember { return false }
    guard let other = entries.first(where: { $0.tag == Tag.other }) else { return nil }
    return want & ~other.permissions == 0
  }

  /// The list in the form that is kept: only named entries have ids (`posix_acl_from_xattr`). Empty for none, which
  /// removes the list there is. Whether the entries make a list is asked later: `isValid`.
  ///
  /// - Throws: `.notSupportedOnSocket` for another version, `.invalidArgument` for what cannot be read.
  static func parse(_ list: [UInt8]) throws(Errno) -> [UInt8] {
    if list.isEmpty { return [] }
    guard list.count >= 4 else { throw .invalidArgument }
    guard list[0] == 2, list[1] == 0, list[2] == 0, list[3] == 0 else { throw .notSupportedOnSocket }
    guard var entries = entries(list) else { throw .invalidArgument }
    for index in entries.indices {
      switch entries[index].tag {
      case Tag.ownerUser, Tag.ownerGroup, Tag.mask, Tag.other: entries[index].id = .max
      case Tag.user, Tag.group: if entries[index].id == .max { throw .invalidArgument }
      default: throw .invalidArgument
      }
    }
    return entries.isEmpty ? [] : encode(entries)
  }

  /// Whether a list that has been parsed is one (`posix_acl_valid`): the three base entries once each, all in order, and
  /// named entries only with a mask. The ids need no order and may come twice.
  static func isValid(_ list: [UInt8]) -> Bool {
    guard let entries = entries(list) else { return false }
    // What may come next.
    var expected = Tag.ownerUser
    var needsMask = false
    for entry in entries {
      guard entry.permissions & ~7 == 0 else { return false }
      switch (entry.tag, expected) {
      case (Tag.ownerUser, Tag.ownerUser): expected = Tag.user
      case (Tag.user, Tag.user), (Tag.group, Tag.group): needsMask = true
      case (Tag.ownerGroup, Tag.user): expected = Tag.group
      case (Tag.mask, Tag.group): expected = Tag.other
      case (Tag.other, Tag.other): expected = 0
      case (Tag.other, Tag.group) where !needsMask: expected = 0
      default: return false
      }
    }
    return expected == 0
  }

  /// The permission bits that an access list stands for, and whether the bits alone say all that the list says.
  public static func equivalentMode(_ list: [UInt8], keeping old: Permissions) -> (Permissions, isMinimal: Bool) {
    guard let entries = entries(list) else { return (old, true) }
    var bits = old.rawValue & 0o7000
    var isMinimal = true
    var group: UInt16 = 0
    var mask: UInt16?
    for entry in entries {
      switch entry.tag {
      case Tag.ownerUser: bits |= (entry.permissions & 7) << 6
      case Tag.ownerGroup: group = entry.permissions & 7
      case Tag.mask:
        mask = entry.permissions & 7
        isMinimal = false
      case Tag.other: bits |= entry.permissions & 7
      default: isMinimal = false
      }
    }
    bits |= (mask ?? group) << 3
    return (Permissions(rawValue: bits), isMinimal)
  }

  /// The list after `chmod(2)`: owner and other follow the mode, the mask (or the group without one) its group bits.
  public static func changingMode(_ list: [UInt8], to mode: Permissions) -> [UInt8] {
    guard var entries = entries(list) else { return list }
    let hasMask = entries.contains { $0.tag == Tag.mask }
    for index in entries.indices {
      switch entries[index].tag {
      case Tag.ownerUser: entries[index].permissions = (mode.rawValue >> 6) & 7
      case Tag.ownerGroup where !hasMask: entries[index].permissions = (mode.rawValue >> 3) & 7
      case Tag.mask: entries[index].permissions = (mode.rawValue >> 3) & 7
      case Tag.other: entries[index].permissions = mode.rawValue & 7
      default: break
      }
    }
    return encode(entries)
  }

  /// What a new inode gets from its directory's default list (`posix_acl_create`): the mode, and an access list if it
  /// says more than the mode. The umask does not apply then.
  public static func inherit(_ list: [UInt8], mode: Permissions) -> (Permissions, list: [UInt8]?) {
    guard var entries = entries(list) else { return (mode, nil) }
    let hasMask = entries.contains { $0.tag == Tag.mask }
    var bits = mode.rawValue & 0o7000
    for index in entries.indices {
      switch entries[index].tag {
      case Tag.ownerUser:
        entries[index].permissions &= (mode.rawValue >> 6) & 7
        bits |= entries[index].permissions << 6
      case Tag.ownerGroup where !hasMask, Tag.mask:
        entries[index].permissions &= (mode.rawValue >> 3) & 7
        bits |= entries[index].permissions << 3
      case Tag.other:
        entries[index].permissions &= mode.rawValue & 7
        bits |= entries[index].permissions
      default: break
      }
    }
    let result = encode(entries)
    let isMinimal = entries.allSatisfy { [Tag.ownerUser, Tag.ownerGroup, Tag.other].contains($0.tag) }
    return (Permissions(rawValue: bits), isMinimal ? nil : result)
  }
}
