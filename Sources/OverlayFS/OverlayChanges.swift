// What an overlay's upper layer has changed: the merged tree compared, name by name, with the tree that the lowers alone
// make. Only directories that are in the upper are looked into; a directory that was moved is another one in two places.

import Kernel
public import LinuxABI
public import VFS

/// One name that does not show what the lowers alone would.
public struct OverlayChange {
  public enum Kind: Sendable {
    case added
    case modified
    case deleted
    /// Not changed, but one more name of a file that also has a changed one. Only a layer needs to know.
    case linked
  }

  public var kind: Kind
  /// In `OverlayChanges.paths`.
  public var node: Int
  /// Of what the name shows, or showed.
  public var type: FileType
  /// What the name shows now; nil if it is deleted, or was not asked for.
  public var inode: Inode?
  /// What the lowers alone show; nil if the name is added, or was not asked for.
  public var before: Inode?
  /// A directory below which nothing of the lowers shows, although they have one there.
  public var isOpaque = false

  init(kind: Kind, node: Int, inode: Inode?, before: Inode?) {
    self.kind = kind
    self.node = node
    type = (inode ?? before)?.type ?? .regular
    self.inode = inode
    self.before = before
  }
}

/// All changes of an overlay.
public struct OverlayChanges {
  /// Who wants to know.
  public enum Style: Sendable {
    /// People: each path by itself, sorted; of a deleted tree only the top.
    case list
    /// An archive: opaque directories, deletions first in each directory, the other names of changed files too.
    case layer
  }

  public private(set) var changes: [OverlayChange] = []
  /// Where the changes are.
  public private(set) var paths = PathTree()
  /// What could not be compared, and why.
  public private(set) var unreadable: [(node: Int, errno: Errno)] = []

  private let style: Style
  private let keepsInodes: Bool
  private let overlay: OverlayFilesystem
  /// The names met so far of files with several links that came from a lower, by number.
  private var links: [UInt64: LinkedFile] = [:]

  /// A name in a directory, by the directory's number.
  private struct Link: Hashable {
    var directory: UInt64
    var name: [UInt8]
  }

  private struct LinkedFile {
    var names: Set<Link> = []
    var unchanged: [OverlayChange] = []
    var isChanged = false
    var count: UInt32
    /// Other names may be a lower's; what was born in the upper has all its names there.
    var isFromLower: Bool
  }

  /// A directory whose children are being compared.
  private struct Frame {
    var node: Int
    /// The merged directory, and whether its lowers are those of `before`.
    var directory: OverlayDirectory?
    var before: OverlayDirectory?
    var isAligned: Bool
  }

  /// What comes next: a change to be listed, or a directory to be looked into.
  private enum Item {
    case change(OverlayChange)
    case directory(Frame)
  }

  /// Compares. The overlay is only read.
  ///
  /// - Parameter keepsInodes: a caller that only lists names need not hold all the objects behind them.
  /// - Throws: errnos of the root directory; deeper ones end up in `unreadable`.
  public init(of overlay: OverlayFilesystem, _ style: Style, keepsInodes: Bool = true) throws(Errno) {
    self.style = style
    self.keepsInodes = keepsInodes
    self.overlay = overlay
    guard let root = overlay.root as? OverlayDirectory else { return }
    var before: OverlayFilesystem?
    if !overlay.base.isEmpty {
      do throws(OverlayError) {
        before = try OverlayFilesystem(upper: nil, lowers: overlay.base)
      } catch {
        throw .ioError
      }
    }
    let lowerRoot = before?.root as? OverlayDirectory
    if let lowerRoot, try differs(root, lowerRoot) {
      enter(OverlayChange(kind: .modified, node: 0, inode: root, before: lowerRoot))
    }
    // A stack and no recursion: a tree can be deeper than our stack is.
    var stack = [Item.directory(Frame(node: 0, directory: root, before: lowerRoot, isAligned: true))]
    while let item = stack.popLast() {
      switch item {
      case .change(let change): enter(change)
      case .directory(let frame):
        do throws(Errno) {
          stack += try compare(frame).reversed()
        } catch {
          unreadable.append((frame.node, error))
        }
      }
    }
    let sorted = changes.count
    try findOtherNames(root, before)
    if style == .list { mergeTail(from: sorted) }
  }

  private mutating func enter(_ change: OverlayChange) {
    var change = change
    if !keepsInodes {
      change.inode = nil
      change.before = nil
    }
    changes.append(change)
  }

  /// The changes from `start` on, few as a rule, go to their positions among those before, which are sorted.
  private mutating func mergeTail(from start: Int) {
    if start == changes.count { return }
    let tail = changes[start...].map { (path: paths.path(of: $0.node), change: $0) }
      .sorted { $0.path.lexicographicallyPrecedes($1.path) }
    var result: [OverlayChange] = []
    result.reserveCapacity(changes.count)
    var next = 0
    for (path, change) in tail {
      var low = next
      var high = start
      while low < high {
        let middle = (low + high) / 2
        if paths.path(of: changes[middle].node).lexicographicallyPrecedes(path) {
          low = middle + 1
        } else {
          high = middle
        }
      }
      result += changes[next..<low]
      result.append(change)
      next = low
    }
    changes = result + changes[next..<start]
  }

  // MARK: - One directory

  /// Compares the children; returns what is to be listed and looked into, in order.
  ///
  /// In a list the paths come in the order of their bytes: a directory's own line at its name, what lies below it at its
  /// name and a slash, behind `name.txt` and before `name0`.
  private mutating func compare(_ frame: Frame) throws(Errno) -> [Item] {
    var deleted: [OverlayChange] = []
    var others: [OverlayChange] = []
    var frames: [Frame] = []
    for name in try names(of: frame) {
      do throws(Errno) {
        let now = try Self.child(name, of: frame.directory)
        let before = try Self.child(name, of: frame.before)
        guard let now else {
          if before != nil {
            let node = paths.add(name, below: frame.node)
            deleted.append(OverlayChange(kind: .deleted, node: node, inode: nil, before: before))
          }
          continue
        }
        var isAligned = false
        if let directory = now as? OverlayDirectory, let before = before as? OverlayDirectory {
          isAligned = Self.haveSameLowers(directory, before)
          if isAligned && !directory.isCovered { continue }
        }
        let node = paths.add(name, below: frame.node)
        var change = OverlayChange(kind: .added, node: node, inode: now, before: before)
        var below: Frame?
        if let directory = now as? OverlayDirectory {
          below = Frame(node: node, directory: directory, before: nil, isAligned: false)
          if let before = before as? OverlayDirectory {
            change.isOpaque = style == .layer && !isAligned
            let isModified = try differs(directory, before)
            change.kind = change.isOpaque || isModified ? .modified : .linked
            below?.before = change.isOpaque ? nil : before
            below?.isAligned = isAligned
          } else if style == .list, before != nil {
            change.kind = .modified
          }
        } else if let before {
          change.kind = try differs(now, before) ? .modified : .linked
        }
        if change.kind != .linked { others.append(change) }
        if !now.isDirectory {
          try note(change, now, Link(directory: frame.directory?.number ?? 0, name: name))
        }
        if let below { frames.append(below) }
      } catch {
        unreadable.append((paths.add(name, below: frame.node), error))
      }
    }
    if style == .layer { return (deleted + others).map { .change($0) } + frames.map { .directory($0) } }
    var items = (deleted + others).map { (key: [UInt8](paths.name(of: $0.node)), item: Item.change($0)) }
    items += frames.map { (key: paths.name(of: $0.node) + [0x2f], item: Item.directory($0)) }
    return items.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.item)
  }

  /// The names that may differ, sorted by their bytes.
  private func names(of frame: Frame) throws(Errno) -> [[UInt8]] {
    var names: Set<[UInt8]> = []
    func take(_ inode: Inode?) throws(Errno) {
      try inode?.iterate(from: 0) { entry in
        names.insert(entry.name.copy)
        return true
      }
    }
    if frame.isAligned, let directory = frame.directory {
      names = try directory.coveredNames()
    } else {
      try take(frame.directory)
      try take(frame.before)
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private static func child(_ name: [UInt8], of directory: OverlayDirectory?) throws(Errno) -> OverlayInode? {
    guard let directory else { return nil }
    return try Name.with(name) { name throws(Errno) in try directory.lookup(name) as? OverlayInode }
  }

  private static func haveSameLowers(_ a: OverlayDirectory, _ b: OverlayDirectory) -> Bool {
    let (a, b) = (a.baseLowers, b.lowers)
    return a.count == b.count && zip(a, b).allSatisfy { $0.filesystem === $1.filesystem && $0.number == $1.number }
  }

  // MARK: - One file

  /// Whether a guest could distinguish the two by anything but times of directories, link counts and inode numbers.
  private func differs(_ now: OverlayInode, _ before: OverlayInode?) throws(Errno) -> Bool {
    guard let before else { return true }
    if now.type != before.type { return true }
    if !now.isCovered { return now.number != before.number }
    let (a, b) = (try now.attributes(), try before.attributes())
    if a.permissions != b.permissions || a.owner != b.owner || a.group != b.group { return true }
    if !now.isDirectory, a.modificationTime != b.modificationTime { return true }
    if try Self.extendedAttributes(now) != Self.extendedAttributes(before) { return true }
    switch now.type {
    case .regular:
      if a.size != b.size { return true }
      if let file = now as? OverlayRegularFile, file.isMetadataOnly, file.lower?.number == before.lower?.number {
        return false
      }
      // Copied up and never written, as an open for writing leaves it; or written, and the time set back.
      return try !DataCopy.isEqual(now, before)
    case .symlink: return try now.readlink() != before.readlink()
    case .characterDevice, .blockDevice: return a.device != b.device
    case .directory, .fifo, .socket: return false
    }
  }

  private static func extendedAttributes(_ inode: OverlayInode) throws(Errno) -> [[UInt8]: [UInt8]] {
    var result: [[UInt8]: [UInt8]] = [:]
    for name in try inode.extendedAttributeNames() {
      result[name] = try Name.with(name) { name throws(Errno) in try inode.extendedAttribute(name) }
    }
    return result
  }

  // MARK: - Names that only a lower has, of files that changed

  private mutating func note(_ change: OverlayChange, _ now: OverlayInode, _ link: Link) throws(Errno) {
    let count = try now.attributes().linkCount
    guard count > 1, now.isCovered else { return }
    let isFromLower = try now.isFromLayers()
    var file = links[now.number] ?? LinkedFile(count: count, isFromLower: isFromLower)
    file.names.insert(link)
    if change.kind == .linked { file.unchanged.append(change) } else { file.isChanged = true }
    links[now.number] = file
  }

  /// A changed file may have names in directories that are in no upper: then, and only then, all names are looked through.
  private mutating func findOtherNames(_ root: OverlayDirectory, _ before: OverlayFilesystem?) throws(Errno) {
    let changed = links.filter { $0.value.isChanged }
    if style == .layer {
      for change in changed.sorted(by: { $0.key < $1.key }).flatMap(\.value.unchanged) { enter(change) }
    }
    var wanted = changed.filter { _, file in
      file.isFromLower && file.names.count < Int(file.count)
    }
    guard !wanted.isEmpty, let before = before?.root as? OverlayDirectory else { return }
    let devices = Set(wanted.keys.map(Self.device))
    var stack: [Frame] = [Frame(node: 0, directory: root, before: before, isAligned: true)]
    while let frame = stack.popLast(), !wanted.isEmpty {
      guard let directory = frame.directory else { continue }
      var found: [(name: [UInt8], number: UInt64)] = []
      var directories: [[UInt8]] = []
      // What cannot be listed shows no names to a guest either.
      _ = try? directory.iterate(from: 0) { entry in
        if entry.type == .directory {
          // Links end where a mount does, and /proc below is without end.
          if Self.device(entry.number) == 0 || devices.contains(Self.device(entry.number)) {
            directories.append(entry.name.copy)
          }
        } else if wanted[entry.number] != nil {
          found.append((entry.name.copy, entry.number))
        }
        return true
      }
      for (name, number) in found {
        let link = Link(directory: directory.number, name: name)
        guard wanted[number]?.names.contains(link) == false, let now = try Self.child(name, of: directory),
          now.number == number
        else { continue }
        let old = try Self.child(name, of: frame.before)
        let isModified = try differs(now, old)
        if isModified || style == .layer {
          enter(
            OverlayChange(
              kind: old == nil ? .added : isModified ? .modified : .linked,
              node: paths.add(name, below: frame.node), inode: now, before: old))
        }
        wanted[number]?.names.insert(link)
        if let file = wanted[number], file.names.count >= Int(file.count) { wanted[number] = nil }
      }
      for name in directories {
        guard let child = try? Self.child(name, of: directory) as? OverlayDirectory else { continue }
        let old = try? Self.child(name, of: frame.before)
        stack.append(
          Frame(
            node: paths.add(name, below: frame.node), directory: child,
            before: old as? OverlayDirectory, isAligned: true))
      }
    }
  }

  /// The part of a number that distinguishes the devices below a lower's root (HostFilesystem.number): 0 is the root's own.
  private static func device(_ number: UInt64) -> UInt64 { number >> 48 & 0x1ff }
}

extension DataCopy {
  /// Whether two regular files of one size have the same content.
  static func isEqual(_ one: Inode, _ other: Inode) throws(Errno) -> Bool {
    let a = try one.open([])
    let b = try other.open([])
    return try withUnsafeTemporaryAllocation(byteCount: 1 << 17, alignment: 4096) { buffer throws(Errno) in
      let half = buffer.count / 2
      let first = UnsafeMutableRawBufferPointer(rebasing: buffer[..<half])
      let second = UnsafeMutableRawBufferPointer(rebasing: buffer[half...])
      var offset: Int64 = 0
      while true {
        let count = try fill(first, a.rawValue, offset)
        guard try fill(second, b.rawValue, offset) == count else { return false }
        if !first[..<count].elementsEqual(second[..<count]) { return false }
        if count < half { return true }
        offset += Int64(count)
      }
    }
  }

  private static func fill(_ buffer: UnsafeMutableRawBufferPointer, _ descriptor: CInt, _ offset: Int64) throws(Errno)
    -> Int
  {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = try Host.read(into: rest, from: descriptor, at: offset + Int64(done))
      if count == 0 { break }
      done += count
    }
    return done
  }
}
