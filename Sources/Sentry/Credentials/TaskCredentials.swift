// The identity of a guest thread as the guest sees it (`man 7 credentials`, `man 7 capabilities`). The kernel's own
// credentials of the thread never change: these are what the sentry decides by, and they reach the virtual tree only.

import LinuxABI
import VFS

/// Ids, groups and capabilities of one thread. A pure value; each operation is the kernel's rule for the call it names
/// (kernel/sys.c, security/commoncap.c) and throws `.notPermitted` where the kernel says EPERM.
struct TaskCredentials: Sendable, Equatable {
  /// The four ids of a kind, for users or for groups.
  struct Identity: Sendable, Equatable {
    var real: UInt32
    var effective: UInt32
    var saved: UInt32
    var fileSystem: UInt32

    init(_ id: UInt32) {
      real = id
      effective = id
      saved = id
      fileSystem = id
    }
  }

  /// An id that stands for "unchanged", and is none itself.
  static let unchanged = UInt32.max

  fileprivate(set) var user: Identity
  fileprivate(set) var group: Identity
  /// The supplementary groups in ascending order, as the kernel keeps them.
  fileprivate(set) var groups: [UInt32]
  var permitted: CapabilitySet
  var effective: CapabilitySet
  var inheritable: CapabilitySet = []
  var bounding: CapabilitySet = .all
  var ambient: CapabilitySet = []
  var secureBits: SecureBits = []
  /// PR_GET_DUMPABLE. In the kernel a property of the address space, which lives as long between two execves.
  var isDumpable = true

  /// - Parameter capabilities: permitted and effective; all for root, none for others, unless said otherwise.
  init(user: UInt32, group: UInt32, groups: [UInt32] = [], capabilities: CapabilitySet? = nil) {
    self.user = Identity(user)
    self.group = Identity(group)
    self.groups = groups.sorted()
    let capabilities = capabilities ?? (user == 0 ? .all : [])
    permitted = capabilities
    effective = capabilities
  }

  /// The identity for file access: the file-system ids.
  var fileCredentials: Credentials {
    Credentials(
      user: user.fileSystem, group: group.fileSystem, groups: groups, capabilities: effective.rawValue)
  }

  /// The identity for `access(2)`: the real ids, with the capabilities that a program run by them would have.
  var accessCredentials: Credentials {
    var capabilities = effective
    if !secureBits.contains(.noFixup) { capabilities = user.real == 0 ? permitted : [] }
    return Credentials(user: user.real, group: group.real, groups: groups, capabilities: capabilities.rawValue)
  }

  // MARK: - User ids

  /// `setuid(2)`. - Throws: `.invalidArgument` for -1.
  mutating func setUser(_ id: UInt32) throws(Errno) {
    try become(user: Self.set(id, in: user, privileged: effective.contains(.setUserID)))
  }

  /// `setreuid(2)`.
  mutating func setUser(real: UInt32, effective id: UInt32) throws(Errno) {
    try become(user: Self.set(real: real, effective: id, in: user, privileged: effective.contains(.setUserID)))
  }

  /// `setresuid(2)`.
  mutating func setUser(real: UInt32, effective id: UInt32, saved: UInt32) throws(Errno) {
    try become(
      user: Self.set(
        real: real, effective: id, saved: saved, in: user, privileged: effective.contains(.setUserID)))
  }

  /// `setfsuid(2)`. Returns the id before, whether or not it could be changed.
  mutating func setFileSystemUser(_ id: UInt32) -> UInt32 {
    let old = self
    if Self.mayBecome(id, user, privileged: effective.contains(.setUserID)) {
      user.fileSystem = id
      if !secureBits.contains(.noFixup) {
        if old.user.fileSystem == 0, id != 0 { effective.subtract(.fileSystem) }
        if old.user.fileSystem != 0, id == 0 { effective.formUnion(permitted.intersection(.fileSystem)) }
      }
      noteChange(since: old)
    }
    return old.user.fileSystem
  }

  // MARK: - Group ids

  /// `setgid(2)`. - Throws: `.invalidArgument` for -1.
  mutating func setGroup(_ id: UInt32) throws(Errno) {
    try become(group: Self.set(id, in: group, privileged: effective.contains(.setGroupID)))
  }

  /// `setregid(2)`.
  mutating func setGroup(real: UInt32, effective id: UInt32) throws(Errno) {
    try become(group: Self.set(real: real, effective: id, in: group, privileged: effective.contains(.setGroupID)))
  }

  /// `setresgid(2)`.
  mutating func setGroup(real: UInt32, effective id: UInt32, saved: UInt32) throws(Errno) {
    try become(
      group: Self.set(
        real: real, effective: id, saved: saved, in: group, privileged: effective.contains(.setGroupID)))
  }

  /// `setfsgid(2)`. Returns the id before, whether or not it could be changed.
  mutating func setFileSystemGroup(_ id: UInt32) -> UInt32 {
    let old = self
    if Self.mayBecome(id, group, privileged: effective.contains(.setGroupID)) {
      group.fileSystem = id
      noteChange(since: old)
    }
    return old.group.fileSystem
  }

  /// Whether `setgroups(2)` is allowed at all: asked before its arguments are looked at.
  func checkSetGroups() throws(Errno) {
    guard effective.contains(.setGroupID) else { throw .notPermitted }
  }

  /// `setgroups(2)`. - Throws: `.invalidArgument` if a group is -1.
  mutating func setGroups(_ groups: [UInt32]) throws(Errno) {
    try checkSetGroups()
    if groups.contains(Self.unchanged) { throw .invalidArgument }
    self.groups = groups.sorted()
  }

  // MARK: - The rules, the same for users and groups

  private static func set(_ id: UInt32, in old: Identity, privileged: Bool) throws(Errno) -> Identity {
    if id == unchanged { throw .invalidArgument }
    if privileged { return Identity(id) }
    guard id == old.real || id == old.saved else { throw .notPermitted }
    var new = old
    new.effective = id
    new.fileSystem = id
    return new
  }

  private static func set(real: UInt32, effective: UInt32, in old: Identity, privileged: Bool) throws(Errno) -> Identity
  {
    var new = old
    if real != unchanged {
      guard privileged || real == old.real || real == old.effective else { throw .notPermitted }
      new.real = real
    }
    if effective != unchanged {
      guard privileged || effective == old.real || effective == old.effective || effective == old.saved else {
        throw .notPermitted
      }
      new.effective = effective
    }
    if real != unchanged || (effective != unchanged && effective != old.real) { new.saved = new.effective }
    new.fileSystem = new.effective
    return new
  }

  private static func set(
    real: UInt32, effective: UInt32, saved: UInt32, in old: Identity, privileged: Bool
  ) throws(Errno) -> Identity {
    for id in [real, effective, saved] where id != unchanged && !privileged {
      guard id == old.real || id == old.effective || id == old.saved else { throw .notPermitted }
    }
    var new = old
    if real != unchanged { new.real = real }
    if effective != unchanged { new.effective = effective }
    if saved != unchanged { new.saved = saved }
    new.fileSystem = new.effective
    return new
  }

  private static func mayBecome(_ id: UInt32, _ old: Identity, privileged: Bool) -> Bool {
    guard id != unchanged else { return false }
    return privileged || id == old.real || id == old.effective || id == old.saved || id == old.fileSystem
  }

  // MARK: - What a change of ids does to the rest

  private mutating func become(user new: Identity) {
    let old = self
    user = new
    fixCapabilities(after: old)
    noteChange(since: old)
  }

  private mutating func become(group new: Identity) {
    let old = self
    group = new
    noteChange(since: old)
  }

  /// `cap_emulate_setxuid`: leaving uid 0 drops capabilities, coming back to it makes the permitted ones effective.
  private mutating func fixCapabilities(after old: TaskCredentials) {
    if secureBits.contains(.noFixup) { return }
    let hadRoot = old.user.real == 0 || old.user.effective == 0 || old.user.saved == 0
    if hadRoot, user.real != 0, user.effective != 0, user.saved != 0 {
      if !secureBits.contains(.keepCapabilities) {
        permitted = []
        effective = []
      }
      ambient = []
    }
    if old.user.effective == 0, user.effective != 0 { effective = [] }
    if old.user.effective != 0, user.effective == 0 { effective = permitted }
  }

  /// `commit_creds`: whoever changes its identity or gains capabilities is no longer dumpable (suid_dumpable 0).
  fileprivate mutating func noteChange(since old: TaskCredentials) {
    if user.effective != old.user.effective || group.effective != old.group.effective
      || user.fileSystem != old.user.fileSystem || group.fileSystem != old.group.fileSystem
      || !permitted.isSubset(of: old.permitted)
    {
      isDumpable = false
    }
  }
}

extension TaskCredentials {
  /// The credentials after `execve(2)`. Set-id bits and file capabilities have no power inside (no_new_privs).
  func afterExecve() -> TaskCredentials {
    var new = self
    let isRoot = user.real == 0 || user.effective == 0
    let rootCounts = !secureBits.contains(.noRoot)
    new.permitted = (rootCounts && isRoot ? bounding.union(inheritable) : []).union(ambient)
    new.effective = rootCounts && user.effective == 0 ? new.permitted : ambient
    new.user.saved = user.effective
    new.user.fileSystem = user.effective
    new.group.saved = group.effective
    new.group.fileSystem = group.effective
    new.secureBits.remove(.keepCapabilities)
    new.isDumpable = user.real == user.effective && group.real == group.effective
    return new
  }
}
