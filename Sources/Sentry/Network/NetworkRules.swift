// All rules of one sandbox, and the addresses that names of theirs have been resolved to: what a connect(2) or a datagram
// may reach of the network outside.

import Kernel
import LinuxABI

/// What `--net allow` is asked to be.
public struct NetworkRules: Sendable, Hashable {
  public let rules: [NetworkRule]
  public let published: [PublishedPort]

  /// How many rules there may be: each is some instructions of the filter that datagram sockets have (DatagramFilter.swift).
  public static let limit = 200

  public init(_ rules: [NetworkRule] = [], published: [PublishedPort] = []) {
    self.rules = rules
    self.published = published
  }

  /// Names are resolved: one is named, or every one may be.
  public var resolvesNames: Bool {
    rules.contains {
      switch $0.host {
      case .name, .below, .everyName: true
      case .addresses, .localhost: false
      }
    }
  }

  /// `dns` is among the rules.
  var resolvesEveryName: Bool { rules.contains { $0.host == .everyName } }

  /// Whether an address is covered by itself, without any name.
  func cover(_ endpoint: InternetEndpoint, _ transport: TransportProtocols) -> Bool {
    rules.contains { $0.covers(endpoint.address, port: endpoint.port, transport) }
  }

  /// The rules, by their places in the list, that are about a name.
  func naming(_ name: DomainName) -> [Int] { rules.indices.filter { rules[$0].names(name) } }

  /// The names that are whole, for which the host's own list of hosts may have addresses.
  var wholeNames: [DomainName] {
    rules.compactMap { if case .name(let name) = $0.host { name } else { nil } }
  }
}

/// The addresses that names have been resolved to, inside. One is kept as long as the sandbox lives, or until there are too
/// many: a name that was asked for is asked for again. Shared by the resolver and the calls that are served.
public final class PinnedAddresses: Sendable {
  private struct State {
    /// Places in the list of rules.
    var rules: [InternetAddress: [Int]] = [:]
    var order: [InternetAddress] = []
    /// Grows with each address that comes or goes.
    var generation = 0
  }

  private let state = Lock(.pinnedAddresses, State())
  private static let limit = 4096

  public init() {}

  var generation: Int { state.withLock { $0.generation } }

  /// An answer of the resolver is on its way: what rules say of its name holds for these addresses from now on.
  func pin(_ addresses: some Sequence<InternetAddress>, by rules: [Int]) {
    if rules.isEmpty { return }
    state.withLock { state in
      for address in addresses {
        if let known = state.rules[address] {
          let new = rules.filter { !known.contains($0) }
          if new.isEmpty { continue }
          state.rules[address] = known + new
        } else {
          if state.order.count >= Self.limit { state.rules[state.order.removeFirst()] = nil }
          state.rules[address] = rules
          state.order.append(address)
        }
        state.generation += 1
      }
    }
  }

  /// The rules of an address, by their places in the list.
  func rules(of address: InternetAddress) -> [Int] { state.withLock { $0.rules[address] ?? [] } }

  /// The last so many addresses, newest first.
  func newest(_ count: Int) -> [InternetAddress] { state.withLock { $0.order.suffix(count).reversed() } }
}
