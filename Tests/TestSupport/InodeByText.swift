// Calls on inodes with names and content as strings.

import Kernel
import LinuxABI
import VFS

extension Inode {
  package func find(_ name: String) throws(Errno) -> Inode? {
    try Name.with(Array(name.utf8)) { name throws(Errno) in try lookup(name) }
  }

  /// Walks `path` without following links.
  package func walk(_ path: String) throws(Errno) -> Inode {
    var inode = self
    for component in path.split(separator: "/") {
      guard let child = try inode.find(String(component)) else { throw .noSuchFileOrDirectory }
      inode = child
    }
    return inode
  }

  package func entries(from cursor: Int64 = 0) throws(Errno) -> [(name: String, number: UInt64, next: Int64)] {
    var result: [(name: String, number: UInt64, next: Int64)] = []
    try iterate(from: cursor) { entry in
      result.append((String(decoding: entry.name.bytes, as: UTF8.self), entry.number, entry.next))
      return true
    }
    return result
  }

  package func text() throws(Errno) -> String {
    let descriptor = try open([])
    return String(decoding: try Host.readAll(descriptor.rawValue), as: UTF8.self)
  }

  package func target() throws(Errno) -> String { String(decoding: try readlink(), as: UTF8.self) }
}

/// The errno that `body` throws; nil if none.
package func errno(of body: () throws(Errno) -> Void) -> Errno? {
  do throws(Errno) {
    try body()
    return nil
  } catch { return error }
}
