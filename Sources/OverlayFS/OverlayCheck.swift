// `vedette fsck`: looks through a persistent upper without opening it as an overlay, so that nothing changes by being
// looked at. What a run that was killed leaves behind by design (prepared files, a torn record at the end of an overflow
// file, an index entry whose file never got its name) is no problem: the next run deals with it.

public import LinuxABI
public import VFS

/// Checks the marks of an upper, its overflow store and its index.
public struct OverlayCheck {
  /// One thing that is wrong.
  public struct Problem: Sendable, Equatable {
    /// From the upper directory given, without a slash at the start.
    public var path: [UInt8]
    public var message: String
    public var isRepaired = false

    public init(path: [UInt8], message: String) {
      self.path = path
      self.message = message
    }
  }

  public private(set) var problems: [Problem] = []
  /// How many files have been looked at.
  public private(set) var files = 0

  private let store: Filesystem
  /// Topmost first; nil if they are not known: then what needs them is not checked.
  private let lowers: [Filesystem]?
  private let repairs: Bool
  private var prefix: [UInt8] = []
  /// Types of all inodes below `upper`, by number.
  private var seen: [UInt64: FileType] = [:]
  /// Which upper inode says that it came from a lower number.
  private var origins: [UInt64: (upper: UInt64, path: [UInt8])] = [:]

  /// Looks at everything.
  ///
  /// - Throws: `.resourceBusy` if a run uses the upper; `.notDirectory` if this is none; errnos of the store.
  public init(store: Filesystem, lowers: [Filesystem]?, repair: Bool) throws(Errno) {
    self.store = store
    self.lowers = lowers
    repairs = repair
    guard let work = try Self.child("work", of: store.root), work.isDirectory,
      let upper = try Self.child("upper", of: store.root), upper.isDirectory
    else { throw .notDirectory }
    let lock = try Self.lock(in: work)
    prefix = Self.prefix(on: upper)
    try checkUpper(upper)
    try checkWork(work)
    if lock >= 0 {
      DataCopy.unlock(lock)
      _ = OwnedDescriptor(lock)
    }
  }

  private static func child(_ name: StaticString, of directory: Inode) throws(Errno) -> Inode? {
    try Name.with(name) { name throws(Errno) in try directory.lookup(name) }
  }

  private static func child(_ name: [UInt8], of directory: Inode) throws(Errno) -> Inode? {
    try Name.with(name) { name throws(Errno) in try directory.lookup(name) }
  }

  private static func lock(in work: Inode) throws(Errno) -> CInt {
    guard let file = try child("lock", of: work), file.type == .regular else { return -1 }
    let descriptor = try file.open(.readWrite)
    guard try DataCopy.tryLock(descriptor.rawValue) else { throw .resourceBusy }
    return descriptor.release()
  }

  /// The prefix that a run of this user would use, found out as it would.
  private static func prefix(on upper: Inode) -> [UInt8] {
    let trusted = [UInt8]("trusted.overlay.".utf8)
    do throws(Errno) {
      try Name.with(trusted + [UInt8]("probe".utf8)) { name throws(Errno) in
        try upper.setExtendedAttribute(name, to: [], [])
        try upper.removeExtendedAttribute(name)
      }
      return trusted
    } catch {
      return [UInt8]("user.overlay.".utf8)
    }
  }

  private mutating func note(_ path: [UInt8], _ message: String, repair: (() throws(Errno) -> Void)? = nil) {
    var problem = Problem(path: path, message: message)
    if repairs, let repair {
      do throws(Errno) {
        try repair()
        problem.isRepaired = true
      } catch {
        problem.message += " (cannot be repaired: \(error))"
      }
    }
    problems.append(problem)
  }

  // MARK: - The visible tree

  private mutating func checkUpper(_ upper: Inode) throws(Errno) {
    var stack: [(path: [UInt8], inode: Inode)] = [([UInt8]("upper".utf8), upper)]
    while let (path, inode) = stack.popLast() {
      let isNew = seen.updateValue(inode.type, forKey: inode.number) == nil
      files += 1
      do throws(Errno) {
        // Another name of a file that has been looked at.
        if isNew || inode.isDirectory { try checkMarks(inode, path) }
        guard inode.isDirectory else { continue }
        var names: [[UInt8]] = []
        try inode.iterate(from: 0) { entry in
          names.append(entry.name.copy)
          return true
        }
        for name in names.sorted(by: { $1.lexicographicallyPrecedes($0) }) {
          guard let child = try Self.child(name, of: inode) else { continue }
          stack.append((path + [0x2f] + name, child))
        }
      } catch {
        note(path, "cannot be read: \(error)")
      }
    }
  }

  private mutating func checkMarks(_ inode: Inode, _ path: [UInt8]) throws(Errno) {
    for name in try inode.extendedAttributeNames() {
      guard name.starts(with: prefix) else {
        if OverlayMarks.isReserved(name), !name.starts(with: "user.vedette.".utf8) {
          note(path, "'\(Self.text(name))' was written by another user: runs of this one do not see it")
        }
        continue
      }
      let word = [UInt8](name.dropFirst(prefix.count))
      let value = try Name.with(name) { name throws(Errno) in try inode.extendedAttribute(name) }
      guard let message = checkMark(word, value, inode.type, inode.number, path) else { continue }
      note(path, message) { () throws(Errno) in
        try Name.with(name) { name throws(Errno) in try inode.removeExtendedAttribute(name) }
      }
    }
  }

  /// What is wrong with a mark; nil if nothing is. Marks whose loss would show lower files are told apart by the caller.
  private mutating func checkMark(
    _ word: [UInt8], _ value: [UInt8], _ type: FileType, _ number: UInt64, _ path: [UInt8]
  ) -> String? {
    let text = String(decoding: value, as: UTF8.self)
    if word.starts(with: "guest.".utf8) || word == [UInt8]("probe".utf8) { return nil }
    if word.starts(with: "whiteout.".utf8) {
      return Self.whiteoutProblem([UInt8](word.dropFirst(9)), type)
    }
    switch String(decoding: word, as: UTF8.self) {
    case "origin":
      guard let origin = UInt64(text) else { return "its origin is no number" }
      if let other = origins[origin], other.upper != number {
        return "has the same origin as '\(Self.text(other.path))'"
      }
      origins[origin] = (number, path)
      return nil
    case "links":
      if type == .directory { return "a link count on a directory" }
      return UInt32(text) == nil ? "its link count is no number" : nil
    case "impure": return type == .directory ? nil : "a directory's mark on a file"
    case "redirect":
      if type != .directory { return "a redirect on a file" }
      return redirectProblem(value)
    default: return "an unknown mark, '\(Self.text(word))'"
    }
  }

  private static func whiteoutProblem(_ name: [UInt8], _ type: FileType) -> String? {
    if type != .directory { return "a whiteout on a file" }
    if name.isEmpty || name == [0x2e] || name == [0x2e, 0x2e] || name.contains(0x2f) || name.contains(0)
      || name.count > Name.maximumLength
    {
      return "a whiteout of an impossible name, '\(text(name))'"
    }
    return nil
  }

  private func redirectProblem(_ value: [UInt8]) -> String? {
    for field in value.split(separator: 0, omittingEmptySubsequences: true) {
      guard let target = LayerPath([UInt8](field)) else { return "its redirect does not parse" }
      guard let lowers else { continue }
      guard target.layer < lowers.count else { return "its redirect leads to layer \(target.layer), and there is none" }
      var current: Inode? = lowers[target.layer].root
      for component in target.path.split(separator: 0x2f) {
        guard let directory = current, directory.isDirectory else { break }
        do throws(Errno) { current = try Self.child([UInt8](component), of: directory) } catch { current = nil }
      }
      if current?.isDirectory != true {
        return "its redirect leads to '\(Self.text(target.path))' of layer \(target.layer), which is no directory"
      }
    }
    return nil
  }

  // MARK: - The work directory

  private mutating func checkWork(_ work: Inode) throws(Errno) {
    for name in try names(in: work) {
      let path = [UInt8]("work/".utf8) + name
      guard let inode = try Self.child(name, of: work) else { continue }
      switch (String(decoding: name, as: UTF8.self), inode.type) {
      case ("lock", .regular), ("layers", .regular): continue
      case ("overflow", .directory): try checkOverflow(inode, path)
      case ("index", .directory): try checkIndex(inode, path)
      case (let word, _) where word.hasPrefix("prepared-"): continue
      default: note(path, "does not belong there")
      }
    }
  }

  private func names(in directory: Inode) throws(Errno) -> [[UInt8]] {
    var names: [[UInt8]] = []
    try directory.iterate(from: 0) { entry in
      names.append(entry.name.copy)
      return true
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private mutating func checkOverflow(_ directory: Inode, _ path: [UInt8]) throws(Errno) {
    for name in try names(in: directory) {
      let path = path + [0x2f] + name
      guard let file = try Self.child(name, of: directory) else { continue }
      let remove = { () throws(Errno) in
        try Name.with(name) { name throws(Errno) in try directory.unlink(name, file) }
      }
      guard file.type == .regular, let number = UInt64(String(decoding: name, as: UTF8.self), radix: 16) else {
        note(path, "is no file of marks", repair: file.isDirectory ? nil : remove)
        continue
      }
      guard let type = seen[number] else {
        note(path, "marks of a file that is gone: the next file with its number would get them", repair: remove)
        continue
      }
      let descriptor = try file.open([])
      let bytes = try Host.readAll(descriptor.rawValue)
      var found: [String] = []
      var marks: [[UInt8]: [UInt8]] = [:]
      let whole = OverflowStore.parse(bytes) { kind, key, value in
        switch kind {
        case .whiteout: if let problem = Self.whiteoutProblem(key, type) { found.append(problem) }
        case .mark: marks[key] = value
        }
      }
      for (key, value) in marks.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
        if let problem = checkMark(key, value, type, number, path) { found.append(problem) }
      }
      for problem in found { note(path, problem) }
      if !Self.isTorn(bytes[whole...]) {
        note(path, "does not parse from byte \(whole) on") { () throws(Errno) in try file.truncate(to: Int64(whole)) }
      }
    }
  }

  /// The start of a record whose end never reached the disk, or nothing at all.
  private static func isTorn(_ rest: ArraySlice<UInt8>) -> Bool {
    if rest.count < 7 { return true }
    let bytes = [UInt8](rest.prefix(7))
    let length = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    let key = Int(bytes[5]) | Int(bytes[6]) << 8
    return OverflowStore.Kind(rawValue: bytes[4]) != nil && length >= 7 + key && length > rest.count
      && length <= 7 + 65535 + 65536
  }

  private mutating func checkIndex(_ directory: Inode, _ path: [UInt8]) throws(Errno) {
    for name in try names(in: directory) {
      let path = path + [0x2f] + name
      guard let entry = try Self.child(name, of: directory) else { continue }
      let remove = { () throws(Errno) in
        try Name.with(name) { name throws(Errno) in try directory.unlink(name, entry) }
      }
      guard let number = UInt64(String(decoding: name, as: UTF8.self), radix: 16), !entry.isDirectory else {
        note(path, "is no index entry", repair: entry.isDirectory ? nil : remove)
        continue
      }
      if entry.type == .symlink, let target = try? entry.readlink(), target.starts(with: "links=".utf8) {
        if UInt32(String(decoding: target.dropFirst(6), as: UTF8.self)) == nil {
          note(path, "its link count is no number", repair: remove)
        }
        continue
      }
      // A link to the file itself, which knows where it came from.
      if let origin = origins.first(where: { $0.value.upper == entry.number })?.key, origin != number {
        note(path, "is a file that came from number \(origin)", repair: remove)
      }
    }
  }

  /// For messages: one line whatever the bytes.
  private static func text(_ bytes: [UInt8]) -> String {
    String(
      String(decoding: bytes, as: UTF8.self).unicodeScalars.map { scalar in
        scalar.value < 0x20 || scalar.value == 0x7f || scalar.value == 0xfffd ? "?" : Character(scalar)
      })
  }
}
