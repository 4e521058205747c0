import TestSupport
import Testing

@testable import MemoryMap

/// Pages are written as small numbers here.
private func mapping(_ space: Int, _ range: Range<UInt64>, at address: UInt64, writable: Bool = false) -> Mapping {
  Mapping(
    space: space, range: range.lowerBound * 4096..<range.upperBound * 4096, address: address * 4096,
    access: writable ? [.read, .write, .shared] : [.read, .shared])
}

@Suite struct MappingSetTests {
  @Test func neighboursThatContinueEachOtherAreOne() {
    var set = MappingSet()
    set.add(mapping(1, 0..<2, at: 100))
    set.add(mapping(1, 4..<6, at: 104))
    set.add(mapping(1, 2..<4, at: 102))
    #expect(set.mappings == [mapping(1, 0..<6, at: 100)])
  }

  @Test func aHoleSplits() {
    var set = MappingSet()
    set.add(mapping(1, 0..<8, at: 100))
    set.remove(102 * 4096..<104 * 4096, in: 1)
    #expect(set.mappings == [mapping(1, 0..<2, at: 100), mapping(1, 4..<8, at: 104)])
    let gaps: [Range<UInt64>] = [0x2000..<0x4000, 0x8000..<0xa000]
    #expect(set.gaps(in: 0..<0xa000) == gaps)
  }

  @Test func aFixedMappingReplaces() {
    var set = MappingSet()
    set.add(mapping(1, 0..<4, at: 100))
    set.add(mapping(1, 7..<8, at: 101, writable: true))
    #expect(
      set.mappings == [
        mapping(1, 0..<1, at: 100), mapping(1, 7..<8, at: 101, writable: true), mapping(1, 2..<4, at: 102),
      ])
  }

  @Test func aForkShowsTheSameAndEndsAlone() {
    var set = MappingSet()
    set.add(mapping(1, 0..<4, at: 100))
    set.copy(from: 1, to: 2)
    set.remove(100 * 4096..<102 * 4096, in: 1)
    #expect(set.places(of: 0..<4096) == [mapping(2, 0..<1, at: 100)])
    set.remove(space: 2)
    #expect(set.mappings == [mapping(1, 2..<4, at: 102)])
  }

  @Test(arguments: 1...3) func aRandomWalkAgreesWithPages(_ seed: UInt64) {
    var random = SeededRandom(seed)
    var set = MappingSet()
    // What is at each page of two spaces, one by one.
    var pages: [[Mapping?]] = [[Mapping?](repeating: nil, count: 64), [Mapping?](repeating: nil, count: 64)]
    for _ in 0..<3000 {
      let space = Int.random(in: 0..<2, using: &random)
      let first = Int.random(in: 0..<60, using: &random)
      let count = Int.random(in: 1...4, using: &random)
      if Bool.random(using: &random) {
        // Often in line with what is there already, so that merging is met.
        let offset = Bool.random(using: &random) ? first : Int.random(in: 0..<60, using: &random)
        let writable = Int.random(in: 0..<4, using: &random) == 0
        set.add(mapping(space, UInt64(offset)..<UInt64(offset + count), at: UInt64(first), writable: writable))
        for page in 0..<count {
          let at = UInt64(offset + page)
          pages[space][first + page] = mapping(space, at..<at + 1, at: UInt64(first + page), writable: writable)
        }
      } else {
        set.remove(UInt64(first) * 4096..<UInt64(first + count) * 4096, in: space)
        for page in first..<first + count { pages[space][page] = nil }
      }
      #expect(set.isConsistent && agrees(set, pages))
    }
  }

  @Test func requestsAreMetByWhatTheKernelLists() {
    var set = MappingSet()
    set.add(4096..<3 * 4096, at: nil, in: 1, access: [.read, .shared])
    set.add(2 * 4096..<5 * 4096, at: nil, in: 1, access: [.read, .shared])
    set.add(0..<4096, at: nil, in: 1, access: [.read, .write])
    set.add(9 * 4096..<10 * 4096, at: 4096, in: 1, access: .read)
    #expect(set.isConsistent)
    #expect(set.requests.count == 2)
    #expect(set.expects(mapping(1, 1..<5, at: 100)))
    // Grown by mremap, and its head unmapped.
    #expect(set.expects(mapping(1, 4..<9, at: 100)))
    #expect(!set.expects(mapping(1, 0..<1, at: 100)))
    #expect(!set.expects(mapping(2, 1..<2, at: 100)))
    set.reconcile(1, with: [mapping(1, 3..<4, at: 7), mapping(1, 1..<3, at: 5), mapping(2, 0..<1, at: 1)])
    #expect(set.mappings == [mapping(1, 1..<4, at: 5)])
    #expect(set.requests.isEmpty && set.isConsistent)
  }

  @Test func manyRequestsBecomeOne() {
    var set = MappingSet()
    set.add(1000 * 4096..<1001 * 4096, at: nil, in: 1, access: [.read])
    for page in stride(from: UInt64(0), to: 200, by: 2) {
      set.add(page * 4096..<(page + 1) * 4096, at: nil, in: 2, access: [.read, .shared])
      set.add(page * 4096..<(page + 1) * 4096, at: nil, in: 1, access: [.read, .shared])
      #expect(set.isConsistent && set.expects(mapping(2, page..<page + 1, at: 1)))
    }
    #expect(set.requests.filter { $0.space == 2 }.count <= 16)
    let known = set
    set.add(0..<4096, at: nil, in: 2, access: [.read, .shared])
    #expect(set == known)
    set.copy(from: 2, to: 3)
    #expect(set.isConsistent && set.spaces == [1, 2, 3])
    set.remove(space: 2)
    set.remove(space: 1)
    #expect(set.spaces == [3])
  }

  private func agrees(_ set: MappingSet, _ pages: [[Mapping?]]) -> Bool {
    for space in 0..<2 {
      for page in 0..<64 {
        let found = set.mapping(at: UInt64(page) * 4096, in: space)
        let expected = pages[space][page]
        if (found == nil) != (expected == nil) { return false }
        guard let found, let expected else { continue }
        let offset = found.range.lowerBound + (expected.address - found.address)
        if found.access != expected.access || offset != expected.range.lowerBound { return false }
      }
    }
    return true
  }
}
