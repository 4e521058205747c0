// A host directory tree behind descriptors: a lower layer, the store of a persistent upper, or a bind mount. Every step
// is one component beneath a directory descriptor of ours; the host never resolves a path, a symlink or a magic link.
//
// All of it is guarded by the tree lock (VFS/Filesystem.swift); there are no locks here.

public import Kernel
public import LinuxABI
public import VFS

/// A host directory and everything below it, host mounts included.
public final class HostFilesystem: Filesystem {
  /// What may be believed of the host.
  public enum Policy: Sendable {
    /// No other process changes the tree: what was seen once is cached for ever. For lower layers and for a store of ours.
    case immutable
    /// The host may change it at any time: names and attributes are asked for anew. For bind mounts.
    case shared
  }

  public let policy: Policy
  /// The tree may be changed through this file system.
  public let isWritable: Bool
  /// Root, who may read every directory of the host.
  let readsAll = Host.effectiveUser == 0
  /// Which ids the guest sees in place of the caller's own (fake root: the caller is 0 inside).
  let ownership: IdentityMap?
  let isLenient: Bool
  /// The store of an overlay: ours alone and writable, or one that a run has left and that is only read. Owner, mode and all
  /// xattrs in it are ours.
  let isStore: Bool
  /// Attributes that this user may not give to host files stand in `user.vedette.attributes` (AttributeRecord.swift).
  public private(set) var recordsAttributes = false

  let descriptors: DirectoryDescriptors
  /// The mounts below the root (PseudoFilesystems.swift).
  var crossings: MountCrossings
  /// The listing that was read last, so that a large directory is not opened anew for every `getdents64`.
  let listing = HostListing()
  private var rootInode: HostDirectory?
  private var rootDevice: UInt64 = 0
  /// Every inode that may be found again under another name, or is not cached for ever; entries go with their inodes.
  private var known: [FileIdentity: Unmanaged<HostInode>] = [:]
  /// Devices below host mount points (OtherDevices.swift); nil until one is met.
  private var otherDevices: OtherDevices?
  /// Devices that keep no ACLs: not asked again for each file.
  private var devicesWithoutLists: Set<UInt64> = []

  /// Shows the tree below `rootDescriptor` (O_PATH is enough).
  ///
  /// A writable file system clears the supervisor's umask: the modes it is given are final.
  /// - Parameters:
  ///   - keepsOwners: a store gives host files the owners and modes of its inodes; nil to find out whether it may.
  ///   - isSavedStore: shows, read-only, the store that an earlier run has left; `keepsOwners` says how that wrote it.
  ///   - lenient: for a check: damaged records are shown as they stand, and their files as the host has them.
  ///   - directoryDescriptors: how many descriptors the cache of open directories may hold.
  /// - Throws: `.notDirectory`; `.permissionDenied`; `.notSupportedOnSocket` for a pseudo file system; EUCLEAN for a store whose root has a damaged record; other errnos of
  ///   `statx(2)`.
  public init(
    rootDescriptor: consuming OwnedDescriptor, policy: Policy, writable: Bool, ownership: IdentityMap? = nil,
    keepsOwners: Bool? = nil, isSavedStore: Bool = false, lenient: Bool = false, directoryDescriptors: Int = 512
  ) throws(Errno) {
    self.policy = policy
    isStore = policy == .immutable && (writable || isSavedStore)
    isLenient = lenient
    isWritable = writable
    self.ownership = ownership
    let facts = try Host.statx("", in: rootDescriptor.rawValue, .emptyPath)
    guard FileType(mode: UInt32(facts.mode)) == .directory else { throw .notDirectory }
    crossings = try MountCrossings(root: rootDescriptor.rawValue, device: facts.device)
    descriptors = DirectoryDescriptors(root: rootDescriptor.release(), capacity: directoryDescriptors)
    super.init(typeName: writable ? "vedette-store" : "vedette-host")
    rootDevice = facts.device
    if writable { Host.setFileModeMask(0) }
    let root = HostDirectory(host: self, facts, parent: nil, name: [])
    root.slot = 0
    rootInode = root
    if isStore {
      recordsAttributes = !(keepsOwners ?? mayGiveAway())
      root.applyRecord()
      if root.isDamaged && !lenient { throw .needsCleaning }
    }
  }

  /// Whether `record` is a `user.vedette.attributes` that a host file of this type can have.
  public static func isRecord(_ record: [UInt8], of type: FileType) -> Bool {
    AttributeRecord(record)?.fits(type) ?? false
  }

  public override var root: Inode {
    guard let rootInode else { preconditionFailure("set by init") }
    return rootInode
  }

  public override var isReadOnly: Bool { !isWritable }
  public override var revalidates: Bool { policy == .shared }

  /// Of those that lost their name while their object lived.
  final var nameless = Orphans()

  public override var orphans: Orphans { nameless }

  public override func statistics() throws(Errno) -> FilesystemStatistics {
    let facts = try descriptors.with(hostRoot) { root throws(Errno) in try Host.fileSystem(of: root) }
    var result = FilesystemStatistics(
      magic: facts.magic, blockSize: facts.blockSize, blocks: facts.blocks,
      freeBlocks: facts.freeBlocks, availableBlocks: facts.availableBlocks, files: facts.files,
      freeFiles: facts.freeFiles)
    result.nameLength = facts.nameLength
    return result
  }

  public override func candidatePaths(ofHost text: [UInt8]) -> [[UInt8]] {
    do throws(Errno) {
      var root = try descriptors.with(hostRoot) { root throws(Errno) in
        try Host.withProcName(of: root) { path throws(Errno) in try Host.readlink(path, in: AtFlags.currentDirectory) }
      }
      if root.last == 0x2f { root.removeLast() }
      guard text.starts(with: root), text.count > root.count + 1, text[root.count] == 0x2f else { return [] }
      return [Array(text[(root.count + 1)...])]
    } catch {
      return []
    }
  }

  var hostRoot: HostDirectory { unsafeDowncast(root, to: HostDirectory.self) }

  /// Whether this process may give files to others: the right that a store with real owners needs. Tried, not guessed,
  /// because user namespaces and dropped capabilities make the user id say little.
  private func mayGiveAway() -> Bool {
    do throws(Errno) {
      return try descriptors.with(hostRoot) { root throws(Errno) in
        let probe = try Host.open(".", in: root, [.temporaryBit, .directory, .readWrite], mode: 0o600)
        try Host.changeOwner("", in: probe.rawValue, .emptyPath, to: 1, 1)
        return true
      }
    } catch {
      // No O_TMPFILE there (or no right): the capability decides.
      guard error == .notSupportedOnSocket || error == .isDirectory else { return false }
      return Host.effectiveUser == 0
    }
  }

  // MARK: - Inodes

  /// The inode for what has been found at `name` in `parent`; the one that exists already if the file is known.
  func inode(_ found: FoundFile, parent: HostDirectory, name: Name) throws(Errno) -> HostInode {
    let facts = found.facts
    guard let type = FileType(mode: UInt32(facts.mode)) else { throw .ioError }
    let key = facts.identity
    let isTracked = isStore || policy == .shared || (type != .directory && facts.linkCount > 1)
    if isTracked, let entry = known[key] {
      let inode = entry.takeUnretainedValue()
      // A number that the host has used again is another file.
      if inode.isHidden == found.isHidden, inode.isSame(facts) {
        inode.isMountRoot = found.isMountRoot
        inode.isFound(facts, parent, name)
        if inode.isDamaged && !isLenient { throw .needsCleaning }
        return inode
      }
    }
    let inode = found.isHidden ? conceal(type, facts, parent, name) : make(type, facts, parent, name)
    inode.isMountRoot = found.isMountRoot
    if let hides = found.hides, let directory = inode as? HostDirectory { directory.hides = hides }
    if inode.isDamaged && !isLenient { throw .needsCleaning }
    if isTracked { known[key] = Unmanaged.passUnretained(inode) }
    return inode
  }

  /// What may be made of `new`: in a bind mount, whose files are the host's, no file is set-id (as if mounted nosuid: the
  /// bits are left out) and no device node is made, whoever asks inside.
  ///
  /// - Throws: `.notPermitted` for a device.
  func permitted(_ new: NewInode) throws(Errno) -> NewInode {
    guard policy == .shared else { return new }
    if new.type == .characterDevice || new.type == .blockDevice { throw .notPermitted }
    var result = new
    if new.type != .directory { result.permissions.subtract([.setUserID, .setGroupID]) }
    return result
  }

  /// What stands for a file whose content is not shown: no record and no access list of it is looked at.
  private func conceal(_ type: FileType, _ facts: ExtendedStatus, _ parent: HostDirectory, _ name: Name) -> HostInode {
    let stored = name.copy
    let inode =
      type == .directory
      ? HostDirectory(host: self, facts, parent: parent, name: stored)
      : HostNode(host: self, facts, parent: parent, name: stored, as: .regular)
    inode.isHidden = true
    return inode
  }

  private func make(_ type: FileType, _ facts: ExtendedStatus, _ parent: HostDirectory, _ name: Name) -> HostInode {
    let stored = name.copy
    switch type {
    case .directory: return HostDirectory(host: self, facts, parent: parent, name: stored).prepared()
    case .regular:
      if recordsAttributes {
        let record: AttributeRecord?
        do throws(Errno) {
          record = try AttributeRecord.read(.child(of: parent, stored), of: .regular)
        } catch {
          // The file reports it itself.
          record = nil
        }
        if let record, record.type != .regular {
          let node = HostNode(host: self, facts, parent: parent, name: stored, as: record.type)
          node.isRecord = true
          return node.prepared()
        }
      }
      return HostRegularFile(host: self, facts, parent: parent, name: stored).prepared()
    case .symlink: return HostSymlink(host: self, facts, parent: parent, name: stored)
    case .fifo, .socket, .characterDevice, .blockDevice:
      let node = HostNode(host: self, facts, parent: parent, name: stored, as: type)
      node.namedDevice = facts.namedDevice
      return node.prepared()
    }
  }

  /// An inode that has no name, from a descriptor of it.
  func namelessFile(_ descriptor: consuming OwnedDescriptor) throws(Errno) -> HostInode {
    let facts = try Host.statx("", in: descriptor.rawValue, .emptyPath)
    let inode = HostRegularFile(host: self, facts, parent: nil, name: [])
    inode.keep(descriptor)
    known[facts.identity] = Unmanaged.passUnretained(inode)
    return inode
  }

  func forget(_ inode: HostInode) {
    let key = FileIdentity(device: inode.hostDevice, number: inode.hostNumber)
    if known[key]?.toOpaque() == Unmanaged.passUnretained(inode).toOpaque() { known[key] = nil }
  }

  /// `st_ino`: the host's own on the root's device; on other devices a number that no file of the root's device has.
  func number(device: UInt64, _ number: UInt64) -> UInt64 {
    if device == rootDevice { return number }
    if otherDevices == nil { otherDevices = OtherDevices() }
    return (otherDevices?.index(of: device) ?? 0) << 48 | number & (1 << 48 - 1)
  }

  func keepsLists(_ device: UInt64) -> Bool { !devicesWithoutLists.contains(device) }
  func keepsNoLists(_ device: UInt64) { devicesWithoutLists.insert(device) }

  // MARK: - Ids

  func insideUser(_ id: UInt32) -> UInt32 { ownership?.inside(user: id) ?? id }
  func insideGroup(_ id: UInt32) -> UInt32 { ownership?.inside(group: id) ?? id }
  func hostUser(_ id: UInt32) -> UInt32 { ownership?.onHost(user: id) ?? id }
  func hostGroup(_ id: UInt32) -> UInt32 { ownership?.onHost(group: id) ?? id }
}
