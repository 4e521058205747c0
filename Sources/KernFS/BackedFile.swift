// A regular file whose bytes lie in the backing store. Guests read and write the store's file natively, so size, blocks and
// the times of access and modification are asked of it; owner, mode, links and extended attributes are ours.

public import Kernel
public import LinuxABI
public import VFS

/// A regular file of an in-memory file system.
///
/// The store's file is removed when the inode object ends, not when the last name goes: so an unlinked file that somebody
/// still has open answers every call as before and costs no descriptor meanwhile (`BackingStore.orphanCount`). The bytes go
/// with the last of the object and the guests' descriptors, as on any file system.
///
/// The change time is the later of ours (chmod, link, xattr) and the store's (write, truncate, utimens).
public final class BackedFile: KernInode {
  private var file: UInt64
  /// Bytes when the last name went; nil while there is one, and for a file made without.
  private var orphanBytes: Int64?

  /// The last to open it for writing has no CAP_FSETID inside. No task has it on the host, so where a write is not to
  /// clear set-id bits the store's file goes without them.
  private var clearsSetIDs = true

  init(_ filesystem: KernFilesystem, _ new: NewInode) throws(Errno) {
    file = try filesystem.store.createFile()
    super.init(
      filesystem, type: .regular, permissions: new.permissions, owner: new.owner, group: new.group, linkCount: 0)
    if !new.permissions.isDisjoint(with: [.setUserID, .setGroupID]) {
      do throws(Errno) { try mirrorSetID() } catch {}
    }
  }

  deinit {
    disown()
    kernel.store.remove(file)
  }

  public override var isStored: Bool { true }

  override func linksChanged() {
    disown()
    guard linkCount == 0 else { return }
    var bytes: Int64 = 0
    do throws(Errno) { bytes = try kernel.store.stat(file).blocks.multipliedClamped(by: 512) } catch {}
    orphanBytes = bytes
    kernel.store.orphanCount += 1
    kernel.store.orphanBytes = kernel.store.orphanBytes.addingClamped(bytes)
  }

  private func disown() {
    guard let bytes = orphanBytes else { return }
    kernel.store.orphanCount -= 1
    kernel.store.orphanBytes -= bytes
    orphanBytes = nil
  }

  public override func attributes() throws(Errno) -> Attributes {
    let status = try kernel.store.stat(file)
    // A native write has cleared the set-ID bits of the store's file (`man 2 write`): ours follow.
    if !permissions.isDisjoint(with: [.setUserID, .setGroupID]) {
      let lost = mirrored.subtracting(Permissions(rawValue: UInt16(truncatingIfNeeded: status.mode)))
      permissions.subtract(lost.intersection([.setUserID, .setGroupID]))
    }
    var result = Attributes(
      type: .regular, permissions: permissions, owner: owner, group: group, linkCount: linkCount,
      size: status.size, blocks: status.blocks, number: number, time: birthTime)
    result.accessTime = status.accessTime
    result.modificationTime = status.modificationTime
    result.changeTime = max(changeTime, status.changeTime)
    return result
  }

  public override func setAttributes(_ change: AttributeChange) throws(Errno) {
    if change.accessTime != .keep || change.modificationTime != .keep {
      try kernel.store.setTimes(file, access: change.accessTime, modification: change.modificationTime)
    }
    let old = mirrored
    if let new = change.permissions { permissions = new }
    if let new = change.owner { owner = new }
    if let new = change.group { group = new }
    changeTime = Timestamp.now()
    // A mode that is set again puts back what a copy of ours has cleared.
    if mirrored != old || (change.permissions != nil && !mirrored.isEmpty) { try mirrorSetID() }
  }

  /// The bits that the store's file must have for the kernel to clear them on a native write: set-group-ID counts only
  /// where the group may execute.
  private var mirrored: Permissions {
    if !clearsSetIDs { return [] }
    var bits = permissions.intersection(.setUserID)
    if permissions.isSuperset(of: [.setGroupID, .groupExecute]) { bits.formUnion([.setGroupID, .groupExecute]) }
    return bits
  }

  private func mirrorSetID() throws(Errno) { try kernel.store.setMode(file, 0o600 | UInt32(mirrored.rawValue)) }

  public override func willBeWritten(clearingSetIDs: Bool) {
    if clearingSetIDs == clearsSetIDs { return }
    do throws(Errno) {
      let hasSetIDs = !permissions.isDisjoint(with: [.setUserID, .setGroupID])
      // What has been cleared so far is to be known before the bits go.
      if hasSetIDs { _ = try attributes() }
      clearsSetIDs = clearingSetIDs
      if hasSetIDs { try mirrorSetID() }
    } catch {
      // The store is failing: the write will say so.
    }
  }

  /// A truncation by us clears the bits of the store's file. Whether it clears the guest's is for the VFS to say, who
  /// knows the caller.
  private func keepingSetIDs<T: ~Copyable>(_ truncation: () throws(Errno) -> T) throws(Errno) -> T {
    if permissions.isDisjoint(with: [.setUserID, .setGroupID]) { return try truncation() }
    // What native writes have cleared so far stays so.
    _ = try attributes()
    let result = try truncation()
    try mirrorSetID()
    return result
  }

  public override func truncate(to size: Int64) throws(Errno) {
    try keepingSetIDs { () throws(Errno) in try kernel.store.truncate(file, to: size) }
  }

  public override func takeContent(of other: Inode) -> Bool {
    guard let other = other as? BackedFile, other.kernel === kernel else { return false }
    swap(&file, &other.file)
    return true
  }

  public override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    if !flags.contains(.truncate) { return try kernel.store.open(file, flags) }
    return try keepingSetIDs { () throws(Errno) in try kernel.store.open(file, flags) }
  }
}
