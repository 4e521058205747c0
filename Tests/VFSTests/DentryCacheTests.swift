// The bound of the dentry cache: what nothing holds goes, what is held stays the one dentry of its name.

import LinuxABI
import Testing

@testable import VFS

/// A directory in which every name exists but those that begin with `no`.
private final class EndlessFilesystem: Filesystem {
  final class Node: Inode {
    override func lookup(_ name: Name) throws(Errno) -> Inode? {
      guard isDirectory else { throw .notDirectory }
      return name.hasPrefix("no") ? nil : (filesystem as? EndlessFilesystem)?.make(name.hasPrefix("dir"))
    }
    override func removeDirectory(_ name: Name, _ inode: Inode) throws(Errno) {}
  }

  private var top: Node?
  private(set) var made: UInt64 = 0

  init() {
    super.init(typeName: "endless")
    top = make(true)
  }

  func make(_ isDirectory: Bool) -> Node {
    made += 1
    return Node(
      filesystem: self, type: isDirectory ? .directory : .regular, number: made,
      permissions: Permissions(rawValue: 0o755), owner: 0, group: 0)
  }

  override var root: Inode { top ?? make(true) }
}

struct DentryCacheTests {
  private let filesystem = EndlessFilesystem()
  private let tree: VirtualFileSystem

  init() { tree = VirtualFileSystem(root: filesystem, source: [], cacheBound: 1000) }

  @discardableResult
  private func look(_ path: String) throws(Errno) -> Position {
    let bytes = Array(path.utf8)
    return try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
      try tree.resolve(.init(UnsafeRawBufferPointer(bytes), from: tree.root), .supervisor(of: tree))
    }
  }

  @Test func whatNobodyHoldsIsDropped() throws {
    for index in 0..<20_000 { try look("name\(index)") }
    #expect(tree.cache.count == 1000)
    // The newest are there, the oldest are asked for anew.
    var made = filesystem.made
    for index in 19_500..<20_000 { try look("name\(index)") }
    #expect(filesystem.made == made)
    made = filesystem.made
    try look("name0")
    #expect(filesystem.made == made + 1)
  }

  @Test func namesThatDoNotExistAreBoundedToo() {
    for index in 0..<20_000 {
      #expect(throws: Errno.noSuchFileOrDirectory) { () throws(Errno) in try look("no\(index)") }
    }
    #expect(tree.cache.count == 1000)
  }

  @Test func whatSomebodyHoldsStays() throws {
    let held = try look("dir/dir/name")
    for index in 0..<20_000 { try look("other\(index)") }
    #expect(try look("dir/dir/name").dentry === held.dentry)
    #expect(tree.path(of: held, from: tree.root) == Array("/dir/dir/name".utf8))
    #expect(tree.cache.count <= 1003)
  }

  @Test func whatIsUsedOutlivesWhatIsNot() throws {
    let number = try look("dir").dentry.inode?.number
    for index in 0..<20_000 {
      try look("other\(index)")
      if index % 500 == 0 { try look("dir") }
    }
    #expect(try look("dir").dentry.inode?.number == number)
  }

  @Test func aCacheOfHeldNamesOnlyGrowsAndShrinksAgain() throws {
    var held: [Position] = []
    for index in 0..<1900 { held.append(try look("name\(index)")) }
    #expect(tree.cache.count == 1900)
    held = []
    for index in 0..<3000 { try look("other\(index)") }
    #expect(tree.cache.count == 1000)
  }

  @Test func heldNamesHaveALimit() throws {
    var held: [Position] = []
    for index in 0..<2000 { held.append(try look("name\(index)")) }
    #expect(throws: Errno.noMemory) { () throws(Errno) in try look("one more") }
    // What is known already is found all the same.
    #expect(try look("name7").dentry === held[7].dentry)
    held = []
    for index in 0..<3000 { try look("other\(index)") }
    #expect(tree.cache.count == 1000)
  }

  /// What it is known not to hold would keep a directory that is gone, and its descriptor, until the cache is full.
  @Test func aRemovedDirectoryEndsWithTheNamesThatAreNotInIt() throws {
    weak let removed = try look("dir").dentry.inode
    for index in 0..<100 {
      #expect(throws: Errno.noSuchFileOrDirectory) { () throws(Errno) in try look("dir/no\(index)") }
    }
    for index in 0..<10 { try look("other\(index)") }
    #expect(tree.cache.count == 111 && removed != nil)
    try Array("dir".utf8).withUnsafeBufferPointer { bytes throws(Errno) in
      try tree.removeDirectory(.init(UnsafeRawBufferPointer(bytes), from: tree.root), .supervisor(of: tree))
    }
    #expect(removed == nil)
    // The ten, and that there is no `dir` now.
    #expect(tree.cache.count == 11)
  }

  /// The only holder of a chain of dentries lets go: no recursion as deep as the tree.
  @Test func aDeepChainEndsInALoop() throws {
    let filesystem = EndlessFilesystem()
    let deep = VirtualFileSystem(root: filesystem, source: [], cacheBound: 60_000)
    var position: Position? = deep.root
    for _ in 0..<100_000 {
      guard let current = position else { return }
      position = Array("dir".utf8).withUnsafeBufferPointer { bytes -> Position? in
        do throws(Errno) {
          return try deep.resolve(.init(UnsafeRawBufferPointer(bytes), from: current), .supervisor(of: deep))
        } catch {
          return nil
        }
      }
    }
    let last = try #require(position)
    #expect(deep.path(of: last, from: deep.root).map { $0.count > 4096 } == true)
    position = nil
  }
}
