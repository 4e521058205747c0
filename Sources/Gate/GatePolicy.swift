// What decides, beside the call itself, what the gates do with it.

/// How much stands between a guest and the host.
public enum IsolationLevel: String, Sendable, CaseIterable {
  /// Namespaces, Landlock, filter, sentry.
  case full
  /// Landlock, filter, sentry: for containers that allow no user namespace.
  case noNamespaces = "no-namespaces"
}

/// What of the network a guest sees.
public enum NetworkAccess: String, Sendable, CaseIterable {
  /// Loopback only; without namespaces that takes `allow`.
  case none
  /// What a list says, on sockets that the supervisor makes; the loopback is the sandbox's.
  case allow
  /// The host's.
  case host
}

/// What a sandbox is made of, as far as the table of system calls depends on it.
public struct GatePolicy: Sendable {
  public var isolation: IsolationLevel
  public var network: NetworkAccess
  /// Which gate carries path calls whose answer is a value.
  public var gate: GateKind
  /// What the mmap calls of the trampoline's table carry.
  public var layout: TrampolineLayout
  /// There is a limit for how many threads guests may have: each new one is asked for.
  public var countsTasks: Bool
  /// uname(2) is answered by the sentry: the kernel would answer with the host's name.
  public var servesHostName: Bool

  public init(
    isolation: IsolationLevel, network: NetworkAccess, gate: GateKind, layout: TrampolineLayout,
    countsTasks: Bool = false, servesHostName: Bool = false
  ) {
    self.isolation = isolation
    self.network = network
    self.gate = gate
    self.layout = layout
    self.countsTasks = countsTasks
    self.servesHostName = servesHostName
  }
}
