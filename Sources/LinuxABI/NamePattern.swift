// The pattern of one name, as shells have it: `*`, `?`, `[a-z]`, `[!a]`, and `\` before a byte that stands for itself. What
// patterns of paths are made of (Layers/PathPatterns.swift, VFS/PathRules.swift).

/// A pattern for one component of a path. Bytes, not characters: `?` is one byte.
public enum NamePattern {
  /// Whether a byte of the pattern means something else than itself.
  @inlinable
  public static func isPattern(_ pattern: some Collection<UInt8>) -> Bool {
    pattern.contains { $0 == 0x2a || $0 == 0x3f || $0 == 0x5b || $0 == 0x5c }
  }

  /// Whether the pattern is the whole of the name's. It takes at most the product of both lengths, whatever they hold.
  @inlinable
  public static func matches<Pattern: RandomAccessCollection<UInt8>, Name: RandomAccessCollection<UInt8>>(
    _ pattern: Pattern, _ name: Name
  ) -> Bool where Pattern.Index == Int, Name.Index == Int {
    var (p, n) = (pattern.startIndex, name.startIndex)
    var star: (pattern: Int, name: Int)?
    while n < name.endIndex {
      if p < pattern.endIndex, pattern[p] == 0x2a {
        star = (p + 1, n)
        p += 1
        continue
      }
      if p < pattern.endIndex, let end = matchesOne(pattern, p, name[n]) {
        p = end
        n += 1
        continue
      }
      // The last star takes one more; one before it need not be tried again.
      guard let last = star else { return false }
      star = (last.pattern, last.name + 1)
      (p, n) = (last.pattern, last.name + 1)
    }
    while p < pattern.endIndex, pattern[p] == 0x2a { p += 1 }
    return p == pattern.endIndex
  }

  /// Where the pattern goes on if its element at `start` matches the byte; nil if it does not.
  @inlinable
  static func matchesOne<Pattern: RandomAccessCollection<UInt8>>(
    _ pattern: Pattern, _ start: Int, _ byte: UInt8
  ) -> Int? where Pattern.Index == Int {
    switch pattern[start] {
    case 0x3f: return start + 1
    case 0x5c where start + 1 < pattern.endIndex: return pattern[start + 1] == byte ? start + 2 : nil
    case 0x5b:
      var at = start + 1
      let isNegated = at < pattern.endIndex && (pattern[at] == 0x21 || pattern[at] == 0x5e)
      if isNegated { at += 1 }
      let first = at
      var isFound = false
      while at < pattern.endIndex, pattern[at] != 0x5d || at == first {
        if at + 2 < pattern.endIndex, pattern[at + 1] == 0x2d, pattern[at + 2] != 0x5d {
          if pattern[at] <= byte, byte <= pattern[at + 2] { isFound = true }
          at += 3
        } else {
          if pattern[at] == byte { isFound = true }
          at += 1
        }
      }
      // Without its end a bracket stands for itself.
      if at >= pattern.endIndex { return byte == 0x5b ? start + 1 : nil }
      return isFound != isNegated ? at + 1 : nil
    default: return pattern[start] == byte ? start + 1 : nil
    }
  }
}
