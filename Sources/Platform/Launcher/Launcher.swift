// Drives CLinux's launch code: builds the plan, starts init (or, without namespaces, the guest), writes the id maps, and
// takes over the descriptors that the children send. Every failure becomes one `LaunchError`.

import CLinux
import Gate
import Kernel
import LinuxABI

/// The processes and descriptors of one sandbox before and around the tracer's work.
final class Launcher {
  let store: CInt
  let devpts: CInt?
  /// Device and inodes of the two trampoline files.
  let trampolines: TrampolineFiles
  /// Process one of the namespaces; nil without them.
  let initProcess: ThreadID?
  /// Read-only trees of what is shown, for the caller to take; nil without namespaces, or if they were refused.
  private(set) var trees: [CInt]?
  /// uname(2) of guests is answered with their own name by the kernel.
  let kernelHasHostName: Bool
  /// Why there are no trees though there are namespaces.
  let treeRefusal: Errno?

  private let plan: LaunchPlan
  private let control: CInt
  private let directory: PrivateDirectory?
  let terminal: Terminal

  /// A guest that waits for the tracer.
  struct Started {
    var thread: ThreadID
    var listener: CInt
  }

  init(_ configuration: LaunchConfiguration, isolation: IsolationLevel) throws(LaunchError) {
    terminal = Terminal()
    let sockets = try Self.controlSockets()
    control = sockets.ours
    plan = LaunchPlan(configuration, isolation: isolation, control: sockets)
    switch isolation {
    case .full:
      directory = nil
      var trees = ReadOnlyTrees(configuration.shown, tries: configuration.makesTreesItself)
      let missing = trees.missing
      do throws(Errno) { try plan.setTrees(missing.map { configuration.shown[$0] }) } catch {
        close(control)
        close(sockets.theirs)
        throw LaunchError(.layer, "a layer cannot be looked at", errno: error)
      }
      let pid = plan.withPlan { vd_launch_init($0) }
      close(sockets.theirs)
      guard pid > 0 else {
        close(control)
        throw Self.namespacesRefused(Errno(rawValue: -pid))
      }
      initProcess = pid
      do throws(LaunchError) {
        try IdentityMaps.write(for: pid, configuration)
        try Self.sendGo(control)
        for index in missing {
          let report = try Self.receive(control)
          guard report.body.stage == VD_STAGE_TREE.rawValue else {
            throw LaunchError(.system, "init sent no tree of a layer")
          }
          try trees.receive(report.descriptors.first, error: Errno(rawValue: report.body.error), at: index)
        }
        // `full` is all of the walls; `auto` takes what there is, and a warning says so.
        if configuration.isolation == .full, let refusal = trees.refusal { throw Self.treesRefused(refusal) }
        let report = try Self.receive(control)
        store = report.descriptors[0]
        kernelHasHostName = report.body.host_name_error == 0
        devpts = report.descriptors.count > 1 ? report.descriptors[1] : nil
        trampolines = TrampolineFiles(
          device: report.body.device, plain: report.body.inode.0, executableStack: report.body.inode.1)
        treeRefusal = trees.refusal
        self.trees = trees.take()
      } catch {
        Tracer.killSurely(pid)
        _ = vd_syscall(Int(SYS_wait4), Int(pid), 0, 0x4000_0000 /* __WALL */, 0, 0, 0)
        close(control)
        throw error
      }
    case .noNamespaces:
      let made = try PrivateDirectory.make()
      directory = made
      plan.trampolineDirectory = made.trampolineDirectory
      store = made.store
      devpts = nil
      trampolines = made.trampolines
      initProcess = nil
      kernelHasHostName = false
      trees = nil
      treeRefusal = nil
      childEnd = sockets.theirs
      if configuration.confinesProcess && SupervisorDomain.isAvailable {
        domain = try SupervisorDomain(
          shown: configuration.shown.map(\.descriptor), writable: configuration.writable,
          passed: [0, 1, 2] + configuration.descriptors, store: made.store, trampolines: made.trampolineDirectory)
      }
      // Orphans come to us, so that none outlives the sandbox.
      _ = vd_syscall(Int(SYS_prctl), Int(PR_SET_CHILD_SUBREAPER), 1, 0, 0, 0, 0)
    }
  }

  private var childEnd: CInt = -1
  /// Without namespaces: what is entered before the guest exists.
  private var domain: SupervisorDomain?
  private var hasFinished = false
  private var initIsReaped = false

  /// Gives the trees away: the caller closes them.
  func takeTrees() -> [CInt]? {
    defer { trees = nil }
    return trees
  }

  /// Starts the guest's first process up to the loaded filter; it waits there. `meanwhile` is called while it gets there.
  func start(_ command: consuming OwnedDescriptor, meanwhile: () throws(LaunchError) -> Void) throws(LaunchError)
    -> Started
  {
    var forked: ThreadID = 0
    if initProcess == nil {
      if let domain = domain.take() { try domain.enter() }
      forked = plan.withPlan { vd_launch_guest($0) }
      close(childEnd)
      guard forked > 0 else { throw LaunchError(.system, "fork of the guest", errno: Errno(rawValue: -forked)) }
    }
    var byte: UInt8 = 0
    var descriptor = command.rawValue
    let sent = vd_send(control, &byte, 1, &descriptor, 1)
    if sent < 0 { throw LaunchError(.system, "the command could not be sent", errno: Errno(rawValue: -sent)) }
    try meanwhile()
    var started: Started?
    var initIsConfined = initProcess == nil
    // Two processes report, in either order.
    while started == nil || !initIsConfined {
      let report = try Self.receive(control)
      if report.body.stage == VD_STAGE_CONFINED.rawValue {
        initIsConfined = true
        continue
      }
      let thread = report.sender != 0 ? report.sender : forked
      guard started == nil, let listener = report.descriptors.first, thread > 0 else {
        throw LaunchError(.system, "the guest did not hand over its seccomp listener")
      }
      started = Started(thread: thread, listener: listener)
    }
    guard let started else { throw LaunchError(.system, "the guest did not start") }
    return started
  }

  /// The guest is traced: it may execute its command.
  func letGo() {
    try? Self.sendGo(control)
    close(control)
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
      close(control)
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
    close(store)
    if let devpts { close(devpts) }
    for tree in trees ?? [] { close(tree) }
  }

  // MARK: - The control socket

  private struct Report {
    var body: vd_report
    var descriptors: [CInt]
    var sender: ThreadID
  }

  private static func controlSockets() throws(LaunchError) -> (ours: CInt, theirs: CInt) {
    var pair: [CInt] = [0, 0]
    let type = CInt(SOCK_SEQPACKET.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let made = pair.withUnsafeMutableBytes {
      vd_syscall(Int(SYS_socketpair), Int(AF_UNIX), Int(type), 0, Int(bitPattern: $0.baseAddress), 0, 0)
    }
    if made < 0 { throw LaunchError(.system, "socketpair", errno: Errno(rawValue: CInt(-made))) }
    var on: CInt = 1
    let result = withUnsafeMutablePointer(to: &on) {
      vd_syscall(Int(SYS_setsockopt), Int(pair[0]), Int(SOL_SOCKET), Int(SO_PASSCRED), Int(bitPattern: $0), 4, 0)
    }
    if result < 0 {
      close(pair[0])
      close(pair[1])
      throw LaunchError(.system, "SO_PASSCRED", errno: Errno(rawValue: CInt(-result)))
    }
    return (pair[0], pair[1])
  }

  private static func sendGo(_ socket: CInt) throws(LaunchError) {
    var byte: UInt8 = 0
    let result = vd_send(socket, &byte, 1, nil, 0)
    if result < 0 { throw LaunchError(.system, "the guest is gone before its start", errno: Errno(rawValue: -result)) }
  }

  private static func receive(_ socket: CInt) throws(LaunchError) -> Report {
    var body = vd_report()
    var descriptors: [CInt] = [-1, -1, -1]
    var count: CInt = 0
    var sender: pid_t = 0
    let received = vd_receive(socket, &body, MemoryLayout<vd_report>.size, &descriptors, &count, &sender)
    guard received == MemoryLayout<vd_report>.size else {
      throw LaunchError(.system, "a process of the sandbox died during its set-up (out of memory, or killed)")
    }
    let isGood = body.stage == 0 || body.stage == VD_STAGE_CONFINED.rawValue && body.error == 0
    if !isGood && body.stage != VD_STAGE_TREE.rawValue {
      throw stageFailed(vd_stage(UInt32(body.stage)), Errno(rawValue: body.error))
    }
    return Report(body: body, descriptors: Array(descriptors.prefix(Int(count))), sender: sender)
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

  private static func stageFailed(_ stage: vd_stage, _ errno: Errno) -> LaunchError {
    switch stage {
    case VD_STAGE_PRIVATE_MOUNTS, VD_STAGE_STORE, VD_STAGE_ROOT, VD_STAGE_PIVOT, VD_STAGE_TRAMPOLINE, VD_STAGE_LOOPBACK:
      let what: String =
        switch stage {
        case VD_STAGE_PRIVATE_MOUNTS: "making mounts private"
        case VD_STAGE_STORE: "mounting the store (tmpfs by fsopen, Linux 5.2)"
        case VD_STAGE_ROOT: "mounting the empty root"
        case VD_STAGE_TRAMPOLINE: "writing the trampoline"
        case VD_STAGE_LOOPBACK: "bringing the loopback interface up"
        default: "pivot_root"
        }
      return LaunchError(
        .namespaces, "\(what) in the new namespaces failed; --isolation no-namespaces works without them", errno: errno)
    case VD_STAGE_FILTER where errno == .resourceBusy:
      return LaunchError(
        .unsupported,
        "the seccomp filter cannot have a listener: a filter above us has one (a container runtime's, or another vedette)",
        errno: errno)
    case VD_STAGE_FILTER:
      return LaunchError(
        .unsupported, "the seccomp filter was refused (user notification needs Linux 5.19)", errno: errno)
    case VD_STAGE_DESCRIPTORS:
      return LaunchError(.unsupported, "close_range was refused: the guest would inherit our descriptors", errno: errno)
    case VD_STAGE_LANDLOCK: return LaunchError(.unsupported, "Landlock refused the rules", errno: errno)
    case VD_STAGE_RLIMIT:
      return LaunchError(
        .system, "a limit cannot be set (--ulimit, --max-file: a hard limit above the caller's needs privileges)",
        errno: errno)
    case VD_STAGE_FORK: return LaunchError(.system, "fork of the guest", errno: errno)
    case VD_STAGE_CONFINED:
      return LaunchError(
        .unsupported, "init could not be confined (its seccomp filter, no_new_privs or capabilities)", errno: errno)
    case VD_STAGE_CAPABILITIES: return LaunchError(.system, "dropping capabilities", errno: errno)
    case VD_STAGE_NO_NEW_PRIVS: return LaunchError(.unsupported, "no_new_privs was refused", errno: errno)
    default: return LaunchError(.system, "setting up the guest (stage \(stage.rawValue))", errno: errno)
    }
  }
}
