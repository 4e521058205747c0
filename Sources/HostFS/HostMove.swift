// A move from one writable tree of ours to another: what an apply replaces goes to the upper directory's store.

import Kernel
package import LinuxABI
package import VFS

extension HostFilesystem {
  /// `renameat2(2)` with RENAME_NOREPLACE between directories of two trees. Neither tree may use the inode afterwards.
  ///
  /// - Throws: `.improperLink` across file systems, or for a directory that is not of such a tree; other errnos of
  ///   `rename(2)`.
  package static func move(
    _ name: [UInt8], from directory: Inode, to newName: [UInt8], in newDirectory: Inode
  ) throws(Errno) {
    guard let source = directory as? HostDirectory, let target = newDirectory as? HostDirectory,
      source.host.isWritable, target.host.isWritable
    else { throw .improperLink }
    try source.host.descriptors.with(source) { from throws(Errno) in
      try target.host.descriptors.with(target) { to throws(Errno) in
        try Name.with(name) { name throws(Errno) in
          try Name.with(newName) { newName throws(Errno) in
            try name.withCString { name throws(Errno) in
              try newName.withCString { newName throws(Errno) in
                try Host.rename(name, in: from, to: newName, in: to, .noReplace)
              }
            }
          }
        }
      }
    }
    CrashPoint.passed("move")
  }
}
