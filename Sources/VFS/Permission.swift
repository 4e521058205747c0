// Permission checks with the guest's credentials: `generic_permission` of the kernel, path_resolution(7).

public import LinuxABI

extension Credentials {
  /// Decides whether this caller may do `wanted` with `inode`.
  ///
  /// - Throws: `.permissionDenied`.
  public func check(_ wanted: AccessMode, on inode: Inode) throws(Errno) {
    let mode = inode.permissions.rawValue
    let bits: UInt16
    if user == inode.owner {
      bits = mode >> 6
    } else if let list = inode.accessList, mode & 0o070 != 0,
      let granted = AccessControlList.evaluate(list, for: self, owningGroup: inode.group, wanted)
    {
      if granted { return }
      bits = 0
    } else {
      bits = isMember(of: inode.group) ? mode >> 3 : mode
    }
    if UInt16(wanted.rawValue) & ~(bits & 7) == 0 { return }
    if inode.isDirectory {
      if has(.dacOverride) { return }
      if !wanted.contains(.write), has(.dacReadSearch) { return }
    } else {
      if wanted == .read, has(.dacReadSearch) { return }
      if !wanted.contains(.execute) || mode & 0o111 != 0, has(.dacOverride) { return }
    }
    if inode.grants(wanted) { return }
    throw .permissionDenied
  }

  /// The owner, or CAP_FOWNER.
  @inlinable
  public func owns(_ inode: Inode) -> Bool { user == inode.owner || has(.fileOwner) }
}
