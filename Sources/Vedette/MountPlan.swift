// Where everything is mounted that the configuration and the sandbox itself mount, worked out on the layers alone: what an
// upper of an earlier run says of those paths does not count.

import HostFS
import LinuxABI
import OverlayFS
import VFS

/// The mount points of one sandbox, and what they hide in its layers.
struct MountPlan {
  /// Where the sandbox's own file systems go (SystemMounts.swift), outermost first.
  static let systemPoints = ["/proc", "/dev", "/dev/shm", "/sys"]

  private var canonicalPaths: [[UInt8]: [[UInt8]]] = [:]

  /// Follows the symlinks of the layers, and hides what lies below each mount point in them.
  ///
  /// - Parameter destinations: outermost first, with the options that name them.
  init(_ destinations: [(option: String, path: ByteString)], over lowers: [HostFilesystem]) throws(SandboxError) {
    var mounted: [[[UInt8]]] = []
    let layers: OverlayFilesystem
    do throws(OverlayError) {
      layers = try OverlayFilesystem(upper: nil, lowers: lowers)
    } catch {
      // What is wrong with the layers is said when the tree is made of them; without mount points nothing can be mounted.
      return
    }
    let view = VirtualFileSystem(root: layers, source: [], cacheBound: 256)
    for destination in Self.systemPoints.map({ (option: "vedette", path: ByteString($0)) }) + destinations {
      do throws(Errno) {
        let path = try view.canonicalPath(destination.path.bytes, mounted: mounted)
        if path.isEmpty { throw .resourceBusy }
        canonicalPaths[destination.path.bytes] = path
        mounted.append(path)
      } catch {
        throw SandboxError("\(destination.option): cannot mount at '\(destination.path)' inside: \(error)")
      }
    }
    for lower in lowers {
      for path in mounted { lower.hide(path) }
    }
  }

  /// How many directories are above a destination's mount point: what is to be mounted first has fewer.
  func depth(_ destination: ByteString) -> Int { canonicalPaths[destination.bytes]?.count ?? 0 }

  /// The mount point of a destination, which is made if it is missing.
  ///
  /// - Throws: `.tooManySymbolicLinkLevels` for a symlink in the way that is not of the layers.
  func point(_ destination: [UInt8], isDirectory: Bool = true, in vfs: VirtualFileSystem) throws(Errno) -> Position {
    guard let path = canonicalPaths[destination] else { throw .noSuchFileOrDirectory }
    return try vfs.makeMountPoint(path, isDirectory: isDirectory)
  }
}
