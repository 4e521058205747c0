// What a sandbox's first processes are to do. The typed face of CLinux's LaunchInit.c and LaunchGuest.c, which run between
// clone(2) and the guest's first execve(2): there a child of a process with threads may run nothing but C on raw system calls.

import CLinux
public import LinuxABI

/// `struct vd_plan`.
public struct LaunchPlan: Sendable {
  /// Nothing of these for a guest without namespaces.
  public var namespaces: CloneFlags = []
  /// What uname(2) calls the machine inside, at most 64 bytes.
  public var hostName: [UInt8] = []
  public var storeSize: UInt64 = 0
  public var storeInodes: UInt64 = 0
  /// A pty file system of the sandbox's own.
  public var wantsTerminals = false
  /// The loopback interface of the sandbox's own network is brought up.
  public var wantsLoopback = false
  /// Ports below 1024 may be bound in it.
  public var opensLowPorts = false
  /// Supplementary groups are given up.
  public var dropsGroups = false
  /// Without namespaces: the directory of the trampolines, which is the guest's working directory to the kernel.
  public var trampolineDirectory: CInt?
  /// The files that a guest executes in place of every program.
  public let trampolines: LaunchTrampolines
  /// What the guest starts with.
  public var signalMask = SignalSet()
  /// SIGPIPE is the default again.
  public var resetsBrokenPipe = false
  /// The descriptors that the guest keeps.
  public var kept: [CInt] = []
  public var limits: [(resource: Resource, limit: ResourceLimit)] = []
  /// The ABI version of Landlock that is used; 0 for none.
  public var landlock = 0
  /// The guests' own domain forbids bind(2) and connect(2) of TCP, which the supervisor makes in their stead.
  public var refusesTCP = false
  /// What init makes read-only trees of, in this order.
  public var trees: [LaunchTree] = []

  public init(_ trampolines: LaunchTrampolines) { self.trampolines = trampolines }
}

/// The two files that the kernel executes for guests: `plain` has no executable stack.
public struct LaunchTrampolines: Sendable {
  public var plainName: StaticString
  public var plainImage: [UInt8]
  public var executableStackName: StaticString
  public var executableStackImage: [UInt8]

  public init(
    plain: (name: StaticString, image: [UInt8]), executableStack: (name: StaticString, image: [UInt8])
  ) {
    (plainName, plainImage) = plain
    (executableStackName, executableStackImage) = executableStack
  }

  /// The machine code of Trampoline.S, which runs at any address.
  public static var code: [UInt8] {
    var size = 0
    return Array(UnsafeBufferPointer(start: vd_trampoline_code(&size), count: size))
  }
}

/// A directory of the host of which init makes a read-only tree: `struct vd_tree`.
public struct LaunchTree: Sendable {
  /// Where it is, and where else it may be found.
  public var path: [UInt8]
  public var otherPath: [UInt8]?
  /// What is to be found there.
  public var identity: FileIdentity

  public init(path: [UInt8], otherPath: [UInt8]?, identity: FileIdentity) {
    self.path = path
    self.otherPath = otherPath
    self.identity = identity
  }
}

extension LaunchPlan {
  /// Calls `body` with the plan as C has it. A child sees the memory of the moment in which it is made, so what the plan points
  /// at has to live until then and no longer.
  func withPlan(control: CInt, supervisorControl: CInt, _ body: (UnsafePointer<vd_plan>) -> Int32) -> Int32 {
    let memory = LaunchMemory()
    var plan = vd_plan()
    plan.control = control
    plan.supervisor_control = supervisorControl
    plan.namespaces = namespaces.rawValue
    plan.host_name = memory.keep(text: hostName)
    plan.host_name_length = hostName.count
    plan.store_size = storeSize
    plan.store_inodes = storeInodes
    plan.wants_devpts = wantsTerminals ? 1 : 0
    plan.wants_loopback = wantsLoopback ? 1 : 0
    plan.opens_low_ports = opensLowPorts ? 1 : 0
    plan.drops_groups = dropsGroups ? 1 : 0
    plan.trampoline_directory = trampolineDirectory ?? -1
    plan.trampoline_name = (
      memory.keep(trampolines.plainName), memory.keep(trampolines.executableStackName)
    )
    plan.trampoline_image = (
      UnsafeRawPointer(memory.keep(trampolines.plainImage)),
      UnsafeRawPointer(memory.keep(trampolines.executableStackImage))
    )
    plan.trampoline_size = (trampolines.plainImage.count, trampolines.executableStackImage.count)
    plan.signal_mask = signalMask.bits
    plan.resets_sigpipe = resetsBrokenPipe ? 1 : 0
    plan.keep = memory.keep(kept.sorted())
    plan.keep_count = kept.count
    plan.rlimits = memory.keep(
      limits.map { vd_rlimit(resource: $0.resource.rawValue, soft: $0.limit.soft, hard: $0.limit.hard) })
    plan.rlimit_count = limits.count
    plan.landlock = CInt(clamping: landlock)
    plan.refuses_tcp = refusesTCP ? 1 : 0
    plan.trees = memory.keep(
      trees.map { tree in
        vd_tree(
          path: (memory.keep(text: tree.path), tree.otherPath.map { memory.keep(text: $0) }),
          device: tree.identity.device, inode: tree.identity.number)
      })
    plan.tree_count = trees.count
    return withExtendedLifetime(memory) { body(&plan) }
  }
}

/// Copies of what a plan points at.
private final class LaunchMemory {
  private var allocations: [UnsafeMutableRawPointer] = []

  deinit { for allocation in allocations { allocation.deallocate() } }

  /// Never of size zero.
  func keep<T: BitwiseCopyable>(_ array: [T]) -> UnsafePointer<T> {
    let size = array.count * MemoryLayout<T>.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(size, 8), alignment: 8)
    array.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: size) }
    allocations.append(memory)
    return UnsafePointer(memory.bindMemory(to: T.self, capacity: max(array.count, 1)))
  }

  func keep(text: [UInt8]) -> UnsafePointer<CChar> { keep((text + [0]).map { CChar(bitPattern: $0) }) }

  func keep(_ text: StaticString) -> UnsafePointer<CChar> {
    keep(text: Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)))
  }
}
