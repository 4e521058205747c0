// Where the supervisor may not give host files away, a store keeps what the guest believes of a file in one extended
// attribute, `user.vedette.attributes`: "type mode owner group device", octal mode, the rest decimal. The host file
// itself is always readable and writable for us.
//
// Symlinks, FIFOs and sockets cannot carry user attributes (`man 7 xattr`): they keep the host's owner, which fake root
// shows as 0 anyway.

import Kernel
import LinuxABI
import VFS

/// The content of one `user.vedette.attributes`.
struct AttributeRecord {
  var type: FileType
  var permissions: Permissions
  var owner: UInt32
  var group: UInt32
  var device: UInt64 = 0

  /// The record at `path`; nil if there is none.
  ///
  /// - Throws: EUCLEAN for one that means nothing, or that is of another kind of file than the host's is.
  static func read(_ path: ProcPath?, of type: FileType) throws(Errno) -> AttributeRecord? {
    guard let path else { return nil }
    let bytes: [UInt8]
    do throws(Errno) {
      bytes = try Host.extendedAttribute("user.vedette.attributes", at: path)
    } catch {
      return nil
    }
    guard let record = AttributeRecord(bytes), record.fits(type) else { throw .needsCleaning }
    return record
  }

  /// A device node that may not be made on the host is a regular file there.
  func fits(_ hostType: FileType) -> Bool {
    switch type {
    case .characterDevice, .blockDevice: hostType == .regular
    default: hostType == type
    }
  }

  init(type: FileType, permissions: Permissions, owner: UInt32, group: UInt32, device: UInt64 = 0) {
    self.type = type
    self.permissions = permissions
    self.owner = owner
    self.group = group
    self.device = device
  }

  init?(_ bytes: [UInt8]) {
    let fields = bytes.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
    guard fields.count == 5, let typeBits = UInt16(fields[0], radix: 8), let type = FileType(rawValue: typeBits),
      let mode = UInt16(fields[1], radix: 8), let owner = UInt32(fields[2]), let group = UInt32(fields[3]),
      let device = UInt64(fields[4])
    else { return nil }
    self.init(type: type, permissions: Permissions(rawValue: mode), owner: owner, group: group, device: device)
  }

  func write(_ path: ProcPath) throws(Errno) {
    let text =
      "\(String(type.rawValue, radix: 8)) \(String(permissions.rawValue, radix: 8)) \(owner) \(group) \(device)"
    try Host.setExtendedAttribute("user.vedette.attributes", at: path, to: [UInt8](text.utf8), [])
    CrashPoint.passed("record")
  }

  /// The mode that the host file gets: ours to read and write. The set-user-ID bit stands on it too, so that the kernel
  /// clears it on a guest's write, which is how we learn of it.
  var hostMode: UInt32 {
    (type == .directory ? 0o700 : 0o600) | (permissions.contains(.setUserID) && type == .regular ? 0o4000 : 0)
  }
}

extension ProcPath {
  /// A component of a directory that is open already; nil if it is not.
  static func child(of directory: HostDirectory, _ name: [UInt8]) -> ProcPath? {
    directory.host.descriptors.descriptor(of: directory).map { .child($0, name) }
  }
}

extension HostInode {
  /// Lets the record, if there is one, speak in place of the host's owner and mode.
  final func applyRecord() {
    guard host.recordsAttributes, !isHidden, type == .regular || type == .directory || isRecordedNode else { return }
    let record: AttributeRecord?
    do throws(Errno) {
      let type = isRecordedNode ? FileType.regular : self.type
      record = try atProc { path throws(Errno) in try AttributeRecord.read(path, of: type) }
    } catch {
      isDamaged = error == .needsCleaning
      return
    }
    isDamaged = false
    guard let record else { return }
    let isCleared = record.permissions.contains(.setUserID) && !permissions.contains(.setUserID)
    permissions = record.permissions
    if isCleared && type == .regular {
      permissions.remove(.setUserID)
      if permissions.contains(.groupExecute) { permissions.remove(.setGroupID) }
    }
    owner = record.owner
    group = record.group
    namedDevice = record.device
  }

  /// `chmod` and `chown` where the host's own would be refused or lock us out.
  final func record(_ change: AttributeChange) throws(Errno) {
    guard change.permissions != nil || change.owner != nil || change.group != nil else { return }
    try refresh()
    let record = AttributeRecord(
      type: type, permissions: change.permissions ?? permissions, owner: change.owner ?? owner,
      group: change.group ?? group, device: namedDevice)
    // Between the two steps the file is shown as it was, or as it is to be: a set-user-ID bit of the record that the host's
    // file lacks counts as cleared by a write, so on the host it comes first and goes last.
    let isFirst = record.permissions.contains(.setUserID)
    if isFirst { try changeHostMode(to: record) }
    try atProc { path throws(Errno) in try record.write(path) }
    if !isFirst { try changeHostMode(to: record) }
  }

  private func changeHostMode(to record: AttributeRecord) throws(Errno) {
    try at { (directory, name, flags) throws(Errno) in
      try Host.changeMode(name, in: directory, flags, to: Permissions(mode: UInt64(record.hostMode)))
    }
    CrashPoint.passed("mode")
  }
}
