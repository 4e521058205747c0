// The C plan (`struct vd_plan`) with everything it points at. Made before the first clone, because a child sees the
// memory of that moment.

import CLinux
import Gate
import Kernel
import LinuxABI

/// Owns the memory of one `vd_plan`.
final class LaunchPlan {
  private let plan: UnsafeMutablePointer<vd_plan>
  private var allocations: [UnsafeMutableRawPointer] = []

  init(_ configuration: LaunchConfiguration, isolation: IsolationLevel, control: (ours: CInt, theirs: CInt)) {
    plan = .allocate(capacity: 1)
    plan.initialize(to: vd_plan())
    plan.pointee.control = control.theirs
    plan.pointee.supervisor_control = control.ours
    plan.pointee.trampoline_directory = -1
    if isolation == .full {
      var namespaces: UInt64 = 0x1000_0000 | 0x0002_0000 | 0x2000_0000 | 0x0800_0000 | 0x0400_0000 | 0x0200_0000
      if configuration.network == .none {
        namespaces |= 0x4000_0000
        plan.pointee.wants_loopback = 1
        plan.pointee.opens_low_ports = configuration.opensLowPorts ? 1 : 0
      }
      plan.pointee.namespaces = namespaces
      plan.pointee.wants_devpts = 1
    }
    let hostName = keep(configuration.hostName)
    plan.pointee.host_name = UnsafePointer(hostName.0.assumingMemoryBound(to: CChar.self))
    plan.pointee.host_name_length = hostName.1
    plan.pointee.store_size = configuration.storeSize
    plan.pointee.store_inodes = configuration.storeInodes
    plan.pointee.drops_groups = geteuid() == 0 ? 1 : 0
    plan.pointee.landlock = min(vd_landlock_abi(), 6)

    let names = [false, true].map { (executable: Bool) -> UnsafePointer<CChar> in
      let name = Trampoline.name(executableStack: executable)
      let bytes: [UInt8] = Array(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)) + [0]
      return UnsafePointer(keep(bytes).0.assumingMemoryBound(to: CChar.self))
    }
    plan.pointee.trampoline_name = (names[0], names[1])
    let images = [keep(Trampoline.image(executableStack: false)), keep(Trampoline.image(executableStack: true))]
    plan.pointee.trampoline_image = (UnsafeRawPointer(images[0].0), UnsafeRawPointer(images[1].0))
    plan.pointee.trampoline_size = (images[0].1, images[1].1)

    plan.pointee.signal_mask = (configuration.signalMask.map(SignalSet.init(bits:)) ?? Host.signalMask).bits
    plan.pointee.resets_sigpipe = vd_ignore_sigpipe()
    if configuration.forwardsSignals { SignalForwarder.block() }

    let kept = Set([0, 1, 2] + configuration.descriptors).filter { (try? Kernel.control($0, F_GETFD)) != nil }.sorted()
    let descriptors = keep(kept)
    plan.pointee.keep = UnsafePointer(descriptors.0.assumingMemoryBound(to: CInt.self))
    plan.pointee.keep_count = kept.count

    let limits = Self.limits(configuration)
    let rlimits = keep(limits)
    plan.pointee.rlimits = UnsafePointer(rlimits.0.assumingMemoryBound(to: vd_rlimit.self))
    plan.pointee.rlimit_count = limits.count
  }

  /// What init makes read-only trees of: each by its path as it was written, then by the one that /proc has for the
  /// descriptor (the first may lead elsewhere from a mount namespace of init's own).
  func setTrees(_ directories: [ShownDirectory]) throws(Errno) {
    var trees: [vd_tree] = []
    for directory in directories {
      let status = try Kernel.status(of: directory.descriptor)
      let written = keep(directory.path + [0]).0.assumingMemoryBound(to: CChar.self)
      let known = (try? Host.readlink("/proc/self/fd/\(directory.descriptor)", in: AtFlags.currentDirectory)).map {
        UnsafePointer(keep($0 + [0]).0.assumingMemoryBound(to: CChar.self))
      }
      trees.append(
        vd_tree(
          path: (UnsafePointer(written), known), device: UInt64(status.st_dev), inode: UInt64(status.st_ino)))
    }
    plan.pointee.trees = UnsafePointer(keep(trees).0.assumingMemoryBound(to: vd_tree.self))
    plan.pointee.tree_count = trees.count
  }

  var trampolineDirectory: CInt {
    get { plan.pointee.trampoline_directory }
    set { plan.pointee.trampoline_directory = newValue }
  }

  func withPlan<R>(_ body: (UnsafePointer<vd_plan>) -> R) -> R { body(UnsafePointer(plan)) }

  deinit {
    for allocation in allocations { allocation.deallocate() }
    plan.deallocate()
  }

  /// The guest's limits; ours for descriptors goes to its hard limit, the guest's stays what the caller's was.
  private static func limits(_ configuration: LaunchConfiguration) -> [vd_rlimit] {
    var limits: [vd_rlimit] = []
    let named = Set(configuration.resourceLimits.map(\.resource))
    if !named.contains(CInt(OwnLimit.core.rawValue)) {
      let core = OwnLimit.withoutCore
      limits.append(vd_rlimit(resource: CInt(OwnLimit.core.rawValue), soft: core, hard: core))
    }
    if let files = OwnLimit.descriptors.current, files.soft < files.hard {
      if !named.contains(CInt(OwnLimit.descriptors.rawValue)) {
        limits.append(vd_rlimit(resource: CInt(OwnLimit.descriptors.rawValue), soft: files.soft, hard: files.hard))
      }
      try? OwnLimit.descriptors.set(soft: files.hard, hard: files.hard)
    }
    return limits + configuration.resourceLimits.map { vd_rlimit(resource: $0.resource, soft: $0.soft, hard: $0.hard) }
  }

  /// A copy of the array that lives as long as the plan; never of size zero.
  private func keep<T: BitwiseCopyable>(_ array: [T]) -> (UnsafeMutableRawPointer, Int) {
    let size = array.count * MemoryLayout<T>.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(size, 8), alignment: 8)
    array.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: size) }
    allocations.append(memory)
    return (memory, size)
  }
}
