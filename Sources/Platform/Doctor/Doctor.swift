// What this kernel and this user allow, found by trying, and which isolation level follows.

import Gate
import Kernel
import LinuxABI

/// The findings of `vedette doctor`.
public struct Doctor: Sendable {
  /// One finding.
  public struct Line: Sendable {
    /// What was tried.
    public var name: String
    /// It works.
    public var isAvailable: Bool
    /// Without it no sandbox can be made, or only a weaker one.
    public var isNeeded: Bool
    /// What was found, or what its lack means; a few words.
    public var detail: String
  }

  public let lines: [Line]
  /// The level that `--isolation auto` takes; nil if no sandbox can be made.
  public let isolation: IsolationLevel?

  /// Tries everything. Forks a few short-lived processes; nothing of them is left.
  public init() {
    var lines: [Line] = []
    func add(_ name: String, needed: Bool = false, _ refusal: Errno?, _ detail: String, lacking: String) {
      let reason = refusal.map { "\(lacking) (\($0))" } ?? detail
      lines.append(Line(name: name, isAvailable: refusal == nil, isNeeded: needed, detail: reason))
    }
    lines.append(Self.kernel())
    let tracing = Self.refusal(Host.tryTracing)
    add("ptrace", needed: true, tracing, "a child can be seized", lacking: "see kernel.yama.ptrace_scope")
    let listening = Self.refusal { () throws(Errno) in try Host.tryListening([.newListener, .waitKillable]) }
    add(
      "seccomp user notification", needed: true, listening, "libseccomp API level \(Host.filterLevel)",
      lacking: "needs Linux 5.19, and no other listener above us")

    let calls = Self.calls()
    lines.append(calls)
    let (namespaces, readOnlyLayers) = Self.namespaces()
    lines.append(namespaces)
    lines.append(readOnlyLayers)
    // Asked outside of a user namespace fsopen may well be EPERM; inside, the set-up above has mounted a store by it.
    add(
      "store in memory (fsopen)",
      namespaces.isAvailable ? nil : Self.refusal(Host.tryFileSystem) ?? .notPermitted,
      "at full it is a tmpfs of its own, bounded by --size",
      lacking: "it is a directory in /dev/shm or TMPDIR, measured against --size")
    let landlock = LandlockRules.version
    lines.append(
      Line(
        name: "Landlock", isAvailable: landlock > 0, isNeeded: !namespaces.isAvailable,
        detail: landlock > 0
          ? "ABI \(landlock)\(landlock < 6 ? ", signals and abstract sockets are not scoped (ABI 6)" : "")"
          : "no second wall behind the filter"))
    lines.append(
      Line(
        name: "Landlock around vedette", isAvailable: SupervisorDomain.isAvailable, isNeeded: false,
        detail: SupervisorDomain.isAvailable
          ? "at no-namespaces it reaches what it serves and nothing else"
          : "at no-namespaces a bug of vedette's own reaches what its caller can (needs ABI 2, Linux 5.19)"))
    lines.append(Self.descriptors())
    lines.append(Self.guestMemory())
    add(
      "kcmp", Self.refusal { () throws(Errno) in _ = try Host.share(.memory, Host.ownProcess, Host.ownProcess) },
      "what tasks share is asked of the kernel",
      lacking: "what tasks share is read from the call that made them")
    add(
      "PROCMAP_QUERY", Self.refusal(Host.tryMappingQuery), "mappings are asked for by address",
      lacking: "needs Linux 6.11; /proc/PID/maps is read instead")
    add(
      "PR_SET_MM_MAP", Self.refusal(Host.tryMemoryMap), "the break can be placed as the kernel does",
      lacking: "needs CONFIG_CHECKPOINT_RESTORE; the heap of static programs lies elsewhere")
    let vdso = Vdso()
    lines.append(
      Line(
        name: "vdso", isAvailable: vdso.syscall != nil && vdso.names.0 != nil, isNeeded: false,
        detail: vdso.syscall == nil ? "no system call can be injected" : "holds a syscall instruction and the names"))
    lines.append(Self.capabilities())
    self.lines = lines
    isolation =
      tracing != nil || listening != nil || !calls.isAvailable
      ? nil : namespaces.isAvailable ? .full : landlock > 0 ? .noNamespaces : nil
  }

  /// What a try fails with.
  private static func refusal(_ body: () throws(Errno) -> Void) -> Errno? {
    do throws(Errno) { try body() } catch { return error }
    return nil
  }

  private static func kernel() -> Line {
    let version = KernelVersion.running
    return Line(
      name: "kernel", isAvailable: version >= KernelVersion.oldest, isNeeded: true,
      detail: "\(version)\(version < KernelVersion.oldest ? ", needs \(KernelVersion.oldest)" : "")")
  }

  /// The whole set-up, up to the point where a guest would start.
  private static func namespaces() -> (Line, readOnlyLayers: Line) {
    var layers = Line(
      name: "read-only layers", isAvailable: false, isNeeded: false, detail: "at full only, which needs namespaces")
    var configuration = LaunchConfiguration()
    configuration.isolation = .full
    configuration.forwardsSignals = false
    do throws(LaunchError) {
      let process = try GuestProcess.prepare(configuration)
      let namespaces = Line(
        name: "namespaces", isAvailable: true, isNeeded: false,
        detail: process.devpts == nil ? "without a pty file system" : "user, mount, pid, ipc, uts, net, cgroup")
      do throws(LaunchError) {
        let root = try openRoot()
        configuration.shown = [ShownDirectory(descriptor: root.rawValue, path: [0x2f])]
        _ = try GuestProcess.prepare(configuration)
        layers.isAvailable = true
        layers.detail = "the kernel refuses vedette itself every change of what is only shown"
      } catch {
        layers.detail = "auto goes without, and says so; full refuses: \(error.summary)"
      }
      return (namespaces, layers)
    } catch {
      return (Line(name: "namespaces", isAvailable: false, isNeeded: false, detail: error.description), layers)
    }
  }

  private static func openRoot() throws(LaunchError) -> OwnedDescriptor {
    do throws(Errno) { return try Host.openTrusted("/", .path) } catch {
      throw LaunchError(.system, "the root directory", errno: error)
    }
  }

  private static func calls() -> Line {
    do throws(LaunchError) {
      try KernelNeeds.check()
      return Line(name: "calls", isAvailable: true, isNeeded: true, detail: "all that a supervisor needs")
    } catch {
      return Line(name: "calls", isAvailable: false, isNeeded: true, detail: error.description)
    }
  }

  private static func descriptors() -> Line {
    Line(
      name: "pidfd_getfd", isAvailable: Host.takesDescriptors, isNeeded: false,
      detail: Host.takesDescriptors
        ? "guests' descriptors are duplicated by it"
        : "refused here: guests' descriptors are sent over by an injected sendmsg (slower for sockets and some locks)"
    )
  }

  private static func guestMemory() -> Line {
    Line(
      name: "process_vm_readv, process_vm_writev", isAvailable: GuestMemory.isDirect, isNeeded: false,
      detail: GuestMemory.isDirect
        ? "guests' memory is read and written by them"
        : "refused here: guests' memory is read and written by /proc/PID/mem (slower)")
  }

  private static func capabilities() -> Line {
    guard let text = Host.capabilityText else {
      return Line(name: "capabilities", isAvailable: false, isNeeded: false, detail: "unknown")
    }
    return Line(
      name: "capabilities", isAvailable: true, isNeeded: false, detail: "\(text) (dropped before a guest starts)")
  }
}

/// A kernel's version by its first two numbers.
struct KernelVersion: Comparable, CustomStringConvertible {
  var major: Int
  var minor: Int

  /// WAIT_KILLABLE_RECV: without it a signal could come between a new descriptor and its number.
  static let oldest = KernelVersion(major: 5, minor: 19)

  static func < (one: KernelVersion, other: KernelVersion) -> Bool {
    (one.major, one.minor) < (other.major, other.minor)
  }

  var description: String { "Linux \(major).\(minor)" }

  /// What uname(2) says.
  static var running: KernelVersion {
    let release = Host.kernelRelease
    return KernelVersion(major: release.major, minor: release.minor)
  }
}
