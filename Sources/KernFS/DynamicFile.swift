// A file whose bytes are made when it is opened.

public import Kernel
public import LinuxABI
public import VFS

/// A generated regular file. Each open makes the content anew, puts it into a nameless file of the store and gives that
/// away; so the reader sees one consistent state and reads natively. The size is shown as 0, as in the kernel's /proc.
open class DynamicFile: KernInode {
  public init(
    _ filesystem: KernFilesystem, number: UInt64 = InodeNumbers.next(),
    permissions: Permissions = Permissions(rawValue: 0o444), owner: UInt32 = 0, group: UInt32 = 0
  ) {
    super.init(
      filesystem, type: .regular, number: number, permissions: permissions, owner: owner, group: group)
  }

  /// The content as it is now.
  open func content() throws(Errno) -> [UInt8] { [] }

  /// A descriptor for an open that reads only.
  open func openForReading(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try kernel.store.temporaryFile(containing: try content(), flags)
  }

  /// A descriptor for an open that writes. What is written into the default one is lost.
  ///
  /// - Throws: `.permissionDenied` if no task may write, whatever the capabilities.
  open func openForWriting(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    if permissions.rawValue & 0o222 == 0 { throw .permissionDenied }
    return try kernel.store.temporaryFile(containing: flags.access.contains(.read) ? try content() : [], flags)
  }

  public final override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    return try flags.isWriting ? openForWriting(flags) : openForReading(flags)
  }

  open override func setAttributes(_ change: AttributeChange) throws(Errno) { throw .notPermitted }

  open override func truncate(to size: Int64) throws(Errno) {
    if permissions.rawValue & 0o222 == 0 { throw .permissionDenied }
  }
}

/// A generated file whose producer is a closure.
public final class ProducedFile: DynamicFile {
  private let producer: () throws(Errno) -> [UInt8]

  public init(
    _ filesystem: KernFilesystem, permissions: Permissions = Permissions(rawValue: 0o444),
    _ producer: @escaping () throws(Errno) -> [UInt8]
  ) {
    self.producer = producer
    super.init(filesystem, permissions: permissions)
  }

  public override func content() throws(Errno) -> [UInt8] { try producer() }
}
