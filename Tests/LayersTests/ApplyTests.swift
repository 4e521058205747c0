// Three-way apply: the record of what an upper covers, the record of an apply, and the merge of texts.

import HostFS
import Kernel
import LinuxABI
import OverlayFS
import Testing
import VFS

@testable import Layers

@Suite struct ApplyTests {
  private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

  private func merge(_ base: String, _ ours: String, _ theirs: String) -> String? {
    text(TextMerge.merge(Array(base.utf8), Array(ours.utf8), Array(theirs.utf8)))
  }

  @Test func changesOfBothSidesAreMerged() {
    #expect(merge("1\n2\n3\n4\n5\n", "a\n2\n3\n4\n5\n", "1\n2\n3\n4\nb\n") == "a\n2\n3\n4\nb\n")
    #expect(merge("1\n2\n3\n", "1\n3\n", "1\n2\n3\n4\n") == "1\n3\n4\n")
    #expect(merge("", "", "x\n") == "x\n")
    #expect(merge("1\n2\n", "1\n", "1\n") == "1\n")
    #expect(merge("1\n2\n3", "0\n1\n2\n3", "1\n2\n3\n") == "0\n1\n2\n3\n")
  }

  @Test func whatMeetsIsNotMerged() {
    #expect(merge("1\n2\n3\n", "1\na\n3\n", "1\nb\n3\n") == nil)
    // Side by side: which comes first does not matter.
    #expect(merge("1\n2\n", "1\na\n2\n", "1\nb\n2\n") == nil)
    #expect(merge("1\n2\n3\n", "a\n2\n3\n", "1\nb\n3\n") == nil)
  }

  /// What `LineDiff` says, applied to the one text, gives the other; and no line in it is a common one without need.
  @Test(arguments: 0..<300) func aDiffLeadsFromOneTextToTheOther(seed: Int) {
    var state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1
    func random(_ below: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(below))
    }
    let old = (0..<random(20)).map { _ in random(4) }
    var new = old
    for _ in 0..<random(6) {
      if !new.isEmpty, random(2) == 0 {
        new.remove(at: random(new.count))
      } else {
        new.insert(random(4), at: random(new.count + 1))
      }
    }
    let changes = LineDiff.changes(old, new)
    var result: [Int] = []
    var at = 0
    for change in changes {
      #expect(change.old.lowerBound >= at)
      result += old[at..<change.old.lowerBound] + new[change.new]
      at = change.old.upperBound
    }
    #expect(result + old[at...] == new)
    // The table of the longest common subsequence, by the book.
    var table = [[Int]](repeating: [Int](repeating: 0, count: new.count + 1), count: old.count + 1)
    for i in old.indices {
      for j in new.indices {
        table[i + 1][j + 1] = old[i] == new[j] ? table[i][j] + 1 : max(table[i][j + 1], table[i + 1][j])
      }
    }
    #expect(
      changes.reduce(0) { $0 + $1.old.count + $1.new.count } == old.count + new.count - 2 * table[old.count][new.count])
  }

  @Test func theRecordOfAnApplyComesBack() {
    let steps = [
      AppliedStep(kind: .replaced, path: Array("a\nb".utf8), beside: Array("x".utf8), number: 7, fingerprint: .max),
      AppliedStep(kind: .metadata, path: [], beside: [], number: 0, fingerprint: 0),
    ]
    let record = AppliedRecord(
      isCommitted: true, target: [0x2f, 0xff], identity: FileIdentity(device: 1, number: 2), steps: steps)
    #expect(AppliedRecord(record.encoded) == record)
    for count in 0..<record.encoded.count { #expect(AppliedRecord(Array(record.encoded.prefix(count))) == nil) }
    for index in record.encoded.indices {
      var damaged = record.encoded
      damaged[index] ^= 1
      #expect(AppliedRecord(damaged) == nil)
    }
  }

  /// Covers by copy-up, deletion and replacement are on record, those of new files are not.
  @Test func whatIsCoveredIsOnRecord() throws {
    let scratch = try LayerScratch()
    let low = try HostTree(try scratch.directory("low").open([.path, .directory]))
    for name in ["copied", "deleted", "replaced", "untouched"] {
      _ = try low.make(Array(name.utf8), .regular, in: low.root)
    }
    _ = try low.make(Array("moved".utf8), .directory, in: low.root)
    let overlay = try scratch.overlay()
    let root = overlay.root
    _ = try Name.with("copied") { name in try root.lookup(name)?.open(.writeOnly).release() }
    try Name.with("deleted") { name in
      if let file = try root.lookup(name) { try root.unlink(name, file) }
    }
    try Name.with("new") { name in
      let new = try root.create(
        name,
        NewInode(
          .regular, permissions: Permissions(rawValue: 0o600), owner: Host.effectiveUser, group: Host.effectiveGroup))
      try Name.with("replaced") { newName in
        try root.rename(name, new, to: root, newName, replacing: try root.lookup(newName), [])
      }
    }
    try Name.with("moved") { name in
      try Name.with("went") { newName in
        if let file = try root.lookup(name) { try root.rename(name, file, to: root, newName, replacing: nil, []) }
      }
    }
    let bases = try overlay.readBases()
    #expect(bases.isComplete)
    for name in ["copied", "deleted", "replaced"] {
      let found = bases.base(at: Array(name.utf8))
      let lower = try low.root.child(Array(name.utf8))
      #expect(try lower.map { (lower) throws in try found?.matches(lower.attributes()) } == true, "\(name)")
    }
    #expect(bases.base(at: Array("moved".utf8))?.state == .movedDirectory)
    for name in ["untouched", "new", "went"] { #expect(bases.base(at: Array(name.utf8)) == nil) }
    overlay.close()
  }
}
