// Listing a directory of an overlay. A directory that only one layer knows is that layer's own listing; a merged one has
// its names in an index, built when it is first needed and kept in step with every change from then on.
//
// An immutable lower counts its entries as cursors (HostListing.swift), and so does an index that begins with them in the
// same order: a reader that began before the first change goes on in the index where it stopped.

import LinuxABI
import VFS

/// What a listing says of a name.
struct ListedChild {
  var number: UInt64
  var type: FileType
}

extension OverlayDirectory {
  func list(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    let overlay = overlay
    if listing == nil, otherLowers.isEmpty {
      if upper == nil, let lower {
        wasListed = true
        return try lower.iterate(from: cursor) { entry in
          var entry = entry
          entry.number = overlay.number(entry.number, in: lower.filesystem)
          return body(entry)
        }
      }
      // One that lost its lowers (they are gone, its redirect was damaged) still has children that came from them.
      if lower == nil, let upper, !hasOrigin || !overlay.isPersistent, try overlay.marks?.isImpure(upper) != true {
        return try upper.iterate(from: cursor) { entry in
          var entry = entry
          entry.number = overlay.number(ofUpper: entry.number)
          return body(entry)
        }
      }
    }
    if listing == nil { try makeListing() }
    // A copy, so that `body` may cause changes here.
    let current = listing ?? DirectoryIndex()
    current.iterate(from: cursor) { name, child, next in
      body(DirectoryEntry(name: name, number: child.number, type: child.type, next: next))
    }
  }

  /// - Throws: `.noMemory` if the sandbox's budget has no room for so many names.
  private func makeListing() throws(Errno) {
    let before = charge.count
    do throws(Errno) { listing = try merge() } catch {
      charge.add(before - charge.count)
      throw error
    }
  }

  /// All names with their numbers: those of the lowers in their order, then those only the upper has.
  private func merge() throws(Errno) -> DirectoryIndex<ListedChild> {
    let overlay = overlay
    var result = DirectoryIndex<ListedChild>()
    var hasRoom = true
    for layer in lowers {
      try layer.iterate(from: 0) { entry in
        if !isWhiteout(entry.name), result.lookup(entry.name) == nil {
          hasRoom = charge.grow(MemoryCost.name(entry.name.count))
          if !hasRoom { return false }
          result.insert(
            entry.name, ListedChild(number: overlay.number(entry.number, in: layer.filesystem), type: entry.type))
        }
        return true
      }
      if !hasRoom { throw .noMemory }
    }
    guard let upper else { return result }
    var unknown: [[UInt8]] = []
    try upper.iterate(from: 0) { entry in
      // In memory the upper's own name has paid for this one.
      if overlay.isPersistent { hasRoom = charge.grow(MemoryCost.name(entry.name.count)) }
      if !hasRoom { return false }
      result.insert(entry.name, ListedChild(number: overlay.number(ofUpper: entry.number), type: entry.type))
      if overlay.isPersistent { unknown.append(entry.name.copy) }
      return true
    }
    if !hasRoom { throw .noMemory }
    for stored in unknown {
      try Name.with(stored) { name throws(Errno) in
        var child: Inode?
        // A damaged child has a name all the same.
        do throws(Errno) { child = try lookup(name) } catch  where error == .needsCleaning {}
        guard let child else { return }
        result.replace(name, ListedChild(number: child.number, type: child.type))
      }
    }
    return result
  }

  /// The directory is about to change for the first time: a task that reads it goes on in the index.
  ///
  /// A lower that cannot be listed has shown nothing that could go stale.
  func willChange() {
    guard wasListed, listing == nil, lower != nil else { return }
    _ = try? makeListing()
  }

  func didAdd(_ name: Name, _ inode: OverlayInode) {
    copied?.isPast = true
    if listing != nil, overlay.isPersistent { charge.add(MemoryCost.name(name.count)) }
    listing?.insert(name, ListedChild(number: inode.number, type: inode.type))
    if inode.isDirectory, let subdirectories { self.subdirectories = subdirectories + 1 }
  }

  func didRemove(_ name: Name, _ inode: OverlayInode) {
    copied?.isPast = true
    if listing?.remove(name) != nil, overlay.isPersistent {
      charge.add(-min(charge.count, MemoryCost.name(name.count)))
    }
    if inode.isDirectory, let subdirectories { self.subdirectories = max(0, subdirectories - 1) }
  }

  /// No child shows: the lowers have nothing that is not deleted, the upper has nothing at all.
  func isEmpty() throws(Errno) -> Bool {
    if let listing { return listing.isEmpty }
    var found = false
    try upper?.iterate(from: 0) { _ in
      found = true
      return false
    }
    for layer in lowers where !found {
      try layer.iterate(from: 0) { entry in
        found = !isWhiteout(entry.name)
        return !found
      }
    }
    return !found
  }

  /// How many child directories there are. Asked of the lower while it is the only layer that has any; counted once where
  /// layers are merged; kept in step afterwards.
  func countSubdirectories() throws(Errno) -> Int {
    if let subdirectories { return subdirectories }
    var count = 0
    if listing == nil { try makeListing() }
    listing?.iterate(from: 0) { _, child, _ in
      if child.type == .directory { count += 1 }
      return true
    }
    subdirectories = count
    return count
  }

  /// Copy-up has just given this directory an empty upper: its lower's link count still says it all.
  func learnSubdirectories() {
    guard subdirectories == nil, otherLowers.isEmpty, let lower, lower.linkCount >= 2 else { return }
    subdirectories = Int(lower.linkCount) - 2
  }
}
