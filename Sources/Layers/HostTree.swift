// A host directory that `import` and `apply` build in: HostFS in its writable form, so that every step is one component
// beneath a descriptor of ours, through no symlink. What this user may not do is counted, not fatal.

import HostFS
import Kernel
import LinuxABI
import VFS

/// Owner, mode, times and attributes that a file shall have.
struct FileMetadata {
  var permissions: Permissions
  var owner: UInt32
  var group: UInt32
  var modificationTime: Timestamp
  var extendedAttributes: [(name: [UInt8], value: [UInt8])] = []
}

/// What could not be done for lack of rights.
struct MissingPrivilege {
  var owners = 0
  var devices = 0
  var attributes = 0

  /// One line for people; nil if there was none.
  var description: String? {
    var parts: [String] = []
    if owners > 0 { parts.append("\(owners) owner\(owners == 1 ? "" : "s")") }
    if devices > 0 { parts.append("\(devices) device node\(devices == 1 ? "" : "s")") }
    if attributes > 0 { parts.append("\(attributes) extended attribute\(attributes == 1 ? "" : "s")") }
    if parts.isEmpty { return nil }
    return "this user may not set \(parts.joined(separator: ", ")): left as they could be made"
  }
}

/// A tree under construction.
final class HostTree {
  let filesystem: HostFilesystem
  var root: Inode { filesystem.root }
  private(set) var missing = MissingPrivilege()
  private let user = Host.effectiveUser
  private let group = Host.effectiveGroup

  /// - Parameter directory: O_PATH is enough.
  init(_ directory: consuming OwnedDescriptor) throws(Errno) {
    filesystem = try HostFilesystem(
      rootDescriptor: directory, policy: .immutable, writable: true, keepsOwners: true)
  }

  func child(_ name: [UInt8], of directory: Inode) throws(Errno) -> Inode? {
    try directory.child(name)
  }

  /// Makes a file that is ours alone until it has its metadata. nil if this user may not make a device node.
  func make(_ name: [UInt8], _ kind: NewInode.Kind, in directory: Inode) throws(Errno) -> Inode? {
    // A directory with the set-group-ID bit passes its group on.
    let group = directory.permissions.contains(.setGroupID) ? directory.group : group
    var new = NewInode(kind, permissions: Permissions(rawValue: 0o600), owner: user, group: group)
    if new.type == .directory { new.permissions = Permissions(rawValue: 0o700) }
    do throws(Errno) {
      return try Name.with(name) { name throws(Errno) in try directory.create(name, new) }
    } catch {
      guard error == .notPermitted, case .node(let type, _) = kind, type == .characterDevice || type == .blockDevice
      else { throw error }
      missing.devices += 1
      return nil
    }
  }

  /// Gives a finished file its metadata, the times last.
  func applyMetadata(_ inode: Inode, _ metadata: FileMetadata) throws(Errno) {
    if inode.owner != metadata.owner || inode.group != metadata.group {
      var change = AttributeChange()
      change.owner = metadata.owner
      change.group = metadata.group
      do throws(Errno) {
        try inode.setAttributes(change)
      } catch {
        // EINVAL: an id that this user namespace does not know.
        guard error == .notPermitted || error == .invalidArgument else { throw error }
        missing.owners += 1
      }
    }
    if inode.type != .symlink {
      var change = AttributeChange()
      change.permissions = metadata.permissions
      try inode.setAttributes(change)
    }
    for attribute in metadata.extendedAttributes {
      do throws(Errno) {
        try Name.with(attribute.name) { name throws(Errno) in
          try inode.setExtendedAttribute(name, to: attribute.value, [])
        }
      } catch {
        guard error != .ioError, error != .noSpace || attribute.value.count > 1024 else { throw error }
        missing.attributes += 1
      }
    }
    var times = AttributeChange()
    times.accessTime = .set(metadata.modificationTime)
    times.modificationTime = .set(metadata.modificationTime)
    try inode.setAttributes(times)
  }

  /// The metadata of a directory that is there, with the attributes that are an overlay's guests' to set.
  func metadata(of inode: Inode) throws(Errno) -> FileMetadata {
    let attributes = try inode.attributes()
    var metadata = FileMetadata(
      permissions: attributes.permissions, owner: attributes.owner, group: attributes.group,
      modificationTime: attributes.modificationTime)
    for name in try inode.extendedAttributeNames() where Self.isCarried(name) {
      let value = try Name.with(name) { name throws(Errno) in try inode.extendedAttribute(name) }
      metadata.extendedAttributes.append((name, value))
    }
    return metadata
  }

  /// Applies the metadata of a directory that is there anew: attributes that it should not have go.
  func replaceMetadata(_ inode: Inode, _ metadata: FileMetadata) throws(Errno) {
    for name in try inode.extendedAttributeNames()
    where Self.isCarried(name) && !metadata.extendedAttributes.contains(where: { $0.name == name }) {
      do throws(Errno) {
        try Name.with(name) { name throws(Errno) in try inode.removeExtendedAttribute(name) }
      } catch  where error == .noData {}
    }
    try self.applyMetadata(inode, metadata)
  }

  /// `security.*` and `trusted.*` of a guest are its own idea: they get no power on the host.
  static func isCarried(_ name: [UInt8]) -> Bool {
    name.starts(with: "user.".utf8) || name.starts(with: "system.posix_acl_".utf8)
  }

  /// Removes what `name` leads to, whatever lies below it; a stack and no recursion.
  func remove(_ name: [UInt8], from directory: Inode) throws(Errno) {
    guard let inode = try child(name, of: directory) else { return }
    guard inode.isDirectory else { return try unlink(name, inode, from: directory) }
    var stack: [(parent: Inode, name: [UInt8], inode: Inode)] = [(directory, name, inode)]
    while let top = stack.last {
      let depth = stack.count
      for name in try names(in: top.inode) {
        guard let child = try child(name, of: top.inode) else { continue }
        if child.isDirectory {
          stack.append((top.inode, name, child))
        } else {
          try unlink(name, child, from: top.inode)
        }
      }
      if stack.count > depth { continue }
      try Name.with(top.name) { name throws(Errno) in try top.parent.removeDirectory(name, top.inode) }
      stack.removeLast()
    }
  }

  func unlink(_ name: [UInt8], _ inode: Inode, from directory: Inode) throws(Errno) {
    try Name.with(name) { name throws(Errno) in try directory.unlink(name, inode) }
  }

  func names(in directory: Inode) throws(Errno) -> [[UInt8]] {
    // A directory that its owner may not list: ours to open for the time being.
    if user != 0, !directory.permissions.isSuperset(of: Permissions(rawValue: 0o700)) {
      var change = AttributeChange()
      change.permissions = directory.permissions.union(Permissions(rawValue: 0o700))
      try directory.setAttributes(change)
    }
    return try directory.listedNames()
  }
}
