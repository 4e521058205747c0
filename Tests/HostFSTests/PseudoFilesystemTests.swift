import CLinux
import HostFS
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

/// The host's own mounts of /proc and /sys serve as the mounts below a layer.
@Suite struct PseudoFilesystemTests {
  private func openRoot(_ path: String, _ policy: HostFilesystem.Policy) throws -> HostFilesystem {
    try HostFilesystem(rootDescriptor: Host.openTrusted(path, [.path, .directory]), policy: policy, writable: false)
  }

  private func child(_ name: String, of directory: Inode) throws -> Inode? {
    try Name.with([UInt8](name.utf8)) { name throws(Errno) in try directory.lookup(name) }
  }

  @Test(arguments: [HostFilesystem.Policy.immutable, .shared])
  func mountedBelowARootTheyAreEmptyDirectories(policy: HostFilesystem.Policy) throws {
    let host = try openRoot("/", policy)
    for name in ["proc", "sys"] {
      let directory = try #require(try child(name, of: host.root))
      #expect(directory.isDirectory && directory.permissions.rawValue == 0o555)
      #expect(try child("self", of: directory) == nil && child("kernel", of: directory) == nil)
      var names = 0
      try directory.iterate(from: 0) { _ in
        names += 1
        return true
      }
      #expect(names == 0)
      #expect(try directory.attributes().linkCount == 2)
      #expect(try directory.extendedAttributeNames().isEmpty)
      // Asked of a tree that changes only.
      let isValid = Name.with([UInt8](name.utf8)) { host.root.isValid(child: directory, name: $0) }
      #expect(isValid || policy == .immutable)
    }
    // Beside them everything shows.
    #expect(try #require(try child("etc", of: host.root)).isDirectory)
  }

  @Test(arguments: ["/proc", "/sys", "/proc/self/fd"])
  func noneIsTheRootOfATree(path: String) throws {
    #expect(throws: Errno.notSupportedOnSocket) { _ = try openRoot(path, .shared) }
  }

  @Test func theTypeIsNamed() throws {
    func name(_ path: String) throws -> String? {
      let descriptor = try Host.openTrusted(path, .path)
      return try PseudoFilesystem.name(of: descriptor.rawValue).map { "\($0)" }
    }
    #expect(try name("/proc") == "proc" && name("/proc/self/environ") == "proc" && name("/sys/kernel") == "sysfs")
    let tree = TemporaryTree()
    #expect(try name(tree.path) == nil)
  }
}
