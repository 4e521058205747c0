// Drives CLinux's launch code: builds the plan, starts init (or, without namespaces, the guest), writes the id maps, and
// takes over the descriptors that the children send. Every failure becomes one `LaunchError`, and leaves nothing open: what
// is owned here is owned by its type.

import Gate
import Kernel
import LinuxABI

/// The processes and descriptors of one sandbox before and around the tracer's work.
final class Launcher {
  let store: OwnedDescriptorBox
  /// The root of a pty file system of the sandbox's own.
  let terminals: OwnedDescriptorBox?
  /// Device and inodes of the two trampoline files.
  let trampolines: TrampolineFiles
  /// Process one of the namespaces; nil without them.
  let initProcess: ThreadID?
  /// uname(2) of guests is answered with their own name by the kernel.
  let kernelHasHostName: Bool
  /// Why there are no trees though there are namespaces.
  let treeRefusal: Errno?

  private let plan: LaunchPlan
  /// Nil once the guest has been let go.
  private var sockets: LaunchSockets?
  private let directory: PrivateDirectory?
  /// Read-only trees of what is shown, for the caller to take; nil without namespaces.
  private var trees: ReadOnlyTrees?
  /// Without namespaces: what is entered before the guest exists.
  private var domain: SupervisorDomain?
  let terminal: Terminal
  private var hasFinished = false
  private var initIsReaped = false

  /// A guest that waits for the tracer.
  struct Started: ~Copyable {
    let thread: ThreadID
    let listener: OwnedDescriptor
  }

  init(_ configuration: LaunchConfiguration, isolation: IsolationLevel) throws(LaunchError) {
    terminal = Terminal()
    var sockets: LaunchSockets
    do throws(Errno) { sockets = try LaunchSockets() } catch {
      throw LaunchError(.system, "the sockets to the sandbox's processes", errno: error)
    }
    var plan = LaunchPlan(configuration, isolation: isolation)
    switch isolation {
    case .full:
      var trees = ReadOnlyTrees(configuration.shown, tries: configuration.makesTreesItself)
      do throws(Errno) { try plan.setTrees(trees.missing.map { configuration.shown[$0] }) } catch {
        throw LaunchError(.layer, "a layer cannot be looked at", errno: error)
      }
      let process: ThreadID
      do throws(Errno) { process = try sockets.startInit(plan) } catch { throw Self.namespacesRefused(error) }
      do throws(LaunchError) {
        var report = try Self.setUp(process, configuration, &trees, sockets)
        guard let store = report.first.take() else { throw LaunchError(.system, "init sent no store") }
        self.store = OwnedDescriptorBox(store)
        kernelHasHostName = report.hostNameError == nil
        terminals = if let terminals = report.second.take() { OwnedDescriptorBox(terminals) } else { nil }
        trampolines = TrampolineFiles(
          device: report.device, plain: report.inodes.plain, executableStack: report.inodes.executableStack)
      } catch {
        Tracer.killSurely(process)
        _ = try? Host.waitForEnd(of: process)
        throw error
      }
      initProcess = process
      treeRefusal = trees.refusal
      if treeRefusal == nil { self.trees = consume trees }
      directory = nil
    case .noNamespaces:
      let made = try PrivateDirectory.make()
      directory = made
      plan.trampolineDirectory = made.trampolineDirectory.rawValue
      store = made.store
      terminals = nil
      trampolines = made.trampolines
      initProcess = nil
      kernelHasHostName = false
      treeRefusal = nil
      if configuration.confinesProcess && SupervisorDomain.isAvailable {
        domain = try SupervisorDomain(
          shown: configuration.shown.map(\.descriptor), writable: configuration.writable,
          passed: [0, 1, 2] + configuration.descriptors, store: made.store.rawValue,
          trampolines: made.trampolineDirectory.rawValue)
      }
      // Orphans come to us, so that none outlives the sandbox.
      try? Host.adoptOrphans()
    }
    self.plan = plan
    self.sockets = consume sockets
  }

  /// What init does with us before the guest: id maps, the trees that are missing, then its report of all the rest.
  private static func setUp(
    _ process: ThreadID, _ configuration: LaunchConfiguration, _ trees: inout ReadOnlyTrees,
    _ sockets: borrowing LaunchSockets
  ) throws(LaunchError) -> LaunchReport {
    try IdentityMaps.write(for: process, configuration)
    try sendGo(sockets)
    for index in trees.missing {
      var report = try receive(sockets)
      guard report.stage == .tree else { throw LaunchError(.system, "init sent no tree of a layer") }
      try trees.receive(report.first.take(), error: report.error ?? .noFunction, at: index)
    }
    // `full` is all of the walls; `auto` takes what there is, and a warning says so.
    if configuration.isolation == .full, let refusal = trees.refusal { throw treesRefused(refusal) }
    return try receive(sockets)
  }

  /// Gives the trees away: the caller closes them. Nil without namespaces, or if they were refused.
  func takeTrees() -> [CInt]? {
    guard let trees = trees.take() else { return nil }
    return trees.take()
  }

  /// Starts the guest's first process up to the loaded filter; it waits there. `meanwhile` is called while it gets there.
  func start(_ command: consuming OwnedDescriptor, meanwhile: () throws(LaunchError) -> Void) throws(LaunchError)
    -> Started
  {
    guard var sockets = sockets.take() else { throw LaunchError(.system, "a sandbox runs once") }
    var forked: ThreadID?
    if initProcess == nil {
      if let domain = domain.take() { try domain.enter() }
      do throws(Errno) { forked = try sockets.startGuest(plan) } catch {
        throw LaunchError(.system, "fork of the guest", errno: error)
      }
    }
    do throws(Errno) { try sockets.send(command) } catch {
      throw LaunchError(.system, "the command could not be sent", errno: error)
    }
    try meanwhile()
    var thread: ThreadID?
    var listener: OwnedDescriptor?
    var initIsConfined = initProcess == nil
    // Two processes report, in either order.
    while thread == nil || !initIsConfined {
      var report = try Self.receive(sockets)
      if report.stage == .confined {
        initIsConfined = true
        continue
      }
      listener = report.first.take()
      guard thread == nil, listener != nil, let sender = report.sender ?? forked else {
        throw LaunchError(.system, "the guest did not hand over its seccomp listener")
      }
      thread = sender
    }
    guard let thread, let listener = listener.take() else { throw LaunchError(.system, "the guest did not start") }
    self.sockets = consume sockets
    return Started(thread: thread, listener: listener)
  }

  /// The guest is traced: it may execute its command.
  func letGo() {
    guard let sockets = sockets.take() else { return }
    try? Self.sendGo(sockets)
  }

  /// Everything has ended: what the sandbox left outside goes, and the terminal comes back to us.
  func finish(initIsReaped: Bool) {
    hasFinished = true
    self.initIsReaped = initIsReaped
    terminal.takeBack()
    directory?.remove()
  }

  deinit {
    if !hasFinished {
      // Prepared and never run.
      sockets = nil
      directory?.remove()
    }
    if let initProcess, !initIsReaped {
      Tracer.killSurely(initProcess)
      // A guest that we trace is waited for by us before init can go (kernel/pid_namespace.c, zap_pid_ns_processes).
      for _ in 0..<100_000 {
        do throws(Errno) {
          if try Host.wait(for: -1, Tracer.waitOptions)?.thread == initProcess { break }
        } catch {
          if error == .noChildProcess { break }
        }
      }
    }
  }

  // MARK: - What init and the guest say

  private static func sendGo(_ sockets: borrowing LaunchSockets) throws(LaunchError) {
    do throws(Errno) { try sockets.sendGo() } catch {
      throw LaunchError(.system, "the guest is gone before its start", errno: error)
    }
  }

  private static func receive(_ sockets: borrowing LaunchSockets) throws(LaunchError) -> LaunchReport {
    guard let report = sockets.receive() else {
      throw LaunchError(.system, "a process of the sandbox died during its set-up (out of memory, or killed)")
    }
    switch report.stage {
    case .tree, .ready: break
    case .confined where report.error == nil: break
    case let stage: throw stageFailed(stage, report.error ?? Errno(rawValue: 0))
    }
    return report
  }

  static func namespacesRefused(_ errno: Errno) -> LaunchError {
    LaunchError(
      .namespaces,
      "user namespaces are refused here (see kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor, a "
        + "container's seccomp profile); "
        + "--isolation no-namespaces works without them", errno: errno)
  }

  static func treesRefused(_ errno: Errno) -> LaunchError {
    LaunchError(
      .layer, "the layers cannot be made read-only (open_tree, mount_setattr); --isolation auto does without",
      errno: errno)
  }

  private static func stageFailed(_ stage: LaunchStage, _ errno: Errno) -> LaunchError {
    switch stage {
    case .privateMounts, .store, .root, .pivot, .trampoline, .loopback:
      let what: String =
        switch stage {
        case .privateMounts: "making mounts private"
        case .store: "mounting the store (tmpfs by fsopen, Linux 5.2)"
        case .root: "mounting the empty root"
        case .trampoline: "writing the trampoline"
        case .loopback: "bringing the loopback interface up"
        default: "pivot_root"
        }
      return LaunchError(
        .namespaces, "\(what) in the new namespaces failed; --isolation no-namespaces works without them", errno: errno)
    case .filter where errno == .resourceBusy:
      return LaunchError(
        .unsupported,
        "the seccomp filter cannot have a listener: a filter above us has one (a container runtime's, or another vedette)",
        errno: errno)
    case .filter:
      return LaunchError(
        .unsupported, "the seccomp filter was refused (user notification needs Linux 5.19)", errno: errno)
    case .descriptors:
      return LaunchError(.unsupported, "close_range was refused: the guest would inherit our descriptors", errno: errno)
    case .landlock: return LaunchError(.unsupported, "Landlock refused the rules", errno: errno)
    case .limit:
      return LaunchError(
        .system, "a limit cannot be set (--ulimit, --max-file: a hard limit above the caller's needs privileges)",
        errno: errno)
    case .fork: return LaunchError(.system, "fork of the guest", errno: errno)
    case .confined:
      return LaunchError(
        .unsupported, "init could not be confined (its seccomp filter, no_new_privs or capabilities)", errno: errno)
    case .capabilities: return LaunchError(.system, "dropping capabilities", errno: errno)
    case .noNewPrivileges: return LaunchError(.unsupported, "no_new_privs was refused", errno: errno)
    default: return LaunchError(.system, "setting up the guest (stage \(stage.rawValue))", errno: errno)
    }
  }
}
