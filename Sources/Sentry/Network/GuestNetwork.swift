// The network of `--net allow`. Every socket of a guest is made by us in the host's network, and every address that a guest
// names is copied, judged and used by us, on our duplicate of that very socket: nothing can be exchanged between the check
// and its use, and what was registered or set before (epoll, options, duplicates, forks) stays, because the socket does.
//
// Guests have the loopback for themselves (LoopbackPorts.swift), a resolver of ours stands behind port 53 of every address
// (Resolver.swift), and outside is what the rules say.

import Kernel
public import LinuxABI
public import VFS

/// See the head of this file. Part of the sentry's state, under the tree lock.
public final class GuestNetwork {
  public let rules: NetworkRules
  let ports: LoopbackPorts
  /// Nil if no name is ever resolved.
  let resolver: Resolver?
  let pins: PinnedAddresses
  private(set) var refusals = NetworkRefusals()
  /// Ports below 1024 may be bound: uid 0 inside.
  let opensLowPorts: Bool

  /// What is known of a socket beside what the kernel says.
  struct SocketFacts {
    /// What it is bound to, as the guest asked.
    var shown: InternetEndpoint?
    /// A TCP socket that the guest has bound to the wildcard address: what it does next says where it must be bound.
    var deferred: (port: LoopbackPort, binding: LoopbackBinding)?
    /// Whom the guest has named where another one answers: a name server, ours; an address of IPv6, one of IPv4.
    var asked: (destination: InternetEndpoint, host: InternetEndpoint)?
    /// Which state of `pins` its filter knows.
    var filter = 0

    var isEmpty: Bool { shown == nil && deferred == nil && asked == nil && filter == 0 }
  }

  private var facts: [UInt64: SocketFacts] = [:]
  private var sweepAt = 256
  private var nextSweep: UInt64 = 0
  private var charge: MemoryCharge

  /// - Parameter budget: pays for what is known of guests' sockets.
  /// - Throws: what the host refuses: a port that is to be published (`.addressInUse`), sockets.
  public init(_ rules: NetworkRules, opensLowPorts: Bool, budget: MemoryBudget) throws(GuestNetworkError) {
    self.rules = rules
    charge = MemoryCharge(budget)
    self.opensLowPorts = opensLowPorts
    ports = LoopbackPorts(alias: Self.drawAlias())
    pins = PinnedAddresses()
    for published in rules.published {
      do throws(Errno) { try ports.publish(published) } catch {
        throw GuestNetworkError(publishing: published.hostPort, errno: error)
      }
    }
    do throws(Errno) {
      resolver = rules.resolvesNames ? try Resolver(rules, pins, at: ports.alias) : nil
    } catch {
      throw GuestNetworkError(publishing: nil, errno: error)
    }
  }

  /// An address of 127.0.0.0/8 that other sandboxes, and services of the host, hardly have.
  private static func drawAlias() -> InternetAddress {
    InternetAddress(ipv4: 127 << 24 | UInt32.random(in: 2...254) << 16 | UInt32.random(in: 0x100...0xfeff))
  }

  /// What a guest is told in the place of what it asked for.
  public var report: [String] { refusals.lines + (resolver?.refusals.lines ?? []) }

  // MARK: - Judging

  enum Verdict {
    /// There, outside.
    case outside(InternetEndpoint)
    /// To this port of the host, which is a guest's.
    case inside(InternetEndpoint)
    /// To our name server.
    case resolver(InternetEndpoint)
    case refused(Errno)
  }

  /// Where a connection or a datagram to an address goes.
  func verdict(_ transport: TransportProtocols, _ endpoint: InternetEndpoint) -> Verdict {
    var endpoint = endpoint
    if endpoint.address.isUnspecified { endpoint.address = endpoint.address.isIPv4 ? .loopback4 : .loopback6 }
    if endpoint.address.isLoopback, let target = ports.target(transport, endpoint) { return .inside(target) }
    if allows(transport, endpoint) { return .outside(endpoint) }
    if endpoint.port == 53, let resolver {
      return .resolver(transport == .tcp ? resolver.streamEndpoint : resolver.datagramEndpoint)
    }
    return .refused(endpoint.address.isLoopback ? .connectionRefused : .networkUnreachable)
  }

  private func allows(_ transport: TransportProtocols, _ endpoint: InternetEndpoint) -> Bool {
    if rules.cover(endpoint, transport) { return true }
    return pins.rules(of: endpoint.address).contains { rules.rules[$0].coversPort(endpoint.port, transport) }
  }

  func noteRefusal(_ transport: TransportProtocols, _ endpoint: InternetEndpoint, by program: [UInt8]) {
    refusals.add(.connection(transport, endpoint), by: program)
  }

  // MARK: - What UDP sockets may receive

  private var filter: (generation: Int, program: [FilterInstruction])?

  /// For what is pinned now.
  func datagramFilter() -> (generation: Int, program: [FilterInstruction]) {
    let generation = pins.generation
    if let filter, filter.generation == generation { return filter }
    let made = (generation, DatagramFilter.program(rules, pins: pins))
    filter = made
    return made
  }

  // MARK: - What is known of sockets

  func facts(of inode: UInt64) -> SocketFacts { facts[inode] ?? SocketFacts() }

  /// - Throws: `.noBufferSpace` if too many sockets have something to be known.
  func update(_ inode: UInt64, _ change: (inout SocketFacts) -> Void) throws(Errno) {
    var new = facts(of: inode)
    change(&new)
    let isNew = facts[inode] == nil && !new.isEmpty
    if isNew, !charge.grow(MemoryCost.internetSocket) { throw .noBufferSpace }
    if new.isEmpty, facts[inode] != nil { charge.add(-MemoryCost.internetSocket) }
    facts[inode] = new.isEmpty ? nil : new
  }

  /// There is so much to be known that what has gone should be forgotten. A guest can ask for it often, but not for long.
  var isSweepDue: Bool {
    facts.count + ports.count >= sweepAt || ports.count >= LoopbackPorts.limit && MonotonicClock.now() >= nextSweep
  }

  /// - Parameter open: the inodes of what guests have open.
  /// - Parameter start: when the looking for them began, in nanoseconds of CLOCK_MONOTONIC.
  func sweep(open: Set<UInt64>, since start: UInt64) {
    let before = facts.count
    facts = facts.filter { open.contains($0.key) }
    charge.add((facts.count - before) * MemoryCost.internetSocket)
    ports.sweep(open: open)
    sweepAt = max(256, (facts.count + ports.count) * 2)
    let end = MonotonicClock.now()
    nextSweep = end.addingClamped((end - min(start, end)).multipliedClamped(by: 15))
  }

  // MARK: - Names of sockets

  /// What a guest is shown for where its socket is bound.
  func shownName(_ host: InternetEndpoint, _ transport: TransportProtocols, inode: UInt64) -> InternetEndpoint {
    let own = ports.shown(transport, host)
    guard let shown = facts[inode]?.shown else { return own ?? host }
    // A socket that is connected has an address, whatever it was bound to.
    if shown.address.isUnspecified, !host.address.isUnspecified, host.address != ports.alias {
      return InternetEndpoint(host.address, shown.port)
    }
    return shown
  }

  /// What a guest is shown for whom its socket is connected to, or has received from.
  func shownPeer(_ host: InternetEndpoint, _ transport: TransportProtocols, inode: UInt64) -> InternetEndpoint {
    if let asked = facts[inode]?.asked, asked.host == host { return asked.destination }
    return ports.shown(transport, host) ?? host
  }

  /// Somebody whom guests know under another name may have sent to them.
  var disguisesSenders: Bool { resolver != nil || ports.hasDatagramPorts }
}

/// Why there is no network for the guests.
public struct GuestNetworkError: Error, Sendable {
  /// The port that was to be published, if it was for that.
  public let port: UInt16?
  public let errno: Errno

  init(publishing port: UInt16?, errno: Errno) {
    self.port = port
    self.errno = errno
  }
}
