// What every host file has: its location (a directory and a name, or a descriptor once the name is gone), its attributes as
// last seen, its extended attributes.

import Kernel
import LinuxABI
import VFS

/// A file of the host. One object per file wherever files can be distinguished (HostFilesystem.known).
class HostInode: Inode {
  /// A descriptor (O_PATH) of a file whose name is gone; -1 for others.
  final var held: CInt = -1
  /// A directory and name that lead to this file; the root has none, nor has a file that lost its name.
  final var parent: HostDirectory?
  final var name: [UInt8]
  /// What the file took when it lost its name; counted in `HostFilesystem.orphans` as long as `held` is there.
  private var heldBytes: Int64 = 0
  final let hostDevice: UInt64
  final let hostNumber: UInt64
  /// Its record means nothing: who may do what with the file is unknown.
  final var isDamaged = false
  /// What it holds is not shown: an empty directory, or a file that cannot be opened (PseudoFilesystems.swift).
  final var isHidden = false
  /// It is the root of a mount of the host.
  final var isMountRoot = false
  /// As last seen; type, permissions and ids stand in the stored fields of `Inode`.
  final var cached: HostFacts

  final var host: HostFilesystem { unsafeDowncast(filesystem, to: HostFilesystem.self) }

  /// A device node that this user may not make on the host: an empty regular file with a record of what it is.
  var isRecordedNode: Bool { false }

  /// The device that a device node names, in the encoding of `stat(2)`; 0 for others.
  var namedDevice: UInt64 {
    get { 0 }
    set {}
  }

  /// - Parameter type: nil for the type that the host reports.
  init(host: HostFilesystem, _ facts: ExtendedStatus, parent: HostDirectory?, name: [UInt8], as type: FileType? = nil) {
    self.parent = parent
    self.name = name
    hostDevice = facts.device
    hostNumber = facts.inode
    let found = type ?? FileType(mode: UInt32(facts.mode)) ?? .regular
    cached = HostFacts(facts)
    super.init(
      filesystem: host, type: found, number: host.number(device: facts.device, facts.inode),
      permissions: Permissions(mode: UInt64(facts.mode)), owner: host.insideUser(facts.owner),
      group: host.insideGroup(facts.group))
  }

  final override var hostFile: FileIdentity? { FileIdentity(device: hostDevice, number: hostNumber) }

  final override func stored(_ name: Name) -> [UInt8]? { name.equals(self.name) ? self.name : nil }

  deinit {
    letGo()
    host.forget(self)
    ParentChain.release(&parent) { $0.parent.take() }
  }

  /// Reads what is not in `statx`: the record of a store, the access ACL.
  final func prepared() -> Self {
    applyRecord()
    readAccessList()
    return self
  }

  private func cachedAttributes() -> Attributes {
    var result = Attributes(
      type: type, permissions: permissions, owner: owner, group: group, linkCount: cached.linkCount, size: cached.size,
      blocks: cached.blocks, number: number, time: cached.time(1))
    result.accessTime = cached.time(0)
    result.changeTime = cached.time(2)
    result.birthTime = cached.birthTime
    result.blockSize = cached.blockSize
    result.device = namedDevice
    return result
  }

  /// Whether `facts` are of this very file: the host may have used its number again.
  final func isSame(_ facts: ExtendedStatus) -> Bool {
    facts.inode == hostNumber && facts.device == hostDevice && facts.birthTime == cached.birthTime
      && (FileType(mode: UInt32(facts.mode)) == type || isRecordedNode)
  }

  private func take(_ facts: ExtendedStatus) {
    cached = HostFacts(facts)
    namedDevice = facts.namedDevice
    permissions = Permissions(mode: UInt64(facts.mode))
    owner = host.insideUser(facts.owner)
    group = host.insideGroup(facts.group)
    applyRecord()
  }

  /// A lookup has come upon this file at `name` in `directory`.
  final func isFound(_ facts: ExtendedStatus, _ directory: HostDirectory, _ name: Name) {
    if held >= 0 { return }
    if parent !== directory || !name.equals(self.name) {
      parent = directory
      self.name = name.copy
    }
    take(facts)
    readAccessList()
  }

  // MARK: - Location

  /// Calls `body` with a directory descriptor, a name in it, and the flags that make an `*at` call name this very file.
  final func at<T>(_ body: (CInt, UnsafePointer<CChar>, AtFlags) throws(Errno) -> T) throws(Errno) -> T {
    if held >= 0 { return try body(held, "", .emptyPath) }
    if let directory = self as? HostDirectory, let descriptor = host.descriptors.descriptor(of: directory) {
      return try body(descriptor, "", .emptyPath)
    }
    guard let parent else { throw .noSuchFileOrDirectory }
    return try host.descriptors.with(parent) { descriptor throws(Errno) in
      try name.withCString { name throws(Errno) in try body(descriptor, name, .symlinkNoFollow) }
    }
  }

  /// Calls `body` with the path of this file beneath /proc/self/fd.
  final func atProc<T>(_ body: (ProcPath) throws(Errno) -> T) throws(Errno) -> T {
    if held >= 0 { return try body(.descriptor(held)) }
    if let directory = self as? HostDirectory {
      return try host.descriptors.with(directory) { descriptor throws(Errno) in try body(.descriptor(descriptor)) }
    }
    guard let parent else { throw .noSuchFileOrDirectory }
    return try host.descriptors.with(parent) { descriptor throws(Errno) in try body(.child(descriptor, name)) }
  }

  /// The file has a name again, or no task uses it any more.
  final func letGo() {
    guard held >= 0 else { return }
    _ = OwnedDescriptor(held)
    held = -1
    host.nameless.count -= 1
    host.nameless.bytes -= heldBytes
  }

  /// The file is reached through `descriptor` from now on.
  final func keep(_ descriptor: consuming OwnedDescriptor) {
    var bytes: Int64 = 0
    do throws(Errno) { bytes = try Host.stat(descriptor.rawValue).blocks.multipliedClamped(by: 512) } catch {}
    held = descriptor.release()
    heldBytes = bytes
    host.nameless.count += 1
    host.nameless.bytes = host.nameless.bytes.addingClamped(bytes)
  }

  /// The name is about to go: keeps the file reachable for those who still have it open.
  func hold() throws(Errno) {
    if held >= 0 { return }
    let descriptor = try at { (directory, name, flags) throws(Errno) in
      try Host.open(name, in: directory, [.path, .noFollow], resolve: [.beneath, .noMagicLinks]).release()
    }
    keep(OwnedDescriptor(descriptor))
  }

  // MARK: - Metadata

  override func attributes() throws(Errno) -> Attributes {
    if !host.isWritable && host.policy == .immutable || isHidden { return cachedAttributes() }
    do throws(Errno) {
      let facts = try statx()
      if isSame(facts) {
        take(facts)
        return cachedAttributes()
      }
    } catch {
      guard error == .noSuchFileOrDirectory, host.policy == .shared else { throw error }
    }
    // The host took the name away while somebody here has the file open.
    cached.linkCount = 0
    return cachedAttributes()
  }

  override func setAttributes(_ asked: AttributeChange) throws(Errno) {
    guard host.isWritable, !isHidden else { throw .readOnlyFileSystem }
    var change = asked
    if host.policy == .shared, !isDirectory { change.permissions?.subtract([.setUserID, .setGroupID]) }
    if host.recordsAttributes && (type == .regular || type == .directory || isRecordedNode) {
      try record(change)
    } else {
      try at { (directory, name, flags) throws(Errno) in
        if change.owner != nil || change.group != nil {
          try Host.changeOwner(
            name, in: directory, flags, to: change.owner.map(host.hostUser), change.group.map(host.hostGroup))
          CrashPoint.passed("owner")
        }
        // After the owner: chown clears the set-id bits.
        if let permissions = change.permissions, type != .symlink {
          try Host.changeMode(name, in: directory, flags, to: permissions)
          CrashPoint.passed("mode")
        }
      }
    }
    if change.accessTime != .keep || change.modificationTime != .keep {
      try at { (directory, name, flags) throws(Errno) in
        try Host.changeTimes(
          name, in: directory, flags, access: change.accessTime, modification: change.modificationTime)
      }
      CrashPoint.passed("times")
    }
    try refresh()
  }

  final func refresh() throws(Errno) {
    take(try statx())
  }

  /// `statx(2)` of this file. AT_STATX_DONT_SYNC changes nothing for a local file; it matters if a FUSE mount has come over
  /// the name.
  private func statx() throws(Errno) -> ExtendedStatus {
    let sync: AtFlags = host.crossings.isLocal(hostDevice) ? .doNotSync : []
    return try at { (directory, name, flags) throws(Errno) in
      try Host.statx(name, in: directory, flags.union(sync))
    }
  }

  // MARK: - Extended attributes

  /// A store shows all; elsewhere `trusted.*` and `security.*` are the host's business and have no power inside.
  private func isShown(_ name: Name) -> Bool {
    if host.isStore { return host.isLenient || !name.isAttributeRecord }
    return name.hasPrefix("user.") || name.hasPrefix("system.posix_acl_")
  }

  override func extendedAttribute(_ name: Name) throws(Errno) -> [UInt8] {
    guard isShown(name), !isHidden else { throw .noData }
    return try name.withCString { name throws(Errno) in
      try atProc { path throws(Errno) in try Host.extendedAttribute(name, at: path) }
    }
  }

  override func extendedAttributeNames() throws(Errno) -> [[UInt8]] {
    if isHidden { return [] }
    do throws(Errno) {
      return try atProc { path throws(Errno) in try Host.extendedAttributeNames(at: path) }
        .filter { stored in Name.with(stored) { isShown($0) } }
    } catch {
      // A file system without extended attributes has none to list.
      if error == .notSupportedOnSocket { return [] }
      throw error
    }
  }

  override func setExtendedAttribute(_ name: Name, to value: [UInt8], _ flags: XattrFlags) throws(Errno) {
    guard host.isWritable, !isHidden else { throw .readOnlyFileSystem }
    guard isShown(name) else { throw .notPermitted }
    try name.withCString { name throws(Errno) in
      try atProc { path throws(Errno) in try Host.setExtendedAttribute(name, at: path, to: value, flags) }
    }
    CrashPoint.passed("attribute")
    if name.isAccessList { try listChanged(to: value) }
  }

  override func removeExtendedAttribute(_ name: Name) throws(Errno) {
    guard host.isWritable, !isHidden else { throw .readOnlyFileSystem }
    guard isShown(name) else { throw .noData }
    try name.withCString { name throws(Errno) in
      try atProc { path throws(Errno) in try Host.removeExtendedAttribute(name, at: path) }
    }
    CrashPoint.passed("attribute")
    if name.isAccessList { try listChanged(to: nil) }
  }

  /// The host changes the mode along with the list.
  private func listChanged(to list: [UInt8]?) throws(Errno) {
    try refresh()
    accessList = list
  }

  private func readAccessList() {
    guard type != .symlink, !isHidden, host.keepsLists(hostDevice) else { return }
    do throws(Errno) {
      accessList = try atProc { path throws(Errno) in try Host.extendedAttribute("system.posix_acl_access", at: path) }
    } catch {
      accessList = nil
      if error == .notSupportedOnSocket { host.keepsNoLists(hostDevice) }
    }
  }
}

/// What is kept of a `statx`, in little space: there is one for each file that the VFS has in its cache.
struct HostFacts {
  var size: Int64
  var blocks: Int64
  /// Seconds of access, modification, change and birth.
  private var seconds: (Int64, Int64, Int64, Int64)
  private var nanoseconds: (UInt32, UInt32, UInt32, UInt32)
  var linkCount: UInt32
  var blockSize: UInt32

  init(_ facts: ExtendedStatus) {
    size = Int64(bitPattern: facts.size)
    blocks = Int64(bitPattern: facts.blocks)
    let birth = facts.birthTime
    seconds = (
      facts.access.seconds, facts.modification.seconds, facts.change.seconds, birth?.seconds ?? 0
    )
    nanoseconds = (
      facts.access.nanoseconds, facts.modification.nanoseconds, facts.change.nanoseconds, birth?.nanoseconds ?? .max
    )
    linkCount = facts.linkCount
    blockSize = facts.blockSize
  }

  /// 0 for access, 1 for modification, 2 for change.
  func time(_ index: Int) -> Timestamp {
    switch index {
    case 0: Timestamp(seconds: seconds.0, nanoseconds: nanoseconds.0)
    case 1: Timestamp(seconds: seconds.1, nanoseconds: nanoseconds.1)
    default: Timestamp(seconds: seconds.2, nanoseconds: nanoseconds.2)
    }
  }

  /// nil where the host keeps none.
  var birthTime: Timestamp? {
    nanoseconds.3 == .max ? nil : Timestamp(seconds: seconds.3, nanoseconds: nanoseconds.3)
  }
}

extension Name {
  var isAccessList: Bool { count == 23 && hasPrefix("system.posix_acl_access") }
  var isAttributeRecord: Bool { count == 23 && hasPrefix("user.vedette.attributes") }
}
