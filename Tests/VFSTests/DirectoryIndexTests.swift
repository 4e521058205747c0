// The order, the cursors and the hash of `DirectoryIndex`.

import LinuxABI
import Testing
import VFS

struct DirectoryIndexTests {
  private func insert(_ index: inout DirectoryIndex<Int>, _ name: String, _ value: Int) {
    Name.with(Array(name.utf8)) { index.insert($0, value) }
  }

  private func remove(_ index: inout DirectoryIndex<Int>, _ name: String) -> Int? {
    Name.with(Array(name.utf8)) { index.remove($0) }
  }

  private func lookup(_ index: DirectoryIndex<Int>, _ name: String) -> Int? {
    Name.with(Array(name.utf8)) { index.lookup($0) }
  }

  private func values(_ index: DirectoryIndex<Int>, from cursor: Int64 = 0, limit: Int = .max) -> ([Int], Int64) {
    var result: [Int] = []
    var next = cursor
    index.iterate(from: cursor) { _, value, after in
      if result.count == limit { return false }
      result.append(value)
      next = after
      return true
    }
    return (result, next)
  }

  @Test func keepsTheOrderOfInsertion() {
    var index = DirectoryIndex<Int>()
    for value in 0..<100 { insert(&index, "name\(value)", value) }
    #expect(values(index).0 == Array(0..<100))
    #expect(index.count == 100)
    for value in 0..<100 { #expect(lookup(index, "name\(value)") == value) }
    #expect(lookup(index, "name100") == nil)
  }

  @Test func insertOfAPresentNameReplacesInPlace() {
    var index = DirectoryIndex<Int>()
    insert(&index, "a", 1)
    insert(&index, "b", 2)
    insert(&index, "a", 3)
    #expect(index.count == 2)
    #expect(values(index).0 == [3, 2])
  }

  @Test func cursorsSurviveRemovalAndCompaction() {
    var index = DirectoryIndex<Int>()
    for value in 0..<1000 { insert(&index, "n\(value)", value) }
    let (first, cursor) = values(index, limit: 500)
    #expect(first == Array(0..<500))
    for value in 0..<1000 where value % 4 != 0 { #expect(remove(&index, "n\(value)") == value) }
    #expect(index.count == 250)
    #expect(values(index, from: cursor).0 == Array(stride(from: 500, to: 1000, by: 4)))
    for value in 0..<1000 { #expect(lookup(index, "n\(value)") == (value % 4 == 0 ? value : nil)) }
  }

  @Test func aRemovedAndAddedNameComesBehindTheCursorOfTheEnd() {
    var index = DirectoryIndex<Int>()
    insert(&index, "a", 1)
    insert(&index, "b", 2)
    let end = index.end
    _ = remove(&index, "a")
    _ = remove(&index, "b")
    #expect(index.isEmpty)
    insert(&index, "a", 3)
    #expect(values(index, from: end).0 == [3])
    #expect(values(index, from: 0).0 == [3])
  }

  @Test func renameKeepsThePlaceAndRemovesTheOther() {
    var index = DirectoryIndex<Int>()
    for value in 0..<20 { insert(&index, "n\(value)", value) }
    let old = Array("n3".utf8)
    let new = Array("n9".utf8)
    let renamed = Name.with(old) { old in Name.with(new) { index.rename(old, to: $0) } }
    #expect(renamed)
    #expect(lookup(index, "n3") == nil)
    #expect(lookup(index, "n9") == 3)
    #expect(values(index).0 == Array(0..<20).filter { $0 != 9 })
    for round in 0..<2000 {
      let from = Array((round == 0 ? "n9" : "r\(round)").utf8)
      let to = Array("r\(round + 1)".utf8)
      _ = Name.with(from) { from in Name.with(to) { index.rename(from, to: $0) } }
    }
    #expect(lookup(index, "r2000") == 3)
    #expect(index.count == 19)
  }

  /// Steps chosen by a fixed generator, compared with a dictionary and an array.
  @Test func behavesAsTheSimpleModel() {
    var index = DirectoryIndex<Int>()
    var model: [(name: String, value: Int)] = []
    var state: UInt64 = 42
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    for step in 0..<20000 {
      let name = "f\(random(300))"
      let at = model.firstIndex { $0.name == name }
      switch random(3) {
      case 0:
        insert(&index, name, step)
        if let at { model[at].value = step } else { model.append((name, step)) }
      case 1:
        let removed = remove(&index, name)
        #expect(removed == at.map { model[$0].value })
        if let at { model.remove(at: at) }
      default:
        #expect(lookup(index, name) == at.map { model[$0].value })
      }
    }
    #expect(index.count == model.count)
    #expect(values(index).0 == model.map(\.value))
  }

  @Test func scalesToAMillionNames() {
    var index = DirectoryIndex<Int>()
    for value in 0..<1_000_000 { insert(&index, "entry-\(value)", value) }
    #expect(lookup(index, "entry-999999") == 999_999)
    for value in 0..<1_000_000 where value % 2 == 0 { _ = remove(&index, "entry-\(value)") }
    #expect(index.count == 500_000)
    #expect(lookup(index, "entry-500001") == 500_001)
  }
}
