// The library's front door: runs one command in one sandbox.

import Coherence
public import Gate
import Kernel
import KernFS
public import Layers
import LinuxABI
import OverlayFS
public import Platform
import Sentry
import VFS

/// Why a sandbox did not come to be, or its command did not run: one line for people, and the exit status for it.
public typealias SandboxError = ReportedError

/// One sandbox from its configuration to the end of its command.
public enum Sandbox {
  /// Runs the configuration's command and waits for its end; every process it left is ended then.
  ///
  /// Must be called on the process's only thread: ptrace and the parent-death signal belong to a thread.
  /// - Throws: `SandboxError`; nothing of the guest is left behind then.
  public static func run(_ configuration: SandboxConfiguration) throws(SandboxError) -> ExitStatus {
    var session = try SandboxSession(configuration)
    return try session.run()
  }

  /// What this kernel and this user allow, for `vedette doctor`.
  public static func probe() -> Doctor { Doctor() }

  /// A report, for people, of what a sandbox is doing that runs in another process.
  ///
  /// - Parameter process: its supervisor, or a process or thread inside, by the caller's numbers.
  /// - Throws: with status 1 if that belongs to no run that the caller may inspect, 2 if there is no answer.
  public static func inspect(_ process: Int32) throws(SandboxError) -> [UInt8] {
    do throws(InspectionFailure) {
      return try InspectionRequest(process).answer()
    } catch {
      let status: Int32 =
        switch error.kind {
        case .noRun: 1
        case .noAnswer: 2
        case .system: 125
        }
      throw SandboxError("inspect: \(error)", status: status)
    }
  }
}

/// The steps of a run, in their order.
private struct SandboxSession {
  let configuration: SandboxConfiguration
  private let identity: IdentityMap
  /// The supplementary groups that the command starts with.
  private let groups: [UInt32]
  private let umask: Permissions

  init(_ configuration: SandboxConfiguration) throws(SandboxError) {
    self.configuration = configuration
    let user = Host.effectiveUser
    let group = Host.effectiveGroup
    let inside: GuestUser =
      if let name = configuration.userName {
        try UserDatabase(configuration: configuration).find(name)
      } else if let ids = configuration.user {
        GuestUser(ids: ids)
      } else {
        GuestUser(ids: configuration.fakeRoot ? .init(uid: 0, gid: 0) : .init(uid: user, gid: group))
      }
    identity = IdentityMap(hostUser: user, hostGroup: group, user: inside.ids.uid, group: inside.ids.gid)
    groups = inside.groups
    let mask = Host.setFileModeMask(0o022)
    Host.setFileModeMask(mask)
    umask = Permissions(mode: UInt64(mask))
  }

  mutating func run() throws(SandboxError) -> ExitStatus {
    let inherited =
      configuration.confinesProcess ? try InheritedDescriptors(keeping: configuration.extraDescriptors) : nil
    let recorder = try SandboxRecorder(configuration)
    do throws(LaunchError) { try GuestProcess.checkKernel() } catch { throw SandboxError(error.description) }
    let isUpperNew = try configuration.makeUpper()
    let layers: HostLayers
    let guest: GuestProcess
    do throws(SandboxError) {
      layers = try HostLayers(configuration)
      do throws(LaunchError) {
        guest = try GuestProcess.prepare(launchConfiguration(layers))
      } catch {
        throw SandboxError(error.description)
      }
    } catch {
      if isUpperNew { configuration.removeUpper() }
      throw error
    }
    if let warning = guest.warning, !configuration.quiet {
      DescriptorOutput.write(Array("vedette: warning: \(warning)\n".utf8), to: 2)
    }
    let account = configuration.verbose ? RunAccount(configuration, identity) : nil
    account?.begin(guest)
    recorder?.begin(level: guest.isolation, gate: configuration.gate, guest.walls)
    // Only now: init finds the layers by their paths.
    inherited?.close()
    if let trees = guest.takeTrees() { layers.replaceShown(by: trees) }
    let environment = configuration.environment(from: try callerEnvironment())
    let directory = workingDirectory()
    let crashPoint = Self.crashPoint
    if let crashPoint, crashPoint.fromStart { CrashPoint.arm(at: crashPoint.place) }
    let sentry = try makeSentry(guest, layers, directory, recorder)
    if let crashPoint, !crashPoint.fromStart { CrashPoint.arm(at: crashPoint.place) }
    try checkWorkingDirectory(sentry)
    let path = try findCommand(sentry, environment, directory)
    account?.found(path, from: directory)
    let calls =
      configuration.traceFile == nil
      ? SystemCallTable.dispositions(guest.policy) : SystemCallTable.tracedDispositions(guest.policy)
    let status: ExitStatus
    var changes: Result<ChangeReport, Errno>?
    do throws(LaunchError) {
      status = try guest.run(
        path: path, arguments: configuration.command.map(\.bytes), environment: environment.map(\.bytes),
        handler: sentry, calls: calls,
        whileStoreExists: { if configuration.changes { changes = self.changes(sentry) } })
    } catch {
      recorder?.finish()
      throw commandError(error)
    }
    recorder?.finish()
    account?.end(status)
    if let changes { try printChanges(changes) }
    try reportMappings(sentry)
    reportRules(sentry)
    try reportLimits(sentry, guest)
    return status
  }

  /// What the rules could not be held against.
  private func reportRules(_ sentry: Sentry) {
    guard sentry.withTree({ $0.missesRuledLinks }) else { return }
    let line =
      "vedette: rules: more files than can be searched: other names of them (hard links) may be open (narrower patterns help)\n"
    DescriptorOutput.write(Array(line.utf8), to: 2)
  }

  /// What the guests were refused, or ended for.
  private func reportLimits(_ sentry: Sentry, _ guest: GuestProcess) throws(SandboxError) {
    if configuration.network == .allow, !configuration.quiet {
      for line in sentry.networkReport { DescriptorOutput.write(Array("vedette: net: \(line)\n".utf8), to: 2) }
    }
    let refused = sentry.refusedTasks
    if refused > 0, !configuration.quiet, let limit = configuration.taskLimit {
      let times = refused == 1 ? "once" : "\(refused) times"
      let line = "vedette: --pids: one thread or process more than \(limit) was refused \(times)\n"
      DescriptorOutput.write(Array(line.utf8), to: 2)
    }
    let killed = guest.killedForMemory
    if killed > 0, let limit = configuration.memoryLimit {
      let processes = killed == 1 ? "a process was" : "\(killed) processes were"
      let line = "vedette: --memory: \(processes) killed: all together had used up \(limit >> 20) MiB\n"
      DescriptorOutput.write(Array(line.utf8), to: 2)
    }
    if guest.hasTimedOut, let timeout = configuration.timeout {
      throw SandboxError("--timeout: ended after \(DurationText.seconds(timeout)) s", status: GuestProcess.timeStatus)
    }
  }

  /// `VEDETTE_CHECK=mappings` in the caller's environment, for tests: the record of file mappings is compared with the
  /// kernel's list at each `mmap` and each remap. Each difference is a line on standard error, and ends in status 125.
  private static var checksMappings: Bool {
    guard let environment = try? Host.readFile("/proc/self/environ") else { return false }
    return environment.split(separator: 0).contains { $0.elementsEqual("VEDETTE_CHECK=mappings".utf8) }
  }

  private func reportMappings(_ sentry: Sentry) throws(SandboxError) {
    let result = sentry.withCoherence { coherence in coherence.check.map { ($0.comparisons, $0.differences) } }
    guard let (comparisons, differences) = result else { return }
    let line = "mapping check: \(comparisons) comparisons, \(differences) differences"
    if differences > 0 { throw SandboxError(line) }
    DescriptorOutput.write(Array("vedette: \(line)\n".utf8), to: 2)
  }

  /// `--changes`: what the guests have left.
  private func changes(_ sentry: Sentry) -> Result<ChangeReport, Errno>? {
    do throws(Errno) {
      return try sentry.withTree { vfs throws(Errno) in
        guard let overlay = vfs.root.mount.filesystem as? OverlayFilesystem else { return nil }
        return .success(try ChangeReport(overlay))
      }
    } catch {
      return .failure(error)
    }
  }

  /// After the guest's own last words, on standard error.
  private func printChanges(_ changes: Result<ChangeReport, Errno>) throws(SandboxError) {
    switch changes {
    case .failure(let errno): throw SandboxError("--changes: cannot compare: \(errno)")
    case .success(let report):
      if configuration.json {
        return report.writeJSON { DescriptorOutput.write($0, to: 2) }
      }
      report.writeText { DescriptorOutput.write($0, to: 2) }
      for line in [report.note, report.complaint].compactMap(\.self) {
        DescriptorOutput.write(Array("vedette: --changes: \(line)\n".utf8), to: 2)
      }
    }
  }

  /// For tests of crash safety (docc page TheUpperDirectory): VEDETTE_CRASH_POINT=N ends the supervisor as by `kill -9` behind
  /// the Nth step that its guests cause on a host upper; `start:N` counts the steps of taking up the upper too.
  private static var crashPoint: (place: Int, fromStart: Bool)? {
    guard let text = Host.environmentValue("VEDETTE_CRASH_POINT") else { return nil }
    let fromStart = text.hasPrefix("start:")
    return Int(fromStart ? text.dropFirst(6) : text[...]).map { ($0, fromStart) }
  }

  private func launchConfiguration(_ layers: HostLayers) -> LaunchConfiguration {
    var launch = LaunchConfiguration()
    switch configuration.isolation {
    case .auto: launch.isolation = nil
    case .full: launch.isolation = .full
    case .noNamespaces: launch.isolation = .noNamespaces
    }
    switch configuration.network {
    case .none: launch.network = .none
    case .allow: launch.network = .allow
    case .host: launch.network = .host
    }
    launch.opensLowPorts = identity.user == 0
    launch.gate = configuration.gate == .notify ? .notify : .trace
    launch.user = identity.user
    launch.group = identity.group
    launch.hostName = configuration.hostName.bytes
    launch.storeSize = bounds.bytes
    launch.storeInodes = bounds.inodes
    launch.descriptors = configuration.extraDescriptors
    launch.timeLimit = configuration.timeout
    launch.memoryLimit = configuration.memoryLimit
    launch.processors = configuration.processors
    launch.countsTasks = configuration.taskLimit != nil
    launch.resourceLimits = configuration.lastLimits.map {
      (Resource(rawValue: $0.resource.number), ResourceLimit(soft: $0.soft, hard: $0.hard))
    }
    launch.confinesProcess = configuration.confinesProcess
    launch.keptCapabilities = keptCapabilities | (layers.needPrivilege ? 1 << 21 : 0)
    launch.shown = layers.shown
    launch.writable = layers.writable
    return launch
  }

  /// What a privileged supervisor needs of its capabilities: to read the layers CAP_DAC_READ_SEARCH; to write to the host
  /// as its caller could CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_FOWNER; for an upper directory, whose files may be set-id and
  /// devices, CAP_FSETID and CAP_MKNOD, and CAP_SYS_ADMIN for its marks (trusted.overlay.*).
  private var keptCapabilities: UInt64 {
    var kept: UInt64 = 1 << 2
    let keepsChanges = configuration.upper != .memory
    if keepsChanges || configuration.binds.contains(where: { !$0.readOnly }) {
      kept |= 1 << 0 | 1 << 1 | 1 << 3
    }
    if keepsChanges { kept |= 1 << 4 | 1 << 21 | 1 << 27 }
    // CAP_NET_BIND_SERVICE.
    if configuration.publishedPorts.contains(where: { $0.hostPort < 1024 }) { kept |= 1 << 10 }
    return kept
  }

  private var bounds: SandboxBounds { SandboxBounds(size: configuration.size) }

  private func makeSentry(
    _ guest: GuestProcess, _ layers: sending HostLayers, _ directory: [UInt8], _ recorder: SandboxRecorder?
  ) throws(SandboxError) -> Sentry {
    let store: BackingStore
    let bounds = bounds
    do throws(Errno) {
      store = try BackingStore(
        root: try Host.duplicate(guest.store), budget: MemoryBudget(limit: bounds.memory),
        usage: guest.storeUsage)
    } catch {
      throw SandboxError("cannot use the store: \(error)")
    }
    let tree = SandboxTree(
      configuration: configuration, layers: layers, store: store, identity: identity, cachedNames: bounds.names)
    let (vfs, overlay, plan) = try tree.build()
    let network = try configuration.makeNetwork(guest.policy, opensLowPorts: identity.user == 0, budget: store.budget)
    let state: SentryState
    do throws(Errno) {
      state = try SentryState(
        vfs: vfs, store: store, layout: guest.layout, identity: identity,
        hasPidNamespace: guest.isolation == .full,
        abstractSocketsAreScoped: guest.isolation == .full && configuration.network != .host,
        networkIsHidden: guest.isolation == .noNamespaces && configuration.network != .host,
        network: network, copyUps: overlay)
      try SystemMounts(state: state, devpts: guest.devpts, identity: identity, plan: plan).mount()
    } catch {
      throw SandboxError("cannot mount /proc, /dev and /sys inside: \(error)")
    }
    state.workingDirectory = directory
    state.umask = umask
    state.groups = groups
    do throws(Errno) { state.names = try SystemNames(host: configuration.hostName.bytes) } catch {
      throw SandboxError("--hostname: uname: \(error)")
    }
    state.taskLimit = configuration.taskLimit
    state.control = guest.control
    if configuration.traceFile != nil { state.refusals = SystemCallTable.dispositions(guest.policy) }
    if Self.checksMappings { state.coherence.check = MappingCheck() }
    try tree.mountExtras(in: vfs, plan)
    try configuration.enforceRules(in: vfs)
    if configuration.readOnly { vfs.makeRootReadOnly() }
    return Sentry(state, recorder: recorder)
  }

  private func callerEnvironment() throws(SandboxError) -> [ByteString] {
    do throws(Errno) {
      let bytes = try Host.readFile("/proc/self/environ")
      return bytes.split(separator: 0).map { ByteString([UInt8]($0)) }
    } catch {
      throw SandboxError("/proc/self/environ: \(error) (vedette needs the host's /proc)")
    }
  }

  /// The caller's directory, or the one asked for.
  private func workingDirectory() -> [UInt8] {
    if let asked = configuration.workingDirectory { return asked.bytes }
    do throws(Errno) { return try Host.readlink("/proc/self/cwd", in: AtFlags.currentDirectory) } catch {
      return [0x2f]
    }
  }

  /// What was asked for must be there; the caller's directory need not.
  private func checkWorkingDirectory(_ sentry: Sentry) throws(SandboxError) {
    guard let asked = configuration.workingDirectory else { return }
    do throws(Errno) { try sentry.checkDirectory(asked.bytes) } catch {
      switch error {
      case .noSuchFileOrDirectory: throw SandboxError("--workdir: '\(asked)' does not exist inside")
      case .notDirectory: throw SandboxError("--workdir: '\(asked)' is not a directory inside")
      default: throw SandboxError("--workdir: '\(asked)' inside: \(error)")
      }
    }
  }

  private func findCommand(_ sentry: Sentry, _ environment: [ByteString], _ directory: [UInt8]) throws(SandboxError)
    -> [UInt8]
  {
    let name = configuration.command.first?.bytes ?? []
    let searchPath =
      environment.last { $0.bytes.starts(with: "PATH=".utf8) }.map { [UInt8]($0.bytes.dropFirst(5)) }
      ?? Array("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".utf8)
    do throws(Errno) {
      return try sentry.findCommand(name, searchPath: searchPath, workingDirectory: directory)
    } catch {
      if error == .permissionDenied, sentry.isDirectory(name, workingDirectory: directory) {
        throw SandboxError("cannot execute '\(ByteString(name))' inside: it is a directory", status: 126)
      }
      throw commandError(error, searchPath: ByteString(searchPath))
    }
  }

  /// - Parameters:
  ///   - wasFound: an executable file has the name, and something else is wrong.
  ///   - searchPath: where a name without a slash was looked for.
  private func commandError(_ errno: Errno, wasFound: Bool = false, searchPath: ByteString = "PATH") -> SandboxError {
    let name = configuration.command.first?.description ?? ""
    let isMissing = errno == .noSuchFileOrDirectory || errno == .notDirectory
    if errno == .noSuchFileOrDirectory, !name.utf8.contains(0x2f) {
      return SandboxError("'\(name)': command not found inside (looked in \(searchPath))", status: 127)
    }
    let advice =
      switch errno {
      case .permissionDenied where !wasFound: " (is it an executable file? chmod +x)"
      case .execFormatError: " (a script needs a first line such as #!/bin/sh; a program must be one for x86-64)"
      case .noSuchFileOrDirectory where wasFound:
        " (it is there, but not what its first line, or its ELF header, names to run it)"
      default: ""
      }
    return SandboxError("cannot execute '\(name)' inside: \(errno)\(advice)", status: isMissing ? 127 : 126)
  }

  private func commandError(_ error: LaunchError) -> SandboxError {
    if case .command = error.kind, let errno = error.errno { return commandError(errno, wasFound: true) }
    return SandboxError(error.description)
  }
}
