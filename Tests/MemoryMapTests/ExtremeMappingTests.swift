import LinuxABI
import TestSupport
import Testing

@testable import MemoryMap

@Suite struct ExtremeMappingTests {
  /// A place that no address space has ends with the last address, whatever is done with it.
  @Test func placesAtTheEnd() {
    var set = MappingSet()
    var chance = SeededRandom(7)
    for address in Extreme.values.map({ $0 & ~4095 }) {
      for start in Extreme.values.map({ $0 & ~4095 }) {
        for length in Extreme.values.map({ $0 & ~4095 }) {
          guard let range = Range(from: start, count: length) else { continue }
          let mapping = Mapping(space: 1, range: range, address: address, access: .read)
          #expect(mapping.addresses.lowerBound == address)
          set.add(mapping)
          if chance.next() % 8 == 0 { set.remove(mapping.addresses, in: 1) }
          if chance.next() % 64 == 0 { set.reconcile(1, with: [mapping]) }
          set.add(MappingSet.Request(space: 1, range: range, isShared: false))
        }
      }
      _ = set.gaps(in: 0..<UInt64.max)
      set.copy(from: 1, to: 2)
      set.remove(space: 2)
    }
  }
}
