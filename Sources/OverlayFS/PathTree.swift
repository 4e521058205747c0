// The names of a walk through a tree, each with the place of its parent and nothing else: what a list of paths costs grows
// with the names and not with the depth. A path is put together only where it is shown or written.

/// Names by place. Place 0 is the root, which has none.
public struct PathTree: Sendable, Equatable {
  private struct Node: Sendable, Equatable {
    var parent: Int
    /// Where the name ends in `bytes`; it begins where the one before ends.
    var end: Int
    /// Bytes of the whole path, without a slash at either end.
    var length: Int
  }

  private var nodes = [Node(parent: 0, end: 0, length: 0)]
  private var bytes: [UInt8] = []

  public init() {}

  /// Adds a name below a place.
  public mutating func add(_ name: some Collection<UInt8>, below parent: Int) -> Int {
    bytes.append(contentsOf: name)
    let above = nodes[parent].length
    nodes.append(Node(parent: parent, end: bytes.count, length: above == 0 ? name.count : above + 1 + name.count))
    return nodes.count - 1
  }

  /// Adds a path of names that slashes divide, each anew; its place. 0 for an empty one.
  public mutating func add(path: [UInt8]) -> Int {
    path.split(separator: 0x2f).reduce(0) { add($1, below: $0) }
  }

  public func parent(of place: Int) -> Int { nodes[place].parent }

  public func name(of place: Int) -> ArraySlice<UInt8> {
    place == 0 ? [] : bytes[nodes[place - 1].end..<nodes[place].end]
  }

  /// Bytes of the path of a place.
  public func length(of place: Int) -> Int { nodes[place].length }

  /// The path from the root, without a slash at either end; empty for the root itself.
  public func path(of place: Int) -> [UInt8] {
    let length = nodes[place].length
    return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
      var end = length
      var place = place
      while place != 0 {
        let name = name(of: place)
        end -= name.count
        for (offset, byte) in name.enumerated() { buffer[end + offset] = byte }
        if end > 0 {
          end -= 1
          buffer[end] = 0x2f
        }
        place = nodes[place].parent
      }
      count = length
    }
  }

  /// The same for messages: of a path that no call would take as one its end.
  public func shownPath(of place: Int) -> [UInt8] {
    if nodes[place].length < Self.longest { return path(of: place) }
    var names: [ArraySlice<UInt8>] = []
    var place = place
    var count = 0
    while place != 0, count < 512 {
      names.append(name(of: place))
      count += name(of: place).count + 1
      place = nodes[place].parent
    }
    return Array("...".utf8) + names.reversed().flatMap { [0x2f] + $0 }
  }

  /// PATH_MAX of linux/limits.h: no call takes so long a path.
  public static let longest = 4096
}
