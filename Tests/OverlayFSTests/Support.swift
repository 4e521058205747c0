// What the tests of layered trees share: a client that walks a tree by path as the VFS would.

import CLinux
import HostFS
import Kernel
import LinuxABI
import OverlayFS
import TestSupport
import VFS

/// A client of a file system: resolves paths one component at a time, and does what the VFS would do around each call.
final class Client {
  let filesystem: Filesystem
  /// The VFS's cache: without it every inode that nothing else holds is made anew at each step.
  var cache: [String: Inode]?

  init(_ filesystem: Filesystem, caching: Bool = false) {
    self.filesystem = filesystem
    cache = caching ? [:] : nil
  }

  func find(_ path: String) throws(Errno) -> Inode? {
    var inode = filesystem.root
    var walked = ""
    for component in path.utf8.split(separator: 0x2f) {
      let name = [UInt8](component)
      walked += "/" + String(decoding: name, as: UTF8.self)
      if let cached = cache?[walked] {
        inode = cached
        continue
      }
      let parent = inode
      guard let next = try Name.with(name, { name throws(Errno) in try parent.lookup(name) }) else { return nil }
      inode = next
      cache?[walked] = inode
    }
    return inode
  }

  func at(_ path: String) throws(Errno) -> Inode {
    guard let inode = try find(path) else { throw .noSuchFileOrDirectory }
    return inode
  }

  private func split(_ path: String) throws(Errno) -> (Inode, [UInt8]) {
    let bytes = [UInt8](path.utf8)
    guard let slash = bytes.lastIndex(of: 0x2f) else { return (filesystem.root, bytes) }
    return (try at(String(decoding: bytes[..<slash], as: UTF8.self)), [UInt8](bytes[(slash + 1)...]))
  }

  private func forget(_ path: String) {
    cache = cache?.filter { $0.key != "/" + path && !$0.key.hasPrefix("/\(path)/") }
  }

  @discardableResult
  func create(_ path: String, _ kind: NewInode.Kind = .regular, mode: UInt16 = 0o644) throws(Errno) -> Inode {
    let (parent, name) = try split(path)
    if try find(path) != nil { throw .fileExists }
    return try Name.with(name) { name throws(Errno) in
      try parent.create(name, NewInode(kind, permissions: Permissions(rawValue: mode), owner: 0, group: 0))
    }
  }

  func mkdir(_ path: String) throws(Errno) { try create(path, .directory, mode: 0o755) }

  /// `echo text > path`.
  func write(_ path: String, _ text: String) throws(Errno) {
    var inode = try find(path)
    if inode == nil { inode = try create(path) }
    guard let inode else { return }
    let descriptor = try inode.open([.writeOnly, .truncate])
    let bytes = [UInt8](text.utf8)
    try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
      try Host.write(UnsafeRawBufferPointer(bytes), to: descriptor.rawValue)
    }
  }

  /// `echo text >> path`.
  func append(_ path: String, _ text: String) throws(Errno) {
    let descriptor = try at(path).open([.writeOnly, .append])
    let bytes = [UInt8](text.utf8)
    try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
      _ = try Host.callForGuest(.write, Int(descriptor.rawValue), Int(bitPattern: bytes.baseAddress), bytes.count)
    }
  }

  func read(_ path: String) throws(Errno) -> String { try Self.read(try at(path)) }

  static func read(_ inode: Inode) throws(Errno) -> String {
    let descriptor = try inode.open([])
    return String(decoding: try Host.readAll(descriptor.rawValue), as: UTF8.self)
  }

  func stat(_ path: String) throws(Errno) -> Attributes { try at(path).attributes() }

  func unlink(_ path: String) throws(Errno) {
    let (parent, name) = try split(path)
    let inode = try at(path)
    try Name.with(name) { name throws(Errno) in try parent.unlink(name, inode) }
    forget(path)
  }

  func rmdir(_ path: String) throws(Errno) {
    let (parent, name) = try split(path)
    let inode = try at(path)
    try Name.with(name) { name throws(Errno) in try parent.removeDirectory(name, inode) }
    forget(path)
  }

  func link(_ path: String, _ newPath: String) throws(Errno) {
    let (parent, name) = try split(newPath)
    let inode = try at(path)
    try Name.with(name) { name throws(Errno) in try parent.link(name, to: inode) }
  }

  func rename(_ path: String, _ newPath: String, _ flags: RenameFlags = []) throws(Errno) {
    let (parent, name) = try split(path)
    let (newParent, newName) = try split(newPath)
    let inode = try at(path)
    let replaced = try find(newPath)
    try Name.with(name) { name throws(Errno) in
      try Name.with(newName) { newName throws(Errno) in
        try parent.rename(name, inode, to: newParent, newName, replacing: replaced, flags)
      }
    }
    forget(path)
    forget(newPath)
  }

  func chmod(_ path: String, _ mode: UInt16) throws(Errno) {
    var change = AttributeChange()
    change.permissions = Permissions(rawValue: mode)
    try at(path).setAttributes(change)
  }

  /// The names, sorted.
  func list(_ path: String) throws(Errno) -> [String] { try entries(path).map(\.name).sorted() }

  func entries(_ path: String) throws(Errno) -> [(name: String, number: UInt64, type: FileType)] {
    var result: [(name: String, number: UInt64, type: FileType)] = []
    try at(path).iterate(from: 0) { entry in
      result.append((String(decoding: entry.name.bytes, as: UTF8.self), entry.number, entry.type))
      return true
    }
    return result
  }

  func setAttribute(_ path: String, _ name: String, _ value: String) throws(Errno) {
    let inode = try at(path)
    try Name.with([UInt8](name.utf8)) { name throws(Errno) in
      try inode.setExtendedAttribute(name, to: [UInt8](value.utf8), [])
    }
  }

  func attribute(_ path: String, _ name: String) throws(Errno) -> String {
    let inode = try at(path)
    return try Name.with([UInt8](name.utf8)) { name throws(Errno) in
      String(decoding: try inode.extendedAttribute(name), as: UTF8.self)
    }
  }

  func removeAttribute(_ path: String, _ name: String) throws(Errno) {
    let inode = try at(path)
    try Name.with([UInt8](name.utf8)) { name throws(Errno) in try inode.removeExtendedAttribute(name) }
  }

  func attributeNames(_ path: String) throws(Errno) -> [String] {
    try at(path).extendedAttributeNames().map { String(decoding: $0, as: UTF8.self) }.sorted()
  }
}

extension HostFilesystem {
  static func lower(_ tree: TemporaryTree) throws -> HostFilesystem {
    try HostFilesystem(
      rootDescriptor: try Host.openTrusted(tree.path, [.path, .directory]), policy: .immutable, writable: false)
  }

  static func store(_ tree: TemporaryTree) throws -> HostFilesystem {
    try HostFilesystem(
      rootDescriptor: try Host.openTrusted(tree.path, [.path, .directory]), policy: .immutable, writable: true)
  }
}

/// How a test's upper layer behaves.
enum UpperKind: CaseIterable, Sendable {
  case memory
  case store
}

/// An overlay over temporary directories, with a client.
final class Stage {
  let lowerTrees: [TemporaryTree]
  let upperTree: TemporaryTree
  let kind: UpperKind
  private(set) var overlay: OverlayFilesystem
  private(set) var client: Client
  private let caching: Bool

  /// - Parameter scripts: each fills one lower, topmost first.
  init(_ kind: UpperKind, caching: Bool = false, _ scripts: String...) throws {
    lowerTrees = scripts.map { script in
      let tree = TemporaryTree()
      tree(script)
      return tree
    }
    self.kind = kind
    upperTree = TemporaryTree(inMemory: kind == .memory)
    self.caching = caching
    overlay = try Self.make(kind, upperTree, lowerTrees)
    client = Client(overlay, caching: caching)
  }

  private static func make(_ kind: UpperKind, _ upper: TemporaryTree, _ lowers: [TemporaryTree]) throws
    -> OverlayFilesystem
  {
    let store = try HostFilesystem.store(upper)
    return try OverlayFilesystem(
      upper: kind == .memory ? .memory(store) : .store(store), lowers: try lowers.map { try HostFilesystem.lower($0) })
  }

  /// The next run over the same upper directory. Only a store survives it.
  func restart() throws {
    overlay.close()
    overlay = try Self.make(kind, upperTree, lowerTrees)
    client = Client(overlay, caching: caching)
  }

  /// The extended attributes that the upper directory itself holds at `path`.
  func storedNames(_ path: String) throws -> [String] {
    try Client(try HostFilesystem.store(upperTree)).attributeNames("upper/\(path)")
  }

  /// A manifest of the first lower, to prove that it stays as it was.
  func manifest() -> String {
    let script = "find . -exec stat -c '%n %i %f %h %u:%g %s %y %z' {} + | sort; find . -type f -exec cksum {} +"
    return lowerTrees.map { $0.output(script) }.joined()
  }
}
