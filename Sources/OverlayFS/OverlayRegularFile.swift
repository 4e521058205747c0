// A regular file of an overlay: its content is a backing file of the upper or of a lower, which the guest gets itself.

public import LinuxABI
public import MemoryMap
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

  // MARK: - Mappings: recorded by the layer's inode that holds the content

  public override var isSettled: Bool { upper != nil && !isMetadataOnly }

  public override func addMapping(
    _ range: Range<UInt64>, at address: UInt64?, in space: Int, access: MappingAccess
  ) throws(Errno) { try content.addMapping(range, at: address, in: space, access: access) }

  public override func removeMapping(_ addresses: Range<UInt64>?, in space: Int) {
    content.removeMapping(addresses, in: space)
  }

  public override func copyMapping(from space: Int, to child: Int) { content.copyMapping(from: space, to: child) }

  public override func reconcileMappings(of space: Int, with list: [Mapping]) {
    content.reconcileMappings(of: space, with: list)
  }

  public override var recordedMappings: MappingSet { content.recordedMappings }

  public override func translate(
    required: Range<UInt64>, optional: Range<UInt64>, access: MappingAccess
  ) throws(Errno) -> Translation {
    let source = access.isSuperset(of: [.write, .shared]) ? try copiedUp(.all) : content
    return try source.translate(required: required, optional: optional, access: access)
  }

  /// The content has moved from the lower inode to the upper: whoever holds descriptors or mappings of the lower file is
  /// moved before any call is answered.
  public override func invalidateUnsavable() {
    if let lower, let upper, !isMetadataOnly { overlay.onCopyUp?(self, lower, upper) }
  }

  /// Steps 3 and 4 of a switch (MemoryMap/Mappable.swift); the first, `upper.addMappings(of: lower)`, was made where it
  /// could still fail, the second with the assignment of `upper` or `isMetadataOnly`.
  ///
  /// - Precondition: `content` is `upper`. Nothing here fails.
  func contentHasMoved() {
    invalidateUnsavable()
    lower?.removeMappings()
  }
}
