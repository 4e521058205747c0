// Whether two trees are alike, and whether one is as it was: what `apply` and `undo` ask of the host before they touch it.

import Kernel
import LinuxABI
import OverlayFS
import VFS

enum TreeCompare {
  /// Whether two files have the same type, mode and content; of directories the same names with alike files, all the way
  /// down. Owners and times do not count: they may be beyond the user's rights.
  static func areAlike(_ one: Inode, _ other: Inode) throws(Errno) -> Bool {
    var stack = [(one, other)]
    while let (a, b) = stack.popLast() {
      if a.type != b.type { return false }
      let (first, second) = (try a.attributes(), try b.attributes())
      if a.type != .symlink, first.permissions != second.permissions { return false }
      switch a.type {
      case .regular:
        if first.size != second.size { return false }
        if try !haveSameContent(a, b) { return false }
      case .symlink:
        if try a.readlink() != b.readlink() { return false }
      case .characterDevice, .blockDevice:
        if first.device != second.device { return false }
      case .fifo, .socket: continue
      case .directory:
        let names = try a.sortedNames()
        if try names != b.sortedNames() { return false }
        for name in names {
          guard let x = try a.child(name), let y = try b.child(name) else { return false }
          stack.append((x, y))
        }
      }
    }
    return true
  }

  private static func haveSameContent(_ a: Inode, _ b: Inode) throws(Errno) -> Bool {
    let first = try a.open([])
    let second = try b.open([])
    var offset: Int64 = 0
    while true {
      let one = try Host.read(1 << 17, from: first.rawValue, at: offset)
      let other = try Host.read(1 << 17, from: second.rawValue, at: offset)
      if one != other { return false }
      if one.isEmpty { return true }
      offset += Int64(one.count)
    }
  }

  /// A checksum of everything that a change of the tree moves: names, numbers, modes, owners, sizes and times. Of a
  /// directory at the top, which stays while names come and go in it, only mode and owner.
  ///
  /// - Parameter withChangeTime: of the top; a rename moves it.
  static func fingerprint(_ top: Inode, withChangeTime: Bool, below: Bool = true) throws(Errno) -> UInt64 {
    var sum = FNV()
    var stack: [(inode: Inode, isTop: Bool)] = [(top, true)]
    while let (inode, isTop) = stack.popLast() {
      let attributes = try inode.attributes()
      sum.add(UInt64(attributes.type.rawValue) << 16 | UInt64(attributes.permissions.rawValue))
      sum.add(UInt64(attributes.owner) << 32 | UInt64(attributes.group))
      if isTop, !below { break }
      sum.add(attributes.number)
      if !inode.isDirectory {
        sum.add(UInt64(bitPattern: attributes.size))
        sum.add(attributes.modificationTime)
        if !isTop || withChangeTime { sum.add(attributes.changeTime) }
        continue
      }
      for name in try inode.sortedNames() {
        sum.add(name + [0])
        if let child = try inode.child(name) { stack.append((child, false)) }
      }
    }
    return sum.value
  }
}
