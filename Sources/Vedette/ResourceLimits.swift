// The resource limits of `--ulimit`.

/// A resource that `setrlimit(2)` limits, by the name that it has after RLIMIT_, in the order of the kernel's numbers
/// (`include/uapi/asm-generic/resource.h`).
public enum LimitedResource: String, Sendable, CaseIterable {
  case cpu, fsize, data, stack, core, rss, nproc, nofile, memlock
  case addressSpace = "as"
  case locks, sigpending, msgqueue, nice, rtprio, rttime

  /// RLIMIT_...
  var number: CInt { CInt(Self.allCases.firstIndex(of: self) ?? 0) }
}

/// The limits of one resource, which every process inside starts with.
public struct ResourceLimits: Sendable, Equatable {
  public var resource: LimitedResource
  /// In the unit of the resource (`man 2 setrlimit`); `unlimited` for none.
  public var soft: UInt64
  public var hard: UInt64

  /// RLIM_INFINITY.
  public static let unlimited = UInt64.max

  public init(_ resource: LimitedResource, soft: UInt64, hard: UInt64) {
    self.resource = resource
    self.soft = soft
    self.hard = hard
  }
}

extension SandboxConfiguration {
  /// Each resource once: of two values for one the later counts.
  var lastLimits: [ResourceLimits] {
    limits.enumerated().filter { (index, limit) in !limits[(index + 1)...].contains { $0.resource == limit.resource } }
      .map(\.element)
  }

  /// What can be known of limits before anything is started; a hard limit that the caller may not set shows at the start.
  func validateLimits() throws(ConfigurationError) {
    for limit in limits {
      let name = limit.resource.rawValue
      if limit.soft > limit.hard {
        throw ConfigurationError(
          at: "--ulimit", "\(name): the soft limit is above the hard one", advice: "write \(name)=SOFT:HARD")
      }
      // The kernel writes a core file itself, past the tree.
      if limit.resource == .core, limit.hard > 0 {
        throw ConfigurationError(
          at: "--ulimit", "core: there are no core files inside", advice: "core=0, or leave it out")
      }
      if limit.resource == .nofile, limit.soft < 16 {
        throw ConfigurationError(
          at: "--ulimit", "nofile: \(limit.soft) is too few for any program", advice: "at least 16")
      }
    }
    if let timeout, timeout == 0 {
      throw ConfigurationError(at: "--timeout", "there is no time at all", advice: "leave it out for no limit")
    }
    if let memoryLimit, memoryLimit < 4 << 20 {
      throw ConfigurationError(
        at: "--memory", "\(memoryLimit) bytes are too little for any program", advice: "at least 4M")
    }
    if let processors, processors < 10 {
      throw ConfigurationError(at: "--cpus", "that is no time at all", advice: "at least 0.01")
    }
    if let taskLimit, taskLimit == 0 {
      throw ConfigurationError(at: "--pids", "the command itself is one", advice: "at least 1")
    }
  }
}
