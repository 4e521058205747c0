// What the C code of a launch is told (`LaunchPlan` of Kernel) for a configuration.

import Gate
import Kernel
import LinuxABI

extension LaunchPlan {
  /// Prepares this process as well: SIGPIPE is ignored, the signals that are forwarded are blocked, and the limit of
  /// descriptors is raised.
  init(_ configuration: LaunchConfiguration, isolation: IsolationLevel) {
    self.init(
      LaunchTrampolines(
        plain: (Trampoline.name(executableStack: false), Trampoline.image(executableStack: false)),
        executableStack: (Trampoline.name(executableStack: true), Trampoline.image(executableStack: true))))
    if isolation == .full {
      namespaces = [.newUser, .newMounts, .newProcesses, .newIPC, .newHostName, .newCgroup]
      if configuration.network != .host {
        namespaces.insert(.newNetwork)
        wantsLoopback = true
        opensLowPorts = configuration.opensLowPorts
      }
      wantsTerminals = true
    }
    hostName = configuration.hostName
    storeSize = configuration.storeSize
    storeInodes = configuration.storeInodes
    dropsGroups = Host.effectiveUser == 0
    landlock = min(LandlockRules.version, 6)
    refusesTCP = configuration.network(at: isolation) == .allow
    signalMask = configuration.signalMask ?? Host.signalMask
    resetsBrokenPipe = Host.ignoreBrokenPipes()
    if configuration.forwardsSignals { SignalForwarder.block() }
    kept = Set([0, 1, 2] + configuration.descriptors).filter { Host.isOpen($0) }.sorted()
    limits = Self.limits(configuration)
  }

  /// What init makes read-only trees of: each by its path as it was written, then by the one that /proc has for the
  /// descriptor (the first may lead elsewhere from a mount namespace of init's own).
  mutating func setTrees(_ directories: [ShownDirectory]) throws(Errno) {
    trees = []
    for directory in directories {
      let known = try? Host.readlink("/proc/self/fd/\(directory.descriptor)", in: AtFlags.currentDirectory)
      trees.append(
        LaunchTree(
          path: directory.path, otherPath: known, identity: try Host.stat(directory.descriptor).identity))
    }
  }

  /// The guest's limits; ours for descriptors goes to its hard limit, the guest's stays what the caller's was.
  private static func limits(_ configuration: LaunchConfiguration) -> [(resource: Resource, limit: ResourceLimit)] {
    var limits: [(resource: Resource, limit: ResourceLimit)] = []
    let named = Set(configuration.resourceLimits.map(\.resource))
    if !named.contains(.core) { limits.append((.core, .withoutCore)) }
    if let files = try? Host.ownLimit(.descriptors), files.soft < files.hard {
      if !named.contains(.descriptors) { limits.append((.descriptors, files)) }
      try? Host.setOwnLimit(.descriptors, to: ResourceLimit(soft: files.hard, hard: files.hard))
    }
    return limits + configuration.resourceLimits
  }
}
