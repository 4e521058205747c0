// In which of its forms a persistent upper is written: it depends on what the host allows the user who writes it, and a
// run that may do more, or less, would look for marks and owners elsewhere.

public import LinuxABI
public import VFS

/// The form of the marks, and whether anything is written in it yet.
public struct OverlayFormat: CustomStringConvertible {
  /// `trusted.overlay.` or `user.overlay.`.
  let prefix: [UInt8]
  /// Files have their true owners and modes; else those stand in records.
  public let keepsOwners: Bool

  /// Only who has CAP_SYS_ADMIN sees the marks.
  public var needsPrivilege: Bool { prefix.first == UInt8(ascii: "t") }

  /// What this user would write: tried on `work`, the work directory.
  ///
  /// - Throws: `.notSupportedOnSocket` if there are no extended attributes; other errnos of `setxattr(2)`.
  public init(work: Inode, keepsOwners: Bool) throws(Errno) {
    prefix = try OverlayMarks.prefix(on: work)
    self.keepsOwners = keepsOwners
  }

  /// The form that another's description names; nil for what this version does not write.
  public init?(_ description: String) {
    for prefix in [OverlayMarks.trustedPrefix, OverlayMarks.userPrefix] {
      for keepsOwners in [true, false] {
        let format = OverlayFormat(prefix: prefix, keepsOwners: keepsOwners)
        if format.description == description {
          self = format
          return
        }
      }
    }
    return nil
  }

  init(prefix: [UInt8], keepsOwners: Bool) {
    self.prefix = prefix
    self.keepsOwners = keepsOwners
  }

  init(_ marks: OverlayMarks, keepsOwners: Bool) {
    self.init(prefix: marks.prefix, keepsOwners: keepsOwners)
  }

  public var description: String {
    let marks = String(decoding: prefix.dropLast(9), as: UTF8.self) + " marks"
    return marks + (keepsOwners ? ", owners on files" : ", owners in records")
  }

  /// Nothing has been changed over any lower: neither a file nor a whiteout.
  public static func isFresh(root: Inode, work: Inode) throws(Errno) -> Bool {
    guard try isEmpty(root) else { return false }
    if try hasOverflow(work: work) { return false }
    let names = try root.extendedAttributeNames()
    return !names.contains { OverlayMarks.isReserved($0) && !$0.starts(with: "user.vedette.".utf8) }
  }

  /// Some marks are in the overflow store, by inode number.
  public static func hasOverflow(work: Inode) throws(Errno) -> Bool {
    let found = try Name.with("overflow") { name throws(Errno) in try work.lookup(name) }
    guard let found, found.isDirectory else { return false }
    return try !isEmpty(found)
  }

  private static func isEmpty(_ directory: Inode) throws(Errno) -> Bool {
    var result = true
    try directory.iterate(from: 0) { _ in
      result = false
      return false
    }
    return result
  }
}

extension OverlayFilesystem {
  /// The form in which a persistent upper is written by this overlay; nil for another one.
  public func format(keepsOwners: Bool) -> OverlayFormat? {
    guard isPersistent, let marks else { return nil }
    return OverlayFormat(marks, keepsOwners: keepsOwners)
  }
}
