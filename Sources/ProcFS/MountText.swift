// The mounts of the virtual tree, as /proc shows them.

import LinuxABI
public import VFS

/// The text of /proc/PID/mountinfo and /proc/PID/mounts (`man 5 proc_pid_mountinfo`).
public enum MountText {
  public static func mountInformation(of vfs: VirtualFileSystem) -> [UInt8] {
    var text: [UInt8] = []
    for mount in vfs.mountList {
      let device = mount.filesystem.deviceNumber
      let parent = mount.point?.mount.id ?? 1
      text += Array("\(mount.id) \(parent) \(DeviceNumber.major(device)):\(DeviceNumber.minor(device)) / ".utf8)
      text += escaped(point(of: mount, vfs))
      text += Array(" \(mount.isReadOnly ? "ro" : "rw"),relatime - \(mount.filesystem.typeName) ".utf8)
      text += escaped(mount.source)
      text += Array(" ".utf8) + options(mount) + [0x0a]
    }
    return text
  }

  public static func mounts(of vfs: VirtualFileSystem) -> [UInt8] {
    var text: [UInt8] = []
    for mount in vfs.mountList {
      text += escaped(mount.source) + [0x20] + escaped(point(of: mount, vfs))
      text += Array(" \(mount.filesystem.typeName) ".utf8) + options(mount) + Array(" 0 0\n".utf8)
    }
    return text
  }

  private static func point(of mount: Mount, _ vfs: VirtualFileSystem) -> [UInt8] {
    mount.point.flatMap { vfs.path(of: $0, from: vfs.root) } ?? [0x2f]
  }

  private static func options(_ mount: Mount) -> [UInt8] {
    let options = mount.filesystem.mountOptions
    return options.isEmpty ? Array((mount.isReadOnly ? "ro,relatime" : "rw,relatime").utf8) : options
  }

  /// Blanks, tabs, newlines and backslashes are shown in octal.
  private static func escaped(_ bytes: [UInt8]) -> [UInt8] {
    bytes.flatMap { byte -> [UInt8] in
      switch byte {
      case 0x20: Array("\\040".utf8)
      case 0x09: Array("\\011".utf8)
      case 0x0a: Array("\\012".utf8)
      case 0x5c: Array("\\134".utf8)
      default: [byte]
      }
    }
  }
}
