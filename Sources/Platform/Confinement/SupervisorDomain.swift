// The second wall at `no-namespaces`: a Landlock domain around the supervisor itself, entered before the first process of a
// guest exists, so that the guests' own domain is nested in it and they stay within its reach (`man 7 landlock`: ptrace,
// signals). What the supervisor may open afterwards is what serving takes, whatever a bug of ours would open.
//
// Every path that the supervisor opens after its start is among the rules: the layers, what changes go to, the store, and the
// few places of /proc, /dev and /sys below. Landlock judges opening, making and removing; it does not judge chmod(2) and its
// kin, nor what was open before.

import CLinux
import Gate
import Kernel
import LinuxABI

/// The rules, ready to be entered.
struct SupervisorDomain: ~Copyable {
  /// Before ABI 2 (Linux 5.19) a domain forbids every rename from one directory to another.
  static var isAvailable: Bool { vd_landlock_abi() >= 2 }

  private let rules: OwnedDescriptor

  /// LANDLOCK_ACCESS_FS_... of <linux/landlock.h>.
  struct Access: OptionSet {
    let rawValue: UInt64

    static let execute = Access(rawValue: 1 << 0)
    static let writeFile = Access(rawValue: 1 << 1)
    static let readFile = Access(rawValue: 1 << 2)
    static let readDirectory = Access(rawValue: 1 << 3)
    static let truncate = Access(rawValue: 1 << 14)
    static let deviceControl = Access(rawValue: 1 << 15)
    /// Everything but executing: making, removing and renaming too.
    static let change = Access(rawValue: 0xfffe)
    /// All that a rule of a file, not a directory, may hold.
    static let ofFiles: Access = [.execute, .writeFile, .readFile, .truncate, .deviceControl]
  }

  /// - Parameters:
  ///   - shown, writable, passed: as `LaunchConfiguration` has them; the last are the descriptors that a guest is given.
  ///   - store: where everything may be done.
  ///   - trampolines: what guests execute.
  init(shown: [CInt], writable: [CInt], passed: [CInt], store: CInt, trampolines: CInt) throws(LaunchError) {
    let version = vd_landlock_abi()
    var handled = UInt64(0x3fff)
    if version >= 3 { handled |= Access.truncate.rawValue }
    if version >= 5 { handled |= Access.deviceControl.rawValue }
    // struct landlock_ruleset_attr: file system, network, scopes (abstract sockets, signals).
    let attributes: [UInt64] = [handled, 0, version >= 6 ? 3 : 0]
    let size = version >= 6 ? 24 : version >= 4 ? 16 : 8
    let made = attributes.withUnsafeBytes {
      vd_syscall(Int(SYS_landlock_create_ruleset), Int(bitPattern: $0.baseAddress), size, 0, 0, 0, 0)
    }
    do throws(Errno) {
      let descriptor = OwnedDescriptor(CInt(try Errno.check(made)))
      let rules = Rules(descriptor: descriptor.rawValue, handled: Access(rawValue: handled))
      for directory in shown { try rules.allow([.readFile, .readDirectory], below: directory) }
      for place in writable { try rules.allow(.change, below: place) }
      try rules.allow(.change, below: store)
      try rules.allow([.execute, .readFile], below: trampolines)
      for descriptor in passed { try rules.allow(Self.access(of: descriptor), ofPassed: descriptor) }
      try rules.allowOwnPlaces()
      self.rules = descriptor
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

  fileprivate struct Rules {
    let descriptor: CInt
    let handled: Access
  }

  private static func access(of descriptor: CInt) -> Access {
    guard let flags = try? Kernel.control(descriptor, F_GETFL), CInt(flags) & CLinux.O_PATH == 0,
      let status = try? Kernel.status(of: descriptor), let type = FileType(mode: status.st_mode), type != .directory
    else { return [] }
    var access: Access = type == .characterDevice ? .deviceControl : []
    if CInt(flags) & O_ACCMODE != O_WRONLY { access.insert(.readFile) }
    if CInt(flags) & O_ACCMODE != O_RDONLY { access.formUnion([.writeFile, .truncate]) }
    return access
  }

  /// Confines the calling thread and all that it makes from now on, for good.
  ///
  /// - Precondition: it is the process's only thread.
  func enter() throws(LaunchError) {
    do throws(Errno) {
      try Kernel.call(SYS_prctl, Int(PR_SET_NO_NEW_PRIVS), 1)
      try Kernel.call(SYS_landlock_restrict_self, Int(rules.rawValue), 0)
    } catch {
      throw Self.refused(error)
    }
  }
}

extension SupervisorDomain.Rules {
  func allow(_ access: SupervisorDomain.Access, below place: CInt) throws(Errno) {
    let isDirectory = FileType(mode: try Kernel.status(of: place).st_mode) == .directory
    let allowed = access.intersection(handled).intersection(isDirectory ? handled : .ofFiles)
    // struct landlock_path_beneath_attr, packed: access, descriptor.
    var rule = [UInt8](repeating: 0, count: 12)
    rule.withUnsafeMutableBytes {
      $0.storeBytes(of: allowed.rawValue, as: UInt64.self)
      $0.storeBytes(of: place, toByteOffset: 8, as: CInt.self)
    }
    let result = rule.withUnsafeBytes {
      vd_syscall(
        Int(SYS_landlock_add_rule), Int(descriptor), 1 /* LANDLOCK_RULE_PATH_BENEATH */,
        Int(bitPattern: $0.baseAddress), 0, 0, 0)
    }
    _ = try Errno.check(result)
  }

  /// A descriptor that a guest is given may be opened anew, for what it allows already. Pipes and sockets need no rule
  /// (EBADFD), and what is a directory is not served by us.
  func allow(_ access: SupervisorDomain.Access, ofPassed descriptor: CInt) throws(Errno) {
    guard !access.isEmpty else { return }
    do throws(Errno) { try allow(access, below: descriptor) } catch {
      if error.rawValue != EBADFD { throw error }
    }
  }

  /// What is served of the host's /proc, /dev and /sys.
  ///
  /// - Throws: `.notPermitted` if guests' memory could not be reached.
  func allowOwnPlaces() throws(Errno) {
    if !Self.othersAreSafe, !GuestMemory.isDirect { throw .notPermitted }
    let device: SupervisorDomain.Access = [.readFile, .writeFile, .deviceControl]
    var places: [(String, SupervisorDomain.Access)] = [
      ("/proc", Self.othersAreSafe ? [.readFile, .readDirectory, .writeFile] : [.readFile, .readDirectory]),
      ("/sys/devices/system/cpu", .readFile),
      // Slaves of guests' terminals; and the caller's own terminal.
      ("/dev/pts", device.union(.readDirectory)),
    ]
    for name in ["null", "zero", "full", "random", "urandom", "tty", "ptmx"] { places.append(("/dev/" + name, device)) }
    for (path, access) in places {
      guard let place = try? Kernel.open(path, CLinux.O_PATH) else { continue }
      defer { close(place) }
      try allow(access, below: place)
    }
  }

  /// Guests write to a few files of their own /proc/PID (comm, oom_score_adj). A rule of /proc holds for all of it: it is
  /// given only to who may write nothing there but files of processes. Landlock itself keeps other processes' memory away.
  private static var othersAreSafe: Bool {
    let dangerous = [
      "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
      "/proc/irq/default_smp_affinity",
    ]
    return dangerous.allSatisfy { path in
      // W_OK is 2. AT_EACCESS: what counts is what we are, not what called us.
      path.withCString {
        vd_syscall(Int(SYS_faccessat2), Int(AT_FDCWD), Int(bitPattern: $0), 2, 0x200 /* AT_EACCESS */, 0, 0)
      } < 0
    }
  }
}
