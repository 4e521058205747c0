// The second wall at `no-namespaces`: a Landlock domain around the supervisor itself, entered before the first process of a
// guest exists, so that the guests' own domain is nested in it and they stay within its reach (`man 7 landlock`: ptrace,
// signals). What the supervisor may open afterwards is what serving takes, whatever a bug of ours would open.
//
// Every path that the supervisor opens after its start is among the rules: the layers, what changes go to, the store, and the
// few places of /proc, /dev and /sys below. Landlock judges opening, making and removing; it does not judge chmod(2) and its
// kin, nor what was open before.

import Gate
import Kernel
import LinuxABI

/// The rules, ready to be entered.
struct SupervisorDomain: ~Copyable {
  /// Before ABI 2 (Linux 5.19) a domain forbids every rename from one directory to another.
  static var isAvailable: Bool { LandlockRules.version >= 2 }

  private let rules: LandlockRules

  /// - Parameters:
  ///   - shown, writable, passed: as `LaunchConfiguration` has them; the last are the descriptors that a guest is given.
  ///   - store: where everything may be done.
  ///   - trampolines: what guests execute.
  init(shown: [CInt], writable: [CInt], passed: [CInt], store: CInt, trampolines: CInt) throws(LaunchError) {
    do throws(Errno) {
      let rules = try LandlockRules()
      for directory in shown { try rules.allow([.readFile, .readDirectory], below: directory) }
      for place in writable { try rules.allow(.change, below: place) }
      try rules.allow(.change, below: store)
      try rules.allow([.execute, .readFile], below: trampolines)
      for descriptor in passed { try rules.allow(Self.access(of: descriptor), ofPassed: descriptor) }
      try rules.allowOwnPlaces()
      self.rules = rules
    } catch {
      if error == .notPermitted, !GuestMemory.isDirect { throw Self.memoryRefused }
      throw Self.refused(error)
    }
  }

  /// Guests' memory would have to be written by /proc/TID/mem.
  private static let memoryRefused = LaunchError(
    .unsupported,
    "process_vm_writev is not allowed here, and /proc/sys can be written, so that a wall keeps /proc read-only",
    errno: .notPermitted)

  private static func refused(_ errno: Errno) -> LaunchError {
    LaunchError(.unsupported, "Landlock refused the supervisor's own rules", errno: errno)
  }

  private static func access(of descriptor: CInt) -> LandlockAccess {
    guard Host.isOpen(descriptor), let flags = try? Host.openFlags(of: descriptor), !flags.contains(.path),
      let type = try? Host.stat(descriptor).type, type != .directory
    else { return [] }
    var access: LandlockAccess = type == .characterDevice ? .deviceControl : []
    if flags.access.contains(.read) { access.insert(.readFile) }
    if flags.access.contains(.write) { access.formUnion([.writeFile, .truncate]) }
    return access
  }

  /// Confines the calling thread and all that it makes from now on, for good.
  ///
  /// - Precondition: it is the process's only thread.
  func enter() throws(LaunchError) {
    do throws(Errno) {
      try Host.forbidNewPrivileges()
      try rules.restrictThread()
    } catch {
      throw Self.refused(error)
    }
  }
}

extension LandlockRules {
  /// A descriptor that a guest is given may be opened anew, for what it allows already. Pipes and sockets need no rule
  /// (EBADFD), and what is a directory is not served by us.
  fileprivate borrowing func allow(_ access: LandlockAccess, ofPassed descriptor: CInt) throws(Errno) {
    guard !access.isEmpty else { return }
    do throws(Errno) { try allow(access, below: descriptor) } catch {
      if error != .descriptorInBadState { throw error }
    }
  }

  /// What is served of the host's /proc, /dev and /sys.
  ///
  /// - Throws: `.notPermitted` if guests' memory could not be reached.
  fileprivate borrowing func allowOwnPlaces() throws(Errno) {
    if !Self.othersAreSafe, !GuestMemory.isDirect { throw .notPermitted }
    let device: LandlockAccess = [.readFile, .writeFile, .deviceControl]
    var places: [(String, LandlockAccess)] = [
      ("/proc", Self.othersAreSafe ? [.readFile, .readDirectory, .writeFile] : [.readFile, .readDirectory]),
      ("/sys/devices/system/cpu", .readFile),
      // Slaves of guests' terminals; and the caller's own terminal.
      ("/dev/pts", device.union(.readDirectory)),
    ]
    for name in ["null", "zero", "full", "random", "urandom", "tty", "ptmx"] { places.append(("/dev/" + name, device)) }
    for (path, access) in places {
      guard let place = try? Host.openTrusted(path, .path) else { continue }
      try allow(access, below: place.rawValue)
    }
  }

  /// Guests write to a few files of their own /proc/PID (comm, oom_score_adj). A rule of /proc holds for all of it: it is
  /// given only to who may write nothing there but files of processes. Landlock itself keeps other processes' memory away.
  private static var othersAreSafe: Bool {
    let dangerous = [
      "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
      "/proc/irq/default_smp_affinity",
    ]
    // By the effective ids: what counts is what we are, not what called us.
    return dangerous.allSatisfy { (try? Host.mayAccess($0, .write)) == nil }
  }
}
