// One file as the next run over some layers will see it, read before there is a run.

import HostFS
import Kernel
import LinuxABI
import OverlayFS
import VFS

/// See the head of this file.
public enum LayeredFile {
  /// The content of the regular file at `path`; binds and other mounts of the run are not seen.
  ///
  /// - Parameters:
  ///   - upper: a persistent upper directory; nil, or one that nothing is in yet, for none.
  ///   - limit: more bytes than this are an error.
  /// - Throws: what opening it throws; `.ioError` for what is no regular file or too large, and for layers that cannot be used.
  public static func read(
    _ path: ByteString, upper: ByteString?, over rootfs: ByteString, _ lowers: [ByteString], limit: Int
  ) throws(Errno) -> [UInt8] {
    let overlay: OverlayFilesystem
    do throws(ReportedError) {
      overlay = try layers(upper, rootfs, lowers)
    } catch {
      throw .ioError
    }
    defer { overlay.close() }
    let view = VirtualFileSystem(root: overlay, source: [], cacheBound: 256)
    let found: Result<Inode?, Errno> = path.bytes.withUnsafeBytes { bytes in
      do throws(Errno) {
        let path = VirtualFileSystem.Path(bytes, from: view.root)
        return .success(try view.resolve(path, .supervisor(of: view)).dentry.inode)
      } catch {
        return .failure(error)
      }
    }
    guard let inode = try found.get() else { throw .noSuchFileOrDirectory }
    guard inode.type == .regular, try inode.attributes().size <= limit else { throw .ioError }
    let file = try inode.open([])
    return try Host.readAll(file.rawValue)
  }

  private static func layers(
    _ upper: ByteString?, _ rootfs: ByteString, _ lowers: [ByteString]
  ) throws(ReportedError) -> OverlayFilesystem {
    if let upper, (try? ByteString(upper.bytes + Array("/upper".utf8)).open([.path, .directory])) != nil {
      return try UpperDirectory(upper, rootfs: rootfs, lowers: lowers).overlay()
    }
    let user = UserAndGroup(uid: Host.effectiveUser, gid: Host.effectiveGroup)
    let filesystems = try UpperDirectory("", rootfs: rootfs, lowers: lowers).lowerFilesystems(
      UpperLayers(rootfs: rootfs, lowers: lowers, caller: user, inside: user))
    do throws(OverlayError) {
      return try OverlayFilesystem(upper: nil, lowers: filesystems)
    } catch {
      throw ReportedError("the layers cannot be used")
    }
  }
}
