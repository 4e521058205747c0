// Changes of text files in git's form of the unified diff, which `git apply` and GNU patch read ("Generating patch text with -p"
// of `man git-diff`).

import Kernel
import LinuxABI
import VFS

/// A file's part of a patch.
struct FilePatch {
  private(set) var text: [UInt8] = []
  private(set) var insertions = 0
  private(set) var deletions = 0

  /// What one side has: content and git's mode; nil content where the file is not there.
  struct Side {
    var path: [UInt8]
    var content: [UInt8]?
    /// 100644, 100755 or 120000.
    var mode: String
  }

  /// git's name of an empty content: where there are no hunks, GNU patch takes from it what becomes of the file.
  private static let emptyBlob = "e69de29"

  /// Empty if there is nothing that a patch could say.
  init(_ old: Side, _ new: Side) {
    var head: [UInt8] = Array("diff --git ".utf8)
    head += Self.quoted("a/", old.path) + [0x20] + Self.quoted("b/", new.path) + [0x0a]
    let isRenamed = old.content != nil && new.content != nil && old.path != new.path
    var isSaid = true
    if old.content == nil {
      head += Array("new file mode \(new.mode)\n".utf8)
      if new.content == [] { head += Array("index 0000000..\(Self.emptyBlob)\n".utf8) }
    } else if new.content == nil {
      head += Array("deleted file mode \(old.mode)\n".utf8)
      if old.content == [] { head += Array("index \(Self.emptyBlob)..0000000\n".utf8) }
    } else {
      isSaid = isRenamed || old.mode != new.mode
      if old.mode != new.mode { head += Array("old mode \(old.mode)\nnew mode \(new.mode)\n".utf8) }
      if isRenamed {
        head += Array("rename from ".utf8) + Self.quoted("", old.path) + [0x0a]
        head += Array("rename to ".utf8) + Self.quoted("", new.path) + [0x0a]
      }
    }
    let hunks = hunks(TextFile.lines(old.content ?? []), TextFile.lines(new.content ?? []))
    if hunks.isEmpty {
      if isSaid { text = head }
      return
    }
    text = head
    text += Array("--- ".utf8) + (old.content == nil ? Array("/dev/null".utf8) : Self.named("a/", old.path)) + [0x0a]
    text += Array("+++ ".utf8) + (new.content == nil ? Array("/dev/null".utf8) : Self.named("b/", new.path)) + [0x0a]
    text += hunks
  }

  private mutating func hunks(_ old: [ArraySlice<UInt8>], _ new: [ArraySlice<UInt8>]) -> [UInt8] {
    let context = 3
    let changes = LineDiff.changes(old, new)
    var result: [UInt8] = []
    var next = 0
    while next < changes.count {
      var end = next
      while end + 1 < changes.count, changes[end + 1].old.lowerBound - changes[end].old.upperBound <= 2 * context {
        end += 1
      }
      let before = min(context, changes[next].old.lowerBound)
      let after = min(context, old.count - changes[end].old.upperBound)
      let oldRange = (changes[next].old.lowerBound - before)..<(changes[end].old.upperBound + after)
      let newRange = (changes[next].new.lowerBound - before)..<(changes[end].new.upperBound + after)
      result += Array("@@ -\(Self.span(oldRange)) +\(Self.span(newRange)) @@\n".utf8)
      var at = oldRange.lowerBound
      for change in changes[next...end] {
        for line in old[at..<change.old.lowerBound] { Self.append(0x20, line, to: &result) }
        for line in old[change.old] { Self.append(0x2d, line, to: &result) }
        for line in new[change.new] { Self.append(0x2b, line, to: &result) }
        deletions += change.old.count
        insertions += change.new.count
        at = change.old.upperBound
      }
      for line in old[at..<oldRange.upperBound] { Self.append(0x20, line, to: &result) }
      next = end + 1
    }
    return result
  }

  /// Of no lines the one before them.
  private static func span(_ range: Range<Int>) -> String {
    if range.isEmpty { return "\(range.lowerBound),0" }
    return range.count == 1 ? "\(range.lowerBound + 1)" : "\(range.lowerBound + 1),\(range.count)"
  }

  private static func append(_ sign: UInt8, _ line: ArraySlice<UInt8>, to text: inout [UInt8]) {
    text.append(sign)
    text += line
    if line.last != 0x0a { text += Array("\n\\ No newline at end of file\n".utf8) }
  }

  /// A name with a blank ends in a tab, as git and GNU diff have it.
  private static func named(_ side: String, _ path: [UInt8]) -> [UInt8] {
    quoted(side, path) + (path.contains(0x20) ? [0x09] : [])
  }

  /// As git quotes a path: in C's form if a byte does not print in ASCII.
  private static func quoted(_ side: String, _ path: [UInt8]) -> [UInt8] {
    let isPlain = path.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }
    if isPlain { return Array(side.utf8) + path }
    var result: [UInt8] = [0x22] + Array(side.utf8)
    for byte in path {
      switch byte {
      case 0x22, 0x5c: result += [0x5c, byte]
      case 0x0a: result += Array("\\n".utf8)
      case 0x09: result += Array("\\t".utf8)
      case 0x20..<0x7f: result.append(byte)
      default: result += [0x5c, 0x30 + (byte >> 6), 0x30 + (byte >> 3 & 7), 0x30 + (byte & 7)]
      }
    }
    return result + [0x22]
  }
}
