// Symbolic links: those that hold a path, and those of /proc that lead to a position.

public import LinuxABI
public import VFS

/// A symbolic link with its target in memory.
public final class Symlink: KernInode {
  private let target: [UInt8]

  init(_ filesystem: KernFilesystem, target: [UInt8], _ new: NewInode) {
    self.target = target
    super.init(
      filesystem, type: .symlink, permissions: Permissions(rawValue: 0o777), owner: new.owner, group: new.group,
      linkCount: 0)
  }

  /// A link that a file system is born with.
  public init(_ filesystem: KernFilesystem, to target: StaticString) {
    self.target = Array(UnsafeBufferPointer(start: target.utf8Start, count: target.utf8CodeUnitCount))
    super.init(filesystem, type: .symlink, permissions: Permissions(rawValue: 0o777), linkCount: 0)
  }

  public override var size: Int64 { Int64(target.count) }

  public override func readlink() throws(Errno) -> [UInt8] {
    noteAccess()
    return target
  }
}

/// A symbolic link whose target is asked for each time; the subclass may lead to a position instead of a path.
open class DynamicLink: KernInode {
  public init(
    _ filesystem: KernFilesystem, number: UInt64 = InodeNumbers.next(),
    permissions: Permissions = Permissions(rawValue: 0o777), owner: UInt32 = 0, group: UInt32 = 0
  ) {
    super.init(
      filesystem, type: .symlink, number: number, permissions: permissions, owner: owner, group: group)
  }

  open override func setAttributes(_ change: AttributeChange) throws(Errno) { throw .notPermitted }
}

/// A link whose text and position come from closures.
public final class MagicLink: DynamicLink {
  private let text: () throws(Errno) -> [UInt8]
  private let position: () throws(Errno) -> Position?

  public init(
    _ filesystem: KernFilesystem, text: @escaping () throws(Errno) -> [UInt8],
    position: @escaping () throws(Errno) -> Position? = { () throws(Errno) in nil }
  ) {
    self.text = text
    self.position = position
    super.init(filesystem)
  }

  public override func readlink() throws(Errno) -> [UInt8] { try text() }

  public override func magicTarget() throws(Errno) -> Position? { try position() }
}
