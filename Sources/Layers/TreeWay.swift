// The way from the root of a tree to a directory in it, kept from one step to the next: places that come in the order of the
// tree cost a look at each directory, not at each directory for each of them.

import LinuxABI
import OverlayFS
import VFS

/// The directories above the place that was asked for last.
struct TreeWay {
  private let root: Inode
  private var directories: [(place: Int, inode: Inode)] = []
  private var places: Set<Int> = []

  init(from root: Inode) { self.root = root }

  /// The directory that the name of `place` is in, and those on the way that were not on the last one; nil if one is missing.
  ///
  /// - Throws: `.notDirectory`, and what looking up throws.
  mutating func directory(above place: Int, in paths: PathTree) throws(Errno) -> (
    inode: Inode, entered: [(place: Int, inode: Inode)]
  )? {
    var missing: [Int] = []
    var next = paths.parent(of: place)
    while next != 0, !places.contains(next) {
      missing.append(next)
      next = paths.parent(of: next)
    }
    while let last = directories.last, last.place != next {
      directories.removeLast()
      places.remove(last.place)
    }
    let start = directories.count
    for place in missing.reversed() {
      let above = directories.last?.inode ?? root
      let found = try Name.with([UInt8](paths.name(of: place))) { name throws(Errno) in try above.lookup(name) }
      guard let found else { return nil }
      guard found.isDirectory else { throw .notDirectory }
      directories.append((place, found))
      places.insert(place)
    }
    return (directories.last?.inode ?? root, [(place: Int, inode: Inode)](directories[start...]))
  }
}
