// The names of a walk through a tree, each with the index of its parent and nothing else: what a list of paths costs grows
// with the names and not with the depth. A path is put together only where it is shown or written.

/// Names by index. Node 0 is the root, which has none.
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

  /// Adds a name below a node.
  public mutating func add(_ name: some Collection<UInt8>, below parent: Int) -> Int {
    bytes.append(contentsOf: name)
    let above = nodes[parent].length
    nodes.append(Node(parent: parent, end: bytes.count, length: above == 0 ? name.count : above + 1 + name.count))
    return nodes.count - 1
  }

  /// Adds a path of names that slashes divide, each anew; its node. 0 for an empty one.
  public mutating func add(path: [UInt8]) -> Int {
    path.split(separator: 0x2f).reduce(0) { add($1, below: $0) }
  }

  public func parent(of node: Int) -> Int { nodes[node].parent }

  public func name(of node: Int) -> ArraySlice<UInt8> {
    node == 0 ? [] : bytes[nodes[node - 1].end..<nodes[node].end]
  }

  /// Bytes of the path of a node.
  public func length(of node: Int) -> Int { nodes[node].length }

  /// The path from the root, without a slash at either end; empty for the root itself.
  public func path(of node: Int) -> [UInt8] {
    let length = nodes[node].length
    return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
      var end = length
      var node = node
      while node != 0 {
        let name = name(of: node)
        end -= name.count
        for (offset, byte) in name.enumerated() { buffer[end + offset] = byte }
        if end > 0 {
          end -= 1
          buffer[end] = 0x2f
        }
        node = nodes[node].parent
      }
      count = length
    }
  }

  /// The same for messages: of a path that no call would take as one its end.
  public func shownPath(of node: Int) -> [UInt8] {
    if nodes[node].length < Self.longest { return path(of: node) }
    var names: [ArraySlice<UInt8>] = []
    var node = node
    var count = 0
    while node != 0, count < 512 {
      names.append(name(of: node))
      count += name(of: node).count + 1
      node = nodes[node].parent
    }
    return Array("...".utf8) + names.reversed().flatMap { [0x2f] + $0 }
  }

  /// PATH_MAX of linux/limits.h: no call takes so long a path.
  public static let longest = 4096
}
