// Mount points of the configuration: where they go, and that they stay there.

import LinuxABI
import Testing

@testable import VFS

/// Every name is a directory, but `link`, a symlink to /real, and those that begin with `no`. Everything may move.
private final class DirectoryFilesystem: Filesystem {
  final class Node: Inode {
    override func lookup(_ name: Name) throws(Errno) -> Inode? {
      guard let filesystem = filesystem as? DirectoryFilesystem, !name.hasPrefix("no") else { return nil }
      return filesystem.make(name.equals(Array("link".utf8)) ? .symlink : .directory)
    }
    override func readlink() throws(Errno) -> [UInt8] { Array("/real".utf8) }
    override func create(_ name: Name, _ new: NewInode) throws(Errno) -> Inode {
      (filesystem as? DirectoryFilesystem)?.make(.directory) ?? self
    }
    override func rename(
      _ name: Name, _ inode: Inode, to newDirectory: Inode, _ newName: Name, replacing replaced: Inode?,
      _ flags: RenameFlags
    ) throws(Errno) {}
    override func removeDirectory(_ name: Name, _ inode: Inode) throws(Errno) {}
  }

  private var top: Node?
  private var made: UInt64 = 0

  init() {
    super.init(typeName: "directories")
    top = make(.directory)
  }

  func make(_ type: FileType) -> Node {
    made += 1
    return Node(
      filesystem: self, type: type, number: made, permissions: Permissions(rawValue: 0o755), owner: 0, group: 0)
  }

  override var root: Inode { top ?? make(.directory) }
}

struct MountPointTests {
  private let tree = VirtualFileSystem(root: DirectoryFilesystem(), source: [])

  private func canonical(_ path: String, mounted: [String] = []) throws(Errno) -> String {
    let mounted = mounted.map { $0.utf8.split(separator: 0x2f).map { [UInt8]($0) } }
    let parts = try tree.canonicalPath(Array(path.utf8), mounted: mounted)
    return parts.map { "/" + String(decoding: $0, as: UTF8.self) }.joined()
  }

  private func rename(_ old: String, _ new: String, _ flags: RenameFlags = []) throws(Errno) {
    try path(old) { old throws(Errno) in
      try path(new) { new throws(Errno) in
        try tree.rename(old, to: { () in new }, flags, .supervisor(of: tree))
      }
    }
  }

  private func path(_ text: String, _ body: (VirtualFileSystem.Path) throws(Errno) -> Void) throws(Errno) {
    try Array(text.utf8).withUnsafeBufferPointer { bytes throws(Errno) in
      try body(.init(UnsafeRawBufferPointer(bytes), from: tree.root))
    }
  }

  @Test func symlinksAreFollowedUnlessSomethingIsMountedAbove() throws {
    #expect(try canonical("/a/link/b") == "/real/b")
    #expect(try canonical("//a/./link/../c/") == "/c")
    #expect(try canonical("/a/none/link") == "/a/none/link")
    #expect(try canonical("/m/link/b", mounted: ["/m"]) == "/m/link/b")
    #expect(throws: Errno.invalidArgument) { try canonical("/m/../b", mounted: ["/m"]) }
    #expect(throws: Errno.invalidArgument) { try canonical("/none/../b") }
  }

  @Test func noMountPointLiesBehindASymlink() throws {
    #expect(throws: Errno.tooManySymbolicLinkLevels) {
      _ = try tree.makeMountPoint([Array("a".utf8), Array("link".utf8), Array("b".utf8)])
    }
  }

  @Test func mountPointsAndWhatIsAboveThemAreBusy() throws {
    let point = try tree.makeMountPoint(["a", "b", "none"].map { Array($0.utf8) })
    try tree.mount(DirectoryFilesystem(), at: point, isReadOnly: false, source: [])
    for name in ["/a", "/a/b", "/a/b/none"] {
      #expect(throws: Errno.resourceBusy) { try rename(name, "/no") }
      #expect(throws: Errno.resourceBusy) { try rename(name, "/other", .exchange) }
      #expect(throws: Errno.resourceBusy) { try rename("/other", name) }
      #expect(throws: Errno.self) {
        try path(name) { path throws(Errno) in try tree.removeDirectory(path, .supervisor(of: tree)) }
      }
    }
    // What is beside and below them moves.
    try rename("/a/c", "/a/d")
    try rename("/a/b/none/x", "/a/b/none/y")
  }
}
