// Where a persistent upper keeps marks that an extended attribute cannot hold: whiteouts of names that leave no room
// for the prefix, the forty-first delete in an ext4 directory, marks of symlinks under `user.`, guests' attributes that
// the upper refuses. One file of records for each upper inode, in the work area, named by the inode's number.

import Kernel
import LinuxABI
import VFS

/// Files of appended records. A record is written by one call and says its length, so a torn one at the end is seen.
final class OverflowStore {
  private let directory: Inode
  /// Which upper inodes have a file, so that the others cost nothing.
  private var present: Set<UInt64> = []
  /// The file appended to last, kept open: ten thousand deletes in a row hit one directory.
  private var current: (number: UInt64, descriptor: OwnedDescriptorBox)?

  /// A record: length of all (4 bytes, little-endian), kind, length of the key (2 bytes), key, value.
  enum Kind: UInt8 {
    case whiteout = 1
    case mark = 2
    /// A guest's attribute; the last record of a name counts.
    case attribute = 3
    case removedAttribute = 4
  }

  convenience init(in work: Inode) throws(Errno) {
    try self.init(directory: Self.directory("overflow", in: work))
  }

  /// For a check, which makes nothing; nil if there is none.
  convenience init?(readIn work: Inode) throws(Errno) {
    let found = try Name.with("overflow") { name throws(Errno) in try work.lookup(name) }
    guard let found, found.isDirectory else { return nil }
    try self.init(directory: found)
  }

  private init(directory: Inode) throws(Errno) {
    self.directory = directory
    var found: Set<UInt64> = []
    try directory.iterate(from: 0) { entry in
      if let number = UInt64(String(decoding: entry.name.bytes, as: UTF8.self), radix: 16) { found.insert(number) }
      return true
    }
    present = found
  }

  static func directory(_ name: StaticString, in work: Inode) throws(Errno) -> Inode {
    try Name.with(name) { name throws(Errno) -> Inode in
      if let found = try work.lookup(name) { return found }
      return try work.create(
        name, NewInode(.directory, permissions: Permissions(rawValue: 0o700), owner: work.owner, group: work.group))
    }
  }

  func isInUse(for inode: Inode) -> Bool { present.contains(inode.number) }

  // MARK: - Whiteouts and marks

  func whiteouts(of inode: Inode) throws(Errno) -> Set<[UInt8]> {
    var result: Set<[UInt8]> = []
    try read(inode) { kind, key, _ in
      if kind == .whiteout { result.insert(key) }
    }
    return result
  }

  func addWhiteout(_ name: Name, to inode: Inode) throws(Errno) {
    try append(.whiteout, name.copy, [], to: inode)
  }

  func mark(_ name: StaticString, of inode: Inode) throws(Errno) -> [UInt8]? {
    let wanted = name.withUTF8Buffer { [UInt8]($0) }
    var result: [UInt8]?
    try read(inode) { kind, key, value in
      if kind == .mark && key == wanted { result = value }
    }
    return result
  }

  func setMark(_ name: StaticString, of inode: Inode, to value: [UInt8]) throws(Errno) {
    try append(.mark, name.withUTF8Buffer { [UInt8]($0) }, value, to: inode)
  }

  /// Guests' attributes that are kept here, by name.
  func attributes(of inode: Inode) throws(Errno) -> [[UInt8]: [UInt8]] {
    var result: [[UInt8]: [UInt8]] = [:]
    try read(inode) { kind, key, value in
      if kind == .attribute { result[key] = value }
      if kind == .removedAttribute { result[key] = nil }
    }
    return result
  }

  func attribute(_ name: [UInt8], of inode: Inode) throws(Errno) -> [UInt8]? {
    isInUse(for: inode) ? try attributes(of: inode)[name] : nil
  }

  /// nil removes.
  func setAttribute(_ name: [UInt8], of inode: Inode, to value: [UInt8]?) throws(Errno) {
    try append(value == nil ? .removedAttribute : .attribute, name, value ?? [], to: inode)
  }

  /// The inode goes, and its number may be used again.
  func forget(_ number: UInt64) throws(Errno) {
    guard present.contains(number) else { return }
    if current?.number == number { current = nil }
    try remove(fileName(number))
    present.remove(number)
  }

  private func remove(_ stored: [UInt8]) throws(Errno) {
    try Name.with(stored) { name throws(Errno) in
      if let file = try directory.lookup(name) { try directory.unlink(name, file) }
    }
  }

  // MARK: - Records

  private func fileName(_ number: UInt64) -> [UInt8] { [UInt8](String(number, radix: 16).utf8) }

  private func append(_ kind: Kind, _ key: [UInt8], _ value: [UInt8], to inode: Inode) throws(Errno) {
    var record: [UInt8] = []
    let length = UInt32(truncatingIfNeeded: 7 + key.count + value.count)
    withUnsafeBytes(of: length.littleEndian) { record.append(contentsOf: $0) }
    record.append(kind.rawValue)
    withUnsafeBytes(of: UInt16(truncatingIfNeeded: key.count).littleEndian) { record.append(contentsOf: $0) }
    record += key
    record += value
    let descriptor = try open(inode)
    let written = try record.withUnsafeBufferPointer { bytes throws(Errno) -> Int in
      try Host.write(once: UnsafeRawBufferPointer(bytes), to: descriptor)
    }
    CrashPoint.passed("overflow record")
    // A disk that is full in the middle of a record: the reader stops at the torn end, so nothing may follow it.
    if written < record.count {
      let end = try Host.seek(descriptor, to: 0, from: .current)
      try Host.truncate(descriptor, to: end - Int64(written))
      throw .noSpace
    }
    present.insert(inode.number)
  }

  private func open(_ inode: Inode) throws(Errno) -> CInt {
    if let current, current.number == inode.number { return current.descriptor.rawValue }
    let file = try Name.with(fileName(inode.number)) { name throws(Errno) -> Inode in
      if let found = try directory.lookup(name) { return found }
      return try directory.create(
        name,
        NewInode(.regular, permissions: Permissions(rawValue: 0o600), owner: directory.owner, group: directory.group))
    }
    // A torn record of a run that was killed goes before the next is appended.
    let bytes = try content(file)
    let whole = Self.parse(bytes) { _, _, _ in }
    guard Self.isTorn(bytes[whole...]) else { throw .needsCleaning }
    let descriptor = try file.open([.writeOnly, .append])
    if whole < bytes.count { try Host.truncate(descriptor.rawValue, to: Int64(whole)) }
    let box = OwnedDescriptorBox(descriptor)
    current = (inode.number, box)
    return box.rawValue
  }

  private func read(_ inode: Inode, _ body: (Kind, [UInt8], [UInt8]) -> Void) throws(Errno) {
    guard present.contains(inode.number) else { return }
    let found = try Name.with(fileName(inode.number)) { name throws(Errno) in try directory.lookup(name) }
    guard let found else { return }
    let bytes = try content(found)
    let whole = Self.parse(bytes, body)
    // What cannot be read may be whiteouts: names that were deleted must not come back.
    guard Self.isTorn(bytes[whole...]) else { throw .needsCleaning }
  }

  /// The start of a record whose end never reached the disk, or nothing at all.
  static func isTorn(_ rest: ArraySlice<UInt8>) -> Bool {
    if rest.count < 7 { return true }
    let bytes = [UInt8](rest.prefix(7))
    let length = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    let key = Int(bytes[5]) | Int(bytes[6]) << 8
    return Kind(rawValue: bytes[4]) != nil && length >= 7 + key && length > rest.count && length <= 7 + 65535 + 65536
  }

  private func content(_ file: Inode) throws(Errno) -> [UInt8] {
    guard file.type == .regular else { throw .needsCleaning }
    let descriptor = try file.open([])
    return try Host.readAll(descriptor.rawValue)
  }

  /// Shows each whole record; returns how many bytes they make.
  static func parse(_ bytes: [UInt8], _ body: (Kind, [UInt8], [UInt8]) -> Void) -> Int {
    var offset = 0
    bytes.withUnsafeBytes { raw in
      while offset + 7 <= raw.count {
        let length = Int(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        let keyLength = Int(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 5, as: UInt16.self)))
        guard length >= 7 + keyLength, offset + length <= raw.count, let kind = Kind(rawValue: raw[offset + 4]) else {
          return
        }
        let keyEnd = offset + 7 + keyLength
        body(kind, [UInt8](raw[(offset + 7)..<keyEnd]), [UInt8](raw[keyEnd..<(offset + length)]))
        offset += length
      }
    }
    return offset
  }
}
