// A directory that must not outlive the supervisor, however that ends: a process of its own removes it (Reaper.c), which waits
// for the end of a socket.

import CLinux
public import LinuxABI

/// The process that removes one directory. It does so when this value goes, or with the supervisor's own end; nobody waits then.
public struct DirectoryReaper: ~Copyable, Sendable {
  private let socket: OwnedDescriptor

  /// `vd_launch_reaper`. The directory need not be there yet.
  public init(of path: UnsafePointer<CChar>) throws(Errno) {
    socket = OwnedDescriptor(CInt(try Errno.check(Int(vd_launch_reaper(path)))))
  }

  /// What is at the path is not ours: nothing is removed.
  public consuming func dismiss() {
    var byte: UInt8 = 0
    _ = withUnsafeMutablePointer(to: &byte) { Host.raw(.write, Int(socket.rawValue), Int(bitPattern: $0), 1) }
  }

  /// Has the directory removed and waits for that, as long as it takes. Where that cannot be asked for (`shutdown(2)`), the
  /// directory goes with the end of the socket, and nobody waits.
  public consuming func remove() {
    guard Host.raw(.shutdown, Int(socket.rawValue), Int(SHUT_WR)) == 0 else { return }
    withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { buffer in
      _ = try? Host.read(into: buffer, from: socket.rawValue)
    }
  }
}

extension Host {
  /// `vd_read_only_tree`: a detached copy of the mount tree at a directory, which no process can write to; `open_tree(2)`,
  /// `mount_setattr(2)`.
  ///
  /// - Throws: `.notPermitted` of who may not mount; `.invalidArgument` if the directory lies in another mount namespace.
  public static func readOnlyTree(of directory: CInt) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(CInt(try Errno.check(Int(vd_read_only_tree(directory, "")))))
  }
}
