// A regular file of an overlay: its content is a backing file of the upper or of a lower, which the guest gets itself.

public import Kernel
public import LinuxABI
public import VFS

/// A regular file. With an upper in memory its attributes may be copied up before its content is (`isMetadataOnly`).
public final class OverlayRegularFile: OverlayInode {
  /// The inode whose backing file holds the content now.
  public var content: Inode {
    if isMetadataOnly, let lower { return lower }
    return source
  }

  public override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    guard upper != nil else { return result }
    // Writes run natively and clear set-id bits behind our back; the upper inode has just learned of it.
    refresh()
    result.permissions = permissions
    if isMetadataOnly, let lower {
      let content = try lower.attributes()
      result.size = content.size
      result.blocks = content.blocks
    }
    return result
  }

  public override var isBackedByLower: Bool { upper == nil || isMetadataOnly }

  public override var isStored: Bool { content.isStored }

  public override func willBeWritten(clearingSetIDs: Bool) { upper?.willBeWritten(clearingSetIDs: clearingSetIDs) }

  public override func truncate(to size: Int64) throws(Errno) {
    let upper = try copiedUp(size == 0 ? .noContent : .all)
    try upper.truncate(to: size)
    copied?.isPast = true
    refresh()
  }

  public override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    if flags.contains(.truncate) {
      let descriptor = try copiedUp(.noContent).open(flags)
      copied?.isPast = true
      refresh()
      return descriptor
    }
    if flags.isWriting { return try copiedUp(.all).open(flags) }
    return try content.open(flags)
  }

  // MARK: - Copy-up of the content

  public override var hasFinalBacking: Bool { upper != nil && !isMetadataOnly }

  public override func copyUpContent() throws(Errno) { _ = try copiedUp(.all) }
}
