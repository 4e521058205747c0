// A directory for layers on the host that ends with the test.

import CLinux
import HostFS
import LinuxABI
import OverlayFS
import VFS

@testable import Layers

/// A temporary directory, removed by the library's own means.
final class LayerScratch {
  let path: ByteString
  private let name: [UInt8]

  init() throws {
    name = Array("vedette-layers-\(getpid())-\(UInt32.random(in: 0...UInt32.max))".utf8)
    path = ByteString(Array("/tmp/".utf8) + name)
    let parent = try HostTree(try ByteString("/tmp").open([.path, .directory]))
    _ = try parent.make(name, .directory, in: parent.root)
    let tree = try HostTree(try path.open([.path, .directory]))
    for directory in ["low", "up"] { _ = try tree.make(Array(directory.utf8), .directory, in: tree.root) }
  }

  deinit {
    if let parent = try? HostTree(try ByteString("/tmp").open([.path, .directory])) {
      _ = try? parent.remove(name, from: parent.root)
    }
  }

  func directory(_ name: String) -> ByteString { ByteString(path.bytes + Array("/\(name)".utf8)) }

  func overlay() throws -> OverlayFilesystem {
    let lower = try HostFilesystem(
      rootDescriptor: try directory("low").open([.path, .directory]), policy: .immutable, writable: false)
    let store = try HostFilesystem(
      rootDescriptor: try directory("up").open([.path, .directory]), policy: .immutable, writable: true)
    return try OverlayFilesystem(upper: .store(store), lowers: [lower])
  }
}
