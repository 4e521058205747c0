// The public face of the launcher: a sandbox is prepared (its store exists, nothing of the guest runs), the sentry is
// built on the store, and the command is run. Both steps belong to one thread, which lives as long as the sandbox: the
// kernel ties ptrace and the parent-death signal to a thread, not to a process.

import Gate
import Kernel
import LinuxABI

/// One sandbox: prepared, then run once.
public final class GuestProcess {
  /// The root directory of an empty file system (or, without namespaces, an empty private directory) for the sentry's
  /// backing files. Mode 0700; owned by this object.
  public let store: CInt
  /// The root directory of a pty file system of our own; open its "ptmx" to make a terminal. Nil without namespaces.
  public let devpts: CInt?
  /// The secrets that the table of the trampoline carries.
  public let layout: TrampolineLayout
  /// The level in force.
  public let isolation: IsolationLevel
  /// What the filter does with each call.
  public let policy: GatePolicy

  /// What the sentry may ask of the platform while the command runs.
  public var control: any GuestControl { requests }

  /// The walls are weaker than `full` has them, and the caller has not asked for exactly that, or there is hardly any; one line for
  /// people.
  public let warning: String?
  /// What stands and what does not.
  public let walls: Walls

  /// The run has taken longer than `LaunchConfiguration.timeLimit`. Known when it has ended.
  public private(set) var hasTimedOut = false
  /// The exit status for that.
  public static var timeStatus: CInt { SignalForwarder.timeStatus }

  /// How many guests were killed because all together had used up `LaunchConfiguration.memoryLimit`. Known when the run has ended.
  public private(set) var killedForMemory: UInt64 = 0

  private let requests = TracerRequests()
  private let limits: SharedLimits
  private let storeWatch: StoreWatch?

  /// How full the store is, where its file system does not bound it.
  public var storeUsage: StoreUsage? { storeWatch?.usage }
  private let configuration: LaunchConfiguration
  private let launcher: Launcher

  /// Descriptors of read-only trees, one for each of `LaunchConfiguration.shown` in its order, for the caller to close:
  /// what is shown is to be reached through them alone. Nil if the kernel has no such wall for us (`warning`), and without
  /// namespaces. Given away once.
  public func takeTrees() -> [CInt]? { launcher.takeTrees() }

  /// Whether this kernel, and the container that we may be in, has what a supervisor needs: the first thing to ask, so that what
  /// is missing is named and not met.
  ///
  /// - Throws: `.unsupported`, naming it.
  public static func checkKernel() throws(LaunchError) {
    let kernel = KernelVersion.running
    if kernel < KernelVersion.oldest {
      throw LaunchError(.unsupported, "this is \(kernel); \(KernelVersion.oldest) or newer is needed")
    }
    try KernelNeeds.check()
  }

  /// Makes everything but the guest: namespaces, the empty root with the trampoline, the store.
  ///
  /// - Precondition: `checkKernel` has passed.
  public static func prepare(_ configuration: LaunchConfiguration) throws(LaunchError) -> GuestProcess {
    let chosen = configuration.isolation
    // An attempt blocks the signals that are forwarded: the next one's guests have the caller's mask all the same.
    var configuration = configuration
    configuration.signalMask = configuration.signalMask ?? Host.signalMask
    do throws(LaunchError) {
      return try GuestProcess(configuration, isolation: chosen ?? .full)
    } catch {
      guard chosen == nil, case .namespaces = error.kind else { throw error }
      // Without namespaces Landlock is the wall behind the filter. To do without both must be asked for.
      guard LandlockRules.version > 0 else {
        throw LaunchError(
          .unsupported, "neither namespaces nor Landlock here; --isolation no-namespaces has the filter alone",
          errno: error.errno)
      }
      return try GuestProcess(configuration, isolation: .noNamespaces, insteadOfFull: error)
    }
  }

  /// - Parameter reason: why it is not `full`, which was tried.
  private init(
    _ configuration: LaunchConfiguration, isolation: IsolationLevel, insteadOfFull reason: LaunchError? = nil
  ) throws(LaunchError) {
    let group = try SharedLimits.group(for: configuration)
    var configuration = configuration
    configuration.resourceLimits = SharedLimits.limits(
      configuration.resourceLimits, watching: group == nil ? configuration.memoryLimit : nil)
    self.configuration = configuration
    self.isolation = isolation
    let launcher = try Launcher(configuration, isolation: isolation)
    limits = try SharedLimits(configuration, group, store: launcher.store.rawValue)
    self.launcher = launcher
    warning =
      if let reason {
        "isolation is no-namespaces, which is weaker than full: \(reason.summary)"
      } else if isolation == .noNamespaces && LandlockRules.version == 0 {
        "no namespaces and no Landlock: the filter is the only wall around the command"
      } else if let refusal = launcher.treeRefusal {
        "isolation is weaker than full: the layers are not read-only to vedette itself (open_tree, mount_setattr: "
          + "\(refusal))"
      } else if isolation == .noNamespaces && configuration.confinesProcess && !SupervisorDomain.isAvailable {
        "no Landlock around vedette itself: a bug of its own could reach what its caller can"
      } else { nil }
    walls = Walls(
      isolation, layersAreReadOnly: isolation == .full && launcher.treeRefusal == nil,
      confinesProcess: configuration.confinesProcess)
    store = launcher.store.rawValue
    storeWatch =
      isolation == .noNamespaces ? StoreWatch(store, limit: configuration.storeSize) : nil
    devpts = launcher.terminals?.rawValue
    layout = TrampolineLayout(flagsSecret: try Self.secret(), descriptorSecret: try Self.secret())
    policy = GatePolicy(
      isolation: isolation, network: configuration.network(at: isolation), gate: configuration.gate, layout: layout,
      countsTasks: configuration.countsTasks, servesHostName: !launcher.kernelHasHostName)
  }

  /// Runs a command and waits for its end; then ends every process it left.
  ///
  /// The command's first `execve` goes to `handler` like any other, after `created` with 0 as the parent.
  ///
  /// - Parameters:
  ///   - calls: what the gates do with each system call, of which the filter is made.
  ///   - whileStoreExists: called when no guest is left and the store is still there.
  /// - Throws: a `LaunchError` of kind `command` if the handler refused that first execve; its `errno` says why.
  public func run(
    path: [UInt8], arguments: [[UInt8]], environment: [[UInt8]], handler: any SystemCallHandler,
    calls table: DispositionTable, whileStoreExists: () -> Void = {}
  ) throws(LaunchError) -> ExitStatus {
    let filter = FilterCompiler.compile(table)
    guard filter.count <= FilterCompiler.limit else {
      throw LaunchError(.system, "the system call filter is too long: \(filter.count) instructions")
    }
    let command: OwnedDescriptor
    do throws(Errno) {
      // Kernels before 5.16 slow a filtered task down against store bypass and branch injection within its own process,
      // where a guest has nothing to hide from itself.
      command = try LaunchCommand.makeFile(
        filter: filter, [.newListener, .waitKillable, .allowSpeculation], path: path, arguments: arguments,
        environment: environment, secret: layout.flagsSecret)
    } catch {
      throw LaunchError(.system, "the memory file for the command line", errno: error)
    }
    var confinement: Confinement?
    // Closed there: it holds the environment.
    let started = try launcher.start(command) { () throws(LaunchError) in
      if configuration.confinesProcess {
        confinement = try Confinement(
          keeping: configuration.keptCapabilities, makesSockets: policy.network == .allow)
      }
    }
    try limits.begin(with: started.thread)
    let arrivals = SignalArrivals()
    let main = started.thread
    let listener = NotifyListener(descriptor: started.listener.rawValue)
    let tracer = Tracer(
      handler: handler, table: table, listener: listener, trampolines: launcher.trampolines,
      requests: requests, arrivals: arrivals, stopsWithGuest: configuration.forwardsSignals)
    try tracer.attach(main: main)
    try confinement?.dropPrivileges()
    let worker = NotifyWorker(
      listener: listener, handler: handler, requests: requests, jobs: tracer.jobs)
    try worker.start()
    // The worker closes it.
    _ = started.listener.release()
    let forwarder =
      configuration.forwardsSignals
      ? forwarder(to: main, past: arrivals, Inspector(requests, handler)) : nil
    var measuring: WorkerThread?
    do throws(LaunchError) {
      try forwarder?.start()
      try confinement?.restrictCalls()
      try limits.startWatching()
      // Last, so that nothing fails with this thread running.
      if let storeWatch {
        measuring = try WorkerThread.start { [requests] in storeWatch.run { requests.end(by: Signal.kill.rawValue) } }
      }
    } catch {
      _ = limits.finish()
      forwarder?.stop()
      worker.stop()
      throw error
    }
    launcher.letGo()
    let status = tracer.run(endingWith: launcher.initProcess)
    forwarder?.stopTiming()
    hasTimedOut = forwarder?.hasTimedOut ?? false
    storeWatch?.stop()
    measuring?.stop()
    worker.stop()
    requests.stopOthers()
    whileStoreExists()
    launcher.finish(initIsReaped: tracer.initIsReaped)
    killedForMemory = limits.finish()
    // Until now a signal can end what takes too long.
    forwarder?.stop()
    if let storeWatch, storeWatch.hasOutgrown {
      throw LaunchError(
        .system,
        "the command's files have outgrown --size (\(storeWatch.usage.limit >> 20) MiB) without namespaces: ended")
    }
    if let errno = tracer.commandError {
      throw LaunchError(.command, String(decoding: path, as: UTF8.self), errno: errno)
    }
    return status
  }

  private func forwarder(to guest: ThreadID, past arrivals: SignalArrivals, _ inspector: Inspector) -> SignalForwarder {
    let terminal = launcher.terminal
    return SignalForwarder(
      to: guest, past: arrivals, initProcess: launcher.initProcess, requests, inspector: inspector,
      timeLimit: configuration.timeLimit
    ) {
      terminal.takeBack()
    }
  }

  /// 64 random bits whose upper half is not zero.
  private static func secret() throws(LaunchError) -> UInt64 {
    var value: UInt64 = 0
    do throws(Errno) {
      repeat { value = try Host.random() } while value >> 32 == 0 || value >> 32 == 0xffff_ffff
    } catch {
      throw LaunchError(.system, "getrandom", errno: error)
    }
    return value & 0xffff_ffff_0000_0000
  }
}
