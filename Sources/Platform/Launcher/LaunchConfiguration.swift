// What a sandbox is to be, before anything of it exists.

import Gate
import Kernel
public import LinuxABI

/// The parts of a sandbox that the platform makes.
public struct LaunchConfiguration: Sendable {
  /// Nil: `full` if the kernel and the user's rights allow it, else `no-namespaces`.
  public var isolation: IsolationLevel?
  public var network = NetworkAccess.none
  /// What is in force: without namespaces nothing but a list has a loopback for guests alone, which is then an empty one.
  func network(at isolation: IsolationLevel) -> NetworkAccess {
    network == .none && isolation == .noNamespaces ? .allow : network
  }

  /// Ports below 1024 may be bound in the sandbox's own network (`ip_unprivileged_port_start` of `man 7 ip`), which is what
  /// uid 0 expects; guests have no capability for it. Means nothing with the host's network.
  public var opensLowPorts = false
  /// Which gate carries path calls whose answer is a value.
  public var gate = GateKind.trace
  /// The one user and group id that exists in the user namespace, mapped to the caller's. What getuid answers to guests is
  /// the sentry's business; this is what the kernel's own structures show (SCM_CREDENTIALS, IPC objects).
  public var user: UInt32 = Host.effectiveUser
  public var group: UInt32 = Host.effectiveGroup
  /// What guests see as the name of the machine (`man 2 uname`), at most 64 bytes.
  public var hostName: [UInt8] = Array("localhost".utf8)
  /// Bounds of the store; without namespaces nothing enforces them.
  public var storeSize: UInt64 = 1 << 30
  public var storeInodes: UInt64 = 1 << 20
  /// Descriptors of the caller that the guest keeps besides 0, 1 and 2.
  public var descriptors: [CInt] = []
  /// What the sandbox shows and never changes. At `full` each is reached through a read-only tree (`GuestProcess.trees`).
  public var shown: [ShownDirectory] = []
  /// Descriptors (O_PATH is enough) of directories and files of the host that guests may change. Without namespaces nothing
  /// else of the host can be changed by a supervisor that `confinesProcess`.
  public var writable: [CInt] = []
  /// A process that may mount makes the trees of `shown` itself; false for tests, which leave it to init always.
  var makesTreesItself = true
  /// Limits of the guest; RLIMIT_CORE is 1, which is shown as 0, unless it is named here.
  public var resourceLimits: [(resource: Resource, limit: ResourceLimit)] = []
  /// Nanoseconds that the run may take: then the command is sent SIGTERM, and everything is killed five seconds later.
  ///
  /// - Precondition: `forwardsSignals`, whose thread keeps the time.
  public var timeLimit: UInt64?
  /// Bytes of memory that all guests may use together; nil for no bound.
  public var memoryLimit: UInt64?
  /// Thousandths of a CPU that all guests may use together; nil for no bound.
  public var processors: UInt64?
  /// fork, vfork and clone are asked about (`GatePolicy.countsTasks`).
  public var countsTasks = false
  /// The signal mask the guest starts with; nil for the calling thread's. A thread pool's threads block everything, which
  /// no program expects.
  public var signalMask: SignalSet?
  /// Signals sent to this process go to the guest, and it stops when the guest stops. For command line use: the signals
  /// are blocked in the thread that calls `GuestProcess.prepare`, which must be the only one.
  public var forwardsSignals = true
  /// Before the guest runs, this whole process drops, for good, what a supervisor does not need: capabilities but
  /// those of `keptCapabilities`, new privileges by exec, and all calls but those of `SupervisorCalls` (it can then neither
  /// fork nor execute). Without namespaces it also enters a Landlock domain (`SupervisorDomain`). For a process that does
  /// nothing else.
  public var confinesProcess = false
  /// What `confinesProcess` leaves of the capabilities, bit N for capability N: by default CAP_DAC_READ_SEARCH, with
  /// which a privileged caller's layers can be read.
  public var keptCapabilities: UInt64 = 1 << 2

  public init() {}
}
