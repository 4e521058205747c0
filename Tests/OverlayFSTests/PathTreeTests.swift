// Paths kept as names with their parents.

import Testing

@testable import OverlayFS

struct PathTreeTests {
  @Test func pathsAreThoseOfTheirNames() {
    var tree = PathTree()
    let a = tree.add("a".utf8, below: 0)
    let b = tree.add("bb".utf8, below: a)
    let c = tree.add("c".utf8, below: a)
    #expect(tree.path(of: 0).isEmpty)
    #expect(tree.path(of: a) == Array("a".utf8))
    #expect(tree.path(of: b) == Array("a/bb".utf8) && tree.length(of: b) == 4)
    #expect(tree.path(of: c) == Array("a/c".utf8) && tree.parent(of: c) == a)
    #expect(Array(tree.name(of: b)) == Array("bb".utf8))
  }

  /// A message shows the end of what no call would take as a path.
  @Test func aDeepPathIsShownShort() {
    var tree = PathTree()
    var node = 0
    for _ in 0..<100_000 { node = tree.add("name".utf8, below: node) }
    #expect(tree.length(of: node) == 499_999)
    let shown = tree.shownPath(of: node)
    #expect(shown.count < 1000 && shown.starts(with: ".../name/".utf8))
  }
}
