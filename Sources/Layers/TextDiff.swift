// Lines of two texts compared (E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986), the unified form of it as
// `patch` and `git apply` read it, and the merge of three texts.

import Kernel
import LinuxABI
import VFS

/// Regular files that hold text.
enum TextFile {
  /// A longer file is no text that people compare.
  static let longest: Int64 = 8 << 20

  /// The content; nil for a long one, or one with a NUL in its first 8,000 bytes, which is how git knows a binary.
  static func content(_ inode: Inode) throws(Errno) -> [UInt8]? {
    guard try inode.attributes().size <= longest else { return nil }
    let file = try inode.open([])
    let bytes = try Host.readAll(file.rawValue)
    return bytes.count <= longest && !bytes.prefix(8000).contains(0) ? bytes : nil
  }

  /// Each with its line feed; the last may have none.
  static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    var lines: [ArraySlice<UInt8>] = []
    var start = 0
    for (index, byte) in bytes.enumerated() where byte == 0x0a {
      lines.append(bytes[start...index])
      start = index + 1
    }
    if start < bytes.count { lines.append(bytes[start...]) }
    return lines
  }
}

/// Which lines of two texts differ.
enum LineDiff {
  /// Lines `old` of the one stand as lines `new` in the other.
  struct Change: Equatable {
    var old: Range<Int>
    var new: Range<Int>
  }

  /// Beyond this many differing lines the middle is one change: the time grows with the square of them.
  static let mostDifferences = 2000

  static func changes(_ old: [ArraySlice<UInt8>], _ new: [ArraySlice<UInt8>]) -> [Change] {
    var numbers: [ArraySlice<UInt8>: Int] = [:]
    func numbered(_ lines: [ArraySlice<UInt8>]) -> [Int] {
      lines.map { line in
        if let number = numbers[line] { return number }
        numbers[line] = numbers.count
        return numbers.count - 1
      }
    }
    return changes(numbered(old), numbered(new))
  }

  static func changes(_ old: [Int], _ new: [Int]) -> [Change] {
    var start = 0
    while start < old.count, start < new.count, old[start] == new[start] { start += 1 }
    var end = 0
    while end < old.count - start, end < new.count - start, old[old.count - 1 - end] == new[new.count - 1 - end] {
      end += 1
    }
    let a = Array(old[start..<(old.count - end)])
    let b = Array(new[start..<(new.count - end)])
    if a.isEmpty && b.isEmpty { return [] }
    guard !a.isEmpty, !b.isEmpty, let pairs = commonLines(a, b) else {
      return [Change(old: start..<(start + a.count), new: start..<(start + b.count))]
    }
    var result: [Change] = []
    var (x, y) = (0, 0)
    for (nextX, nextY) in pairs + [(a.count, b.count)] {
      if x < nextX || y < nextY {
        result.append(Change(old: (start + x)..<(start + nextX), new: (start + y)..<(start + nextY)))
      }
      (x, y) = (nextX + 1, nextY + 1)
    }
    return result
  }

  /// A longest common subsequence as pairs of indices; nil if the two differ too much.
  private static func commonLines(_ a: [Int], _ b: [Int]) -> [(Int, Int)]? {
    let most = min(a.count + b.count, mostDifferences)
    let offset = most + 1
    var furthest = [Int](repeating: 0, count: 2 * most + 3)
    var trace: [[Int]] = []
    for depth in 0...most {
      // Only diagonals up to this depth are read when the way is followed back.
      trace.append(Array(furthest[(offset - depth - 1)...(offset + depth + 1)]))
      for diagonal in stride(from: -depth, through: depth, by: 2) {
        let at = offset + diagonal
        let isDown = diagonal == -depth || diagonal != depth && furthest[at - 1] < furthest[at + 1]
        var x = isDown ? furthest[at + 1] : furthest[at - 1] + 1
        var y = x - diagonal
        while x < a.count, y < b.count, a[x] == b[y] {
          x += 1
          y += 1
        }
        furthest[at] = x
        if x >= a.count, y >= b.count { return wayBack(trace, a.count, b.count) }
      }
    }
    return nil
  }

  private static func wayBack(_ trace: [[Int]], _ width: Int, _ height: Int) -> [(Int, Int)] {
    var pairs: [(Int, Int)] = []
    var (x, y) = (width, height)
    for depth in stride(from: trace.count - 1, through: 0, by: -1) {
      let row = trace[depth]
      let middle = depth + 1
      let diagonal = x - y
      let isDown =
        diagonal == -depth || diagonal != depth && row[middle + diagonal - 1] < row[middle + diagonal + 1]
      let previous = isDown ? diagonal + 1 : diagonal - 1
      let fromX = depth == 0 ? 0 : row[middle + previous]
      let fromY = depth == 0 ? 0 : fromX - previous
      while x > fromX, y > fromY {
        x -= 1
        y -= 1
        pairs.append((x, y))
      }
      (x, y) = (fromX, fromY)
    }
    return pairs.reversed()
  }
}

/// Three texts: what two sides have made of one.
enum TextMerge {
  /// Both sides' changes; nil if they meet at the same lines, or side by side, and are not the same.
  static func merge(_ base: [UInt8], _ ours: [UInt8], _ theirs: [UInt8]) -> [UInt8]? {
    let (old, a, b) = (TextFile.lines(base), TextFile.lines(ours), TextFile.lines(theirs))
    let left = LineDiff.changes(old, a)
    let right = LineDiff.changes(old, b)
    var result: [UInt8] = []
    var (at, i, j) = (0, 0, 0)
    while i < left.count || j < right.count {
      let one = i < left.count ? left[i] : nil
      let other = j < right.count ? right[j] : nil
      var next: (change: LineDiff.Change, lines: [ArraySlice<UInt8>])
      if let one, let other {
        if one.old == other.old, a[one.new].elementsEqual(b[other.new], by: { $0.elementsEqual($1) }) {
          next = (one, Array(a[one.new]))
          i += 1
          j += 1
        } else if one.old.upperBound < other.old.lowerBound {
          next = (one, Array(a[one.new]))
          i += 1
        } else if other.old.upperBound < one.old.lowerBound {
          next = (other, Array(b[other.new]))
          j += 1
        } else {
          return nil
        }
      } else if let one {
        next = (one, Array(a[one.new]))
        i += 1
      } else if let other {
        next = (other, Array(b[other.new]))
        j += 1
      } else {
        break
      }
      for line in old[at..<next.change.old.lowerBound] { result += line }
      for line in next.lines { result += line }
      at = next.change.old.upperBound
    }
    for line in old[at...] { result += line }
    return result
  }
}
