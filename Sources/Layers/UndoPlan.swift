// `vedette undo`: takes the last apply of an upper back, as long as the target shows what the apply has left there.

import Kernel
import LinuxABI
import OverlayFS
import VFS

/// What an undo has to do.
public struct UndoPlan {
  private let upper: UpperDirectory
  private let store: HostTree
  private let record: AppliedRecord
  private let directory: Inode
  private let name: [UInt8]
  private var changes: TreeChanges
  /// Paths that are not as the apply has left them.
  private var changed: [Int] = []
  /// Steps of an interrupted apply that is rolled back name by name.
  private var interrupted: [AppliedStep] = []

  public var isEmpty: Bool { changes.steps.isEmpty && interrupted.isEmpty }
  public var hasConflicts: Bool { !changed.isEmpty }
  public var target: ByteString { changes.target }
  public var count: Int { changes.steps.count + interrupted.count }

  /// Compares the target with the record.
  ///
  /// - Throws: `ReportedError` if nothing was applied, or it cannot be undone.
  public init(_ upper: UpperDirectory) throws(ReportedError) {
    self.upper = upper
    // No run, apply or check may use the upper meanwhile.
    let overlay = try upper.overlay()
    defer { overlay.close() }
    let found: (name: [UInt8], record: AppliedRecord, directory: Inode)?
    do throws(Errno) {
      store = try HostTree(try ByteString(upper.path.bytes + Array("/work".utf8)).open([.path, .directory]))
      found = try Self.find(store)
    } catch {
      throw ReportedError("undo: '\(upper.path)': work/applied: \(error == .needsCleaning ? "is damaged" : "\(error)")")
    }
    guard let found else { throw ReportedError("undo: no apply of '\(upper.path)' is on record") }
    (name, record, directory) = found
    changes = TreeChanges(word: "undo", target: ByteString(record.target), paths: PathTree())
    let isSame: Bool
    changes.owner = try upper.owner()
    do throws(Errno) {
      let target = try changes.target.open([.path, .directory])
      isSame = try Host.stat(target.rawValue).identity == record.identity
      if isSame { try compare(HostTree(target)) }
    } catch {
      throw ReportedError("undo: '\(changes.target)': \(error) (nothing was changed)")
    }
    if !isSame { throw ReportedError("undo: '\(changes.target)' is another directory than the one that was changed") }
  }

  private static func find(_ store: HostTree) throws(Errno) -> (
    name: [UInt8], record: AppliedRecord, directory: Inode
  )? {
    for name in [ApplyJournal.newName, ApplyJournal.name] {
      if let found = try ApplyJournal.read(name, store) { return (name, found.record, found.directory) }
    }
    return nil
  }

  private mutating func compare(_ tree: HostTree) throws(Errno) {
    let old = try store.child(Array("old".utf8), of: directory)
    for (index, step) in record.steps.enumerated() {
      let node = changes.paths.add(path: step.path)
      let parent = try Self.directory(above: step.path, in: tree)
      let leaf = [UInt8](step.path.split(separator: 0x2f).last ?? [])
      if !record.isCommitted {
        interrupted.append(step)
        continue
      }
      let now =
        try leaf.isEmpty ? tree.root : parent.flatMap { (parent) throws(Errno) in try tree.child(leaf, of: parent) }
      var before = try old.flatMap { (old) throws(Errno) in try store.child(ApplyJournal.oldName(index), of: old) }
      if before == nil, let parent, !step.beside.isEmpty { before = try tree.child(step.beside, of: parent) }
      var isAsLeft = now == nil && step.fingerprint == 0
      if let now {
        isAsLeft =
          try TreeCompare.fingerprint(now, withChangeTime: true, below: step.kind != .metadata) == step.fingerprint
      }
      if isAsLeft, parent != nil || leaf.isEmpty {
        switch (step.kind, before) {
        case (.added, _): changes.steps.append(.remove(node: node))
        case (.metadata, let before?): changes.steps.append(.metadata(node: node, inode: before))
        case (_, let before?): changes.steps.append(.put(node: node, inode: before))
        default: changed.append(node)
        }
      } else if try !Self.isUndone(now, before, step.kind) {
        changed.append(node)
      }
    }
  }

  /// An undo that was interrupted has done this one.
  private static func isUndone(_ now: Inode?, _ before: Inode?, _ kind: AppliedStep.Kind) throws(Errno) -> Bool {
    guard let now, let before else { return now == nil && kind == .added }
    if kind == .metadata { return try now.attributes().permissions == before.attributes().permissions }
    return try TreeCompare.areAlike(now, before)
  }

  private static func directory(above path: [UInt8], in tree: HostTree) throws(Errno) -> Inode? {
    var directory = tree.root
    for name in path.split(separator: 0x2f).dropLast() {
      guard let next = try tree.child([UInt8](name), of: directory), next.isDirectory else { return nil }
      directory = next
    }
    return directory
  }

  /// A line for each path that is in the way.
  public var conflictText: [UInt8] {
    var result: [UInt8] = []
    for node in changed {
      result += Array("C /".utf8)
      PathText.append(changes.paths.shownPath(of: node), to: &result)
      result += Array(" (changed since the apply)\n".utf8)
    }
    return result
  }

  /// Takes the apply back.
  ///
  /// - Returns: lines for people on what could not be set.
  /// - Throws: `ReportedError` that says whether the target is as it was.
  public func perform() throws(ReportedError) -> [String] {
    let overlay = try upper.overlay()
    defer { overlay.close() }
    if !record.isCommitted { return try rollBack() }
    var transaction = try ApplyTransaction(changes, nil)
    var notes = try transaction.perform()
    if try upper.isLayer(changes.target), !transaction.noteBases(in: overlay) {
      notes.append("what is covered could not be written down: the next apply will find conflicts")
    }
    do throws(Errno) {
      try removeAsides(HostTree(try changes.target.open([.path, .directory])))
      try store.remove(name, from: store.root)
    } catch {
      notes.append("the record in '\(upper.path)' could not be removed: \(error)")
    }
    return notes
  }

  /// What a kill has left beside the files.
  private func removeAsides(_ tree: HostTree) throws(Errno) {
    for step in record.steps where !step.beside.isEmpty {
      guard let parent = try Self.directory(above: step.path, in: tree) else { continue }
      try tree.remove(step.beside, from: parent)
      // Of an undo that was killed: what it was building, or what the apply had put there and the upper still has.
      try tree.remove(changes.beside(step.path), from: parent)
    }
  }

  // MARK: - An apply that was interrupted

  private func rollBack() throws(ReportedError) -> [String] {
    do throws(Errno) {
      let tree = try HostTree(try changes.target.open([.path, .directory]))
      let old = try store.child(Array("old".utf8), of: directory)
      for (index, step) in interrupted.enumerated().reversed() {
        let before = try old.flatMap { (old) throws(Errno) in try store.child(ApplyJournal.oldName(index), of: old) }
        try rollBack(step, before, tree)
      }
      try removeAsides(tree)
      try store.remove(name, from: store.root)
    } catch {
      throw ReportedError("undo: '\(changes.target)': \(error): what was interrupted is not undone whole")
    }
    return []
  }

  private func rollBack(_ step: AppliedStep, _ before: Inode?, _ tree: HostTree) throws(Errno) {
    guard let parent = try Self.directory(above: step.path, in: tree) else { return }
    let name = [UInt8](step.path.split(separator: 0x2f).last ?? [])
    let now = name.isEmpty ? tree.root : try tree.child(name, of: parent)
    let aside = step.beside.isEmpty ? nil : try tree.child(step.beside, of: parent)
    switch step.kind {
    case .metadata:
      if let now, let before, now.isDirectory { try tree.replaceMetadata(now, try store.metadata(of: before)) }
    case .removed:
      if now == nil, let aside, try aside.attributes().number == step.number {
        try Self.rename(step.beside, aside, to: name, in: parent, nil, .noReplace)
      }
    case .added:
      if let now, aside == nil, try now.attributes().number == step.number {
        try Self.rename(name, now, to: step.beside, in: parent, nil, .noReplace)
      }
    case .replaced:
      if let now, let aside, try now.attributes().number == step.number {
        try Self.rename(name, now, to: step.beside, in: parent, aside, .exchange)
      }
    }
  }

  private static func rename(
    _ name: [UInt8], _ inode: Inode, to newName: [UInt8], in directory: Inode, _ replaced: Inode?, _ flags: RenameFlags
  ) throws(Errno) {
    try Name.with(name) { name throws(Errno) in
      try Name.with(newName) { newName throws(Errno) in
        try directory.rename(name, inode, to: directory, newName, replacing: replaced, flags)
      }
    }
  }
}
