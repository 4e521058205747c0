// `--net allow`: from the configuration to the network of the guests, and what is said of it at the end.

import Gate
import Layers
import LinuxABI
import Sentry
@_exported public import struct Sentry.NetworkRule
@_exported public import struct Sentry.NetworkRuleError
@_exported public import struct Sentry.PublishedPort
import VFS

extension SandboxConfiguration {
  func validateNetwork() throws(ConfigurationError) {
    if network != .allow {
      let advice = "with --net allow, which they imply"
      if !networkRules.isEmpty {
        throw ConfigurationError(at: "--allow-net", "means nothing with --net \(network.rawValue)", advice: advice)
      }
      if !publishedPorts.isEmpty {
        throw ConfigurationError(at: "--publish", "means nothing with --net \(network.rawValue)", advice: advice)
      }
    }
    if networkRules.count > NetworkRules.limit {
      throw ConfigurationError(
        at: "--allow-net", "\(networkRules.count) rules are too many", advice: "at most \(NetworkRules.limit)")
    }
    for (index, port) in publishedPorts.enumerated() {
      for other in publishedPorts[..<index] where other.hostPort == port.hostPort || other.guestPort == port.guestPort {
        throw ConfigurationError(
          at: "--publish", "\(port.hostPort):\(port.guestPort) repeats a port of \(other.hostPort):\(other.guestPort)")
      }
    }
  }

  /// Nil unless guests' sockets are judged; with `--net none` that is by no rules, for the loopback.
  func makeNetwork(_ policy: GatePolicy, opensLowPorts: Bool, budget: MemoryBudget) throws(SandboxError)
    -> GuestNetwork?
  {
    guard policy.network == .allow else { return nil }
    let rules = NetworkRules(networkRules, published: publishedPorts)
    do throws(GuestNetworkError) {
      return try GuestNetwork(rules, opensLowPorts: opensLowPorts, budget: budget)
    } catch {
      guard let port = error.port else { throw SandboxError("--net \(network.rawValue): no sockets: \(error.errno)") }
      throw SandboxError("--publish: port \(port) of 127.0.0.1 is not to be had: \(error.errno)")
    }
  }
}
