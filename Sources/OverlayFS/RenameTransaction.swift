// Renaming in an overlay. Everything that can fail comes first and changes nothing that shows; the upper's own rename is
// the commit point; behind it only memory is brought up to date.
//
// No lower data moves: a file is copied up (in memory its attributes only), a directory takes its lowers along.

import LinuxABI
import VFS

/// One rename between two directories of an overlay.
struct RenameTransaction {
  private let from: OverlayDirectory
  private let to: OverlayDirectory
  private let inode: OverlayInode
  private let replaced: OverlayInode?
  private let flags: RenameFlags

  init(
    from: OverlayDirectory, to: OverlayDirectory, inode: OverlayInode, replaced: OverlayInode?, _ flags: RenameFlags
  ) throws(Errno) {
    self.from = from
    self.to = to
    self.inode = inode
    self.replaced = replaced
    self.flags = flags
    if let replaced = replaced as? OverlayDirectory, !flags.contains(.exchange) {
      guard try replaced.isEmpty() else { throw .directoryNotEmpty }
    }
  }

  func commit(_ name: Name, _ newName: Name) throws(Errno) {
    let isExchange = flags.contains(.exchange)
    let fromUpper = try from.copiedUp()
    let toUpper = try to.copiedUp()
    let moved = try inode.copiedUp(.metadata)
    let exchanged = isExchange ? try replaced?.copiedUp(.metadata) : nil
    // An inode whose links are of both layers may have its upper entry under another name.
    let entry = try ensureEntry(moved, name, in: fromUpper)
    let oldEntry = try exchanged.map { (other) throws(Errno) in try ensureEntry(other, newName, in: toUpper) }
    from.willChange()
    to.willChange()

    try coverMoved(inode, from: from, name)
    if isExchange { try coverMoved(replaced, from: to, newName) }
    try takeLowersAlong(inode, to: to, newName)
    if isExchange, let replaced { try takeLowersAlong(replaced, to: from, name) }
    if to.lower == nil && inode.hasOrigin { try from.overlay.marks?.setImpure(toUpper) }
    if isExchange, from.lower == nil, replaced?.hasOrigin == true { try from.overlay.marks?.setImpure(fromUpper) }
    if !isExchange { try from.whiteOut(name) }

    var upperReplaced = oldEntry
    if upperReplaced == nil { upperReplaced = try toUpper.lookup(newName) }
    if upperReplaced == nil { try from.overlay.cover(replaced?.lower, newName, in: to) }
    let followUps =
      if !isExchange, let replaced { from.overlay.followUps(ofLosing: replaced, entry: upperReplaced) } else {
        [OverlayIntent.FollowUp]()
      }
    try from.overlay.commit(.holds(entry.number), newName, in: to, followUps) { () throws(Errno) in
      // The upper leaves the device 0:0 of RENAME_WHITEOUT itself, in the same step.
      try fromUpper.rename(
        name, entry, to: toUpper, newName, replacing: upperReplaced, flags.intersection([.exchange, .whiteout]))
    }
    // The commit point has passed.
    remember(name, newName)
    if flags.contains(.whiteout), let node = try? fromUpper.lookup(name) {
      from.listing?.insert(name, ListedChild(number: from.overlay.born(node.number), type: node.type))
    }
  }

  /// The upper entry at `name`, which is a link to `upper`; made if the name was a lower's only.
  private func ensureEntry(_ upper: Inode, _ name: Name, in directory: Inode) throws(Errno) -> Inode {
    if let entry = try directory.lookup(name) { return entry }
    try directory.link(name, to: upper)
    return upper
  }

  /// A directory that leaves its lowers' place. One that was moved before has left it.
  private func coverMoved(_ inode: OverlayInode?, from directory: OverlayDirectory, _ name: Name) throws(Errno) {
    guard let moved = inode as? OverlayDirectory, moved.redirect == nil else { return }
    try directory.overlay.cover(moved.lower, name, in: directory, nil, .movedDirectory)
  }

  /// A directory that goes where another one's lowers would show below it, or whose own would not, gets its lowers written down.
  private func takeLowersAlong(_ inode: OverlayInode, to directory: OverlayDirectory, _ name: Name) throws(Errno) {
    guard let moved = inode as? OverlayDirectory, let upper = moved.upper else { return }
    let overlay = moved.overlay
    if moved.lower == nil, try !directory.lowerShows(name) { return }
    if overlay.isPersistent && moved.redirect == nil {
      let paths = moved.layerPaths()
      try overlay.marks?.setRedirect(paths, of: upper)
      try overlay.marks?.setOrigin(moved.number, of: upper)
      moved.redirect = paths
    }
    overlay.keep(moved)
  }

  // MARK: - After the commit point

  private func remember(_ name: Name, _ newName: Name) {
    if flags.contains(.exchange), let replaced {
      from.didRemove(name, inode)
      to.didRemove(newName, replaced)
      to.didAdd(newName, inode)
      from.didAdd(name, replaced)
      replaced.isFound(in: from, name)
    } else {
      if let replaced {
        replaced.lostName(newName, in: to)
        to.didRemove(newName, replaced)
      }
      if from === to {
        from.listing?.rename(name, to: newName)
      } else {
        from.didRemove(name, inode)
        to.didAdd(newName, inode)
      }
    }
    inode.isFound(in: to, newName)
  }
}

extension OverlayDirectory {
  /// Where the lowers of this directory are in their layers.
  func layerPaths() -> [LayerPath] {
    lowers.compactMap { lower in
      let layer = overlay.layers.firstIndex { $0 === lower.filesystem } ?? 0
      return layerPath(layer).map { LayerPath(layer: layer, path: $0) }
    }
  }

  /// Walks up to the root or to a directory that was moved; a loop, because trees can be deep.
  private func layerPath(_ layer: Int) -> [UInt8]? {
    var names: [[UInt8]] = []
    var directory = self
    while true {
      if let redirect = directory.redirect {
        guard let base = redirect.first(where: { $0.layer == layer }) else { return nil }
        names.append(base.path)
        break
      }
      guard let parent = directory.parent else { break }
      names.append(directory.name)
      directory = parent
    }
    return [UInt8](names.reversed().filter { !$0.isEmpty }.joined(separator: [0x2f]))
  }
}

extension OverlayFilesystem {
  /// The lower directories that a redirect names. One that is gone, or a directory no more, is left out.
  ///
  /// - Throws: EUCLEAN for a layer that there is not.
  func directories(at paths: [LayerPath]) throws(Errno) -> [Inode] {
    var result: [Inode] = []
    var seen: Set<[UInt8]> = []
    for path in paths {
      // Over other lowers than it was written over there is one, which is all of them, and the layer's number means nothing.
      if !trustsOrigins {
        if layers.isEmpty || !seen.insert(path.path).inserted { continue }
      } else if path.layer >= layers.count {
        throw .needsCleaning
      }
      var current: Inode? = layers[trustsOrigins ? path.layer : 0].root
      for component in path.path.split(separator: 0x2f) {
        guard let directory = current, directory.isDirectory else {
          current = nil
          break
        }
        current = try Name.with([UInt8](component)) { name throws(Errno) in try directory.lookup(name) }
      }
      if let current, current.isDirectory { result.append(current) }
    }
    return result
  }

  /// Makes a child of an upper directory. In a store it is prepared aside if making it takes more than one call.
  func makeUpperChild(_ name: Name, _ new: NewInode, in upper: Inode) throws(Errno) -> Inode {
    guard isPersistent, let work else { return try upper.create(name, new) }
    return try Name.with(temporaryName()) { prepared throws(Errno) in
      let child = try work.create(prepared, new)
      do throws(Errno) {
        try work.rename(prepared, child, to: upper, name, replacing: nil, .noReplace)
      } catch {
        discard(prepared, child, in: work)
        throw error
      }
      return child
    }
  }
}
