// What all guests may use together: memory and CPU time. A control group keeps both where one may be made; where not, memory is
// watched, and CPU time is not to be had.

import Gate
import Kernel
import LinuxABI

/// The bounds of one sandbox: made before its first process, removed behind its last.
final class SharedLimits {
  private let group: ControlGroup?
  private let watch: MemoryWatch?
  private var watching: WorkerThread?

  /// - Parameter store: the store, which must stay open until `finish`.
  /// - Throws: `.system` where a bound cannot be kept.
  init(_ configuration: LaunchConfiguration, _ group: ControlGroup?, store: CInt) throws(LaunchError) {
    self.group = group
    guard let memory = configuration.memoryLimit, group == nil else {
      watch = nil
      return
    }
    do throws(Errno) { watch = try MemoryWatch(limit: memory, tracer: Host.ownThread, store: store) } catch {
      throw LaunchError(.system, "--memory: the memory of processes cannot be looked at", errno: error)
    }
  }

  /// The group for these limits; nil if there are none, or if memory is to be watched.
  static func group(for configuration: LaunchConfiguration) throws(LaunchError) -> ControlGroup? {
    let limits = ControlGroup.Limits(memory: configuration.memoryLimit, processors: configuration.processors)
    if limits == ControlGroup.Limits() { return nil }
    do throws(Errno) { return try ControlGroup.make(limits) } catch {
      if limits.processors == nil { return nil }
      throw LaunchError(
        .system,
        "--cpus: no control group for CPU time can be made here (leave it out, or set the container's own limit)",
        errno: error)
    }
  }

  /// The guest's first process, which runs nothing of the guest's yet.
  func begin(with process: ThreadID) throws(LaunchError) {
    do throws(Errno) { try group?.add(process) } catch {
      throw LaunchError(
        .system, "--memory, --cpus: the command cannot be put into the control group", errno: error)
    }
  }

  /// Starts the watch, where there is one.
  func startWatching() throws(LaunchError) {
    if let watch { watching = try WorkerThread.start { watch.run() } }
  }

  /// Ends the watch. How many guests were killed because all together had used up the memory.
  func finish() -> UInt64 {
    watch?.stop()
    watching?.stop()
    watching = nil
    let killed = group?.killed ?? watch?.killed ?? 0
    group?.remove()
    return killed
  }

  /// Where memory is only watched no single process gets more either, and is refused it as by the kernel: RLIMIT_DATA, unless
  /// `limits` has a smaller one.
  static func limits(
    _ limits: [(resource: Resource, limit: ResourceLimit)], watching memory: UInt64?
  ) -> [(resource: Resource, limit: ResourceLimit)] {
    guard let memory else { return limits }
    let named = limits.first { $0.resource == .data }?.limit
    let allowed = (try? Host.ownLimit(.data).hard) ?? ResourceLimit.infinity
    let hard = min(memory, named?.hard ?? allowed, allowed)
    let limit = ResourceLimit(soft: min(hard, named?.soft ?? hard), hard: hard)
    return limits.filter { $0.resource != .data } + [(.data, limit)]
  }
}
