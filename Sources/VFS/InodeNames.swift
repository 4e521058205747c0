// Looking at what a directory holds by names of its own bytes, outside of a path walk.

package import LinuxABI

extension Inode {
  /// What has the name; nil for nothing.
  package func child(_ name: [UInt8]) throws(Errno) -> Inode? {
    try Name.with(name) { name throws(Errno) in try lookup(name) }
  }

  /// The names that the directory holds, in its own order.
  package func listedNames() throws(Errno) -> [[UInt8]] {
    var names: [[UInt8]] = []
    try iterate(from: 0) { entry in
      names.append(entry.name.copy)
      return true
    }
    return names
  }

  /// The same, sorted by their bytes.
  package func sortedNames() throws(Errno) -> [[UInt8]] {
    try listedNames().sorted { $0.lexicographicallyPrecedes($1) }
  }
}
