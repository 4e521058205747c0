// The sandbox's own loopback. Guests have sockets of the host's network, but 127.0.0.0/8 and ::1 are to be theirs alone: a
// port that a guest binds there is another one of the host, on an address of 127.0.0.0/8 that this sandbox has drawn, and
// whoever connects to it inside is led there. Names of sockets are shown as guests know them.
//
// A TCP socket that a guest binds to the wildcard address listens on the loopback alone. A UDP socket bound so is bound to the
// host's wildcard address, because it may send to the outside too; what it may receive from there, its filter says
// (DatagramFilter.swift).

import Kernel
import LinuxABI

/// What a guest binds its socket to.
struct LoopbackBinding: Hashable {
  let transport: TransportProtocols
  let isIPv6Socket: Bool
  /// 0.0.0.0 or ::, not a loopback address.
  let isWildcard: Bool
  /// By which families guests reach it: by both, where an IPv6 socket takes IPv4 as well.
  let isReachedByIPv4: Bool
  let isReachedByIPv6: Bool
}

/// One port of a sandbox's loopback.
final class LoopbackPort {
  let transport: TransportProtocols
  /// As guests know it.
  let number: UInt16
  /// On the host.
  let hostNumber: UInt16
  /// The host's addresses on which it is kept.
  fileprivate(set) var guards: [PortGuard]
  /// It is `--publish`ed, and stays.
  let isPublished: Bool
  /// The inodes of sockets that have been bound to it.
  fileprivate(set) var sockets: Set<UInt64> = []

  fileprivate init(
    _ transport: TransportProtocols, _ number: UInt16, on hostNumber: UInt16, _ guards: [PortGuard],
    isPublished: Bool = false
  ) {
    self.transport = transport
    self.number = number
    self.hostNumber = hostNumber
    self.guards = guards
    self.isPublished = isPublished
  }

  /// Does to a guest's socket what the guards would forbid.
  fileprivate func whileOpen(for socket: CInt, _ body: () throws(Errno) -> Void) throws(Errno) {
    let own = try Host.option(.reuseAddress, of: socket)
    var failure: Errno?
    do throws(Errno) {
      try Host.setOption(.reuseAddress, of: socket, to: 1)
      for port in guards { try port.open() }
      try body()
    } catch {
      failure = error
    }
    for port in guards { do throws(Errno) { try port.close() } catch { failure = failure ?? error } }
    do throws(Errno) { try Host.setOption(.reuseAddress, of: socket, to: own) } catch { failure = failure ?? error }
    if let failure { throw failure }
  }
}

/// See the head of this file. Under the tree lock.
final class LoopbackPorts {
  /// How guests reach a port by one family.
  private struct Reach: Hashable {
    let transport: TransportProtocols
    let isIPv6: Bool
    let number: UInt16
  }

  private struct HostEndpoint: Hashable {
    let transport: TransportProtocols
    let endpoint: InternetEndpoint
  }

  /// The address of 127.0.0.0/8 on which this sandbox's ports are.
  let alias: InternetAddress

  /// By the family of the address where the port is, and its number.
  private var ports: [Reach: LoopbackPort] = [:]
  private var reached: [Reach: (port: LoopbackPort, address: InternetAddress)] = [:]
  private var byHost: [HostEndpoint: LoopbackPort] = [:]

  /// How many there may be: each takes one or two descriptors.
  static let limit = 256

  init(alias: InternetAddress) { self.alias = alias }

  var count: Int { ports.count }

  /// There is a port of UDP, so that what guests receive may have to be shown with another sender.
  private(set) var hasDatagramPorts = false

  // MARK: - Looking up

  /// Where to connect to in the place of a loopback (or the wildcard) address; nil if no guest has bound such a port.
  func target(_ transport: TransportProtocols, _ guest: InternetEndpoint) -> InternetEndpoint? {
    if let found = reached[Reach(transport: transport, isIPv6: !guest.address.isIPv4, number: guest.port)] {
      return InternetEndpoint(found.address, found.port.hostNumber)
    }
    // A guest that has received something may answer to the host's port that it came from.
    let loopback: InternetAddress = guest.address.isIPv4 ? .loopback4 : .loopback6
    let host = InternetEndpoint(guest.address == alias ? alias : loopback, guest.port)
    return byHost[HostEndpoint(transport: transport, endpoint: host)] == nil ? nil : host
  }

  /// What guests call an endpoint of the host; nil if it is none of theirs.
  func shown(_ transport: TransportProtocols, _ host: InternetEndpoint) -> InternetEndpoint? {
    port(at: host, transport).map { InternetEndpoint(host.address.isIPv4 ? .loopback4 : .loopback6, $0.number) }
  }

  func port(at host: InternetEndpoint, _ transport: TransportProtocols) -> LoopbackPort? {
    byHost[HostEndpoint(transport: transport, endpoint: InternetEndpoint(host.address, host.port))]
  }

  // MARK: - Binding

  /// The port of a guest's number, for a socket that is to be bound.
  ///
  /// - Parameter number: 0 for any.
  /// - Throws: `.addressInUse` if there are too many, or the host has no port to give.
  func claim(_ number: UInt16, for binding: LoopbackBinding) throws(Errno) -> LoopbackPort {
    let places = places(of: binding)
    if number != 0, let known = ports[reach(of: binding, number)] {
      try complete(known, at: places)
      return known
    }
    if ports.count >= Self.limit { throw .addressInUse }
    guard let first = places.first else { throw .addressNotAvailable }
    // Another guest may have bound the number that the host has chosen, under that number.
    for _ in 0..<16 {
      let chosen = try PortGuard(binding.transport, at: first)
      let own = number == 0 ? chosen.port : number
      if number == 0, ports[reach(of: binding, own)] != nil { continue }
      let port = LoopbackPort(binding.transport, own, on: chosen.port, [chosen])
      do throws(Errno) { try complete(port, at: places) } catch {
        // The other family has somebody on it.
        if error == .addressInUse { continue }
        throw error
      }
      return port
    }
    throw .addressInUse
  }

  /// Keeps a port that is reached on 127.0.0.1 of the host, before any guest exists.
  ///
  /// - Throws: `.addressInUse`, `.permissionDenied`.
  func publish(_ published: PublishedPort) throws(Errno) {
    let kept = try PortGuard(.tcp, at: .loopback4, port: published.hostPort)
    let port = LoopbackPort(.tcp, published.guestPort, on: published.hostPort, [kept], isPublished: true)
    ports[Reach(transport: .tcp, isIPv6: false, number: published.guestPort)] = port
  }

  /// Binds a guest's socket.
  ///
  /// - Throws: `.addressInUse`, and what else `bind(2)` says.
  func bind(_ socket: CInt, inode: UInt64, to port: LoopbackPort, _ binding: LoopbackBinding) throws(Errno) {
    let endpoint = InternetEndpoint(address(for: port, binding), port.hostNumber)
    try port.whileOpen(for: socket) { () throws(Errno) in
      try Host.bind(socket, to: endpoint.socketAddress(isIPv6Socket: binding.isIPv6Socket))
    }
    enter(port, inode: inode, binding)
  }

  /// Whether a socket could be bound now, for one that is to be bound later.
  ///
  /// - Throws: `.addressInUse`.
  func tryBinding(to port: LoopbackPort, _ binding: LoopbackBinding) throws(Errno) {
    let probe = try Host.makeSocket(binding.isIPv6Socket ? .internet6 : .internet, .stream, isNonBlocking: true)
    let endpoint = InternetEndpoint(address(for: port, binding), port.hostNumber)
    try port.whileOpen(for: probe.rawValue) { () throws(Errno) in
      try Host.bind(probe.rawValue, to: endpoint.socketAddress(isIPv6Socket: binding.isIPv6Socket))
    }
  }

  /// Has a guest's socket, which is bound to the port, listen.
  func listen(_ socket: CInt, on port: LoopbackPort, backlog: CInt) throws(Errno) {
    try port.whileOpen(for: socket) { () throws(Errno) in try Host.listen(socket, backlog: backlog) }
  }

  /// A socket is bound to the port, or is to be: who connects finds it.
  func enter(_ port: LoopbackPort, inode: UInt64, _ binding: LoopbackBinding) {
    port.sockets.insert(inode)
    ports[reach(of: binding, port.number)] = port
    if port.transport == .udp { hasDatagramPorts = true }
    for place in port.guards {
      let host = InternetEndpoint(place.address, port.hostNumber)
      byHost[HostEndpoint(transport: port.transport, endpoint: host)] = port
    }
    let places = port.isPublished ? [.loopback4] : places(of: binding)
    for isIPv6 in [false, true] where isIPv6 ? binding.isReachedByIPv6 : binding.isReachedByIPv4 {
      // By IPv6 to where IPv4 is, if that is all that there is.
      guard let place = places.first(where: { $0.isIPv4 != isIPv6 }) ?? places.first else { continue }
      reached[Reach(transport: port.transport, isIPv6: isIPv6, number: port.number)] = (port, place)
    }
  }

  /// Gives up the ports whose sockets have gone.
  ///
  /// - Parameter open: the inodes of everything that guests have open.
  func sweep(open: Set<UInt64>) {
    for (key, port) in ports where !port.isPublished && port.sockets.isDisjoint(with: open) { ports[key] = nil }
    for port in ports.values { port.sockets.formIntersection(open) }
    let living = Set(ports.values.map(ObjectIdentifier.init))
    reached = reached.filter { living.contains(ObjectIdentifier($0.value.port)) }
    byHost = byHost.filter { living.contains(ObjectIdentifier($0.value)) }
  }

  // MARK: - Where ports are

  /// The host's addresses at which a binding is reached. One of TCP that takes both families is on IPv4's alone.
  private func places(of binding: LoopbackBinding) -> [InternetAddress] {
    if binding.transport == .udp, binding.isWildcard {
      return (binding.isReachedByIPv4 ? [.loopback4] : []) + (binding.isReachedByIPv6 ? [.loopback6] : [])
    }
    return [binding.isReachedByIPv4 ? alias : .loopback6]
  }

  private func reach(of binding: LoopbackBinding, _ number: UInt16) -> Reach {
    Reach(transport: binding.transport, isIPv6: !binding.isReachedByIPv4, number: number)
  }

  /// What the socket itself is bound to.
  private func address(for port: LoopbackPort, _ binding: LoopbackBinding) -> InternetAddress {
    if binding.transport == .udp, binding.isWildcard { return binding.isIPv6Socket ? .any6 : .any4 }
    return port.isPublished ? .loopback4 : places(of: binding).first ?? alias
  }

  /// Keeps the port on further addresses.
  private func complete(_ port: LoopbackPort, at places: [InternetAddress]) throws(Errno) {
    if port.isPublished { return }
    for place in places where !port.guards.contains(where: { $0.address == place }) {
      port.guards.append(
        try PortGuard(port.transport, joining: InternetEndpoint(place, port.hostNumber)))
    }
  }
}
