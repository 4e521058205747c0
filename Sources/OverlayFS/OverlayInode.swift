// What every inode of an overlay is: an upper inode, or a lower one, or both after copy-up; one object whatever happens.

public import LinuxABI
public import VFS

/// A file of an overlay. `upper` is set once, by copy-up (CopyUp.swift), and never again; `number` never changes.
public class OverlayInode: Inode {
  /// The link count where the layers do not show it: some names are the upper's, some a lower's.
  final var links: UInt32?
  /// Regular files only: the upper inode has the attributes, the lower one still the content.
  final var isMetadataOnly = false
  /// The inode in the upper layer, once there is one.
  public internal(set) final var upper: Inode?
  /// The topmost lower inode that shows here; nil for what was born in the upper.
  public internal(set) final var lower: Inode?
  /// A directory and name that lead to this inode, for copy-up; nil for the root and for what has no name that is known.
  final var parent: OverlayDirectory?
  final var name: [UInt8] = []

  /// What copy-up could not give the upper inode; nil for what was never copied up in this run.
  final var copied: CopiedTimes?

  /// The overlay holds it, or did, so that it has taken some of the budget.
  private final var isCharged = false

  final func chargeAsKept() {
    if isCharged { return }
    isCharged = true
    overlay.budget.take(MemoryCost.keptInode)
  }

  final var overlay: OverlayFilesystem { unsafeDowncast(filesystem, to: OverlayFilesystem.self) }

  init(overlay: OverlayFilesystem, upper: Inode?, lower: Inode?, number: UInt64) throws(Errno) {
    guard let source = upper ?? lower else { throw .ioError }
    self.upper = upper
    self.lower = lower
    super.init(
      filesystem: overlay, type: source.type, number: number, permissions: source.permissions, owner: source.owner,
      group: source.group)
    accessList = source.accessList
  }

  deinit {
    overlay.forget(self)
    if isCharged { overlay.budget.giveBack(MemoryCost.keptInode) }
    ParentChain.release(&parent) { $0.parent.take() }
  }

  /// The inode that answers for the attributes.
  final var source: Inode {
    guard let source = upper ?? lower else { preconditionFailure("an overlay inode has a layer") }
    return source
  }

  public final override var hostFile: FileIdentity? { source.hostFile }

  /// Brings the stored fields in step with `source`; the access ACL is ours, because a store keeps it under another name.
  final func refresh() {
    let source = self.source
    permissions = source.permissions
    owner = source.owner
    group = source.group
  }

  // MARK: - Names

  /// This inode has been found, or put, at `name` in `directory`.
  final func isFound(in directory: OverlayDirectory, _ name: Name) {
    if parent === directory && name.equals(self.name) { return }
    parent = directory
    self.name = lower?.stored(name) ?? upper?.stored(name) ?? name.copy
  }

  /// A directory has one name. One that is found at another too is a work of damaged marks, and could hold itself.
  ///
  /// - Throws: EUCLEAN.
  final func checkPlace(_ directory: OverlayDirectory, _ name: Name) throws(Errno) {
    guard isDirectory, let parent else { return }
    if parent !== directory || !name.equals(self.name) { throw .needsCleaning }
  }

  public final override func stored(_ name: Name) -> [UInt8]? { name.equals(self.name) ? self.name : nil }

  /// `name` in `directory` leads here no more, `hadUpperEntry` says in which layer it did.
  final func lostName(_ name: Name, in directory: OverlayDirectory) {
    copied?.isPast = true
    if parent === directory && name.equals(self.name) {
      parent = nil
      self.name = []
    }
    if let count = linksWithoutOneName { links = count }
    let left = links ?? upper?.linkCount ?? 0
    if left == 0 {
      overlay.drop(self)
    } else if lower != nil {
      overlay.keep(self)
    }
  }

  /// The link count that the overlay counts, once a name has gone; nil if the layers show it. Written down before that
  /// (OverlayFilesystem.followUps).
  final var linksWithoutOneName: UInt32? {
    if let links { return links > 0 ? links - 1 : 0 }
    // Of a directory the count says how many it holds.
    guard type != .directory, upper == nil, let lower else { return nil }
    let count = lower.linkCount
    return count > 0 ? count - 1 : 0
  }

  final func gainedName(_ name: Name, in directory: OverlayDirectory) {
    copied?.isPast = true
    if let links { self.links = links.addingClamped(1) }
    isFound(in: directory, name)
  }

  // MARK: - Metadata

  public override func attributes() throws(Errno) -> Attributes {
    var result = try source.attributes()
    result.number = number
    if let links { result.linkCount = links }
    if let copied {
      if !copied.isPast, result.changeTime == copied.upperChangeTime { result.changeTime = copied.changeTime }
      result.birthTime = copied.birthTime
    }
    return result
  }

  public override func setAttributes(_ change: AttributeChange) throws(Errno) {
    let upper = try copiedUp(.metadata)
    try upper.setAttributes(change)
    copied?.isPast = true
    refresh()
  }

  /// Its number is not that of its upper inode: a listing must look it up, in this run and, where it is written down, in
  /// the next.
  final var hasOrigin: Bool { upper.map { number != overlay.born($0.number) } ?? true }

  // MARK: - Extended attributes

  public override func extendedAttribute(_ name: Name) throws(Errno) -> [UInt8] {
    guard !OverlayMarks.isReserved(name) else { throw .notSupportedOnSocket }
    guard let upper, let marks = overlay.marks else { return try source.extendedAttribute(name) }
    return try marks.guestAttribute(name, of: upper)
  }

  public override func setExtendedAttribute(_ name: Name, to value: [UInt8], _ flags: XattrFlags) throws(Errno) {
    guard !OverlayMarks.isReserved(name) else { throw .notSupportedOnSocket }
    // What the kernel would refuse must not cause a copy-up.
    if !flags.isEmpty { try check(flags, name) }
    let upper = try copiedUp(.metadata)
    guard let marks = overlay.marks else { throw .readOnlyFileSystem }
    try marks.setGuestAttribute(name, of: upper, to: value, flags)
    copied?.isPast = true
    if name.isAccessList { accessList = value }
    refresh()
  }

  /// In a store the list stands under a name of ours, so the host does not keep the mode in step with it.
  public override func setAccessList(_ list: [UInt8]?, _ permissions: Permissions) throws(Errno) {
    guard overlay.isPersistent, let parent, let marks = overlay.marks else {
      return try super.setAccessList(list, permissions)
    }
    let upper = try copiedUp(.metadata)
    try Name.with(name) { name throws(Errno) in
      // The intent finds the file by its name.
      if let directory = parent.upper, try directory.lookup(name) == nil { try directory.link(name, to: upper) }
      try overlay.commit(.list(OverlayIntent.checksum(list ?? [])), name, in: parent, [.mode(permissions)]) {
        () throws(Errno) in
        try Name.with("system.posix_acl_access") { name throws(Errno) in
          if let list { return try marks.setGuestAttribute(name, of: upper, to: list, []) }
          do throws(Errno) { try marks.removeGuestAttribute(name, of: upper) } catch  where error == .noData {}
        }
      }
    }
    copied?.isPast = true
    accessList = list
    refresh()
  }

  private func check(_ flags: XattrFlags, _ name: Name) throws(Errno) {
    var exists = true
    do throws(Errno) {
      _ = try extendedAttribute(name)
    } catch {
      guard error == .noData else { throw error }
      exists = false
    }
    if flags.contains(.create) && exists { throw .fileExists }
    if flags.contains(.replace) && !exists { throw .noData }
  }

  public override func removeExtendedAttribute(_ name: Name) throws(Errno) {
    guard !OverlayMarks.isReserved(name) else { throw .notSupportedOnSocket }
    _ = try extendedAttribute(name)
    let upper = try copiedUp(.metadata)
    guard let marks = overlay.marks else { throw .readOnlyFileSystem }
    try marks.removeGuestAttribute(name, of: upper)
    copied?.isPast = true
    if name.isAccessList { accessList = nil }
    refresh()
  }

  public override func extendedAttributeNames() throws(Errno) -> [[UInt8]] {
    guard let upper, let marks = overlay.marks else {
      return try source.extendedAttributeNames().filter { !OverlayMarks.isReserved($0) }
    }
    return try marks.guestAttributeNames(of: upper)
  }
}

extension Inode {
  /// `st_nlink`, 1 if the layer does not say.
  var linkCount: UInt32 {
    do throws(Errno) {
      return try countLinks()
    } catch {
      return 1
    }
  }
}

/// The times that no call can set. Copy-up is no change, nor is the copy-up of a child, so the lower file's change time
/// is shown until the upper's moves on; the birth time is the lower's for good.
final class CopiedTimes {
  /// The change time of the upper inode when it had just been made.
  let upperChangeTime: Timestamp
  let changeTime: Timestamp
  let birthTime: Timestamp?
  /// The file has been changed since, perhaps within one tick of the clock.
  var isPast = false

  init(upperChangeTime: Timestamp, changeTime: Timestamp, birthTime: Timestamp?) {
    self.upperChangeTime = upperChangeTime
    self.changeTime = changeTime
    self.birthTime = birthTime
  }
}
