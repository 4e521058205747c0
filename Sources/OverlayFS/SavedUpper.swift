// The upper of an earlier run as a layer: a read-only overlay of it over what lies below it, which another overlay has as the
// last of its lowers. Its marks are read as that run would read them; nothing of it is written.
//
// Where it lies over the very lowers that it was written over, the numbers in its marks are theirs: link counts, and copies of
// files with several links, are what they were. Elsewhere (another upper came in between, say) those numbers may be other
// files': then only names and paths count, as in the kernel's overlay.

import LinuxABI
public import VFS

/// The store of an earlier run, and how it is to be read.
public struct SavedUpper {
  /// Has the directories `upper` and `work`; read-only.
  public var store: Filesystem
  /// In which form the run has written its marks.
  public var format: OverlayFormat
  /// The lowers are those that the marks were written over.
  public var isInPlace: Bool
  /// It belongs to the upper above it: that one's changes are those of both.
  public var isSnapshot: Bool
  /// The caller holds the lock of the store.
  public var isLocked: Bool

  public init(
    store: Filesystem, format: OverlayFormat, isInPlace: Bool, isSnapshot: Bool = false, isLocked: Bool = false
  ) {
    self.store = store
    self.format = format
    self.isInPlace = isInPlace
    self.isSnapshot = isSnapshot
    self.isLocked = isLocked
  }

  /// What lies at a path of the store is at the same one of the tree, unless a directory above it was moved since.
  static func path(_ path: [UInt8]) -> [UInt8]? {
    path.starts(with: "upper/".utf8) ? [UInt8](path.dropFirst(6)) : nil
  }
}

extension OverlayFilesystem {
  /// The numbers that marks hold are those of the lowers.
  var trustsOrigins: Bool { saved?.isInPlace ?? true }

  /// The layers that changes are counted against: those below the upper and the snapshots that belong to it.
  var base: [Filesystem] {
    if layers.count == 1, let below = layers[0] as? OverlayFilesystem, below.saved?.isSnapshot == true {
      return below.base
    }
    return layers
  }
}

extension OverlayInode {
  /// The same file as the snapshot below shows it; nil if there is no snapshot, or it shows none.
  final var inSnapshot: OverlayInode? {
    guard let inner = lower as? OverlayInode, inner.overlay.saved?.isSnapshot == true else { return nil }
    return inner
  }

  /// The upper, or a snapshot that belongs to it, has something of this file: it may differ from what the layers show.
  final var isCovered: Bool { upper != nil || inSnapshot?.isCovered ?? false }

  /// It has come from a layer below the upper and its snapshots, as far as the marks say.
  final func isFromLayers() throws(Errno) -> Bool {
    if let inner = inSnapshot, upper == nil { return try inner.isFromLayers() }
    if lower != nil { return true }
    guard let upper else { return false }
    return try overlay.marks?.origin(of: upper) != nil
  }
}

extension OverlayDirectory {
  /// The directories of the layers below the upper and its snapshots, topmost first.
  var baseLowers: [Inode] { (inSnapshot as? OverlayDirectory)?.baseLowers ?? lowers }

  /// The layers below the upper and its snapshots have it.
  public var isOfLayers: Bool { !baseLowers.isEmpty }

  /// Names that the upper or its snapshots have, or have deleted.
  func coveredNames() throws(Errno) -> Set<[UInt8]> {
    var names = whiteouts
    try upper?.iterate(from: 0) { entry in
      names.insert(entry.name.copy)
      return true
    }
    if let inner = inSnapshot as? OverlayDirectory { names.formUnion(try inner.coveredNames()) }
    return names
  }

  /// Where the layers have this directory, if it or one above it was moved.
  var movedPaths: [[UInt8]] {
    var directory: OverlayDirectory? = self
    while let next = directory, next.redirect == nil { directory = next.parent }
    let own = directory == nil ? [] : layerPaths().map(\.path)
    return lowers.reduce(own) { $0 + (($1 as? OverlayDirectory)?.movedPaths ?? []) }
  }
}
