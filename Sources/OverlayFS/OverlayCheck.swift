// `vedette fsck`: looks through a persistent upper without opening it as an overlay, so that nothing changes by being
// looked at. What a run that was killed leaves behind by design (prepared files, an intent, a torn record at the end of an
// overflow file, an index entry whose file never got its name) is no problem: the next run deals with it.

import Kernel
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
  private let numbers: LayerNumbers
  private let repairs: Bool
  private let isRecord: ([UInt8], FileType) -> Bool
  private var prefix: [UInt8] = []
  private var overflow: OverflowStore?
  /// Types of all inodes below `upper`, by number.
  private var seen: [UInt64: FileType] = [:]
  private var paths = PathTree()
  /// The same of inodes that have a name in the work directory only.
  private var alive: [UInt64: FileType] = [:]
  /// Numbers whose marks go, by the intent of a killed run.
  private var forgotten: Set<UInt64> = []
  /// Which upper inode says that it came from a lower number.
  private var origins: [UInt64: (upper: UInt64, node: Int)] = [:]
  private var originOf: [UInt64: UInt64] = [:]
  /// Numbers that some lower must have, and who says so.
  private var wanted: [UInt64: (node: Int, repair: (() throws(Errno) -> Void)?)] = [:]

  /// Looks at everything.
  ///
  /// - Throws: `.resourceBusy` if a run uses the upper; `.notDirectory` if this is none; errnos of the store.
  ///
  /// - Parameters:
  ///   - store: shows the attribute records, if it has any.
  ///   - isRecord: whether such a record can be that of a host file of this type.
  public init(
    store: Filesystem, lowers: [Filesystem]?, repair: Bool, isRecord: @escaping ([UInt8], FileType) -> Bool
  ) throws(Errno) {
    self.store = store
    self.lowers = lowers
    numbers = LayerNumbers(lowers ?? [])
    self.isRecord = isRecord
    repairs = repair
    guard let work = try Self.child("work", of: store.root), work.isDirectory else { throw .notDirectory }
    // A run that was killed at its very start has made no upper yet.
    let upper = try Self.child("upper", of: store.root)
    if let upper, !upper.isDirectory { throw .notDirectory }
    let lock = try Self.lock(in: work)
    prefix = try OverlayMarks.prefix(on: work)
    if let upper { try checkUpper(upper) }
    try checkWork(work)
    try checkOrigins()
    if lock >= 0 {
      Host.unlock(lock)
      _ = OwnedDescriptor(lock)
    }
  }

  private static func child(_ name: StaticString, of directory: Inode) throws(Errno) -> Inode? {
    try Name.with(name) { name throws(Errno) in try directory.lookup(name) }
  }

  private static func lock(in work: Inode) throws(Errno) -> CInt {
    guard let file = try child("lock", of: work), file.type == .regular else { return -1 }
    let descriptor = try file.open(.readWrite)
    guard try Host.lock(descriptor.rawValue, .exclusive) else { throw .resourceBusy }
    return descriptor.release()
  }

  private mutating func note(_ node: Int, _ message: String, repair: (() throws(Errno) -> Void)? = nil) {
    var problem = Problem(path: paths.shownPath(of: node), message: message)
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
    var stack: [(node: Int, inode: Inode)] = [(paths.add("upper".utf8, below: 0), upper)]
    while let (node, inode) = stack.popLast() {
      let isNew = seen.updateValue(inode.type, forKey: inode.number) == nil
      files += 1
      do throws(Errno) {
        // Another name of a file that has been looked at.
        if isNew || inode.isDirectory { try checkMarks(inode, node) }
        guard inode.isDirectory else { continue }
        var names: [[UInt8]] = []
        try inode.iterate(from: 0) { entry in
          names.append(entry.name.copy)
          return true
        }
        for name in names.sorted(by: { $1.lexicographicallyPrecedes($0) }) {
          do throws(Errno) {
            guard let child = try inode.child(name) else { continue }
            stack.append((paths.add(name, below: node), child))
          } catch {
            note(paths.add(name, below: node), "cannot be looked at: \(error)")
          }
        }
      } catch {
        note(node, "cannot be read: \(error)")
      }
    }
  }

  private mutating func checkMarks(_ inode: Inode, _ node: Int) throws(Errno) {
    for name in try inode.extendedAttributeNames() {
      guard name.starts(with: prefix) else {
        if name.starts(with: "user.vedette.".utf8) {
          try checkRecord(name, inode, node)
        } else if OverlayMarks.isReserved(name) {
          note(node, "'\(Self.text(name))' was written by another user: runs of this one do not see it")
        }
        continue
      }
      let word = [UInt8](name.dropFirst(prefix.count))
      let value = try Name.with(name) { name throws(Errno) in try inode.extendedAttribute(name) }
      if word == [UInt8]("origin".utf8), let number = UInt64(String(decoding: value, as: UTF8.self)),
        number != numbers.born(inode.number)
      {
        wanted[number] = (
          node,
          { () throws(Errno) in
            try Name.with(name) { name throws(Errno) in try inode.removeExtendedAttribute(name) }
          }
        )
      }
      guard let message = checkMark(word, value, inode.type, inode.number, node) else { continue }
      note(node, message) { () throws(Errno) in
        try Name.with(name) { name throws(Errno) in try inode.removeExtendedAttribute(name) }
      }
    }
  }

  /// `user.vedette.attributes`, the only one of that prefix. Without it a file is the caller's own, and for him alone.
  private mutating func checkRecord(_ name: [UInt8], _ inode: Inode, _ node: Int) throws(Errno) {
    let message: String
    if name == [UInt8]("user.vedette.attributes".utf8) {
      let value = try Name.with(name) { name throws(Errno) in try inode.extendedAttribute(name) }
      // The host's own type: a recorded node is a regular file.
      let isNode = inode.type == .characterDevice || inode.type == .blockDevice
      if isRecord(value, isNode ? .regular : inode.type) { return }
      message = "its owner and mode are damaged"
    } else {
      message = "an unknown attribute, '\(Self.text(name))'"
    }
    note(node, message) { () throws(Errno) in
      try Name.with(name) { name throws(Errno) in try inode.removeExtendedAttribute(name) }
    }
  }

  // MARK: - Origins

  /// Files that came from a lower, and index entries, must have a number that some lower has. Lowers are looked through
  /// only as long as numbers are wanted. Numbers of other devices below a lower (`HostFilesystem.number`) are not followed.
  private mutating func checkOrigins() throws(Errno) {
    guard let lowers, !wanted.isEmpty else { return }
    for (layer, lower) in lowers.enumerated() {
      let numbers = numbers
      wanted[numbers.number(lower.root.number, ofLayer: layer)] = nil
      var stack: [Inode] = [lower.root]
      while let directory = stack.popLast(), !wanted.isEmpty {
        var directories: [[UInt8]] = []
        // What may not be read has not been copied up either, but for itself.
        _ = try? directory.iterate(from: 0) { entry in
          wanted[numbers.number(entry.number, ofLayer: layer)] = nil
          if entry.type == .directory { directories.append(entry.name.copy) }
          return true
        }
        for name in directories {
          guard let child = try? directory.child(name), child.isDirectory else { continue }
          wanted[numbers.number(child.number, ofLayer: layer)] = nil
          if child.number >> 48 & 0x1ff == 0 { stack.append(child) }
        }
      }
    }
    for (number, mark) in wanted.sorted(by: { $0.key < $1.key }) where number >> 48 & 0x1ff == 0 {
      note(mark.node, "came from number \(number), which no lower has", repair: mark.repair)
    }
  }

  /// What is wrong with a mark; nil if nothing is. Marks whose loss would show lower files are distinguished by the caller.
  private mutating func checkMark(
    _ word: [UInt8], _ value: [UInt8], _ type: FileType, _ number: UInt64, _ node: Int
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
        return "has the same origin as '\(Self.text(paths.shownPath(of: other.node)))'"
      }
      origins[origin] = (number, node)
      originOf[number] = origin
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
        do throws(Errno) { current = try directory.child([UInt8](component)) } catch { current = nil }
      }
      if current?.isDirectory != true {
        return "its redirect leads to '\(Self.text(target.path))' of layer \(target.layer), which is no directory"
      }
    }
    return nil
  }

  // MARK: - The work directory

  private mutating func checkWork(_ work: Inode) throws(Errno) {
    var directory: Inode?
    let top = paths.add("work".utf8, below: 0)
    overflow = try OverflowStore(readIn: work)
    for name in try work.sortedNames() {
      let node = paths.add(name, below: top)
      guard let inode = try work.child(name) else { continue }
      switch (String(decoding: name, as: UTF8.self), inode.type) {
      case ("lock", .regular), ("layers", .regular), ("bases", .regular): continue
      case ("applied", .directory), ("applied-new", .directory): continue
      case ("intent", .regular): try readIntent(inode)
      case ("overflow", .directory): directory = inode
      case ("index", .directory): try checkIndex(inode, node)
      case (let word, _) where word.hasPrefix("prepared-"):
        // Its marks go with it when the next run discards it.
        alive[inode.number] = inode.type
        if inode.isDirectory, try !inode.sortedNames().isEmpty {
          note(node, "is not empty, so no run has prepared it")
        }
      default: note(node, "does not belong there")
      }
    }
    // Last: index entries and what was prepared have marks too.
    if let directory { try checkOverflow(directory, paths.add("overflow".utf8, below: top)) }
  }

  /// What a killed run intended is neither done nor undone yet.
  private mutating func readIntent(_ file: Inode) throws(Errno) {
    let descriptor = try file.open([])
    guard let intent = OverlayIntent(try Host.readAll(descriptor.rawValue)) else { return }
    for step in intent.followUps {
      if case .forget(let number) = step { forgotten.insert(number) }
    }
  }

  private mutating func checkOverflow(_ directory: Inode, _ top: Int) throws(Errno) {
    for name in try directory.sortedNames() {
      let node = paths.add(name, below: top)
      guard let file = try directory.child(name) else { continue }
      let remove = { () throws(Errno) in
        try Name.with(name) { name throws(Errno) in try directory.unlink(name, file) }
      }
      guard file.type == .regular, let number = UInt64(String(decoding: name, as: UTF8.self), radix: 16) else {
        note(node, "is no file of marks", repair: file.isDirectory ? nil : remove)
        continue
      }
      if forgotten.contains(number) { continue }
      guard let type = seen[number] ?? alive[number] else {
        note(node, "marks of a file that is gone: the next file with its number would get them", repair: remove)
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
        case .attribute, .removedAttribute: break
        }
      }
      for (key, value) in marks.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
        if let problem = checkMark(key, value, type, number, node) { found.append(problem) }
      }
      for problem in found { note(node, problem) }
      if !OverflowStore.isTorn(bytes[whole...]) {
        note(node, "does not parse from byte \(whole) on") { () throws(Errno) in try file.truncate(to: Int64(whole)) }
      }
    }
  }

  /// Where an index entry says that it came from: in the overflow store if it carries no attributes.
  private func origin(of entry: Inode) throws(Errno) -> UInt64? {
    let value: [UInt8]?
    do throws(Errno) {
      value = try Name.with(prefix + [UInt8]("origin".utf8)) { name throws(Errno) in try entry.extendedAttribute(name) }
    } catch {
      guard error == .noData || error == .notSupportedOnSocket else { throw error }
      value = try overflow?.mark("origin", of: entry)
    }
    return value.flatMap { UInt64(String(decoding: $0, as: UTF8.self)) }
  }

  private mutating func checkIndex(_ directory: Inode, _ top: Int) throws(Errno) {
    for name in try directory.sortedNames() {
      let node = paths.add(name, below: top)
      guard let entry = try directory.child(name) else { continue }
      let remove = { () throws(Errno) in
        try Name.with(name) { name throws(Errno) in try directory.unlink(name, entry) }
      }
      guard let number = UInt64(String(decoding: name, as: UTF8.self), radix: 16), !entry.isDirectory else {
        note(node, "is no index entry", repair: entry.isDirectory ? nil : remove)
        continue
      }
      alive[entry.number] = entry.type
      if wanted[number] == nil, originOf[entry.number] == nil { wanted[number] = (node, remove) }
      do throws(Errno) {
        if try OverlayMarks.count(entry) != nil { continue }
      } catch {
        note(node, "its link count is no number", repair: remove)
        continue
      }
      // A link to the file itself, which knows where it came from.
      do throws(Errno) {
        let origin = try origin(of: entry)
        if origin != number {
          note(
            node, origin.map { "is a file that came from number \($0)" } ?? "is a file of unknown origin",
            repair: remove)
        }
      } catch {
        note(node, "cannot be looked at: \(error)", repair: remove)
      }
    }
  }

  /// For messages: one line whatever the bytes.
  private static func text(_ bytes: [UInt8]) -> String {
    String(
      String(decoding: bytes, as: UTF8.self).unicodeScalars.map { scalar in
        scalar.value < 0x20 || scalar.value > 0x7e ? "?" : Character(scalar)
      })
  }
}
