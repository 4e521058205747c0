// How an apply can be undone: `work/applied` of the upper directory holds a record of its steps, and what they replaced.
//
// The record is written before the first step shows (`work/applied-new`, phase begun), with the numbers of the files that
// are about to go into place; so an apply that was killed in the middle can be undone as well. When all is in place it
// is written anew with what the target then shows (committed), what was moved aside goes to `old/N`, and
// `applied-new` becomes `applied`, in place of that of the apply before.

import HostFS
import Kernel
import LinuxABI
import OverlayFS
import VFS

/// One step of an apply as the record has it.
struct AppliedStep: Equatable {
  enum Kind: String {
    /// A file in the place of another.
    case replaced
    case added
    case removed
    case metadata
  }

  var kind: Kind
  /// From the root of the target, without a slash at either end.
  var path: [UInt8]
  /// The name beside it that the new one had and the old one has then.
  var beside: [UInt8]
  /// The inode number of what is put there, or, for a removal, of what goes.
  var number: UInt64
  /// Of what the target shows there after the apply; 0 for nothing, and until it is committed.
  var fingerprint: UInt64
}

/// The record of an apply.
struct AppliedRecord: Equatable {
  var isCommitted: Bool
  /// Absolute, and the identity of the directory.
  var target: [UInt8]
  var identity: FileIdentity
  var steps: [AppliedStep]

  static let firstField = Array("vedette applied 1".utf8)

  /// Fields that end in NUL; the last one is the checksum of those before.
  var encoded: [UInt8] {
    var fields: [[UInt8]] = [Self.firstField, Array((isCommitted ? "committed" : "begun").utf8), target]
    fields.append(Array("\(identity.device) \(identity.number)".utf8))
    for step in steps {
      fields.append(Array("\(step.kind.rawValue) \(step.number) \(step.fingerprint)".utf8))
      fields += [step.path, step.beside]
    }
    var body: [UInt8] = []
    for field in fields { body += field + [0] }
    var sum = FNV()
    sum.add(body)
    return body + Array(String(sum.value).utf8) + [0]
  }

  init(isCommitted: Bool, target: [UInt8], identity: FileIdentity, steps: [AppliedStep]) {
    self.isCommitted = isCommitted
    self.target = target
    self.identity = identity
    self.steps = steps
  }

  /// nil for what this program has not written.
  init?(_ bytes: [UInt8]) {
    guard bytes.last == 0, let end = bytes.dropLast().lastIndex(of: 0) else { return nil }
    var sum = FNV()
    sum.add(bytes[...end])
    guard bytes[(end + 1)...].dropLast().elementsEqual(String(sum.value).utf8) else { return nil }
    let fields = bytes[..<end].split(separator: 0, omittingEmptySubsequences: false).map { [UInt8]($0) }
    guard fields.count >= 4, (fields.count - 4) % 3 == 0, fields[0] == Self.firstField else { return nil }
    isCommitted = fields[1] == Array("committed".utf8)
    target = fields[2]
    let numbers = Self.words(fields[3]).compactMap { UInt64($0) }
    guard numbers.count == 2 else { return nil }
    identity = FileIdentity(device: numbers[0], number: numbers[1])
    steps = []
    for start in stride(from: 4, to: fields.count, by: 3) {
      let words = Self.words(fields[start])
      guard words.count == 3, let kind = AppliedStep.Kind(rawValue: words[0]), let number = UInt64(words[1]),
        let fingerprint = UInt64(words[2])
      else { return nil }
      steps.append(
        AppliedStep(
          kind: kind, path: fields[start + 1], beside: fields[start + 2], number: number, fingerprint: fingerprint))
    }
  }

  private static func words(_ field: [UInt8]) -> [String] {
    String(decoding: field, as: UTF8.self).split(separator: " ").map(String.init)
  }
}

/// Writes the record of one apply.
final class ApplyJournal {
  private let store: HostTree
  private var record: AppliedRecord
  private var directory: Inode?
  private var old: Inode?

  static let newName = Array("applied-new".utf8)
  static let name = Array("applied".utf8)

  /// - Throws: `ReportedError` if an apply was interrupted, which must be undone first, or if that cannot be seen.
  init(_ upper: ByteString, for changes: TreeChanges) throws(ReportedError) {
    let left: AppliedRecord?
    do throws(Errno) {
      store = try HostTree(try ByteString(upper.bytes + Array("/work".utf8)).open([.path, .directory]))
      let target = try changes.target.open([.path, .directory])
      record = AppliedRecord(
        isCommitted: false, target: UpperLayers.absolute(changes.target).bytes,
        identity: try Host.stat(target.rawValue).identity, steps: [])
      left = try Self.read(Self.newName, store)?.record
    } catch {
      throw ReportedError("apply: '\(upper)' cannot be written: \(error)")
    }
    if let left, !left.isCommitted {
      throw ReportedError("apply: an apply of '\(upper)' was interrupted (vedette undo takes it back)")
    }
  }

  /// The record in a directory of `work`; nil if there is none.
  ///
  /// - Throws: `.needsCleaning` for one that cannot be read.
  static func read(_ name: [UInt8], _ store: HostTree) throws(Errno) -> (record: AppliedRecord, directory: Inode)? {
    guard let directory = try store.child(name, of: store.root), directory.isDirectory,
      let file = try store.child(Array("record".utf8), of: directory), file.type == .regular
    else { return nil }
    let descriptor = try file.open([])
    guard let record = AppliedRecord(try Host.readAll(descriptor.rawValue)) else { throw .needsCleaning }
    return (record, directory)
  }

  // MARK: - Writing

  func begin(_ prepared: [ApplyTransaction.Prepared], _ tree: HostTree, _ paths: PathTree) throws(Errno) {
    try store.remove(Self.newName, from: store.root)
    guard let directory = try store.make(Self.newName, .directory, in: store.root),
      let old = try store.make(Array("old".utf8), .directory, in: directory)
    else { throw .ioError }
    (self.directory, self.old) = (directory, old)
    for (index, entry) in prepared.enumerated() {
      let there = entry.name.isEmpty ? tree.root : try tree.child(entry.name, of: entry.directory)
      let kind: AppliedStep.Kind
      var subject = there
      switch entry.step {
      case .put:
        kind = there == nil ? .added : .replaced
        subject = try tree.child(entry.beside, of: entry.directory)
      case .remove: kind = .removed
      case .metadata:
        kind = .metadata
        guard let there, let copy = try store.make(Self.oldName(index), .directory, in: old) else {
          throw .notDirectory
        }
        try store.applyMetadata(copy, try tree.metadata(of: there))
      }
      record.steps.append(
        AppliedStep(
          kind: kind, path: paths.path(of: entry.step.node), beside: entry.beside,
          number: try subject?.attributes().number ?? 0, fingerprint: 0))
    }
    try write()
  }

  /// All is in place: what it looks like now, and where what it replaced is.
  func commit(_ prepared: [ApplyTransaction.Prepared], _ tree: HostTree, _ paths: PathTree) throws(Errno) {
    guard let old else { throw .ioError }
    for (index, entry) in prepared.enumerated() {
      let there = entry.name.isEmpty ? tree.root : try tree.child(entry.name, of: entry.directory)
      guard let there else { continue }
      record.steps[index].fingerprint = try TreeCompare.fingerprint(
        there, withChangeTime: true, below: record.steps[index].kind != .metadata)
    }
    record.isCommitted = true
    try write()
    CrashPoint.passed("applied committed")
    for (index, entry) in prepared.enumerated() where !entry.beside.isEmpty {
      guard let aside = try tree.child(entry.beside, of: entry.directory) else { continue }
      try keep(aside, entry, Self.oldName(index), in: old, tree)
    }
    try store.remove(Self.name, from: store.root)
    try rename(Self.newName, to: Self.name)
    CrashPoint.passed("applied kept")
  }

  /// Moved, or, from another file system, copied: the transaction removes what stays beside.
  private func keep(
    _ aside: Inode, _ entry: ApplyTransaction.Prepared, _ name: [UInt8], in old: Inode, _ tree: HostTree
  ) throws(Errno) {
    do throws(Errno) {
      try HostFilesystem.move(entry.beside, from: entry.directory, to: name, in: old)
    } catch {
      // EXDEV; EACCES and EPERM for a directory whose own entry `..` this user may not change.
      guard error == .improperLink || error == .permissionDenied || error == .notPermitted else { throw error }
      try TreeCopy(into: store).copy(aside, to: name, in: old)
    }
  }

  private func rename(_ name: [UInt8], to newName: [UInt8]) throws(Errno) {
    guard let inode = try store.child(name, of: store.root) else { throw .noSuchFileOrDirectory }
    try Name.with(name) { name throws(Errno) in
      try Name.with(newName) { newName throws(Errno) in
        try store.root.rename(name, inode, to: store.root, newName, replacing: nil, .noReplace)
      }
    }
  }

  static func oldName(_ index: Int) -> [UInt8] { Array(String(index).utf8) }

  /// Aside first: a record is whole or the one before.
  private func write() throws(Errno) {
    guard let directory else { throw .ioError }
    let (prepared, final) = (Array("record-new".utf8), Array("record".utf8))
    guard let file = try store.make(prepared, .regular, in: directory) else { throw .ioError }
    try LayerData.write(record.encoded, to: file)
    let before = try store.child(final, of: directory)
    try Name.with(prepared) { name throws(Errno) in
      try Name.with(final) { newName throws(Errno) in
        try directory.rename(name, file, to: directory, newName, replacing: before, [])
      }
    }
  }

  /// Nothing was changed, or all of it has been undone.
  func discard() { _ = try? store.remove(Self.newName, from: store.root) }
}

/// Copies what is on the host to another place on it.
struct TreeCopy {
  private let tree: HostTree

  init(into tree: HostTree) { self.tree = tree }

  /// With metadata, as far as this user may set them. A stack and no recursion.
  func copy(_ inode: Inode, to name: [UInt8], in directory: Inode) throws(Errno) {
    var stack = [(source: inode, name: name, directory: directory)]
    var directories: [(Inode, Inode)] = []
    while let (source, name, directory) = stack.popLast() {
      let kind: NewInode.Kind
      switch source.type {
      case .regular: kind = .regular
      case .directory: kind = .directory
      case .symlink: kind = .symlink(target: try source.readlink())
      case .fifo, .socket, .characterDevice, .blockDevice:
        kind = .node(source.type, device: try source.attributes().device)
      }
      guard let copy = try tree.make(name, kind, in: directory) else { throw .notPermitted }
      if source.type == .regular { try LayerData.copy(from: source, to: copy) }
      if source.isDirectory {
        directories.append((source, copy))
        for name in try source.sortedNames() {
          if let child = try source.child(name) { stack.append((child, name, copy)) }
        }
      } else {
        try tree.applyMetadata(copy, try tree.metadata(of: source))
      }
    }
    for (source, copy) in directories.reversed() { try tree.applyMetadata(copy, try tree.metadata(of: source)) }
  }
}
