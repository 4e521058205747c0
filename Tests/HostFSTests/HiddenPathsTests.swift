import HostFS
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

/// What a mount covers is hidden in the layer itself (HiddenPaths.swift).
@Suite struct HiddenPathsTests {
  private func child(_ name: String, of directory: Inode?) throws -> Inode? {
    try Name.with([UInt8](name.utf8)) { name throws(Errno) in try directory?.lookup(name) }
  }

  @Test func directoryIsEmptyAndFileCannotBeOpened() throws {
    let tree = TemporaryTree()
    tree("mkdir -p a/keys a/other && echo x > a/keys/id && echo x > a/other/id && echo x > a/file && chmod 2751 a/keys")
    let host = try HostFilesystem(
      rootDescriptor: Host.openTrusted(tree.path, [.path, .directory]), policy: .immutable, writable: false)
    for path in [["a", "keys"], ["a", "file"], ["a", "none", "deep"], []] {
      host.hide(path.map { [UInt8]($0.utf8) })
    }
    // Asked for twice: each lookup makes a new object.
    for _ in 0..<2 {
      let above = try child("a", of: host.root)
      let keys = try #require(try child("keys", of: above))
      #expect(try child("id", of: keys) == nil)
      var names = 0
      try keys.iterate(from: 0) { _ in
        names += 1
        return true
      }
      // The covered directory's own attributes stay.
      #expect(names == 0 && keys.permissions.rawValue == 0o2751)
      let file = try #require(try child("file", of: above))
      #expect(file.type == .regular)
      #expect(try file.attributes().size == 0)
      #expect(throws: Errno.permissionDenied) { _ = try file.open([]) }
      #expect(try child("id", of: child("other", of: above))?.attributes().size == 2)
      #expect(try child("none", of: above) == nil)
    }
  }
}
