// A regular file of an overlay: its content is a backing file of the upper or of a lower, which the guest gets itself.

public import LinuxABI
public import VFS

/// A regular file. With an upper in memory its attributes may be copied up before its content is (`isMetadataOnly`).
public final class OverlayRegularFile: OverlayInode {
  /// The upper inode has the attributes, the lower one still the content.
  var isMetadataOnly = false
  /// What copy-up could not give the upper inode; nil for what was never copied up in this run.
  var copied: CopiedTimes?

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
    if let copied {
      if result.changeTime == copied.upperChangeTime { result.changeTime = copied.changeTime }
      result.birthTime = copied.birthTime
    }
    return result
  }

  public override func truncate(to size: Int64) throws(Errno) {
    let upper = try copiedUp(size == 0 ? .noContent : .all)
    try upper.truncate(to: size)
    refresh()
  }

  public override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    if flags.contains(.truncate) {
      let descriptor = try copiedUp(.noContent).open(flags)
      refresh()
      return descriptor
    }
    if flags.isWriting { return try copiedUp(.all).open(flags) }
    return try content.open(flags)
  }
}

/// The times that no call can set. An open for writing changes none, so the lower file's change time is shown until the
/// upper's moves on; the birth time is the lower's for good.
final class CopiedTimes {
  /// The change time of the upper inode when it had just been made.
  let upperChangeTime: Timestamp
  let changeTime: Timestamp
  let birthTime: Timestamp?

  init(upperChangeTime: Timestamp, changeTime: Timestamp, birthTime: Timestamp?) {
    self.upperChangeTime = upperChangeTime
    self.changeTime = changeTime
    self.birthTime = birthTime
  }
}
