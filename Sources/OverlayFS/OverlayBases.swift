// What the lowers showed at a name when the upper first covered it: at a copy-up, a deletion, or a replacement. The lower may
// change after that, and only this record lets `vedette apply` see it.
//
// `work/bases` of a persistent upper is a file of appended records. It is written before the step that covers; a record of a
// step that was never taken does no harm, for the name then shows the lower as the record has it. The last record of a
// path counts. A path is the lower's: what is changed below a directory that was moved counts where it was.

import Kernel
public import LinuxABI
public import VFS

/// One name as a lower showed it.
public struct OverlayBase: Sendable, Equatable {
  public enum State: UInt8, Sendable {
    case present = 1
    /// A directory that went elsewhere with all that it held.
    case movedDirectory = 2
    /// Nothing is there: an apply has taken it away.
    case absent = 3
  }

  public var state: State
  public var type: FileType
  public var permissions: Permissions
  /// The lower's inode number, without the bits that distinguish layers.
  public var number: UInt64
  public var size: Int64
  public var modificationTime: Timestamp
  public var changeTime: Timestamp

  /// The numbers of one file system; the bits above distinguish layers and the devices below one.
  private static let numberMask: UInt64 = 1 << 40 - 1

  public static func number(_ number: UInt64) -> UInt64 { number & numberMask }

  public init(_ attributes: Attributes, _ state: State = .present) {
    self.state = state
    type = attributes.type
    permissions = attributes.permissions
    number = Self.number(attributes.number)
    size = attributes.size
    modificationTime = attributes.modificationTime
    changeTime = attributes.changeTime
  }

  /// Whether a file is the one that was covered, and no process has changed it since. Of a directory, whose times move with each
  /// name in it, only the mode counts.
  public func matches(_ attributes: Attributes) -> Bool {
    if state == .absent || type != attributes.type { return false }
    if type == .directory { return permissions == attributes.permissions }
    return number == Self.number(attributes.number) && size == attributes.size
      && modificationTime == attributes.modificationTime && changeTime == attributes.changeTime
  }

  // MARK: - Records

  /// Length of all (4 bytes), checksum of what follows (4), state, type, mode (2), number, size, the two times (12 each), path.
  /// Little-endian.
  static let fixedSize = 52

  func encoded(_ path: [UInt8]) -> [UInt8] {
    var body: [UInt8] = [state.rawValue, UInt8(truncatingIfNeeded: type.rawValue >> 12)]
    Self.append(permissions.rawValue, to: &body)
    Self.append(number, to: &body)
    Self.append(size, to: &body)
    for time in [modificationTime, changeTime] {
      Self.append(time.seconds, to: &body)
      Self.append(time.nanoseconds, to: &body)
    }
    body += path
    var record: [UInt8] = []
    Self.append(UInt32(truncatingIfNeeded: body.count + 8), to: &record)
    Self.append(UInt32(truncatingIfNeeded: OverlayIntent.checksum(body)), to: &record)
    return record + body
  }

  /// nil for what this program has not written.
  init?(record body: ArraySlice<UInt8>) {
    guard body.count >= Self.fixedSize - 8 else { return nil }
    let bytes = [UInt8](body.prefix(Self.fixedSize - 8))
    guard let state = State(rawValue: bytes[0]), let type = FileType(rawValue: UInt16(bytes[1]) << 12) else {
      return nil
    }
    func word(_ offset: Int, _ count: Int) -> UInt64 {
      (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
    }
    func time(_ offset: Int) -> Timestamp {
      Timestamp(
        seconds: Int64(bitPattern: word(offset, 8)), nanoseconds: UInt32(truncatingIfNeeded: word(offset + 8, 4)))
    }
    self.state = state
    self.type = type
    permissions = Permissions(rawValue: UInt16(truncatingIfNeeded: word(2, 2)))
    number = word(4, 8)
    size = Int64(bitPattern: word(12, 8))
    modificationTime = time(20)
    changeTime = time(32)
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
}

/// All records of an upper.
public struct OverlayBases: Sendable {
  /// The upper was written from its beginning by a vedette that keeps them: a name without a record covered nothing.
  public private(set) var isComplete = false
  private var byPath: [[UInt8]: OverlayBase] = [:]
  /// A file with several names is covered under one of them.
  private var byNumber: [UInt64: OverlayBase] = [:]

  init() {}

  init(_ bytes: [UInt8]) {
    guard bytes.count >= BaseLog.header.count, bytes.starts(with: BaseLog.header.dropLast()) else { return }
    isComplete = bytes[BaseLog.header.count - 1] == BaseLog.complete
    var offset = BaseLog.header.count
    while offset + 8 <= bytes.count {
      let length = Self.word(bytes, offset)
      guard length >= OverlayBase.fixedSize, length <= bytes.count - offset else { break }
      let body = bytes[(offset + 8)..<(offset + length)]
      guard Self.word(bytes, offset + 4) == Int(UInt32(truncatingIfNeeded: OverlayIntent.checksum([UInt8](body)))),
        let base = OverlayBase(record: body)
      else { break }
      byPath[[UInt8](body.dropFirst(OverlayBase.fixedSize - 8))] = base
      if base.type != .directory, base.state == .present { byNumber[base.number] = base }
      offset += length
    }
    // Behind damage there may be records that cannot be read any more.
    if offset < bytes.count { isComplete = false }
  }

  /// Records that were written later.
  mutating func add(_ other: OverlayBases) {
    isComplete = isComplete && other.isComplete
    byPath.merge(other.byPath) { $1 }
    byNumber.merge(other.byNumber) { $1 }
  }

  private static func word(_ bytes: [UInt8], _ offset: Int) -> Int {
    (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
  }

  /// - Parameter path: from the root, without a slash at either end.
  public func base(at path: [UInt8]) -> OverlayBase? { byPath[path] }

  /// - Parameter number: as an inode of a lower has it.
  public func base(numbered number: UInt64) -> OverlayBase? { byNumber[OverlayBase.number(number)] }
}

/// The file `work/bases`.
final class BaseLog {
  static let complete = UInt8(ascii: "c")
  private static let partial = UInt8(ascii: "p")
  /// Its last byte says whether the log is as old as the upper.
  static let header: [UInt8] = Array("vedette bases 1 ".utf8) + [partial]

  private let work: Inode
  private var descriptor: OwnedDescriptorBox?

  init(in work: Inode) { self.work = work }

  /// - Throws: errnos of the store; `.needsCleaning` if something else has the name.
  static func read(in work: Inode) throws(Errno) -> OverlayBases {
    let file = try Name.with("bases") { name throws(Errno) in try work.lookup(name) }
    guard let file else { return OverlayBases() }
    guard file.type == .regular else { throw .needsCleaning }
    let descriptor = try file.open([])
    return OverlayBases(try Host.readAll(descriptor.rawValue))
  }

  /// Writes one record by one call.
  ///
  /// - Throws: `.noSpace` and other errnos of the store, with nothing written.
  func append(_ base: OverlayBase, _ path: [UInt8]) throws(Errno) {
    try append(base.encoded(path), open(isNew: false))
    CrashPoint.passed("base")
  }

  private func append(_ bytes: [UInt8], _ file: CInt) throws(Errno) {
    let written = try bytes.withUnsafeBufferPointer { bytes throws(Errno) -> Int in
      try Host.write(once: UnsafeRawBufferPointer(bytes), to: file)
    }
    if written < bytes.count {
      let end = try Host.seek(file, to: 0, from: .current)
      try Host.truncate(file, to: end - Int64(written))
      throw .noSpace
    }
  }

  /// - Parameter isNew: the upper has just begun.
  @discardableResult
  func open(isNew: Bool) throws(Errno) -> CInt {
    if let descriptor { return descriptor.rawValue }
    let (file, isMade) = try Name.with("bases") { name throws(Errno) -> (Inode, Bool) in
      if let found = try work.lookup(name) {
        guard found.type == .regular else { throw .needsCleaning }
        return (found, false)
      }
      return (
        try work.create(
          name, NewInode(.regular, permissions: Permissions(rawValue: 0o600), owner: work.owner, group: work.group)),
        true
      )
    }
    let box = OwnedDescriptorBox(try file.open([.readWrite, .append]))
    let size = try file.attributes().size
    if isMade || size < Int64(Self.header.count) {
      // A run that was killed before the header was written has covered nothing yet.
      try Host.truncate(box.rawValue, to: 0)
      try append(Self.header.dropLast() + [isNew ? Self.complete : Self.partial], box.rawValue)
    }
    descriptor = box
    return box.rawValue
  }
}

extension OverlayFilesystem {
  /// The records of the upper; those of none for an upper in memory.
  public func readBases() throws(Errno) -> OverlayBases {
    guard isPersistent, let work else { return OverlayBases() }
    // Those of the oldest snapshot first: later records count.
    var bases: OverlayBases?
    if let below = layers.last as? OverlayFilesystem, below.saved?.isSnapshot == true { bases = try below.readBases() }
    let own = try BaseLog.read(in: work)
    bases?.add(own)
    return bases ?? own
  }

  /// From here on `base` is what the upper covers at `path`, because the lower has been changed to be so.
  public func setBase(_ base: OverlayBase, at path: [UInt8]) throws(Errno) { try bases?.append(base, path) }

  /// The upper is about to cover what its lowers show at a name.
  ///
  /// - Parameter attributes: of the lower, from before its content is read; nil to ask for them.
  func cover(
    _ lower: Inode?, _ name: Name, in directory: OverlayDirectory, _ attributes: Attributes? = nil,
    _ state: OverlayBase.State = .present
  ) throws(Errno) {
    guard let bases, let lower else { return }
    var path = directory.lowerPath(name)
    var file = lower
    while let inner = file as? OverlayInode, inner.overlay.saved?.isSnapshot == true {
      // A snapshot has covered it, and has the record, or it was born there.
      if state == .present ? inner.upper != nil : (inner as? OverlayDirectory)?.redirect != nil { return }
      guard let next = inner.lower, let parent = inner.parent else { return }
      path = Name.with(inner.name) { parent.lowerPath($0) }
      file = next
    }
    let shown: Attributes
    if let attributes { shown = attributes } else { shown = try lower.attributes() }
    try bases.append(OverlayBase(shown, state), path)
  }
}

extension OverlayDirectory {
  /// Where `name` here is in the lowers: below the path from which this directory, or one above it, was moved.
  func lowerPath(_ name: Name) -> [UInt8] {
    var names: [[UInt8]] = [name.copy]
    var directory = self
    while true {
      if let redirect = directory.redirect {
        if let first = redirect.first { names.append(first.path) }
        break
      }
      guard let parent = directory.parent else { break }
      names.append(directory.name)
      directory = parent
    }
    return [UInt8](names.reversed().joined(separator: [0x2f]))
  }
}
