// `vedette export`: the changes of an upper as an OCI layer (image-spec, layer.md): a tar archive in which `.wh.NAME`
// deletes a name and `.wh..wh..opq` hides all that lies below a directory.
//
// The order is that of the names' bytes, deletions first in each directory, and nothing depends on the day: the same
// changes make the same archive.

import Kernel
import LinuxABI
import OverlayFS
import VFS

/// Writes one layer.
public struct LayerExport {
  /// What the archive cannot hold, for people; empty if it holds all.
  public private(set) var notes: [String] = []

  private var writer: TarWriter
  private var progress: ProgressBar
  private let paths: PathTree
  /// Directories that have an entry already, by node.
  private var directories: Set<Int> = []
  /// The way from the root to the directory of the last change: changes come in the order of the tree.
  private var way: TreeWay
  /// Directories that are left out for their names, with all below them.
  private var reservedNodes: Set<Int> = []
  /// The first name of each file with several links, by number.
  private var links: [UInt64: Int] = [:]
  private var sockets = 0
  private var reserved = 0

  /// Writes the changes of `upper` to the file `output`, which must not exist; nil for standard output.
  ///
  /// - Throws: `ReportedError`; no file is left behind then.
  public static func write(_ upper: UpperDirectory, to output: ByteString?) throws(ReportedError) -> [String] {
    let overlay = try upper.overlay()
    defer { overlay.close() }
    guard let output else {
      return try write(overlay, to: 1, named: "standard output")
    }
    // Beside the target, so that a half-written layer never bears its name.
    let temporary = ByteString(output.bytes + Array(".partial".utf8))
    let file: OwnedDescriptor
    do throws(Errno) {
      file = try temporary.open([.writeOnly, .create, .truncate, .noFollow], mode: 0o644)
    } catch {
      throw ReportedError("export: cannot write '\(output)': \(error)")
    }
    func remove() { temporary.withCString { path in _ = try? Host.unlink(path, in: AtFlags.currentDirectory) } }
    do throws(ReportedError) {
      let notes = try write(overlay, to: file.rawValue, named: "'\(output)'")
      do throws(Errno) {
        try temporary.withCString { from throws(Errno) in
          try output.withCString { to throws(Errno) in
            try Host.rename(from, in: AtFlags.currentDirectory, to: to, in: AtFlags.currentDirectory)
          }
        }
      } catch {
        throw ReportedError("export: cannot write '\(output)': \(error)")
      }
      return notes
    } catch {
      remove()
      throw error
    }
  }

  static func write(_ overlay: OverlayFilesystem, to descriptor: CInt, named name: String) throws(ReportedError)
    -> [String]
  {
    let found: OverlayChanges
    do throws(Errno) {
      found = try OverlayChanges(of: overlay, .layer)
    } catch {
      throw ReportedError("export: cannot compare: \(error)")
    }
    // A layer with something missing would pass for whole.
    if let first = found.unreadable.first {
      throw ReportedError("export: '/\(PathText.string(found.paths.shownPath(of: first.node)))': \(first.errno)")
    }
    var export = LayerExport(to: descriptor, found, root: overlay.root)
    do throws(Failure) {
      try export.write(found.changes)
    } catch {
      export.progress.finish()
      if let path = error.path { throw ReportedError("export: '/\(PathText.string(path))': \(error.errno)") }
      throw ReportedError("export: cannot write \(name): \(error.errno)")
    }
    export.progress.finish()
    return export.notes
  }

  /// A failure of the overlay at a path, or of the output.
  private struct Failure: Error {
    var path: [UInt8]?
    var errno: Errno
  }

  private init(to descriptor: CInt, _ found: OverlayChanges, root: Inode) {
    writer = TarWriter(to: descriptor)
    paths = found.paths
    way = TreeWay(from: root)
    var total: Int64 = 0
    for change in found.changes {
      if let inode = change.inode, inode.type == .regular, let size = try? inode.attributes().size {
        total = total.addingClamped(size)
      }
    }
    progress = ProgressBar("export", total: total)
  }

  private mutating func write(_ changes: [OverlayChange]) throws(Failure) {
    for change in changes {
      do throws(Errno) {
        if isReserved(change.node) {
          reserved += 1
        } else {
          try writeParents(of: change.node)
          try write(change)
        }
      } catch {
        throw Failure(path: isOutputError(error) ? nil : paths.shownPath(of: change.node), errno: error)
      }
    }
    do throws(Errno) {
      try writer.finish()
    } catch {
      throw Failure(path: nil, errno: error)
    }
    if sockets > 0 { notes.append("\(sockets) socket\(sockets == 1 ? "" : "s") left out: tar has no form for them") }
    if reserved > 0 {
      notes.append(
        "\(reserved) name\(reserved == 1 ? "" : "s") beginning with .wh. left out: a layer would take them for deletions"
      )
    }
  }

  /// Errors that writing gives and reading does not.
  private func isOutputError(_ errno: Errno) -> Bool {
    errno == .noSpace || errno == .brokenPipe || errno == .fileTooLarge || errno == .diskQuotaExceeded
  }

  // MARK: - Entries

  /// The directories on the way, as they are now: a layer says of each directory it touches what it is.
  private mutating func writeParents(of node: Int) throws(Errno) {
    // A directory with an entry has had its own parents written.
    let parent = paths.parent(of: node)
    if parent == 0 || directories.contains(parent) { return }
    guard let (_, entered) = try way.directory(above: node, in: paths) else { return }
    for (node, inode) in entered where !directories.contains(node) { try writeEntry(node, inode) }
  }

  private mutating func write(_ change: OverlayChange) throws(Errno) {
    guard let inode = change.inode else {
      return try writeMark(below: paths.parent(of: change.node), Array(".wh.".utf8) + paths.name(of: change.node))
    }
    if inode.type == .socket {
      sockets += 1
      return
    }
    try writeEntry(change.node, inode)
    if change.isOpaque { try writeMark(below: change.node, Array(".wh..wh..opq".utf8)) }
  }

  /// A name that a reader of the layer would take for a mark, and what lies below one.
  private mutating func isReserved(_ node: Int) -> Bool {
    var next = node
    while next != 0, !directories.contains(next) {
      if paths.name(of: next).starts(with: ".wh.".utf8) || reservedNodes.contains(next) {
        reservedNodes.insert(node)
        return true
      }
      next = paths.parent(of: next)
    }
    return false
  }

  private mutating func writeMark(below node: Int, _ name: [UInt8]) throws(Errno) {
    var path = paths.path(of: node)
    if !path.isEmpty { path.append(0x2f) }
    var entry = TarEntry(path: path + name, kind: .regular)
    entry.permissions = []
    try writer.begin(entry)
  }

  private mutating func writeEntry(_ node: Int, _ inode: Inode) throws(Errno) {
    let path = paths.path(of: node)
    let attributes = try inode.attributes()
    var entry = TarEntry(path: path.isEmpty ? [0x2e] : path, kind: .regular)
    entry.permissions = attributes.permissions
    entry.owner = attributes.owner
    entry.group = attributes.group
    entry.modificationTime = attributes.modificationTime
    switch inode.type {
    case .regular: break
    case .directory:
      guard directories.insert(node).inserted else { return }
      entry.kind = .directory
    case .symlink: entry.kind = .symlink(target: try inode.readlink())
    case .fifo: entry.kind = .fifo
    case .characterDevice: entry.kind = .characterDevice(major: attributes.deviceMajor, minor: attributes.deviceMinor)
    case .blockDevice: entry.kind = .blockDevice(major: attributes.deviceMajor, minor: attributes.deviceMinor)
    case .socket: return
    }
    if !inode.isDirectory, attributes.linkCount > 1 {
      if let first = links[inode.number] {
        entry.kind = .link(target: paths.path(of: first))
        progress.advance(attributes.size)
        return try writer.begin(entry)
      }
      links[inode.number] = node
    }
    for name in try inode.extendedAttributeNames().sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      let value = try Name.with(name) { name throws(Errno) in try inode.extendedAttribute(name) }
      entry.extendedAttributes.append((name, value))
    }
    if inode.type == .regular { try writeContent(&entry, inode) } else { try writer.begin(entry) }
  }

  private mutating func writeContent(_ entry: inout TarEntry, _ inode: Inode) throws(Errno) {
    let file = try inode.open([])
    let size = try Host.stat(file.rawValue).size
    entry.size = size
    let pieces = try FileMap.pieces(file.rawValue, size)
    let isSparse = pieces.reduce(0) { $0 + $1.count } < size
    if isSparse { entry.pieces = pieces }
    try writer.begin(entry)
    for piece in isSparse ? pieces : [TarEntry.Piece(offset: 0, count: size)] {
      var offset = piece.offset
      let end = piece.offset + piece.count
      while offset < end {
        let chunk = try Host.read(Int(min(1 << 17, end - offset)), from: file.rawValue, at: offset)
        // The upper is ours alone; a file that shrinks meanwhile is somebody's doing that we cannot export.
        if chunk.isEmpty { throw .ioError }
        try writer.write(chunk)
        offset += Int64(chunk.count)
      }
      progress.advance(piece.count)
    }
    if isSparse { progress.advance(size - pieces.reduce(0) { $0 + $1.count }) }
    try writer.pad()
  }
}

/// Where a file has data.
enum FileMap {
  static func pieces(_ descriptor: CInt, _ size: Int64) throws(Errno) -> [TarEntry.Piece] {
    var result: [TarEntry.Piece] = []
    var offset: Int64 = 0
    while offset < size {
      let data: Int64
      do throws(Errno) { data = try Host.seek(descriptor, to: offset, from: .data) } catch {
        // ENXIO: only a hole is left. Other errors: a file system that knows no holes.
        if error == .noSuchAddressOrDevice { break }
        return [TarEntry.Piece(offset: 0, count: size)]
      }
      let hole = try? Host.seek(descriptor, to: data, from: .hole)
      let end = min(hole ?? size, size)
      if data >= end { break }
      result.append(TarEntry.Piece(offset: data, count: end - data))
      offset = end
    }
    return result
  }
}

extension Host {
  /// `pread64(2)` of at most `count` bytes.
  static func read(_ count: Int, from descriptor: CInt, at offset: Int64) throws(Errno) -> [UInt8] {
    try withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { buffer throws(Errno) in
      let count = try Host.read(into: buffer, from: descriptor, at: offset)
      return [UInt8](buffer[..<count])
    }
  }
}

extension Attributes {
  /// The halves of `device` (glibc's `major` and `minor`).
  var deviceMajor: UInt32 { DeviceNumber.major(device) }
  var deviceMinor: UInt32 { DeviceNumber.minor(device) }

  static func device(major: UInt32, minor: UInt32) -> UInt64 { DeviceNumber.make(major: major, minor: minor) }
}
