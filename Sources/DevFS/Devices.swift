// The device files of /dev. Each names one device; what a guest gets is a real descriptor of the host's.

import Kernel
import KernFS
import LinuxABI
import VFS

/// A character device as `stat` shows it: in memory, with a device number.
class CharacterDevice: KernInode {
  private let device: UInt64

  init(
    _ filesystem: KernFilesystem, number: UInt64 = InodeNumbers.next(), major: UInt32, minor: UInt32,
    _ permissions: Permissions = Permissions(rawValue: 0o666), _ owner: UInt32 = 0, _ group: UInt32 = 0
  ) {
    device = DeviceNumber.make(major: major, minor: minor)
    super.init(
      filesystem, type: .characterDevice, number: number, permissions: permissions, owner: owner, group: group,
      linkCount: 0)
  }

  override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    result.device = device
    return result
  }

  /// A status of the host's shows a character device with our number.
  final func isDevice(_ status: FileStatus) -> Bool {
    status.type == .characterDevice && status.namedDevice == device
  }
}

/// One of the host's harmless devices, opened by a path that is a constant of ours and verified by its numbers.
final class HostDevice: CharacterDevice {
  /// O_PATH, so that the host's name is looked up once; nil if the host has no such device.
  private let host: CInt?

  init(_ filesystem: KernFilesystem, _ path: StaticString, major: UInt32, minor: UInt32) {
    do throws(Errno) { host = try openFixed(path, [.path, .noFollow]).release() } catch { host = nil }
    super.init(filesystem, major: major, minor: minor)
  }

  deinit { if let host { Host.close(host) } }

  /// - Throws: `.noSuchAddressOrDevice` if the host has no such device.
  override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    guard let host, isDevice(try Host.stat(host)) else { throw .noSuchAddressOrDevice }
    return try kernel.store.reopen(host, flags.subtracting(.truncate))
  }
}

/// A device that is shown and has nothing behind it.
final class MissingDevice: CharacterDevice {
  override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor { throw .noSuchAddressOrDevice }
}

/// /dev/tty: another device for each who opens it.
final class ControllingTerminal: CharacterDevice {
  private unowned let terminals: any TerminalSource

  init(_ filesystem: KernFilesystem, _ terminals: any TerminalSource) {
    self.terminals = terminals
    super.init(filesystem, major: 5, minor: 0)
  }

  override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try terminals.openControllingTerminal(flags.subtracting(.truncate))
  }
}

/// Opens a host path that is a constant of ours.
func openFixed(_ path: StaticString, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
  try path.withCString { path throws(Errno) in try Host.openTrusted(path, flags) }
}
