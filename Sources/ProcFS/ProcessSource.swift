// What /proc asks of whoever knows the processes. ProcFS itself knows no tasks and no host process: ids in this interface
// are those seen inside, unless a name says host.

public import Kernel
public import LinuxABI
public import VFS

/// A thread named by its process and itself, both as seen inside.
public struct ProcessThread: Hashable, Sendable {
  /// The thread group.
  public var process: Int32
  /// The thread; equal to `process` for the leader, which also stands for the process as a whole.
  public var thread: Int32

  public init(process: Int32, thread: Int32) {
    self.process = process
    self.thread = thread
  }

  /// The process as a whole.
  public init(process: Int32) { self.init(process: process, thread: process) }
}

/// What `/proc/PID/status` says of a thread's identity. The kernel's own answer would be the sandbox's, not the guest's.
public struct ProcessIdentity: Sendable {
  /// Real, effective, saved, file system: the order of the `Uid` line.
  public var users: (real: UInt32, effective: UInt32, saved: UInt32, filesystem: UInt32)
  public var groups: (real: UInt32, effective: UInt32, saved: UInt32, filesystem: UInt32)
  public var supplementaryGroups: [UInt32]
  /// The five sets of `man 7 capabilities`.
  public var inheritable: UInt64 = 0
  public var permitted: UInt64 = 0
  public var effective: UInt64 = 0
  public var bounding: UInt64 = 0
  public var ambient: UInt64 = 0
  public var umask: Permissions
  public var noNewPrivileges = false
  /// SECCOMP_MODE_ as the guest set it: 0, 1 or 2. Our own filter does not count.
  public var seccompMode: UInt8 = 0
  public var seccompFilters = 0

  public init(user: UInt32, group: UInt32, supplementaryGroups: [UInt32] = [], umask: Permissions) {
    users = (user, user, user, user)
    groups = (group, group, group, group)
    self.supplementaryGroups = supplementaryGroups
    self.umask = umask
  }
}

/// What a number in a descriptor table refers to.
public enum ProcessDescriptor {
  /// A file of the virtual tree.
  case node(Position)
  /// Something else, in the words of the kernel's /proc/PID/fd: `pipe:[123]`, `socket:[7]`, `/memfd:x (deleted)`.
  case foreign([UInt8])
}

/// What a mapping shows of its file, as guests know it.
public struct MappedFile {
  public var path: [UInt8]
  /// `st_dev` in the encoding of `stat(2)`.
  public var device: UInt64
  public var inode: UInt64

  public init(path: [UInt8], device: UInt64, inode: UInt64) {
    self.path = path
    self.device = device
    self.inode = inode
  }
}

/// Whoever knows the processes: the sentry.
///
/// Every function may find that the process has gone: it throws `.noSuchProcess`, or answers nil or nothing.
public protocol ProcessSource: AnyObject {
  /// The thread whose call is being served: `/proc/self` and `/proc/thread-self`. nil outside a call.
  var current: ProcessThread? { get }

  /// All processes, in any order.
  func processes() -> [Int32]

  /// The threads of a process, in any order; empty if there is no such process.
  func threads(of process: Int32) -> [Int32]

  /// The thread exists. Asked at every use of a cached `/proc/PID`, so it is to be quick.
  func exists(_ thread: ProcessThread) -> Bool

  func identity(of thread: ProcessThread) throws(Errno) -> ProcessIdentity

  /// Who owns the files of `/proc/PID`: the effective ids, or 0:0 for a process that is not dumpable (`man 5 proc`).
  func owner(of thread: ProcessThread) -> (user: UInt32, group: UInt32)

  /// The thread is in a group stop (SIGSTOP and the like), which under a tracer the host does not distinguish from its stops.
  func isStopped(_ thread: ProcessThread) -> Bool

  /// Guests have no network, but the network namespace is the host's.
  var networkIsHidden: Bool { get }

  /// The raw bytes of the host's /proc/HOSTPID/`name`, or of /proc/HOSTPID/task/HOSTTID/`name` for a thread that is not the
  /// leader. `name` is a constant of ours and may have a slash (`net/dev`).
  func hostFile(_ name: StaticString, of thread: ProcessThread) throws(Errno) -> [UInt8]

  /// The same file opened for writing, for `comm`, `oom_score_adj`, `coredump_filter`, `timerslack_ns` and `clear_refs`: what
  /// a guest writes there changes itself only, and the kernel checks it.
  func openHostFile(_ name: StaticString, of thread: ProcessThread, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor

  /// The id inside of a host process, process group or session; 0 if it is outside.
  func insideID(ofHost id: Int32) -> Int32

  func executable(of process: Int32) throws(Errno) -> Position
  func workingDirectory(of thread: ProcessThread) throws(Errno) -> Position
  func root(of thread: ProcessThread) throws(Errno) -> Position

  /// The numbers in use.
  func descriptors(of thread: ProcessThread) throws(Errno) -> [Int32]

  /// - Throws: `.badFileDescriptor` if the number is not in use.
  func descriptor(_ number: Int32, of thread: ProcessThread) throws(Errno) -> ProcessDescriptor

  /// The host's /proc/PID/fdinfo/N.
  func descriptorInformation(_ number: Int32, of thread: ProcessThread) throws(Errno) -> [UInt8]

  /// A duplicate of a descriptor that is no file of the virtual tree.
  func foreignDescriptor(_ number: Int32, of thread: ProcessThread) throws(Errno) -> ForeignDescriptor

  /// The attributes inside of a file with this host status: ids are those that guests see.
  func attributes(ofForeign status: FileStatus) throws(Errno) -> Attributes

  /// A position without a name in the tree that leads to `inode`, an inode of `/proc`: where the link of a foreign descriptor
  /// arrives. nil if there can be none.
  func anonymousPosition(_ inode: Inode, named text: [UInt8]) -> Position?

  /// The path of a position as the thread being served would name it, with ` (deleted)` where it has gone.
  func path(of position: Position) -> [UInt8]

  /// The path inside of a file that is mapped somewhere: `device` in the encoding of `stat(2)`. nil if it is no file of the tree.
  func mappedFile(device: UInt64, inode: UInt64) -> MappedFile?

  /// The text of `/proc/PID/mountinfo`, `mounts` and `mountstats`.
  func mountInformation(of process: Int32) -> [UInt8]
  func mounts(of process: Int32) -> [UInt8]
  func mountStatistics(of process: Int32) -> [UInt8]

  /// The name of the machine as guests see it.
  func hostName() -> [UInt8]
  func domainName() -> [UInt8]
}

extension ProcessSource {
  public var networkIsHidden: Bool { false }
  public func isStopped(_ thread: ProcessThread) -> Bool { false }
  public func mountStatistics(of process: Int32) -> [UInt8] { [] }
  public func domainName() -> [UInt8] { Array("(none)".utf8) }
}
