// The way from the root of a tree to a directory in it, kept from one step to the next: nodes that come in the order of the
// tree cost a look at each directory, not at each directory for each of them.

import LinuxABI
import OverlayFS
import VFS

/// The directories above the node that was asked for last.
struct TreeWay {
  private let root: Inode
  private var directories: [(node: Int, inode: Inode)] = []
  private var nodes: Set<Int> = []

  init(from root: Inode) { self.root = root }

  /// The directory that the name of `node` is in, and those on the way that were not on the last one; nil if one is missing.
  ///
  /// - Throws: `.notDirectory`, and what looking up throws.
  mutating func directory(above node: Int, in paths: PathTree) throws(Errno) -> (
    inode: Inode, entered: [(node: Int, inode: Inode)]
  )? {
    var missing: [Int] = []
    var next = paths.parent(of: node)
    while next != 0, !nodes.contains(next) {
      missing.append(next)
      next = paths.parent(of: next)
    }
    while let last = directories.last, last.node != next {
      directories.removeLast()
      nodes.remove(last.node)
    }
    let start = directories.count
    for node in missing.reversed() {
      let above = directories.last?.inode ?? root
      let found = try Name.with([UInt8](paths.name(of: node))) { name throws(Errno) in try above.lookup(name) }
      guard let found else { return nil }
      guard found.isDirectory else { throw .notDirectory }
      directories.append((node, found))
      nodes.insert(node)
    }
    return (directories.last?.inode ?? root, [(node: Int, inode: Inode)](directories[start...]))
  }
}
