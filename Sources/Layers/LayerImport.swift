// `vedette import`: makes a lower directory from OCI layers, in their order. The layers are untrusted: names are taken
// apart here and made one component at a time beneath a descriptor (HostTree), never given to the kernel as paths.
//
// All of it is made in a directory beside the target and renamed at the end: there is a whole tree or none.

import Kernel
import LinuxABI
import VFS

/// Unpacks layers one over another.
public struct LayerImport {
  private let tree: HostTree
  private var archive: ByteString = ""
  /// What is known of the tree so far.
  private let root: ImportedNode
  /// Counts the layers.
  private var layer = 0

  private var progress: ProgressBar
  /// The archive's descriptor, and how far it had been read when last asked.
  private var source: CInt = -1
  private var passed: Int64 = 0

  /// Unpacks `archives`, the lowest first, as the directory `target`, which must be new or empty.
  ///
  /// - Returns: lines for people on what could not be set.
  /// - Throws: `ReportedError`; nothing is left behind then.
  public static func make(_ archives: [ByteString], at target: ByteString) throws(ReportedError) -> [String] {
    let (parent, name) = try parentAndName(of: target)
    let temporary = Array(".vedette-import-\(Host.ownProcess)".utf8)
    let tree: HostTree
    let outer: HostTree
    do throws(Errno) {
      outer = try HostTree(try Host.duplicate(parent.rawValue))
      try outer.remove(temporary, from: outer.root)
      _ = try outer.make(temporary, .directory, in: outer.root)
      let descriptor = try ByteString(temporary).withCString { name throws(Errno) in
        try Host.open(name, in: parent.rawValue, [.path, .directory, .noFollow]).release()
      }
      tree = try HostTree(OwnedDescriptor(descriptor))
    } catch {
      throw ReportedError("import: cannot make a directory beside '\(target)': \(error)")
    }
    do throws(ReportedError) {
      var job = LayerImport(tree, total: archives.reduce(0) { $0.addingClamped(LayerArchive.size($1)) })
      defer { job.progress.finish() }
      for archive in archives { try job.unpack(archive) }
      try job.finish()
      do throws(Errno) {
        try ByteString(temporary).withCString { from throws(Errno) in
          try ByteString(name).withCString { to throws(Errno) in
            try Host.rename(from, in: parent.rawValue, to: to, in: parent.rawValue)
          }
        }
      } catch {
        throw ReportedError("import: '\(target)': \(error)")
      }
      return [tree.missing.description].compactMap(\.self)
    } catch {
      _ = try? outer.remove(temporary, from: outer.root)
      throw error
    }
  }

  /// The directory that holds the target, and the target's name in it.
  private static func parentAndName(of target: ByteString) throws(ReportedError) -> (OwnedDescriptorBox, [UInt8]) {
    var path = target.bytes
    while path.count > 1 && path.last == 0x2f { path.removeLast() }
    let slash = path.lastIndex(of: 0x2f)
    let name = slash.map { [UInt8](path[($0 + 1)...]) } ?? path
    let parent: ByteString = slash.map { $0 == 0 ? "/" : ByteString([UInt8](path[..<$0])) } ?? "."
    if name.isEmpty || name == [0x2e] || name == [0x2e, 0x2e] || path.contains(0) {
      throw ReportedError("import: '\(target)' is not a name for a new directory")
    }
    do throws(Errno) {
      let descriptor = try parent.open([.path, .directory])
      var isEmpty = true
      do throws(Errno) {
        let existing = try ByteString(name).withCString { name throws(Errno) in
          try Host.open(name, in: descriptor.rawValue, [.directory, .noFollow]).release()
        }
        let tree = try HostTree(OwnedDescriptor(existing))
        try tree.root.iterate(from: 0) { _ in
          isEmpty = false
          return false
        }
      } catch {
        if error != .noSuchFileOrDirectory { throw error }
      }
      if !isEmpty { throw Errno.directoryNotEmpty }
      return (OwnedDescriptorBox(descriptor), name)
    } catch {
      if error == .directoryNotEmpty {
        throw ReportedError("import: '\(target)' is not empty (name a new directory)")
      }
      throw ReportedError("import: '\(target)': \(error)")
    }
  }

  private init(_ tree: HostTree, total: Int64) {
    self.tree = tree
    root = ImportedNode(tree.root)
    progress = ProgressBar("import", total: total)
  }

  // MARK: - One layer

  private mutating func unpack(_ archive: ByteString) throws(ReportedError) {
    self.archive = archive
    layer += 1
    var job = self
    // Also when a member is refused: what the bar has shown is to be taken away.
    defer { self = job }
    try LayerArchive.read(archive) { (reader, source) throws(ReportedError) in
      (job.source, job.passed) = (source, 0)
      try job.unpack(&reader)
    }
  }

  /// What is wrong with a member.
  private struct Refusal: Error {
    var reason: String
    init(_ reason: String) { self.reason = reason }
    init(_ errno: Errno) { reason = "\(errno)" }
  }

  private mutating func unpack(_ reader: inout TarReader) throws(ReportedError) {
    while true {
      let entry: TarEntry?
      do throws(TarError) {
        entry = try reader.next()
      } catch {
        throw ReportedError("import: '\(archive)': \(error.message)")
      }
      guard let entry else { return }
      showProgress()
      do throws(Refusal) {
        try unpack(entry, &reader)
      } catch {
        throw ReportedError("import: '\(archive)': '\(PathText.string(entry.path))': \(error.reason)")
      }
    }
  }

  private mutating func showProgress() {
    // A pipe has no offset, and no size to compare it with.
    guard let offset = try? Host.seek(source, to: 0, from: .current), offset > passed else { return }
    progress.advance(offset - passed)
    passed = offset
  }

  private mutating func unpack(_ entry: TarEntry, _ reader: inout TarReader) throws(Refusal) {
    let components = try Self.components(entry.path)
    guard let name = components.last else {
      // The root itself.
      guard entry.kind == .directory else { throw Refusal("has no name") }
      root.metadata = metadata(entry)
      return
    }
    let parents = components.dropLast()
    if name.starts(with: ".wh.".utf8) { return try unpackMark(name, in: parents) }
    try unpack(entry, name, parents, &reader)
  }

  private mutating func unpack(
    _ entry: TarEntry, _ name: [UInt8], _ parents: ArraySlice<[UInt8]>, _ reader: inout TarReader
  ) throws(Refusal) {
    guard let (node, parent) = try directory(parents, making: true) else { throw Refusal("has no directory to be in") }
    do throws(Errno) {
      if let old = try tree.child(name, of: parent) {
        if entry.kind == .directory && old.isDirectory {
          let here = node.child(name)
          here.layer = layer
          here.inode = old
          here.metadata = metadata(entry)
          return
        }
        if case .link(let target) = entry.kind, (try? Self.components(target)) == parents + [name] {
          node.child(name).layer = layer
          return
        }
        try removeTree(name, of: node, from: parent)
      }
    } catch {
      throw Refusal(error)
    }
    let here = node.child(name)
    here.layer = layer
    let kind: NewInode.Kind
    switch entry.kind {
    case .regular: kind = .regular
    case .directory: kind = .directory
    case .symlink(let target):
      try checkSymlink(target, parents)
      kind = .symlink(target: target)
    case .link(let target): return try link(name, in: parent, to: target)
    case .fifo: kind = .node(.fifo, device: 0)
    case .characterDevice(let major, let minor):
      kind = .node(.characterDevice, device: Attributes.device(major: major, minor: minor))
    case .blockDevice(let major, let minor):
      kind = .node(.blockDevice, device: Attributes.device(major: major, minor: minor))
    }
    let inode: Inode
    do throws(Errno) {
      guard let new = try tree.make(name, kind, in: parent) else { return }
      inode = new
    } catch {
      throw Refusal(error)
    }
    if entry.kind == .directory {
      here.inode = inode
      here.metadata = metadata(entry)
      return
    }
    if entry.kind == .regular { try fill(inode, entry, &reader) }
    do throws(Errno) { try tree.applyMetadata(inode, metadata(entry)) } catch { throw Refusal(error) }
  }

  private func metadata(_ entry: TarEntry) -> FileMetadata {
    // Marks of an overlay are not an archive's to set.
    let attributes = entry.extendedAttributes.filter {
      !$0.name.starts(with: "user.overlay.".utf8) && !$0.name.starts(with: "trusted.overlay.".utf8)
        && !$0.name.starts(with: "user.vedette.".utf8) && !$0.name.contains(0) && !$0.name.isEmpty
        && $0.name.count <= Name.maximumLength
    }
    return FileMetadata(
      permissions: entry.permissions, owner: entry.owner, group: entry.group,
      modificationTime: entry.modificationTime, extendedAttributes: attributes)
  }

  private mutating func fill(_ inode: Inode, _ entry: TarEntry, _ reader: inout TarReader) throws(Refusal) {
    let file = try refusing { () throws(Errno) in OwnedDescriptorBox(try inode.open(.writeOnly)) }
    for piece in entry.pieces ?? [TarEntry.Piece(offset: 0, count: entry.size)] {
      var offset = piece.offset
      while offset < piece.offset + piece.count {
        let bytes: ArraySlice<UInt8>
        do throws(TarError) {
          bytes = try reader.read(Int(min(1 << 17, piece.offset + piece.count - offset)))
        } catch {
          throw Refusal(error.message)
        }
        try refusing { () throws(Errno) in
          try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
            try Host.write(UnsafeRawBufferPointer(bytes), to: file.rawValue, at: offset)
          }
        }
        offset += Int64(bytes.count)
        showProgress()
      }
    }
    if entry.pieces != nil {
      try refusing { () throws(Errno) in try Host.truncate(file.rawValue, to: entry.size) }
    }
  }

  /// Turns an errno into what is wrong with the member.
  private func refusing<T>(_ body: () throws(Errno) -> T) throws(Refusal) -> T {
    do throws(Errno) { return try body() } catch { throw Refusal(error) }
  }

  // MARK: - Names

  /// How deep a tree may be. No true layer is deeper, and a name of a few megabytes could ask for a million directories.
  private static let maximumDepth = 10_000

  /// The components of a member's name.
  private static func components(_ path: [UInt8]) throws(Refusal) -> [[UInt8]] {
    if path.isEmpty { throw Refusal("a member without a name") }
    if path.first == 0x2f { throw Refusal("an absolute name") }
    if path.contains(0) { throw Refusal("a name with a NUL byte") }
    var result: [[UInt8]] = []
    for component in path.split(separator: 0x2f) where component != [0x2e] {
      if component == [0x2e, 0x2e] { throw Refusal("a name with '..'") }
      if component.count > Name.maximumLength { throw Refusal("a name longer than \(Name.maximumLength) bytes") }
      result.append([UInt8](component))
    }
    if result.count > maximumDepth { throw Refusal("deeper than \(maximumDepth) directories") }
    return result
  }

  /// The directory of that name; nil if there is none and none is to be made.
  private mutating func directory(_ components: ArraySlice<[UInt8]>, making: Bool) throws(Refusal)
    -> (ImportedNode, Inode)?
  {
    var node = root
    var current = tree.root
    for component in components {
      let next = node.child(component)
      // A directory that this layer has something in is this layer's as well: its own whiteouts do not hide it.
      if making { next.layer = layer }
      if let known = next.inode {
        (node, current) = (next, known)
        continue
      }
      do throws(Errno) {
        var found = try tree.child(component, of: current)
        if found == nil {
          guard making, let new = try tree.make(component, .directory, in: current) else { return nil }
          next.metadata = FileMetadata(
            permissions: Permissions(rawValue: 0o755), owner: current.owner, group: current.group,
            modificationTime: .epoch)
          found = new
        }
        guard let found, found.isDirectory else { throw Errno.notDirectory }
        next.inode = found
        (node, current) = (next, found)
      } catch {
        if error == .notDirectory {
          throw Refusal("leads through '\(PathText.string(component))', which is no directory")
        }
        throw Refusal(error)
      }
    }
    return (node, current)
  }

  /// A symlink is text, and inside `..` stops at the root; but a host program that follows one must not get out either.
  private func checkSymlink(_ target: [UInt8], _ parents: ArraySlice<[UInt8]>) throws(Refusal) {
    if target.isEmpty || target.contains(0) || target.count >= 4096 {
      throw Refusal("a symlink without a proper target")
    }
    // Absolute ones mean the root inside; every system has them.
    if target.first == 0x2f { return }
    var depth = parents.count
    for component in target.split(separator: 0x2f) where component != [0x2e] {
      depth += component == [0x2e, 0x2e] ? -1 : 1
      if depth < 0 { throw Refusal("a symlink that points out of the tree, to '\(PathText.string(target))'") }
    }
  }

  private mutating func link(_ name: [UInt8], in parent: Inode, to target: [UInt8]) throws(Refusal) {
    let components: [[UInt8]]
    do throws(Refusal) {
      components = try Self.components(target)
    } catch {
      throw Refusal("a link that points out of the tree, to '\(PathText.string(target))'")
    }
    guard let last = components.last else { throw Refusal("a link to the root") }
    let directory = try directory(components.dropLast(), making: false)
    try refusing { () throws(Errno) in
      guard let (_, directory) = directory, let inode = try tree.child(last, of: directory) else {
        throw .noSuchFileOrDirectory
      }
      if inode.isDirectory { throw .isDirectory }
      try Name.with(name) { name throws(Errno) in try parent.link(name, to: inode) }
    }
  }

  // MARK: - Deletions

  /// `.wh..wh..opq`, `.wh.NAME`; other names of aufs' own (`.wh..wh.plnk`) mean nothing here.
  private mutating func unpackMark(_ name: [UInt8], in parents: ArraySlice<[UInt8]>) throws(Refusal) {
    let isOpaque = name == Array(".wh..wh..opq".utf8)
    if name.starts(with: ".wh..wh.".utf8) && !isOpaque { return }
    let hidden = [UInt8](name.dropFirst(4))
    if hidden.isEmpty || hidden == [0x2e] || hidden == [0x2e, 0x2e] { throw Refusal("deletes no name") }
    guard let (node, directory) = try directory(parents, making: isOpaque) else { return }
    do throws(Errno) {
      if isOpaque {
        try hideBelow(directory, node)
      } else {
        try hide(hidden, in: directory, node)
      }
    } catch {
      throw Refusal(error)
    }
  }

  /// Removes what layers below have at a name; what this layer has made stays.
  private func hide(_ name: [UInt8], in directory: Inode, _ node: ImportedNode) throws(Errno) {
    guard let here = node.children[name], here.layer == layer else {
      return try removeTree(name, of: node, from: directory)
    }
    if let child = try tree.child(name, of: directory), child.isDirectory { try hideBelow(child, here) }
  }

  private func hideBelow(_ directory: Inode, _ node: ImportedNode) throws(Errno) {
    var stack = [(directory, node)]
    while let (directory, node) = stack.popLast() {
      for name in try tree.names(in: directory) {
        guard let here = node.children[name], here.layer == layer else {
          try removeTree(name, of: node, from: directory)
          continue
        }
        if let child = try tree.child(name, of: directory), child.isDirectory { stack.append((child, here)) }
      }
    }
  }

  private func removeTree(_ name: [UInt8], of node: ImportedNode, from directory: Inode) throws(Errno) {
    // First forgotten: a directory that is not known needs no descriptor when its name goes.
    node.children.removeValue(forKey: name)?.takeApart()
    try tree.remove(name, from: directory)
  }

  // MARK: - The end

  /// The metadata of directories, children before parents.
  private mutating func finish() throws(ReportedError) {
    if root.metadata == nil {
      root.metadata = FileMetadata(
        permissions: Permissions(rawValue: 0o755), owner: tree.root.owner, group: tree.root.group,
        modificationTime: Timestamp.now())
    }
    defer { root.takeApart() }
    var order: [(name: [UInt8], node: ImportedNode)] = [([], root)]
    var next = 0
    while next < order.count {
      for (name, node) in order[next].node.children where node.inode != nil { order.append((name, node)) }
      next += 1
    }
    for (name, node) in order.reversed() {
      guard let inode = node.inode, let metadata = node.metadata else { continue }
      do throws(Errno) {
        try tree.applyMetadata(inode, metadata)
      } catch {
        throw ReportedError("import: a directory '\(PathText.string(name))': \(error)")
      }
    }
  }
}

/// A name of the tree that is being made, as far as it matters: a directory, or something that the current layer has made.
private final class ImportedNode {
  var children: [[UInt8]: ImportedNode] = [:]
  /// Of a directory that has been met.
  var inode: Inode?
  /// The last layer that made it: a layer's own whiteouts do not hide it.
  var layer = 0
  /// The metadata of a directory, given at the very end: until then we must be able to write in it.
  var metadata: FileMetadata?

  init(_ inode: Inode? = nil) { self.inode = inode }

  func child(_ name: [UInt8]) -> ImportedNode {
    if let known = children[name] { return known }
    let new = ImportedNode()
    children[name] = new
    return new
  }

  /// Ends a subtree from the bottom up: releasing it from the top would recurse as deep as the tree is.
  func takeApart() {
    var order = [self]
    var next = 0
    while next < order.count {
      order.append(contentsOf: order[next].children.values)
      order[next].children = [:]
      next += 1
    }
    while let last = order.popLast() { last.inode = nil }
  }
}
