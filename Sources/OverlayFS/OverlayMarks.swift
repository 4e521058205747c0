// What the overlay remembers in its upper layer: whiteouts, and, for an upper that is used again, where things came from.
// Extended attributes `trusted.overlay.…` of upper inodes, `user.overlay.…` where trusted is refused; guests see none.
//
// A whiteout stays when something new is made under its name, and so makes that opaque: below a whiteout nothing of a
// lower ever shows again. `redirect` gives a directory that was moved its lowers back, wherever it stands.

import LinuxABI
import VFS

/// Reads and writes the marks of one upper layer.
struct OverlayMarks {
  let isPersistent: Bool
  /// `trusted.overlay.` or `user.overlay.`.
  let prefix: [UInt8]
  /// Marks that an extended attribute cannot hold (OverflowStore.swift); nil in memory, where everything fits.
  private let overflow: OverflowStore?
  /// Upper inodes of lower files with several links, by number; nil in memory.
  private let index: Inode?

  private let work: Inode

  static let trustedPrefix = [UInt8]("trusted.overlay.".utf8)
  static let userPrefix = [UInt8]("user.overlay.".utf8)

  /// Those of a saved upper: nothing is made or tried.
  init(savedIn work: Inode, _ format: OverlayFormat) throws(Errno) {
    isPersistent = true
    self.work = work
    prefix = format.prefix
    overflow = try OverflowStore(readIn: work)
    let index = try Name.with("index") { name throws(Errno) in try work.lookup(name) }
    self.index = index?.isDirectory == true ? index : nil
  }

  /// - Throws: `.notSupportedOnSocket` if the upper's file system keeps no extended attributes.
  init(work: Inode, isPersistent: Bool) throws(Errno) {
    self.isPersistent = isPersistent
    self.work = work
    prefix = try Self.prefix(on: work)
    overflow = isPersistent ? try OverflowStore(in: work) : nil
    index = isPersistent ? try OverflowStore.directory("index", in: work) : nil
  }

  /// The prefix of marks that this user may write; tried on the work directory, which shows nowhere.
  static func prefix(on work: Inode) throws(Errno) -> [UInt8] {
    do throws(Errno) {
      try probe(trustedPrefix, on: work)
      return trustedPrefix
    } catch {
      // A disk that is full says nothing of rights.
      guard error == .notPermitted || error == .permissionDenied || error == .notSupportedOnSocket else { throw error }
      try probe(userPrefix, on: work)
      return userPrefix
    }
  }

  private static func probe(_ prefix: [UInt8], on work: Inode) throws(Errno) {
    try Name.with(prefix + [UInt8]("probe".utf8)) { name throws(Errno) in
      try work.setExtendedAttribute(name, to: [], [])
      try work.removeExtendedAttribute(name)
    }
  }

  // MARK: - Names that guests do not see

  static func isReserved(_ name: Name) -> Bool {
    name.hasPrefix("trusted.overlay.") || name.hasPrefix("user.overlay.") || name.hasPrefix("user.vedette.")
  }

  static func isReserved(_ name: [UInt8]) -> Bool { Name.with(name) { isReserved($0) } }

  // MARK: - Guests' own attributes

  /// `security.*`, `trusted.*` and ACLs of a guest must have no power on the host, whose ids are others: in a store they
  /// stand under names of ours.
  private func stored(_ name: Name) -> [UInt8] {
    guard isPersistent, !name.hasPrefix("user.") else { return name.copy }
    return prefix + [UInt8]("guest.".utf8) + name.bytes
  }

  func guestAttribute(_ name: Name, of upper: Inode) throws(Errno) -> [UInt8] {
    if !isPersistent { return try upper.extendedAttribute(name) }
    if let value = try overflow?.attribute(name.copy, of: upper) { return value }
    return try Name.with(stored(name)) { name throws(Errno) in try upper.extendedAttribute(name) }
  }

  func setGuestAttribute(_ name: Name, of upper: Inode, to value: [UInt8], _ flags: XattrFlags) throws(Errno) {
    if name.isAccessList { upper.accessList = value }
    guard let overflow else { return try upper.setExtendedAttribute(name, to: value, flags) }
    if try overflow.attribute(name.copy, of: upper) != nil {
      if flags.contains(.create) { throw .fileExists }
      return try overflow.setAttribute(name.copy, of: upper, to: value)
    }
    do throws(Errno) {
      try Name.with(stored(name)) { name throws(Errno) in try upper.setExtendedAttribute(name, to: value, flags) }
    } catch {
      // Links and nodes carry no user attributes, names get longer by the prefix, and a lower's file system may have held more.
      guard
        error == .notPermitted || error == .noSpace || error == .outOfRange || error == .argListTooLong
          || error == .notSupportedOnSocket
      else { throw error }
      if flags.contains(.replace) { _ = try guestAttribute(name, of: upper) }
      try overflow.setAttribute(name.copy, of: upper, to: value)
    }
  }

  /// The access ACL of an upper inode that has been found again.
  func accessList(of upper: Inode) -> [UInt8]? {
    guard isPersistent, upper.accessList == nil else { return upper.accessList }
    return Name.with("system.posix_acl_access") { name in try? guestAttribute(name, of: upper) }
  }

  /// As it stands in the store; empty for none.
  func storedAccessList(of upper: Inode) throws(Errno) -> [UInt8] {
    do throws(Errno) {
      return try Name.with("system.posix_acl_access") { name throws(Errno) in try guestAttribute(name, of: upper) }
    } catch {
      guard error == .noData || error == .notSupportedOnSocket else { throw error }
      return []
    }
  }

  func removeGuestAttribute(_ name: Name, of upper: Inode) throws(Errno) {
    if name.isAccessList { upper.accessList = nil }
    guard let overflow else { return try upper.removeExtendedAttribute(name) }
    let isElsewhere = try overflow.attribute(name.copy, of: upper) != nil
    do throws(Errno) {
      try Name.with(stored(name)) { name throws(Errno) in try upper.removeExtendedAttribute(name) }
    } catch {
      // EPERM and ERANGE where the upper could hold none.
      guard
        error == .noData || error == .outOfRange
          || error == .notPermitted && upper.type != .regular && !upper.isDirectory
      else { throw error }
      if !isElsewhere { throw .noData }
    }
    if isElsewhere { try overflow.setAttribute(name.copy, of: upper, to: nil) }
  }

  func guestAttributeNames(of upper: Inode) throws(Errno) -> [[UInt8]] {
    let guest = prefix + [UInt8]("guest.".utf8)
    var names = try upper.extendedAttributeNames().compactMap { (name) -> [UInt8]? in
      if isPersistent && name.starts(with: guest) { return [UInt8](name.dropFirst(guest.count)) }
      return Self.isReserved(name) ? nil : name
    }
    if let overflow {
      for name in try overflow.attributes(of: upper).keys where !names.contains(name) { names.append(name) }
    }
    return names
  }

  // MARK: - Whiteouts

  /// The names of lower children that are deleted in `directory`.
  func whiteouts(of directory: Inode) throws(Errno) -> Set<[UInt8]> {
    var result: Set<[UInt8]> = []
    let start = prefix + [UInt8]("whiteout.".utf8)
    for name in try directory.extendedAttributeNames() where name.starts(with: start) {
      result.insert([UInt8](name.dropFirst(start.count)))
    }
    if let overflow { result.formUnion(try overflow.whiteouts(of: directory)) }
    return result
  }

  func addWhiteout(_ name: Name, to directory: Inode) throws(Errno) {
    let mark = prefix + [UInt8]("whiteout.".utf8) + name.bytes
    guard let overflow else {
      return try Name.with(mark) { mark throws(Errno) in try directory.setExtendedAttribute(mark, to: [], []) }
    }
    if mark.count <= Name.maximumLength && !overflow.isInUse(for: directory) {
      do throws(Errno) {
        return try Name.with(mark) { mark throws(Errno) in try directory.setExtendedAttribute(mark, to: [], []) }
      } catch {
        // The attributes of an inode share one block on many file systems (`man 7 xattr`).
        guard error == .noSpace || error == .argListTooLong || error == .outOfRange else { throw error }
      }
    }
    try overflow.addWhiteout(name, to: directory)
  }

  /// The overflow store has marks of `upper`, which must go with it: its number may be used again.
  func areElsewhere(of upper: Inode) -> Bool { overflow?.isInUse(for: upper) ?? false }

  /// The upper inode with this number is gone, and so are its marks in the overflow store.
  func forgetElsewhere(_ number: UInt64) throws(Errno) { try overflow?.forget(number) }

  /// The marks in the overflow store go if this is the last link of `upper`, which no task has seen yet or none sees
  /// any more.
  func forgetLastLink(_ upper: Inode) {
    guard let overflow, overflow.isInUse(for: upper), upper.isDirectory || upper.linkCount <= 1 else { return }
    _ = try? overflow.forget(upper.number)
  }

  // MARK: - Origin and redirect

  private func mark(_ name: StaticString, of upper: Inode) throws(Errno) -> [UInt8]? {
    do throws(Errno) {
      let full = prefix + name.withUTF8Buffer { [UInt8]($0) }
      return try Name.with(full) { name throws(Errno) in try upper.extendedAttribute(name) }
    } catch {
      if error == .noData || error == .notSupportedOnSocket { return try overflow?.mark(name, of: upper) }
      throw error
    }
  }

  private func set(_ name: StaticString, of upper: Inode, to value: [UInt8]) throws(Errno) {
    do throws(Errno) {
      let full = prefix + name.withUTF8Buffer { [UInt8]($0) }
      try Name.with(full) { name throws(Errno) in try upper.setExtendedAttribute(name, to: value, []) }
    } catch {
      // Symlinks and nodes carry no user attributes; a block may be full.
      guard let overflow, error != .ioError, error != .readOnlyFileSystem else { throw error }
      try overflow.setMark(name, of: upper, to: value)
    }
  }

  /// The number of the lower inode that `upper` was copied from.
  func origin(of upper: Inode) throws(Errno) -> UInt64? {
    guard isPersistent, let value = try mark("origin", of: upper) else { return nil }
    return UInt64(String(decoding: value, as: UTF8.self))
  }

  func setOrigin(_ number: UInt64, of upper: Inode) throws(Errno) {
    guard isPersistent else { return }
    try set("origin", of: upper, to: [UInt8](String(number).utf8))
  }

  /// Where the lowers of a moved directory are: for each a layer and the names that lead there; empty for an opaque one.
  ///
  /// - Throws: EUCLEAN for what this overlay has not written.
  func redirect(of upper: Inode) throws(Errno) -> [LayerPath]? {
    guard isPersistent, let value = try mark("redirect", of: upper) else { return nil }
    var paths: [LayerPath] = []
    for field in value.split(separator: 0) {
      // Without its lowers the directory would show less than it holds.
      guard let path = LayerPath([UInt8](field)) else { throw .needsCleaning }
      paths.append(path)
    }
    return paths
  }

  func setRedirect(_ paths: [LayerPath], of upper: Inode) throws(Errno) {
    guard isPersistent else { return }
    try set("redirect", of: upper, to: [UInt8](paths.map(\.encoded).joined(separator: [0])))
  }

  /// A directory without lowers that something with an origin was moved into: its numbers must be looked up one by one.
  func isImpure(_ directory: Inode) throws(Errno) -> Bool {
    guard isPersistent else { return false }
    return try mark("impure", of: directory) != nil
  }

  func setImpure(_ directory: Inode) throws(Errno) {
    guard isPersistent, try !isImpure(directory) else { return }
    try set("impure", of: directory, to: [0x79])
  }

  // MARK: - Links

  /// Lower files with several links: the index says which upper inode, or which link count, the number has now. From here
  /// on every name of the file leads to `copy`, so it must be whole.
  ///
  /// - Parameter prepared: a free name in the work directory.
  /// - Returns: false in memory, where no index is needed.
  func enterIndex(_ inode: OverlayInode, _ copy: Inode, links: UInt32, _ prepared: [UInt8]) throws(Errno) -> Bool {
    guard index != nil else { return false }
    try set("links", of: copy, to: [UInt8](String(links).utf8))
    try Name.with(prepared) { prepared throws(Errno) in
      try work.link(prepared, to: copy)
      try moveToIndex(prepared, copy, inode.number)
    }
    return true
  }

  /// Replaces the entry of `number`, if there is one, in one step.
  private func moveToIndex(_ prepared: Name, _ new: Inode, _ number: UInt64) throws(Errno) {
    guard let index else { return }
    do throws(Errno) {
      try Name.with(Self.indexName(number)) { name throws(Errno) in
        let old = try index.lookup(name)
        try work.rename(prepared, new, to: index, name, replacing: old, [])
      }
    } catch {
      _ = try? work.unlink(prepared, new)
      throw error
    }
  }

  /// What the index holds for a lower file of this type with several links.
  ///
  /// - Throws: EUCLEAN for an entry that is not of that file.
  func indexed(_ number: UInt64, _ type: FileType) throws(Errno) -> (upper: Inode?, links: UInt32?)? {
    guard let index else { return nil }
    return try Name.with(Self.indexName(number)) { name throws(Errno) in
      guard let found = try index.lookup(name) else { return nil }
      if let count = try Self.count(found) { return (nil, count) }
      guard found.type == type, try origin(of: found) == number else { throw .needsCleaning }
      return (found, try links(of: found))
    }
  }

  /// A symlink of ours holds a count for a file that has no copy yet; nil for another entry.
  ///
  /// - Throws: EUCLEAN for one that holds no number.
  static func count(_ entry: Inode) throws(Errno) -> UInt32? {
    guard entry.type == .symlink else { return nil }
    let target = try entry.readlink()
    guard target.starts(with: "links=".utf8) else { return nil }
    guard let count = UInt32(String(decoding: target.dropFirst(6), as: UTF8.self)) else {
      throw .needsCleaning
    }
    return count
  }

  func links(of upper: Inode) throws(Errno) -> UInt32? {
    guard isPersistent, let value = try mark("links", of: upper) else { return nil }
    return UInt32(String(decoding: value, as: UTF8.self))
  }

  /// Writes down the link count that the layers do not show.
  func setLinks(_ number: UInt64, to count: UInt32) throws(Errno) {
    guard let index else { return }
    let entry = try Name.with(Self.indexName(number)) { name throws(Errno) in try index.lookup(name) }
    if count == 0 {
      guard let entry else { return }
      return try Name.with(Self.indexName(number)) { name throws(Errno) in try index.unlink(name, entry) }
    }
    if let entry, try Self.count(entry) == nil {
      return try set("links", of: entry, to: [UInt8](String(count).utf8))
    }
    let prepared = [UInt8]("prepared-count-\(number)".utf8)
    try Name.with(prepared) { prepared throws(Errno) in
      let new = try work.create(
        prepared,
        NewInode(
          .symlink(target: [UInt8]("links=\(count)".utf8)), permissions: Permissions(rawValue: 0o777),
          owner: work.owner, group: work.group))
      try moveToIndex(prepared, new, number)
    }
  }

  private static func indexName(_ number: UInt64) -> [UInt8] { [UInt8](String(number, radix: 16).utf8) }
}

extension Name {
  var isAccessList: Bool { count == 23 && hasPrefix("system.posix_acl_access") }
}

/// A directory of a lower layer: `layer` counts from the topmost, `path` has no slash at either end.
struct LayerPath {
  var layer: Int
  var path: [UInt8]

  init(layer: Int, path: [UInt8]) {
    self.layer = layer
    self.path = path
  }

  /// nil for what this overlay has not written: a path that leads out of the layer, say.
  init?(_ bytes: [UInt8]) {
    guard let slash = bytes.firstIndex(of: 0x2f), let layer = Int(String(decoding: bytes[..<slash], as: UTF8.self)),
      layer >= 0
    else { return nil }
    let path = [UInt8](bytes[(slash + 1)...])
    // A layer's root is never moved.
    if path.isEmpty { return nil }
    for component in path.split(separator: 0x2f) {
      let isWrong = Name.with([UInt8](component)) { $0.isDot || $0.isDotDot || $0.count > Name.maximumLength }
      if isWrong { return nil }
    }
    self.init(layer: layer, path: path)
  }

  var encoded: [UInt8] { [UInt8](String(layer).utf8) + [0x2f] + path }

  var components: [[UInt8]] { path.split(separator: 0x2f).map { [UInt8]($0) } }
}
