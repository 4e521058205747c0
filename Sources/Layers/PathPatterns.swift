// Patterns of paths, as people write them for `vedette diff --include` and `--exclude`.

import LinuxABI

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
    if !isFromRoot { return names.contains { NamePattern.matches(pattern, $0) } }
    return covers(pattern.split(separator: 0x2f)[...], names[...])
  }

  private static func covers(_ patterns: ArraySlice<ArraySlice<UInt8>>, _ names: ArraySlice<ArraySlice<UInt8>>) -> Bool
  {
    // The positions in the pattern that the names so far can have led to: no backtracking, whatever the pattern.
    var positions: Set<Int> = [patterns.startIndex]
    func close(_ positions: inout Set<Int>) {
      for position in positions.sorted() {
        var next = position
        while next < patterns.endIndex, patterns[next].elementsEqual("**".utf8) {
          next += 1
          positions.insert(next)
        }
      }
    }
    close(&positions)
    for name in names {
      if positions.contains(patterns.endIndex) { return true }
      var next: Set<Int> = []
      for position in positions where position < patterns.endIndex {
        if patterns[position].elementsEqual("**".utf8) {
          next.insert(position)
        } else if NamePattern.matches(patterns[position], name) {
          next.insert(position + 1)
        }
      }
      close(&next)
      positions = next
    }
    return positions.contains(patterns.endIndex)
  }
}
