// Applying changes to a host tree: first everything new is built beside its place, under names that are not in use; then it is
// moved into place, one rename each, what was there moved aside; at the end what was moved aside is removed.
//
// What can fail for lack of space or rights fails while the target is still untouched. A failure in the second part is
// undone in reverse order; each undo is a rename back. A power cut between two renames leaves the rest to a person: all
// names of ours begin with `.vedette-apply-` or `.vedette-undo-`.

import Kernel
import LinuxABI
import OverlayFS
import VFS

/// One apply.
struct ApplyTransaction {
  private let plan: TreeChanges
  private let journal: ApplyJournal?
  private let tree: HostTree
  private var progress: ProgressBar
  /// Prepared entries: the step, its directory, the name beside it (nil for a directory's metadata and removals).
  private var prepared: [Prepared] = []
  private var way: TreeWay
  /// The first copy of each file with several links, by number.
  private var links: [UInt64: Inode] = [:]

  /// A step that is ready to be taken.
  struct Prepared {
    var step: TreeChanges.Step
    var directory: Inode
    var name: [UInt8]
    var beside: [UInt8]
  }

  /// What a failure undoes.
  private enum Undo {
    /// The name is where `beside` stood before; both exist.
    case exchange(directory: Inode, name: [UInt8], beside: [UInt8])
    /// Moved back: from `name` to `beside`.
    case move(directory: Inode, from: [UInt8], to: [UInt8])
    case metadata(Inode, FileMetadata)
  }

  /// - Parameter journal: where it is written down, so that it can be undone.
  init(_ plan: TreeChanges, _ journal: ApplyJournal?) throws(ReportedError) {
    self.plan = plan
    self.journal = journal
    do throws(Errno) {
      tree = try HostTree(try plan.target.open([.path, .directory]))
    } catch {
      throw ReportedError("\(plan.word): '\(plan.target)': \(error)")
    }
    way = TreeWay(from: tree.root)
    progress = ProgressBar(plan.word, total: Int64(plan.steps.count * 2), countsBytes: false)
  }

  private func failure(_ step: TreeChanges.Step, _ errno: Errno, _ rest: String) -> ReportedError {
    ReportedError("\(plan.word): '/\(PathText.string(plan.paths.shownPath(of: step.node)))': \(errno): \(rest)")
  }

  mutating func perform() throws(ReportedError) -> [String] {
    defer { progress.finish() }
    // For tests, as for a run (docc page TheUpperDirectory).
    if let point = Host.environmentValue("VEDETTE_CRASH_POINT").flatMap({ Int($0) }) { CrashPoint.arm(at: point) }
    for step in plan.steps {
      do throws(Errno) {
        try prepare(step)
      } catch {
        discardPrepared()
        let reason = error == .notDirectory ? "'\(plan.target)' is not the tree that was changed: " : ""
        throw failure(step, error, "\(reason)nothing was changed")
      }
      progress.advance(1)
    }
    do throws(Errno) {
      try journal?.begin(prepared, tree, plan.paths)
    } catch {
      discardPrepared()
      journal?.discard()
      throw ReportedError("\(plan.word): cannot write down how to undo it: \(error): nothing was changed")
    }
    CrashPoint.passed("applied record")
    var undos: [Undo] = []
    for entry in prepared {
      do throws(Errno) {
        try commit(entry, &undos)
      } catch {
        let left = undo(undos)
        discardPrepared()
        if left == 0 { journal?.discard() }
        throw failure(
          entry.step, error,
          left == 0 ? "all that was done before it has been undone" : "\(left) changes could not be undone")
      }
      progress.advance(1)
      CrashPoint.passed("applied step")
    }
    // From here on nothing can be wrong but leftovers.
    var notes = [tree.missing.description].compactMap(\.self)
    if let journal {
      do throws(Errno) {
        try journal.commit(prepared, tree, plan.paths)
      } catch {
        notes.append("this apply cannot be undone: \(error)")
        journal.discard()
      }
    }
    var leftovers = 0
    for entry in prepared where !entry.beside.isEmpty {
      do throws(Errno) { try tree.remove(entry.beside, from: entry.directory) } catch { leftovers += 1 }
    }
    setTimes()
    if leftovers > 0 {
      notes.append("\(leftovers) old files could not be removed: their names begin with .vedette-")
    }
    return notes
  }

  /// Directories in which names came and went get the times that they have inside. The last step, for every one before
  /// it moves them; a time that cannot be set is no reason to undo all.
  private mutating func setTimes() {
    guard let root = plan.timesRoot else { return }
    var seen: Set<Int> = []
    way = TreeWay(from: root)
    for entry in prepared {
      let node = entry.step.node
      guard node != 0, seen.insert(plan.paths.parent(of: node)).inserted else { continue }
      do throws(Errno) {
        guard let inside = try way.directory(above: node, in: plan.paths)?.inode else { continue }
        var change = AttributeChange()
        change.modificationTime = .set(try inside.attributes().modificationTime)
        try entry.directory.setAttributes(change)
      } catch {
        continue
      }
    }
  }

  // MARK: - Preparing

  private mutating func prepare(_ step: TreeChanges.Step) throws(Errno) {
    if step.node == 0 {
      // The root itself.
      prepared.append(Prepared(step: step, directory: tree.root, name: [], beside: []))
      return
    }
    let name = [UInt8](plan.paths.name(of: step.node))
    guard let directory = try way.directory(above: step.node, in: plan.paths)?.inode else {
      // What is gone already need not be removed.
      if case .remove = step { return }
      throw .noSuchFileOrDirectory
    }
    let beside = plan.beside(plan.paths.path(of: step.node))
    // Left by one of the same upper that was killed: never in place, or kept for an undo that this one replaces.
    try tree.remove(beside, from: directory)
    // Entered before it is built, so that a failure in the middle finds it.
    prepared.append(Prepared(step: step, directory: directory, name: name, beside: beside))
    switch step {
    case .put(let node, let inode):
      try build(inode, beside, in: directory, plan.merged[node])
      // A device node that this user may not make.
      if try tree.child(beside, of: directory) == nil { prepared.removeLast() }
    case .metadata:
      guard try tree.child(name, of: directory)?.isDirectory == true else { throw .notDirectory }
    case .remove:
      if try tree.child(name, of: directory) == nil { prepared.removeLast() }
    }
  }

  /// Copies a file or a whole directory of the overlay; a stack and no recursion.
  ///
  /// - Parameter content: of the file, in place of its own.
  private mutating func build(
    _ inode: Inode, _ name: [UInt8], in directory: Inode, _ content: [UInt8]?
  ) throws(Errno) {
    var stack: [(source: Inode, name: [UInt8], directory: Inode)] = [(inode, name, directory)]
    var directories: [(Inode, Inode)] = []
    while let (source, name, directory) = stack.popLast() {
      guard let copy = try buildOne(source, name, in: directory, content) else { continue }
      guard source.isDirectory else { continue }
      directories.append((source, copy))
      let names = try source.listedNames()
      for name in names {
        let child = try Name.with(name) { name throws(Errno) in try source.lookup(name) }
        if let child { stack.append((child, name, copy)) }
      }
    }
    // Children before parents: a directory without write permission would refuse them, and its times would move.
    for (source, copy) in directories.reversed() { try tree.applyMetadata(copy, try metadata(of: source)) }
  }

  private mutating func buildOne(
    _ source: Inode, _ name: [UInt8], in directory: Inode, _ content: [UInt8]?
  ) throws(Errno) -> Inode? {
    let attributes = try source.attributes()
    if content == nil, !source.isDirectory, attributes.linkCount > 1, let first = links[source.number] {
      do throws(Errno) {
        try Name.with(name) { name throws(Errno) in try directory.link(name, to: first) }
        return first
      } catch {
        // Another file system in the target, or a file with too many links: a copy of its own.
        guard error == .improperLink || error == .tooManyLinks else { throw error }
      }
    }
    let kind: NewInode.Kind
    switch source.type {
    case .regular: kind = .regular
    case .directory: kind = .directory
    case .symlink: kind = .symlink(target: try source.readlink())
    case .fifo, .socket, .characterDevice, .blockDevice: kind = .node(source.type, device: attributes.device)
    }
    guard let copy = try tree.make(name, kind, in: directory) else { return nil }
    if source.isDirectory { return copy }
    if source.type == .regular {
      if let content { try LayerData.write(content, to: copy) } else { try LayerData.copy(from: source, to: copy) }
    }
    try tree.applyMetadata(copy, try metadata(of: source))
    if content == nil, attributes.linkCount > 1 { links[source.number] = copy }
    return copy
  }

  private func metadata(of inode: Inode) throws(Errno) -> FileMetadata {
    let attributes = try inode.attributes()
    var metadata = FileMetadata(
      permissions: attributes.permissions, owner: attributes.owner, group: attributes.group,
      modificationTime: attributes.modificationTime)
    if plan.isOfFakeOwners {
      metadata.owner = Host.effectiveUser
      metadata.group = Host.effectiveGroup
    }
    for name in try inode.extendedAttributeNames()
    where HostTree.isCarried(name) {
      let value = try Name.with(name) { name throws(Errno) in try inode.extendedAttribute(name) }
      metadata.extendedAttributes.append((name, value))
    }
    return metadata
  }

  private func discardPrepared() {
    for entry in prepared where !entry.beside.isEmpty { _ = try? tree.remove(entry.beside, from: entry.directory) }
  }

  /// What the changed names show now is what the upper covers from here on.
  ///
  /// - Returns: false if that cannot be written down.
  func noteBases(in overlay: OverlayFilesystem) -> Bool {
    do throws(Errno) {
      for entry in prepared where entry.step.node != 0 { try noteBases(entry, in: overlay) }
      return true
    } catch {
      return false
    }
  }

  private func noteBases(_ entry: Prepared, in overlay: OverlayFilesystem) throws(Errno) {
    let path = plan.paths.path(of: entry.step.node)
    guard let top = try tree.child(entry.name, of: entry.directory) else {
      var base = OverlayBase(try entry.directory.attributes())
      base.state = .absent
      return try overlay.setBase(base, at: path)
    }
    var source: Inode = top
    if case .put(_, let inode) = entry.step { source = inode }
    var stack: [(path: [UInt8], inode: Inode, source: Inode)] = [(path, top, source)]
    while let (path, inode, source) = stack.popLast() {
      // A directory that was moved with all that its lowers held: they are there no more, so the upper covers nothing.
      if source.isDirectory, (source as? OverlayDirectory)?.isOfLayers == true, case .put = entry.step { continue }
      try overlay.setBase(OverlayBase(try inode.attributes()), at: path)
      guard inode.isDirectory, case .put = entry.step else { continue }
      for name in try inode.sortedNames() {
        guard let child = try tree.child(name, of: inode), let from = try source.child(name) else {
          continue
        }
        stack.append((path + [0x2f] + name, child, from))
      }
    }
  }

  // MARK: - Moving into place

  private func commit(_ entry: Prepared, _ undos: inout [Undo]) throws(Errno) {
    switch entry.step {
    case .metadata(_, let source):
      let target = entry.name.isEmpty ? tree.root : try tree.child(entry.name, of: entry.directory)
      guard let target, target.isDirectory else { throw .notDirectory }
      undos.append(.metadata(target, try tree.metadata(of: target)))
      try tree.replaceMetadata(target, try metadata(of: source))
    case .remove:
      guard try tree.child(entry.name, of: entry.directory) != nil else { return }
      try move(entry.name, to: entry.beside, in: entry.directory)
      undos.append(.move(directory: entry.directory, from: entry.beside, to: entry.name))
    case .put:
      // A device node that could not be made.
      guard try tree.child(entry.beside, of: entry.directory) != nil else { return }
      if try tree.child(entry.name, of: entry.directory) != nil {
        try exchange(entry.beside, entry.name, in: entry.directory)
        undos.append(.exchange(directory: entry.directory, name: entry.name, beside: entry.beside))
      } else {
        try move(entry.beside, to: entry.name, in: entry.directory)
        undos.append(.move(directory: entry.directory, from: entry.name, to: entry.beside))
      }
    }
  }

  /// Returns how many could not be undone.
  private func undo(_ undos: [Undo]) -> Int {
    var left = 0
    for undo in undos.reversed() {
      do throws(Errno) {
        switch undo {
        case .exchange(let directory, let name, let beside): try exchange(name, beside, in: directory)
        case .move(let directory, let from, let to): try move(from, to: to, in: directory)
        case .metadata(let inode, let old): try tree.replaceMetadata(inode, old)
        }
      } catch {
        left += 1
      }
    }
    return left
  }

  private func move(_ name: [UInt8], to newName: [UInt8], in directory: Inode) throws(Errno) {
    guard let inode = try tree.child(name, of: directory) else { throw .noSuchFileOrDirectory }
    try Name.with(name) { name throws(Errno) in
      try Name.with(newName) { newName throws(Errno) in
        try directory.rename(name, inode, to: directory, newName, replacing: nil, .noReplace)
      }
    }
  }

  private func exchange(_ one: [UInt8], _ other: [UInt8], in directory: Inode) throws(Errno) {
    guard let first = try tree.child(one, of: directory), let second = try tree.child(other, of: directory) else {
      throw .noSuchFileOrDirectory
    }
    try Name.with(one) { one throws(Errno) in
      try Name.with(other) { other throws(Errno) in
        try directory.rename(one, first, to: directory, other, replacing: second, .exchange)
      }
    }
  }
}

/// Content of regular files, holes kept.
enum LayerData {
  static func write(_ bytes: [UInt8], to target: Inode) throws(Errno) {
    let file = try target.open(.writeOnly)
    try Host.writeAll(bytes, to: file.rawValue)
  }

  static func copy(from source: Inode, to target: Inode) throws(Errno) {
    let from = try source.open([])
    let to = try target.open(.writeOnly)
    let size = try Host.stat(from.rawValue).size
    for piece in try FileMap.pieces(from.rawValue, size) {
      var offset = piece.offset
      while offset < piece.offset + piece.count {
        let count = Int(min(1 << 17, piece.offset + piece.count - offset))
        let bytes = try Host.read(count, from: from.rawValue, at: offset)
        if bytes.isEmpty { throw .ioError }
        try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
          try Host.write(UnsafeRawBufferPointer(bytes), to: to.rawValue, at: offset)
        }
        offset += Int64(bytes.count)
      }
    }
    try Host.truncate(to.rawValue, to: size)
  }
}
