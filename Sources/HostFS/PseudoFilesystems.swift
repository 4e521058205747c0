// File systems whose content is the kernel's, or depends on who reads: proc shows the reader's own memory and descriptors,
// sysfs and cgroup control the machine, a FUSE mount or an automount point waits for a process. None of them is ever
// shown: one that is mounted below a layer or a bind is an empty directory, a file of one can be seen and not opened.
//
// A mount is noticed by STATX_ATTR_MOUNT_ROOT, which `statx(2)` sets on the root of every mount, so a name costs no call
// more; only a mount root is asked what it is.

import Kernel
public import LinuxABI

/// Which file systems those are.
public enum PseudoFilesystem {
  /// What kind of file system a mount is.
  enum Kind {
    /// Files that somebody stored, on this machine.
    case local
    /// Files that somebody stored, elsewhere: their attributes are asked for over a network.
    case remote
    /// FUSE: a process answers, or does not.
    case fuse
    /// The kernel's own; the type's name.
    case pseudo(StaticString)
  }

  /// The name of the pseudo file system that `descriptor` (O_PATH is enough) lies in; nil for one that holds files.
  ///
  /// FUSE is none here: a directory that the user has named may be on one.
  public static func name(of descriptor: CInt) throws(Errno) -> StaticString? {
    let facts = try Host.statx("", in: descriptor, .emptyPath)
    if case .pseudo(let name) = try kind(of: descriptor, device: facts.device, mayWait: true) { return name }
    return nil
  }

  /// What `descriptor` lies in. The list of mounts is asked first, because devtmpfs says that it is a tmpfs and a FUSE
  /// server that hangs would let `fstatfs(2)` wait. A mount that is not in the list (a detached tree, another mount
  /// namespace) may share its device with one that is.
  ///
  /// - Parameter mayWait: the user has named it.
  static func kind(of descriptor: CInt, device: UInt64, mayWait: Bool) throws(Errno) -> Kind {
    let type = try mountedType(of: device)
    if let type {
      if type == Array("virtiofs".utf8) { return .remote }
      if type.starts(with: Array("fuse".utf8)), type != Array("fusectl".utf8), !mayWait { return .fuse }
      if let name = names.first(where: { $0.withUTF8Buffer { $0.elementsEqual(type) } }) { return .pseudo(name) }
    }
    // The magic numbers are 32 bits wide (`man 2 statfs`).
    let magic = UInt32(truncatingIfNeeded: try Host.fileSystem(of: descriptor).magic)
    if magic == 0x6573_5546 { return .fuse }
    if let known = magics.first(where: { $0.0 == magic }) { return .pseudo(known.1) }
    return device >> 32 != 0 || localMagics.contains(magic) ? .local : .remote
  }

  /// The type of the file system on `device`, as /proc/self/mountinfo has it: after the separator ` - `.
  private static func mountedType(of device: UInt64) throws(Errno) -> [UInt8]? {
    let mounts = try MountInfo.all().lazy.filter { $0.device == device }
    return mounts.compactMap(\.type).first.map { [UInt8]($0) }
  }

  /// Types by the names of /proc/filesystems.
  private static let names: [StaticString] =
    magics.map(\.1) + [
      "devtmpfs", "cpuset", "dax", "drm", "ibmasmfs", "oprofilefs", "usbfs", "vfiofs",
    ]

  /// `linux/magic.h`, and the sources of those that are not in it.
  private static let magics: [(UInt32, StaticString)] = [
    (0x9fa0, "proc"), (0x6265_6572, "sysfs"), (0x0027_e0eb, "cgroup"), (0x6367_7270, "cgroup2"),
    (0x6462_6720, "debugfs"), (0x7472_6163, "tracefs"), (0x7363_6673, "securityfs"), (0xf97c_ff8c, "selinuxfs"),
    (0x4341_5d53, "smackfs"), (0x5a3c_69f0, "apparmorfs"), (0xcafe_4a11, "bpf"), (0x6165_676c, "pstore"),
    (0xde5e_81e4, "efivarfs"), (0x6265_6570, "configfs"), (0x1cd1, "devpts"), (0x4249_4e4d, "binfmt_misc"),
    (0x1980_0202, "mqueue"), (0x9584_58f6, "hugetlbfs"), (0x6573_5543, "fusectl"), (0x0187, "autofs"),
    (0x6e73_6673, "nsfs"), (0x6759_6969, "rpc_pipefs"), (0x6e66_7364, "nfsd"), (0x0765_5821, "resctrl"),
    (0x6c6f_6f70, "binder"), (0x0904_1934, "anon_inodefs"), (0x5049_5045, "pipefs"), (0x534f_434b, "sockfs"),
    (0x5345_434d, "secretmem"), (0x5049_4446, "pidfs"), (0x444d_4142, "dmabuf"), (0x474d_454d, "guest_memfd"),
    (0x0a64_7361, "functionfs"), (0xaee7_1ee7, "gadgetfs"), (0xabba_1974, "xenfs"), (0x9fa1, "openpromfs"),
    (0x9fa2, "usbdevfs"), (0x4546_4953, "efifs"), (0x76a9_f425, "ocfs2_dlmfs"), (0x6462_6e62, "bdev"),
  ]

  /// Without a block device of their own, and on this machine all the same: tmpfs, ramfs, overlay, btrfs, ZFS, bcachefs.
  private static let localMagics: [UInt32] = [
    0x0102_1994, 0x8584_58f6, 0x794c_7630, 0x9123_683e, 0x2fc1_2fc1, 0xca45_1a4e,
  ]
}

/// What lies at one name of a host directory.
struct FoundFile {
  var facts: ExtendedStatus
  /// Its content is not shown (`PseudoFilesystem`, `HiddenPaths`).
  var isHidden: Bool
  /// It is the root of a mount: whoever opens it must cross into that.
  var isMountRoot: Bool
  /// What is hidden below it.
  var hides: HiddenPaths?
}

/// The mounts met below the root of one tree, and which of them are shown.
struct MountCrossings {
  private var verdicts: [UInt64: Bool] = [:]
  private var remoteDevices: Set<UInt64> = []
  private let rootDevice: UInt64

  /// - Parameter root: a descriptor of the root, which the user has named.
  /// - Throws: `.notSupportedOnSocket` for a pseudo file system.
  init(root: CInt, device: UInt64) throws(Errno) {
    rootDevice = device
    switch try PseudoFilesystem.kind(of: root, device: device, mayWait: true) {
    case .local: break
    case .remote, .fuse: remoteDevices.insert(device)
    case .pseudo: throw .notSupportedOnSocket
    }
  }

  /// `statx(2)` may answer from what the kernel has: right for a local file system, whose attributes are nowhere else.
  func isLocal(_ device: UInt64) -> Bool { remoteDevices.isEmpty || !remoteDevices.contains(device) }

  /// Whether the mount whose root is at `name` in `directory` is kept from view. Of FUSE only what is mounted on the root
  /// itself (the same device) is shown.
  ///
  /// Remembered by the mount's number, where that is never used again (STATX_MNT_ID_UNIQUE, Linux 6.8). What is not
  /// known is hidden.
  mutating func isHidden(_ name: UnsafePointer<CChar>, in directory: CInt, _ facts: ExtendedStatus) -> Bool {
    let isUnique = facts.mask & ExtendedStatus.uniqueMount != 0
    if isUnique, let known = verdicts[facts.mount] { return known }
    let isHidden: Bool
    do throws(Errno) {
      // O_PATH without O_DIRECTORY opens nothing and triggers no automount (`man 2 open`).
      let node = try Host.open(name, in: directory, [.path, .noFollow])
      let opened = try Host.statx("", in: node.rawValue, [.emptyPath, .doNotSync])
      guard opened.mount == facts.mount, opened.device == facts.device else { return true }
      isHidden = try judge(node.rawValue, facts.device)
    } catch {
      return true
    }
    if isUnique { verdicts[facts.mount] = isHidden }
    return isHidden
  }

  private mutating func judge(_ descriptor: CInt, _ device: UInt64) throws(Errno) -> Bool {
    switch try PseudoFilesystem.kind(of: descriptor, device: device, mayWait: device == rootDevice) {
    case .local: return false
    case .remote:
      remoteDevices.insert(device)
      return false
    case .fuse: return device != rootDevice
    case .pseudo: return true
    }
  }
}

extension HostFilesystem {
  /// What `name` in `directory` is, mounts crossed; of a hidden mount only what distinguishes files is the host's.
  ///
  /// - Throws: `.noSuchFileOrDirectory`; other errnos of `statx(2)`.
  func find(_ name: Name, in directory: CInt, of parent: HostDirectory) throws(Errno) -> FoundFile {
    var found = try name.withCString { path throws(Errno) in try find(name, path, in: directory, of: parent) }
    if let hidden = parent.hides?.below(name) {
      if hidden.isHidden { found.hide(at: name, in: parent) } else { found.hides = hidden }
    }
    return found
  }

  private func find(_ name: Name, _ path: UnsafePointer<CChar>, in directory: CInt, of parent: HostDirectory)
    throws(Errno) -> FoundFile
  {
    // The server of a FUSE mount is not asked before it is known that the mount is shown.
    var facts = try Host.statx(path, in: directory, [.symlinkNoFollow, .doNotSync])
    let isMountRoot =
      facts.attributesMask & ExtendedStatus.mountRoot != 0
      ? facts.attributes & ExtendedStatus.mountRoot != 0 : facts.device != parent.hostDevice
    if isMountRoot, crossings.isHidden(path, in: directory, facts) {
      facts.concealContent(at: name, in: parent)
      return FoundFile(facts: facts, isHidden: true, isMountRoot: true)
    }
    if policy == .shared, !crossings.isLocal(facts.device) {
      let asked = try Host.statx(path, in: directory)
      // Another mount has come in between: whoever asks again sees it.
      guard asked.mount == facts.mount, asked.device == facts.device else { throw .staleNFSFileHandle }
      facts = asked
    }
    return FoundFile(facts: facts, isHidden: false, isMountRoot: isMountRoot)
  }
}

extension HostFilesystem {
  /// Makes sure that `descriptor`, which was opened by a name that leads into another mount, is of `file` and of a mount
  /// that is shown.
  ///
  /// - Throws: ESTALE.
  func verify(_ descriptor: CInt, at name: UnsafePointer<CChar>, in directory: CInt, is file: HostInode) throws(Errno) {
    let facts = try Host.statx("", in: descriptor, [.emptyPath, .doNotSync])
    guard !file.isHidden, facts.inode == file.hostNumber, facts.device == file.hostDevice,
      facts.attributes & ExtendedStatus.mountRoot == 0 || !crossings.isHidden(name, in: directory, facts)
    else { throw .staleNFSFileHandle }
  }
}

extension ExtendedStatus {
  /// An empty directory that all may read, or a file that none may, with the times of the directory above. Its number is
  /// made of its mount point: one procfs may be mounted at several.
  mutating func concealContent(at name: Name, in parent: HostDirectory) {
    let isDirectory = FileType(mode: UInt32(mode)) == .directory
    deviceMajor = 0
    deviceMinor = 0
    inode = (parent.number &* 0x9e37_79b9_7f4a_7c15 ^ name.hash) & (1 << 48 - 1)
    mode = isDirectory ? 0o040555 : 0o100000
    linkCount = isDirectory ? 2 : 1
    owner = 0
    group = 0
    size = 0
    blocks = 0
    blockSize = 4096
    namedDeviceMajor = 0
    namedDeviceMinor = 0
    access = ExtendedTime(parent.cached.time(0))
    modification = ExtendedTime(parent.cached.time(1))
    change = ExtendedTime(parent.cached.time(2))
    mask &= ~Self.birthTimeBit
  }
}
