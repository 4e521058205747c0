// Three-way apply: what the upper covered (OverlayBases), what it shows now, and what the target has. A name that the target
// has changed since it was covered, has lost, or has got where the upper makes one, is a conflict.

import Kernel
import LinuxABI
import OverlayFS
import VFS

/// A path that both sides have changed.
public struct ApplyConflict: Sendable {
  public enum Reason: String, Sendable {
    case changed = "changed there since"
    case removed = "removed there since"
    case made = "made there too"
  }

  /// In the tree of paths of its plan.
  var node: Int
  /// The step that it stops.
  var step: Int
  public var reason: Reason
}

/// What to do about conflicts.
public enum ConflictPolicy: Sendable {
  /// Nothing is applied.
  case refuse
  /// What the upper has goes over what the target has.
  case ours
  /// What the target has stays; the other changes are applied.
  case theirs
  /// Text files are merged line by line where that is clear; what is left is refused.
  case merge
}

/// Compares the target with what the upper covered.
struct ConflictFinder {
  let bases: OverlayBases
  private let tree: HostTree
  private var way: TreeWay

  /// - Throws: errnos of opening the target.
  init(_ target: ByteString, _ bases: OverlayBases) throws(Errno) {
    self.bases = bases
    tree = try HostTree(try target.open([.path, .directory]))
    way = TreeWay(from: tree.root)
  }

  /// What the target has at a path; nil for nothing.
  mutating func theirs(_ node: Int, in paths: PathTree) throws(Errno) -> Inode? {
    if node == 0 { return tree.root }
    do throws(Errno) {
      guard let directory = try way.directory(above: node, in: paths)?.inode else { return nil }
      return try tree.child([UInt8](paths.name(of: node)), of: directory)
    } catch {
      // A file where the upper's lowers have a directory.
      if error == .notDirectory { return nil }
      throw error
    }
  }

  /// The conflicts of one change. `paths` gets the names below a directory that is to go.
  ///
  /// - Parameters:
  ///   - now: what the upper shows; nil for a deletion.
  ///   - before: what its lowers show today.
  ///   - onlyMetadata: the directory stays with what it holds.
  mutating func conflicts(
    at node: Int, now: Inode?, before: Inode?, onlyMetadata: Bool, _ paths: inout PathTree
  ) throws(Errno) -> [(node: Int, reason: ApplyConflict.Reason)] {
    let base = bases.base(at: paths.path(of: node)) ?? before.flatMap { bases.base(numbered: $0.number) }
    let theirs = try theirs(node, in: paths)
    if let reason = try Self.reason(base, now: now, theirs: theirs, before: before, bases.isComplete) {
      return [(node, reason)]
    }
    guard !onlyMetadata, let theirs, theirs.isDirectory, base?.state == .present else { return [] }
    if let now, try TreeCompare.areAlike(theirs, now) { return [] }
    return try below(theirs, before, node, &paths)
  }

  /// A directory of the target is to go: what it holds must be what was deleted from it.
  private func below(_ top: Inode, _ before: Inode?, _ node: Int, _ paths: inout PathTree) throws(Errno) -> [(
    node: Int, reason: ApplyConflict.Reason
  )] {
    var found: [(node: Int, reason: ApplyConflict.Reason)] = []
    var stack: [(theirs: Inode, before: Inode?, node: Int)] = [(top, before, node)]
    while let (directory, lower, above) = stack.popLast() {
      for name in try directory.sortedNames() {
        guard let child = try directory.child(name) else { continue }
        var below: Inode?
        if let lower, lower.isDirectory { below = try lower.child(name) }
        let node = paths.add(name, below: above)
        let base = bases.base(at: paths.path(of: node)) ?? below.flatMap { bases.base(numbered: $0.number) }
        if let reason = try Self.reason(base, now: nil, theirs: child, before: below, bases.isComplete) {
          found.append((node, reason))
        } else if child.isDirectory, base?.state == .present {
          stack.append((child, below, node))
        }
      }
    }
    return found
  }

  private static func reason(
    _ base: OverlayBase?, now: Inode?, theirs: Inode?, before: Inode?, _ isComplete: Bool
  ) throws(Errno) -> ApplyConflict.Reason? {
    guard let base, base.state != .absent else {
      guard isComplete || base != nil, let theirs else { return nil }
      if let now, try TreeCompare.areAlike(theirs, now) { return nil }
      return .made
    }
    guard let theirs else { return now == nil ? nil : .removed }
    if try isUnchanged(theirs, base, before) { return nil }
    if let now, try TreeCompare.areAlike(theirs, now) { return nil }
    return .changed
  }

  /// Whether the target still has what was covered: the file itself, or, in another tree, one like it.
  private static func isUnchanged(_ theirs: Inode, _ base: OverlayBase, _ before: Inode?) throws(Errno) -> Bool {
    if try base.matches(theirs.attributes()) { return true }
    guard theirs.type != .directory, let before, try base.matches(before.attributes()) else { return false }
    return try TreeCompare.areAlike(theirs, before)
  }

  // MARK: - Merging

  /// The merged content of a text file that both sides have changed; nil if it cannot be said, or is no text.
  ///
  /// What was covered must be at hand: `before` as the upper covered it.
  mutating func merged(at node: Int, now: Inode?, before: Inode?, in paths: PathTree) throws(Errno) -> [UInt8]? {
    guard let now, let before, let theirs = try theirs(node, in: paths), now.type == .regular,
      before.type == .regular, theirs.type == .regular
    else { return nil }
    let base = bases.base(at: paths.path(of: node)) ?? bases.base(numbered: before.number)
    guard let base, try base.matches(before.attributes()) else { return nil }
    guard let ancestor = try TextFile.content(before), let ours = try TextFile.content(now),
      let other = try TextFile.content(theirs)
    else { return nil }
    return TextMerge.merge(ancestor, ours, other)
  }
}
