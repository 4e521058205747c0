// Where one file is mapped: an interval map from ranges of the file to the places that show them. Ranges that follow each
// other in the file and in one space are merged; taking a part away splits.
//
// The kernel chooses most addresses, and moves, cuts and grows mappings (munmap, mremap) without asking us. So a set knows
// two things: places, as the kernel last listed them or as somebody fixed them; and requests, ranges that a space has asked
// for and whose place nobody knows yet. `reconcile` turns the second kind into the first.

/// All mappings of one file.
///
/// Invariant (`isConsistent`): `mappings` ordered by space and address; none empty; no two share an address of one space; no
/// two that continue each other stand side by side. `requests` ordered by space; at most `requestLimit` a space; no two of
/// one space and kind touch.
public struct MappingSet: Sendable, Equatable {
  /// A range that a space has asked for, at an address of the kernel's choice.
  public struct Request: Hashable, Sendable {
    public var space: Int
    public var range: Range<UInt64>
    public var isShared: Bool

    public init(space: Int, range: Range<UInt64>, isShared: Bool) {
      self.space = space
      self.range = range
      self.isShared = isShared
    }
  }

  /// Places that are known.
  public private(set) var mappings: [Mapping] = []
  public private(set) var requests: [Request] = []

  /// Beyond so many a space, requests become one that spans them all.
  static let requestLimit = 16

  public init() {}

  public var isEmpty: Bool { mappings.isEmpty && requests.isEmpty }

  /// Whether the invariant holds, for tests.
  public var isConsistent: Bool {
    mappings.allSatisfy { !$0.range.isEmpty }
      && zip(mappings, mappings.dropFirst()).allSatisfy { (one, other) in
        (one.space, one.address) < (other.space, other.address)
          && (one.space != other.space || one.addresses.upperBound <= other.address) && !one.continues(in: other)
      }
      && zip(requests, requests.dropFirst()).allSatisfy { $0.space <= $1.space }
      && requests.allSatisfy { request in
        !request.range.isEmpty
          && requests.filter { $0 != request && $0.touches(request) }.isEmpty
          && requests.filter { $0.space == request.space }.count <= Self.requestLimit
      }
  }

  // MARK: - Changes

  /// A space has asked for a range. Nothing is allocated if the set has it already.
  ///
  /// - Postcondition: a request of that space and kind covers the range.
  public mutating func add(_ request: Request) {
    if request.range.isEmpty { return }
    let first = requests.firstPlace { $0.space >= request.space }
    var end = first
    while end < requests.count, requests[end].space == request.space {
      let known = requests[end]
      if known.isShared == request.isShared, known.range.lowerBound <= request.range.lowerBound,
        known.range.upperBound >= request.range.upperBound
      {
        return
      }
      end += 1
    }
    var added = request
    var kept: [Request] = []
    for known in requests[first..<end] {
      if known.touches(added) { added.span(known) } else { kept.append(known) }
    }
    if kept.count + 1 > Self.requestLimit {
      for known in kept where known.isShared == added.isShared { added.span(known) }
      kept.removeAll { $0.isShared == added.isShared }
    }
    // A wider one may touch what did not touch before.
    while let index = kept.firstIndex(where: { $0.touches(added) }) { added.span(kept.remove(at: index)) }
    requests.replaceSubrange(first..<end, with: kept + [added])
  }

  /// A space maps a range, at `address` if it is known.
  public mutating func add(_ range: Range<UInt64>, at address: UInt64?, in space: Int, access: MappingAccess) {
    if let address {
      add(Mapping(space: space, range: range, address: address, access: access))
    } else {
      add(Request(space: space, range: range, isShared: access.contains(.shared)))
    }
  }

  /// Everything of another set.
  public mutating func add(_ other: MappingSet) {
    for mapping in other.mappings { add(mapping) }
    for request in other.requests { add(request) }
  }

  /// Enters a mapping; whatever the set had at these addresses of the space is gone, as MAP_FIXED has it.
  ///
  /// - Postcondition: `mapping(at:in:)` gives the new one for each of its addresses.
  public mutating func add(_ mapping: Mapping) {
    if mapping.range.isEmpty { return }
    remove(mapping.addresses, in: mapping.space)
    var index = mappings.firstPlace { ($0.space, $0.address) > (mapping.space, mapping.address) }
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
    var first = mappings.firstPlace { ($0.space, $0.address) >= (space, addresses.lowerBound) }
    if first > 0, mappings[first - 1].space == space, mappings[first - 1].addresses.upperBound > addresses.lowerBound {
      first -= 1
    }
    var end = first
    var left: [Mapping] = []
    while end < mappings.count, mappings[end].space == space, mappings[end].address < addresses.upperBound {
      let mapping = mappings[end]
      let had = mapping.addresses
      let start = mapping.range.lowerBound
      if had.lowerBound < addresses.lowerBound {
        left.append(mapping.part(start..<(start + (addresses.lowerBound - had.lowerBound))))
      }
      if addresses.upperBound < had.upperBound {
        left.append(mapping.part((start + (addresses.upperBound - had.lowerBound))..<mapping.range.upperBound))
      }
      end += 1
    }
    if first < end { mappings.replaceSubrange(first..<end, with: left) }
  }

  /// The space is gone, or executes another program.
  public mutating func remove(space: Int) {
    mappings.removeSubrange(places(in: space))
    requests.removeSubrange(requestPlaces(in: space))
  }

  /// A forked space shows what its parent does.
  public mutating func copy(from space: Int, to child: Int) {
    if child == space { return }
    remove(space: child)
    var copies = Array(mappings[places(in: space)])
    for index in copies.indices { copies[index].space = child }
    mappings.insert(contentsOf: copies, at: mappings.firstPlace { $0.space > child })
    var asked = Array(requests[requestPlaces(in: space)])
    for index in asked.indices { asked[index].space = child }
    requests.insert(contentsOf: asked, at: requests.firstPlace { $0.space > child })
  }

  /// The kernel's list of a space's mappings takes the place of what was recorded of that space.
  ///
  /// - Postcondition: `mappings(in: space)` is `list`, merged; the space has no requests.
  public mutating func reconcile(_ space: Int, with list: [Mapping]) {
    var merged: [Mapping] = []
    for mapping in list.sorted(by: { $0.address < $1.address }) where !mapping.range.isEmpty && mapping.space == space {
      if let last = merged.last, last.continues(in: mapping) {
        merged[merged.count - 1].range = last.range.lowerBound..<mapping.range.upperBound
      } else {
        merged.append(mapping)
      }
    }
    mappings.replaceSubrange(places(in: space), with: merged)
    requests.removeSubrange(requestPlaces(in: space))
  }

  // MARK: - Questions

  /// The spaces that may have something of the file mapped.
  public var spaces: Set<Int> { Set(mappings.map(\.space)).union(requests.map(\.space)) }

  /// The known places in one space.
  public func mappings(in space: Int) -> ArraySlice<Mapping> { mappings[places(in: space)] }

  /// Whether the set expected a place that the kernel lists. It need not have known where: requests have no address, and
  /// mremap moves. It need not have known how long, because mremap can let a mapping grow at its end. And mprotect
  /// changes all of the access but whether it is shared.
  public func expects(_ place: Mapping) -> Bool {
    mappings[places(in: place.space)].contains {
      $0.isShared == place.isShared && $0.range.lowerBound <= place.range.lowerBound
    }
      || requests[requestPlaces(in: place.space)].contains {
        $0.isShared == place.isShared && $0.range.lowerBound <= place.range.lowerBound
      }
  }

  /// What shows at an address, as far as it is known.
  public func mapping(at address: UInt64, in space: Int) -> Mapping? {
    mappings[places(in: space)].first { $0.addresses.contains(address) }
  }

  /// Every known place where part of `range` shows, cut to it.
  public func places(of range: Range<UInt64>) -> [Mapping] {
    mappings.compactMap { mapping in
      let shared = mapping.range.clamped(to: range)
      return shared.isEmpty ? nil : mapping.part(shared)
    }
  }

  /// The parts of `range` that show at no known place.
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

  private func places(in space: Int) -> Range<Int> {
    mappings.firstPlace { $0.space >= space }..<mappings.firstPlace { $0.space > space }
  }

  private func requestPlaces(in space: Int) -> Range<Int> {
    requests.firstPlace { $0.space >= space }..<requests.firstPlace { $0.space > space }
  }
}

extension MappingSet.Request {
  fileprivate func touches(_ other: MappingSet.Request) -> Bool {
    space == other.space && isShared == other.isShared && range.lowerBound <= other.range.upperBound
      && other.range.lowerBound <= range.upperBound
  }

  fileprivate mutating func span(_ other: MappingSet.Request) {
    range = min(range.lowerBound, other.range.lowerBound)..<max(range.upperBound, other.range.upperBound)
  }
}

extension Array {
  /// The first index whose element satisfies the predicate, which no element before one that does satisfies.
  fileprivate func firstPlace(where isBehind: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
