// Patterns of paths, as people write them for `vedette diff --include` and `--exclude`.

/// Which paths are wanted.
public struct PathPatterns: Sendable {
  private let included: [[UInt8]]
  private let excluded: [[UInt8]]

  /// - Parameters:
  ///   - included: none for all.
  ///   - excluded: these win.
  public init(include included: [[UInt8]] = [], exclude excluded: [[UInt8]] = []) {
    self.included = included
    self.excluded = excluded
  }

  public var isEmpty: Bool { included.isEmpty && excluded.isEmpty }

  /// Whether a path is wanted.
  ///
  /// - Parameter path: without a slash at either end.
  public func wants(_ path: [UInt8]) -> Bool {
    if excluded.contains(where: { Self.covers($0, path) }) { return false }
    return included.isEmpty || included.contains { Self.covers($0, path) }
  }

  /// A pattern covers what it matches and all below that. One with a slash is matched from the root, one without
  /// against each name of the path.
  static func covers(_ pattern: [UInt8], _ path: [UInt8]) -> Bool {
    var pattern = pattern[...]
    let isFromRoot = pattern.dropLast().contains(0x2f)
    while pattern.first == 0x2f { pattern = pattern.dropFirst() }
    while pattern.last == 0x2f { pattern = pattern.dropLast() }
    if pattern.isEmpty { return isFromRoot }
    let names = path.split(separator: 0x2f)
    if !isFromRoot { return names.contains { matches(pattern, $0) } }
    return covers(pattern.split(separator: 0x2f)[...], names[...])
  }

  private static func covers(_ patterns: ArraySlice<ArraySlice<UInt8>>, _ names: ArraySlice<ArraySlice<UInt8>>) -> Bool
  {
    // The places in the pattern that the names so far can have led to: no backtracking, whatever the pattern.
    var places: Set<Int> = [patterns.startIndex]
    func close(_ places: inout Set<Int>) {
      for place in places.sorted() {
        var next = place
        while next < patterns.endIndex, patterns[next].elementsEqual("**".utf8) {
          next += 1
          places.insert(next)
        }
      }
    }
    close(&places)
    for name in names {
      if places.contains(patterns.endIndex) { return true }
      var next: Set<Int> = []
      for place in places where place < patterns.endIndex {
        if patterns[place].elementsEqual("**".utf8) {
          next.insert(place)
        } else if matches(patterns[place], name) {
          next.insert(place + 1)
        }
      }
      close(&next)
      places = next
    }
    return places.contains(patterns.endIndex)
  }

  /// One name: `*`, `?`, `[a-z]`, `[!a]` and `\` before a character that stands for itself.
  static func matches(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
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
  private static func matchesOne(_ pattern: ArraySlice<UInt8>, _ start: Int, _ byte: UInt8) -> Int? {
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
