// Symlinks, FIFOs, sockets and device nodes of an overlay: files without content of their own.

public import Kernel
public import LinuxABI
import VFS

/// A symlink: it is copied up only when it gets a link or an attribute; its target never changes.
public final class OverlaySymlink: OverlayInode {
  public override func readlink() throws(Errno) -> [UInt8] { try source.readlink() }
}

/// A FIFO, socket or device node. One of a lower is never opened on the host.
public final class OverlayNode: OverlayInode {
  /// A FIFO is the upper's from its first open on: guests meet there, and the host's processes do not.
  ///
  /// - Throws: `.noSuchAddressOrDevice` for a socket; `.permissionDenied` for a device.
  public override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    switch type {
    case .fifo: try copiedUp(.all).open(flags)
    case .socket: throw .noSuchAddressOrDevice
    default: throw .permissionDenied
    }
  }
}
