// Changes of attributes and extended attributes with the checks of fs/attr.c and fs/xattr.c.

public import LinuxABI

extension VirtualFileSystem {
  /// `fchmodat(2)` on something resolved.
  public func changeMode(_ position: Position, to mode: Permissions, _ caller: Caller) throws(Errno) {
    let inode = try changeable(position)
    if inode.type == .symlink { throw .notSupportedOnSocket }
    if !caller.credentials.owns(inode) { throw .notPermitted }
    var permissions = mode
    if !caller.credentials.isMember(of: inode.group), !caller.credentials.has(.setID) {
      permissions.remove(.setGroupID)
    }
    if let list = inode.accessList {
      return try inode.setAccessList(AccessControlList.changingMode(list, to: permissions), permissions)
    }
    var change = AttributeChange()
    change.permissions = permissions
    try inode.setAttributes(change)
    report(.attributes, of: inode, at: position.dentry)
  }

  /// `fchownat(2)` on something resolved; nil keeps an id.
  public func changeOwner(_ position: Position, user: UInt32?, group: UInt32?, _ caller: Caller) throws(Errno) {
    let inode = try changeable(position)
    let credentials = caller.credentials
    if let user, !credentials.has(.chown), credentials.user != inode.owner || user != inode.owner {
      throw .notPermitted
    }
    if let group, !credentials.has(.chown) {
      guard credentials.user == inode.owner, group == inode.group || credentials.isMember(of: group) else {
        throw .notPermitted
      }
    }
    var change = AttributeChange()
    change.owner = user
    change.group = group
    if !inode.isDirectory, inode.type != .symlink {
      // Linux drops set-user-ID always, set-group-ID if the group may execute (`man 2 chown`).
      var permissions = inode.permissions
      permissions.remove(.setUserID)
      if permissions.contains(.groupExecute) { permissions.remove(.setGroupID) }
      if permissions != inode.permissions { change.permissions = permissions }
    }
    try inode.setAttributes(change)
    if user != nil || group != nil || change.permissions != nil {
      report(.attributes, of: inode, at: position.dentry)
    }
  }

  /// `utimensat(2)` on something resolved.
  public func changeTimes(_ position: Position, access: TimeChange, modification: TimeChange, _ caller: Caller)
    throws(Errno)
  {
    if access == .keep && modification == .keep { return }
    let inode = try changeable(position)
    if !caller.credentials.owns(inode) {
      guard access == .now && modification == .now else { throw .notPermitted }
      try caller.credentials.check(.write, on: inode)
    }
    var change = AttributeChange()
    change.accessTime = access
    change.modificationTime = modification
    try inode.setAttributes(change)
    // One time alone is a read or a write to who watches (`fsnotify_change`).
    let event: InotifyMask = access == .keep ? .modify : modification == .keep ? .access : .attributes
    report(event, of: inode, at: position.dentry)
  }

  /// `truncate(2)` on something resolved.
  public func truncate(_ position: Position, to size: Int64, _ caller: Caller) throws(Errno) {
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if inode.isDirectory { throw .isDirectory }
    if inode.type != .regular { throw .invalidArgument }
    try checkWritable(position)
    try caller.credentials.check(.write, on: inode)
    try inode.truncate(to: size)
    report(.modify, of: inode, at: position.dentry)
    try dropSetIDs(of: inode, caller)
  }

  /// What a change of content by a task without CAP_FSETID does to set-id bits (`file_remove_privs`).
  public func dropSetIDs(of inode: Inode, _ caller: Caller) throws(Errno) {
    if caller.credentials.has(.setID) { return }
    var permissions = inode.permissions
    permissions.remove(.setUserID)
    if permissions.contains(.groupExecute) || !caller.credentials.isMember(of: inode.group) {
      permissions.remove(.setGroupID)
    }
    guard permissions != inode.permissions else { return }
    var change = AttributeChange()
    change.permissions = permissions
    try inode.setAttributes(change)
  }

  private func changeable(_ position: Position) throws(Errno) -> Inode {
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    try checkWritable(position)
    return inode
  }

  // MARK: - Extended attributes

  private enum XattrClass { case user, trusted, security, accessList, defaultList, unknown }

  /// The class of a name, and whether it is a prefix alone, which is no name: EINVAL, but only after all permissions.
  private func classify(_ name: Name) -> (XattrClass, isBare: Bool) {
    if name.hasPrefix("user.") { return (.user, name.count == 5) }
    if name.hasPrefix("trusted.") { return (.trusted, name.count == 8) }
    if name.hasPrefix("security.") { return (.security, name.count == 9) }
    if name.count == 23 && name.hasPrefix("system.posix_acl_access") { return (.accessList, false) }
    if name.count == 24 && name.hasPrefix("system.posix_acl_default") { return (.defaultList, false) }
    return (.unknown, false)
  }

  /// `getxattr(2)`. The order of checks is that of `xattr_permission` and `xattr_resolve_name` (fs/xattr.c).
  public func extendedAttribute(_ name: Name, of position: Position, _ caller: Caller) throws(Errno) -> [UInt8] {
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    try checkRules(.read, of: position.dentry)
    let (kind, isBare) = classify(name)
    switch kind {
    case .user:
      guard inode.type == .regular || inode.isDirectory else { throw .noData }
      try caller.credentials.check(.read, on: inode)
    case .trusted:
      if !caller.credentials.has(.systemAdministrator) { throw .noData }
    case .accessList, .defaultList:
      if inode.type == .symlink { throw .notSupportedOnSocket }
    case .security: break
    case .unknown:
      if !name.hasPrefix("system.") { try caller.credentials.check(.read, on: inode) }
      throw .notSupportedOnSocket
    }
    if isBare { throw .invalidArgument }
    return try inode.extendedAttribute(name)
  }

  /// `setxattr(2)`; the size has been checked.
  public func setExtendedAttribute(
    _ name: Name, of position: Position, to value: [UInt8], _ flags: XattrFlags, _ caller: Caller
  ) throws(Errno) {
    let inode = try changeable(position)
    let (kind, _) = classify(name)
    if kind == .accessList || kind == .defaultList {
      // XATTR_CREATE and XATTR_REPLACE mean nothing for lists.
      try setAccessList(kind, name, of: inode, to: try AccessControlList.parse(value), caller)
    } else {
      try checkXattrChange(kind, name, inode, caller)
      try inode.setExtendedAttribute(name, to: value, flags)
    }
    report(.attributes, of: inode, at: position.dentry)
  }

  /// `removexattr(2)`.
  public func removeExtendedAttribute(_ name: Name, of position: Position, _ caller: Caller) throws(Errno) {
    let inode = try changeable(position)
    let (kind, _) = classify(name)
    if kind == .accessList || kind == .defaultList {
      try setAccessList(kind, name, of: inode, to: [], caller)
    } else {
      try checkXattrChange(kind, name, inode, caller)
      try inode.removeExtendedAttribute(name)
    }
    report(.attributes, of: inode, at: position.dentry)
  }

  /// `set_posix_acl`, in its order of checks; an empty list removes. Removing one that is not there succeeds.
  private func setAccessList(_ kind: XattrClass, _ name: Name, of inode: Inode, to list: [UInt8], _ caller: Caller)
    throws(Errno)
  {
    if inode.type == .symlink { throw .notSupportedOnSocket }
    if kind == .defaultList && !inode.isDirectory {
      if list.isEmpty { return }
      throw .permissionDenied
    }
    if !caller.credentials.owns(inode) { throw .notPermitted }
    guard list.isEmpty || AccessControlList.isValid(list) else { throw .invalidArgument }
    if kind == .accessList && !list.isEmpty {
      var (permissions, isMinimal) = AccessControlList.equivalentMode(list, keeping: inode.permissions)
      if !caller.credentials.isMember(of: inode.group), !caller.credentials.has(.setID) {
        permissions.remove(.setGroupID)
      }
      return try inode.setAccessList(isMinimal ? nil : list, permissions)
    }
    if list.isEmpty {
      do throws(Errno) { try inode.removeExtendedAttribute(name) } catch  where error == .noData {}
    } else {
      try inode.setExtendedAttribute(name, to: list, [])
    }
    if kind == .accessList {
      inode.accessList = nil
    } else if !inode.filesystem.revalidates {
      inode.defaultList = list
    }
  }

  /// `listxattr(2)`: trusted names are shown to who may read them.
  public func extendedAttributeNames(of position: Position, _ caller: Caller) throws(Errno) -> [[UInt8]] {
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    try checkRules(.read, of: position.dentry)
    let names = try inode.extendedAttributeNames()
    if caller.credentials.has(.systemAdministrator) { return names }
    return names.filter { !$0.starts(with: "trusted.".utf8) }
  }

  private func checkXattrChange(_ kind: XattrClass, _ name: Name, _ inode: Inode, _ caller: Caller) throws(Errno) {
    switch kind {
    case .unknown:
      if !name.hasPrefix("system.") { try caller.credentials.check(.write, on: inode) }
      throw .notSupportedOnSocket
    case .user:
      guard inode.type == .regular || inode.isDirectory else { throw .notPermitted }
      if inode.isDirectory, inode.permissions.contains(.sticky), !caller.credentials.owns(inode) { throw .notPermitted }
      try caller.credentials.check(.write, on: inode)
    case .trusted:
      if !caller.credentials.has(.systemAdministrator) { throw .notPermitted }
    case .security:
      let isFileCapability = name.count == 19 && name.hasPrefix("security.capability")
      let needed: Credentials.Capability = isFileCapability ? .setFileCapability : .systemAdministrator
      if !caller.credentials.has(needed) { throw .notPermitted }
    case .accessList, .defaultList: throw .notSupportedOnSocket
    }
    if classify(name).isBare { throw .invalidArgument }
  }
}
