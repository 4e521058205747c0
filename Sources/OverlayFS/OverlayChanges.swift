// What an overlay's upper layer has changed: the merged tree compared, name by name, with the tree that the lowers alone
// make. Only directories that are in the upper are looked into; a directory that was moved is another one in two places.

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
  /// From the root, without a slash at either end; empty for the root itself.
  public var path: [UInt8]
  /// What the name shows now; nil if it is deleted.
  public var inode: Inode?
  /// What the lowers alone show; nil if the name is added.
  public var before: Inode?
  /// A directory below which nothing of the lowers shows, although they have one there.
  public var isOpaque = false
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
  /// What could not be compared, and why.
  public private(set) var unreadable: [(path: [UInt8], errno: Errno)] = []

  private let style: Style
  private let overlay: OverlayFilesystem
  /// The names met so far of files with several links that came from a lower, by number.
  private var links: [UInt64: LinkedFile] = [:]

  private struct LinkedFile {
    var paths: Set<[UInt8]> = []
    var unchanged: [OverlayChange] = []
    var isChanged = false
    var count: UInt32
    /// Other names may be a lower's; what was born in the upper has all its names there.
    var isFromLower: Bool
  }

  /// A directory whose children are being compared.
  private struct Frame {
    var path: [UInt8]
    /// The merged directory, and whether its lowers are those of `before`.
    var directory: OverlayDirectory?
    var before: OverlayDirectory?
    var isAligned: Bool
  }

  /// Compares. The overlay is only read.
  ///
  /// - Throws: errnos of the root directory; deeper ones end up in `unreadable`.
  public init(of overlay: OverlayFilesystem, _ style: Style) throws(Errno) {
    self.style = style
    self.overlay = overlay
    guard let root = overlay.root as? OverlayDirectory else { return }
    var before: OverlayFilesystem?
    if !overlay.layers.isEmpty {
      do throws(OverlayError) {
        before = try OverlayFilesystem(upper: nil, lowers: overlay.layers)
      } catch {
        throw .ioError
      }
    }
    let lowerRoot = before?.root as? OverlayDirectory
    if let lowerRoot, try differs(root, lowerRoot) {
      changes.append(OverlayChange(kind: .modified, path: [], inode: root, before: lowerRoot))
    }
    // A stack and no recursion: a tree can be deeper than our stack is.
    var stack = [Frame(path: [], directory: root, before: lowerRoot, isAligned: true)]
    while let frame = stack.popLast() {
      do throws(Errno) {
        stack += try compare(frame).reversed()
      } catch {
        unreadable.append((frame.path, error))
      }
    }
    try findOtherNames(root, before)
    if style == .list { changes.sort { $0.path.lexicographicallyPrecedes($1.path) } }
  }

  // MARK: - One directory

  /// Compares the children; returns the directories to look into.
  private mutating func compare(_ frame: Frame) throws(Errno) -> [Frame] {
    var deleted: [OverlayChange] = []
    var others: [OverlayChange] = []
    var frames: [Frame] = []
    for name in try names(of: frame) {
      let path = frame.path.isEmpty ? name : frame.path + [0x2f] + name
      do throws(Errno) {
        let now = try Self.child(name, of: frame.directory)
        let before = try Self.child(name, of: frame.before)
        guard let now else {
          if before != nil { deleted.append(OverlayChange(kind: .deleted, path: path, before: before)) }
          continue
        }
        var change = OverlayChange(kind: .added, path: path, inode: now, before: before)
        var below: Frame?
        if let directory = now as? OverlayDirectory {
          below = Frame(path: path, directory: directory, before: nil, isAligned: false)
          if let before = before as? OverlayDirectory {
            let isAligned = Self.haveSameLowers(directory, before)
            if isAligned && directory.upper == nil { continue }
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
        if !now.isDirectory { try note(change, now) }
        if let below { frames.append(below) }
      } catch {
        unreadable.append((path, error))
      }
    }
    changes += deleted + others
    return frames
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
      names = directory.whiteouts
      try take(directory.upper)
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
    a.lowers.count == b.lowers.count
      && zip(a.lowers, b.lowers).allSatisfy { $0.filesystem === $1.filesystem && $0.number == $1.number }
  }

  // MARK: - One file

  /// Whether a guest could tell the two apart by anything but times of directories, link counts and inode numbers.
  private func differs(_ now: OverlayInode, _ before: OverlayInode?) throws(Errno) -> Bool {
    guard let before else { return true }
    if now.type != before.type { return true }
    if now.upper == nil { return now.number != before.number }
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

  private mutating func note(_ change: OverlayChange, _ now: OverlayInode) throws(Errno) {
    let count = try now.attributes().linkCount
    guard count > 1, let upper = now.upper else { return }
    let origin = try overlay.marks?.origin(of: upper)
    let isFromLower = now.lower != nil || origin != nil
    var file = links[now.number] ?? LinkedFile(count: count, isFromLower: isFromLower)
    file.paths.insert(change.path)
    if change.kind == .linked { file.unchanged.append(change) } else { file.isChanged = true }
    links[now.number] = file
  }

  /// A changed file may have names in directories that are in no upper: then, and only then, all names are looked through.
  private mutating func findOtherNames(_ root: OverlayDirectory, _ before: OverlayFilesystem?) throws(Errno) {
    let changed = links.filter { $0.value.isChanged }
    if style == .layer { changes += changed.sorted { $0.key < $1.key }.flatMap(\.value.unchanged) }
    var wanted = changed.filter { _, file in
      file.isFromLower && file.paths.count < Int(file.count)
    }
    guard !wanted.isEmpty, let before = before?.root as? OverlayDirectory else { return }
    let devices = Set(wanted.keys.map(Self.device))
    var stack: [Frame] = [Frame(path: [], directory: root, before: before, isAligned: true)]
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
        let path = frame.path.isEmpty ? name : frame.path + [0x2f] + name
        guard wanted[number]?.paths.contains(path) == false, let now = try Self.child(name, of: directory),
          now.number == number
        else { continue }
        let old = try Self.child(name, of: frame.before)
        let isModified = try differs(now, old)
        if isModified || style == .layer {
          changes.append(
            OverlayChange(
              kind: old == nil ? .added : isModified ? .modified : .linked, path: path, inode: now, before: old))
        }
        wanted[number]?.paths.insert(path)
        if let file = wanted[number], file.paths.count >= Int(file.count) { wanted[number] = nil }
      }
      for name in directories {
        guard let child = try? Self.child(name, of: directory) as? OverlayDirectory else { continue }
        let old = try? Self.child(name, of: frame.before)
        stack.append(
          Frame(
            path: frame.path.isEmpty ? name : frame.path + [0x2f] + name, directory: child,
            before: old as? OverlayDirectory, isAligned: true))
      }
    }
  }

  /// The part of a number that tells the devices below a lower's root apart (HostFilesystem.number): 0 is the root's own.
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
