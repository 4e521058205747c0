// Where one file is mapped: an interval map from ranges of the file to the places that show them. Ranges that follow each
// other in the file and in one space are merged; taking a part away splits. Offsets and addresses are whole pages.

/// One place where part of a file shows.
public struct Mapping: Hashable, Sendable {
  /// Which address space; the caller's own numbering.
  public var space: Int
  /// Of the file, in bytes.
  public var range: Range<UInt64>
  /// Where `range` begins in the space.
  public var address: UInt64
  /// Writes through it reach the file.
  public var isWritable: Bool

  public init(space: Int, range: Range<UInt64>, address: UInt64, isWritable: Bool) {
    self.space = space
    self.range = range
    self.address = address
    self.isWritable = isWritable
  }

  /// The addresses.
  public var addresses: Range<UInt64> { address..<(address + UInt64(range.count)) }

  fileprivate func part(_ part: Range<UInt64>) -> Mapping {
    Mapping(space: space, range: part, address: address + (part.lowerBound - range.lowerBound), isWritable: isWritable)
  }

  fileprivate func continues(in next: Mapping) -> Bool {
    space == next.space && isWritable == next.isWritable && range.upperBound == next.range.lowerBound
      && addresses.upperBound == next.address
  }
}

/// All mappings of one file.
///
/// Invariant (`isConsistent`): ordered by space and address; none empty; no two share an address of one space; no two that
/// continue each other stand side by side.
public struct MappingSet: Sendable, Equatable {
  public private(set) var mappings: [Mapping] = []

  public init() {}

  public var isEmpty: Bool { mappings.isEmpty }

  /// Whether the invariant holds, for tests.
  public var isConsistent: Bool {
    mappings.allSatisfy { !$0.range.isEmpty }
      && zip(mappings, mappings.dropFirst()).allSatisfy { (one, other) in
        (one.space, one.address) < (other.space, other.address)
          && (one.space != other.space || one.addresses.upperBound <= other.address) && !one.continues(in: other)
      }
  }

  /// Enters a mapping; whatever the set had at these addresses of the space is gone, as MAP_FIXED has it.
  ///
  /// - Postcondition: `mapping(at:in:)` gives the new one for each of its addresses.
  public mutating func add(_ mapping: Mapping) {
    if mapping.range.isEmpty { return }
    remove(mapping.addresses, in: mapping.space)
    var index = mappings.partitioningIndex { ($0.space, $0.address) > (mapping.space, mapping.address) }
    var added = mapping
    if index < mappings.count, added.continues(in: mappings[index]) {
      added.range = added.range.lowerBound..<mappings[index].range.upperBound
      mappings.remove(at: index)
    }
    if index > 0, mappings[index - 1].continues(in: added) {
      index -= 1
      mappings[index].range = mappings[index].range.lowerBound..<added.range.upperBound
    } else {
      mappings.insert(added, at: index)
    }
  }

  /// Nothing of the file shows at these addresses of the space any more.
  public mutating func remove(_ addresses: Range<UInt64>, in space: Int) {
    mappings = mappings.flatMap { mapping -> [Mapping] in
      let had = mapping.addresses
      guard mapping.space == space, had.overlaps(addresses) else { return [mapping] }
      let start = mapping.range.lowerBound
      let before = start..<(start + (max(addresses.lowerBound, had.lowerBound) - had.lowerBound))
      let after = (start + (min(addresses.upperBound, had.upperBound) - had.lowerBound))..<mapping.range.upperBound
      return [before, after].filter { !$0.isEmpty }.map(mapping.part)
    }
  }

  /// The space is gone, or executes another program.
  public mutating func remove(space: Int) { mappings.removeAll { $0.space == space } }

  /// A forked space shows what its parent does.
  public mutating func copy(from space: Int, to child: Int) {
    for mapping in mappings where mapping.space == space {
      var copy = mapping
      copy.space = child
      add(copy)
    }
  }

  /// The kernel's list of a space's mappings takes the place of what was recorded of that space.
  public mutating func reconcile(_ space: Int, with list: [Mapping]) {
    remove(space: space)
    for mapping in list where mapping.space == space { add(mapping) }
  }

  /// What shows at an address.
  public func mapping(at address: UInt64, in space: Int) -> Mapping? {
    mappings.first { $0.space == space && $0.addresses.contains(address) }
  }

  /// Every place where part of `range` shows, cut to it.
  public func places(of range: Range<UInt64>) -> [Mapping] {
    mappings.compactMap { mapping in
      let shared = mapping.range.clamped(to: range)
      return shared.isEmpty ? nil : mapping.part(shared)
    }
  }

  /// The parts of `range` that show nowhere.
  public func gaps(in range: Range<UInt64>) -> [Range<UInt64>] {
    var gaps: [Range<UInt64>] = []
    var next = range.lowerBound
    for place in places(of: range).sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      if next < place.range.lowerBound { gaps.append(next..<place.range.lowerBound) }
      next = max(next, place.range.upperBound)
    }
    if next < range.upperBound { gaps.append(next..<range.upperBound) }
    return gaps
  }
}

extension Array {
  /// The first index whose element satisfies the predicate, which no element before one that does satisfies.
  fileprivate func partitioningIndex(where isBehind: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
