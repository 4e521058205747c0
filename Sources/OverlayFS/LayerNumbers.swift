// The inode numbers of an overlay: those of its layers, made different by bits that are the same in each run.
//
// What came from a plain lower has that lower's number; bits 57 and up have the lower's index. What was born in an upper has
// the upper's number, bit 40, and in bits 41 to 47 how many saved uppers lie below that one. Below a saved upper everything
// keeps the number it has without it, so that neither a snapshot nor a run on top of a stack changes one.

import VFS

/// How an overlay over given lowers numbers what they show, and what is born above them.
struct LayerNumbers {
  /// How many plain lowers there are, those below a saved upper included.
  let span: Int
  /// How many saved uppers there are.
  let depth: Int
  /// The index of the topmost lower; those below a saved upper come first.
  private let offset: Int
  private let count: Int
  private let hasStack: Bool

  /// - Parameter lowers: topmost first. A saved upper, or layers that were merged, can only be the last of them.
  init(_ lowers: [Filesystem]) {
    let stack = lowers.last as? OverlayFilesystem
    count = lowers.count
    hasStack = stack != nil
    offset = stack?.numbers.span ?? 0
    span = offset + lowers.count - (stack == nil ? 0 : 1)
    depth = (stack?.numbers.depth ?? 0) + (stack?.isSaved == true ? 1 : 0)
  }

  /// The number here of what has `number` in the lower at `index`, counted from the topmost.
  func number(_ number: UInt64, ofLayer index: Int) -> UInt64 {
    if count == 1 || hasStack && index == count - 1 { return number }
    return number | UInt64(truncatingIfNeeded: offset + index) << 57
  }

  /// The number of what was born in the upper.
  func born(_ upperNumber: UInt64) -> UInt64 { upperNumber | 1 << 40 | UInt64(truncatingIfNeeded: depth) << 41 }
}

extension OverlayFilesystem {
  /// How many saved uppers, and how many plain lowers, can lie over one another: numbers have seven bits for each.
  public static let mostLayers = 127

  /// How many saved uppers there are, this one included.
  public var savedUppers: Int { numbers.depth + (isSaved ? 1 : 0) }

  func number(ofLower inode: Inode) -> UInt64 { number(inode.number, in: inode.filesystem) }

  /// The number here of what has `number` in the lower `filesystem`.
  func number(_ number: UInt64, in filesystem: Filesystem) -> UInt64 {
    if layers.count == 1 { return number }
    let index = layers[0] === filesystem ? 0 : layers.firstIndex { $0 === filesystem } ?? 0
    return numbers.number(number, ofLayer: index)
  }

  /// The number of an inode that was born in the upper.
  func born(_ upperNumber: UInt64) -> UInt64 { numbers.born(upperNumber) }
}
