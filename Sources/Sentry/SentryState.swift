// All that the sentry knows, behind the tree lock: tasks, mounts, and what stands for what in the kernel.

public import Coherence
public import Gate
public import KernFS
public import LinuxABI
public import VFS

/// The sentry's state. Built once, then reached only through `Sentry`, which holds the tree lock around every use.
public final class SentryState {
  public let vfs: VirtualFileSystem
  public let store: BackingStore
  let layout: TrampolineLayout
  /// How ids outside are shown inside.
  let identity: IdentityMap
  let tasks: TaskTable
  let files: OpenFiles
  let sockets: SocketRegistry
  /// Of `--net allow`; nil without it.
  let network: GuestNetwork?
  /// See `OpenFiles`.
  public var terminalDevice: UInt64? {
    get { files.terminalDevice }
    set { files.terminalDevice = newValue }
  }
  /// `st_dev` of the store on the host.
  let storeDevice: UInt64
  let headers = HeaderCache()
  /// Keeps what guests hold of files coherent over copy-up.
  public let coherence: Coherence
  /// The platform; set before the first guest runs.
  public var control: (any GuestControl)?
  /// Guests have no network, but are in the network namespace of the host: /proc/PID/net is not to show it.
  let networkIsHidden: Bool
  /// Where the first guest starts, and its umask.
  public var workingDirectory: [UInt8] = [0x2f]
  public var umask = Permissions(rawValue: 0o022)
  /// The supplementary groups of the first guest.
  public var groups: [UInt32] = []
  /// What the filter would refuse by itself, if it is to be traced: the gates ask about it then.
  public var refusals: DispositionTable?
  /// What the machine is called inside.
  public var names: SystemNames
  /// How many threads guests may have together; nil for as many as there is memory for.
  public var taskLimit: Int? {
    get { tasks.limit }
    set { tasks.limit = newValue }
  }
  /// Where calls are served.
  private(set) lazy var room = CallRoom(self)

  /// What /proc and /dev ask.
  public private(set) lazy var source = TaskSource(self)

  /// - Parameters:
  ///   - store: where placeholders and the bytes of memory files live.
  ///   - layout: the secrets that the filter knows too.
  ///   - network: what guests' internet sockets may reach, where that is judged.
  ///   - copyUps: the overlay whose copy-ups guests must not notice; nil if there is none.
  public init(
    vfs: VirtualFileSystem, store: BackingStore, layout: TrampolineLayout, identity: IdentityMap,
    hasPidNamespace: Bool, abstractSocketsAreScoped: Bool, networkIsHidden: Bool, network: GuestNetwork? = nil,
    copyUps: (any CopyUpSource)?
  ) throws(Errno) {
    storeDevice = try store.deviceNumber()
    names = try SystemNames(host: Array("localhost".utf8))
    self.networkIsHidden = networkIsHidden
    self.network = network
    self.vfs = vfs
    self.store = store
    self.layout = layout
    self.identity = identity
    coherence = Coherence(copyUps)
    tasks = TaskTable(hasPidNamespace: hasPidNamespace)
    files = OpenFiles(vfs, store: store, tasks: tasks, coherence)
    sockets = SocketRegistry(store, abstractNamesAreScoped: abstractSocketsAreScoped)
    coherence.bind(to: self)
  }

  func serve(_ call: SystemCall, from thread: ThreadID, by gate: GateKind) -> Outcome {
    room.serve(call, from: thread, by: gate)
  }
}
