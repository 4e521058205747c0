// A scratch store for the tests of this target.

import Glibc
import KernFS
import LinuxABI
import VFS

/// A directory of the host that goes away with the object, and a store in it.
final class Scratch {
  let path: String
  let store: BackingStore

  init() throws {
    var template = Array("/dev/shm/vedette-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Errno.ioError }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    store = try BackingStore(root: try Host.openTrusted(path, [.directory]))
  }

  deinit { Self.removeTree(path) }

  private static func removeTree(_ path: String) {
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name == "." || name == ".." { continue }
        if unlink(path + "/" + name) != 0 { removeTree(path + "/" + name) }
      }
      closedir(directory)
    }
    rmdir(path)
  }
}

extension Inode {
  func find(_ name: String) throws(Errno) -> Inode? {
    try Name.with(Array(name.utf8)) { name throws(Errno) in try lookup(name) }
  }

  /// Walks `path` without following links.
  func walk(_ path: String) throws(Errno) -> Inode {
    var inode = self
    for component in path.split(separator: "/") {
      guard let child = try inode.find(String(component)) else { throw .noSuchFileOrDirectory }
      inode = child
    }
    return inode
  }

  func entries(from cursor: Int64 = 0) throws(Errno) -> [(name: String, number: UInt64, next: Int64)] {
    var result: [(name: String, number: UInt64, next: Int64)] = []
    try iterate(from: cursor) { entry in
      result.append((String(decoding: entry.name.bytes, as: UTF8.self), entry.number, entry.next))
      return true
    }
    return result
  }

  func text() throws(Errno) -> String {
    let descriptor = try open([])
    return String(decoding: try Host.readAll(descriptor.rawValue), as: UTF8.self)
  }

  func target() throws(Errno) -> String { String(decoding: try readlink(), as: UTF8.self) }
}

/// The errno that `body` throws; nil if none.
func errno(of body: () throws(Errno) -> Void) -> Errno? {
  do throws(Errno) {
    try body()
    return nil
  } catch { return error }
}
