// A store on the host that ends with the test.

import Glibc
import Kernel
import KernFS
import LinuxABI
import VFS

/// The path of a new directory in `directory`.
func temporaryDirectory(in directory: String) throws(Errno) -> String {
  var template = Array("\(directory)/vedette-test.XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw .ioError }
  return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// A directory of the host that goes away with the object, and a store in it.
package final class Scratch {
  package let path: String
  package let store: BackingStore

  /// - Parameter memory: the budget of file systems over the store.
  package init(memory: Int = .max) throws {
    path = try temporaryDirectory(in: "/dev/shm")
    store = try BackingStore(root: try Host.openTrusted(path, [.directory]), budget: MemoryBudget(limit: memory))
  }

  deinit { Self.removeTree(path) }

  /// The number of files in the store.
  package func storedFiles() -> Int {
    Self.names(path).filter { !$0.hasPrefix(".") }.reduce(0) { $0 + Self.names(path + "/" + $1).count }
  }

  /// The number of this process's descriptors that lead into the store.
  package func openDescriptors() -> Int {
    var target = [CChar](repeating: 0, count: 4096)
    return Self.names("/proc/self/fd").filter { number in
      let length = readlink("/proc/self/fd/\(number)", &target, target.count)
      guard length > 0 else { return false }
      let bytes = target[..<length].map { UInt8(bitPattern: $0) }
      return bytes.starts(with: path.utf8)
    }.count
  }

  private static func names(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var result: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { result.append(name) }
    }
    return result
  }

  private static func removeTree(_ path: String) {
    for name in names(path) where unlink(path + "/" + name) != 0 { removeTree(path + "/" + name) }
    rmdir(path)
  }
}
