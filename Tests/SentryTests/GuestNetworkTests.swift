// What goes where with a network list, and the ports of a sandbox's loopback on sockets of this process.

import CLinux
import Kernel
import LinuxABI
import Testing
import VFS

@testable import Sentry

@Suite(.serialized) struct GuestNetworkTests {
  private func network(_ rules: String..., published: [PublishedPort] = []) throws -> GuestNetwork {
    try GuestNetwork(
      NetworkRules(try rules.map { try NetworkRule(ByteString($0)) }, published: published), opensLowPorts: false,
      budget: .unlimited)
  }

  private func endpoint(_ text: String, _ port: UInt16) throws -> InternetEndpoint {
    InternetEndpoint(try #require(InternetAddress(text: text.utf8)), port)
  }

  private func socket(_ type: SocketType, isIPv6: Bool = false) throws -> CInt {
    try Host.makeSocket(isIPv6 ? .internet6 : .internet, type, isNonBlocking: true).release()
  }

  private func bind(
    _ network: GuestNetwork, _ socket: CInt, _ number: UInt16, isWildcard: Bool = false,
    _ transport: TransportProtocols = .tcp
  ) throws -> LoopbackPort {
    let binding = LoopbackBinding(
      transport: transport, isIPv6Socket: false, isWildcard: isWildcard, isReachedByIPv4: true, isReachedByIPv6: false)
    let port = try network.ports.claim(number, for: binding)
    try network.ports.bind(socket, inode: try Host.stat(socket).inode, to: port, binding)
    return port
  }

  private func connects(to host: InternetEndpoint) throws -> Bool {
    let client = try Host.makeSocket(.internet, .stream, isNonBlocking: false)
    do throws(Errno) { try Host.connect(client.rawValue, to: host.socketAddress(isIPv6Socket: false)) } catch {
      #expect(error == .connectionRefused)
      return false
    }
    return true
  }

  @Test func verdicts() throws {
    let network = try network("192.0.2.1:80/tcp", "127.0.0.1:5432", "web.test:443")
    func goes(_ transport: TransportProtocols, _ text: String, _ port: UInt16) throws -> String {
      switch network.verdict(transport, try endpoint(text, port)) {
      case .outside(let host): "out " + String(decoding: host.text, as: UTF8.self)
      case .inside: "inside"
      case .resolver: "resolver"
      case .refused(let errno): errno == .connectionRefused ? "refused" : "unreachable"
      }
    }
    #expect(try goes(.tcp, "192.0.2.1", 80) == "out 192.0.2.1:80")
    #expect(try goes(.udp, "192.0.2.1", 80) == "unreachable" && goes(.tcp, "192.0.2.1", 81) == "unreachable")
    #expect(try goes(.tcp, "::ffff:192.0.2.1", 80) == "out 192.0.2.1:80")
    #expect(
      try goes(.tcp, "127.0.0.1", 5432) == "out 127.0.0.1:5432" && goes(.tcp, "0.0.0.0", 5432) == "out 127.0.0.1:5432")
    #expect(try goes(.tcp, "127.0.0.2", 5432) == "refused" && goes(.tcp, "::1", 5432) == "refused")
    #expect(try goes(.udp, "127.0.0.53", 53) == "resolver" && goes(.tcp, "203.0.113.1", 53) == "resolver")
    #expect(try goes(.tcp, "203.0.113.9", 443) == "unreachable")
    network.pins.pin([try endpoint("203.0.113.9", 0).address], by: network.rules.naming("web.test"))
    #expect(
      try goes(.tcp, "203.0.113.9", 443) == "out 203.0.113.9:443" && goes(.tcp, "203.0.113.9", 80) == "unreachable")
    // Without names there is no resolver.
    let bare = try self.network("192.0.2.1")
    guard case .refused = bare.verdict(.udp, try endpoint("203.0.113.1", 53)) else {
      Issue.record("an answer without a resolver")
      return
    }
  }

  @Test func aPortIsKeptWhenItsSocketsAreGone() throws {
    let network = try network()
    let listener = try socket(.stream)
    let port = try bind(network, listener, 8080)
    let target = try #require(network.ports.target(.tcp, try endpoint("127.0.0.1", 8080)))
    #expect(target.address == network.ports.alias && target.port == port.hostNumber)
    #expect(try !connects(to: target))
    try network.ports.listen(listener, on: port, backlog: 4)
    #expect(try connects(to: target))
    #expect(network.ports.shown(.tcp, target) == (try endpoint("127.0.0.1", 8080)))
    // A second listener is the kernel's to refuse.
    let second = try socket(.stream)
    #expect(throws: Errno.addressInUse) { try bind(network, second, 8080) }
    Host.close(listener)
    #expect(try !connects(to: target))
    // Nobody else gets it, with SO_REUSEADDR either, on the wildcard address either.
    for address in [InternetAddress.any4, target.address] {
      let other = try socket(.stream)
      defer { Host.close(other) }
      try Host.setOption(.reuseAddress, of: other, to: 1)
      #expect(throws: Errno.addressInUse) {
        try Host.bind(other, to: InternetEndpoint(address, target.port).socketAddress(isIPv6Socket: false))
      }
    }
    #expect(try bind(network, second, 8080) === port)
    // What no guest has open any more is given up.
    network.sweep(open: [try Host.stat(second).inode], since: MonotonicClock.now())
    #expect(network.ports.count == 1)
    network.sweep(open: [], since: MonotonicClock.now())
    #expect(try network.ports.count == 0 && network.ports.target(.tcp, endpoint("127.0.0.1", 8080)) == nil)
    Host.close(second)
  }

  @Test func datagramsReachTheSocketAndNotItsGuard() throws {
    let network = try network()
    for isWildcard in [false, true] {
      let server = try socket(.datagram)
      let port = try bind(network, server, 5353, isWildcard: isWildcard, .udp)
      let target = try #require(network.ports.target(.udp, try endpoint("127.0.0.1", 5353)))
      #expect(target.port == port.hostNumber)
      let client = try socket(.datagram)
      _ = try Array("hello".utf8).withUnsafeBytes {
        try Host.send($0, to: target.socketAddress(isIPv6Socket: false), by: client)
      }
      let count = try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) {
        try Host.receive(into: $0, from: server).count
      }
      #expect(count == 5)
      Host.close(server)
      let other = try socket(.datagram)
      try Host.setOption(.reuseAddress, of: other, to: 1)
      #expect(throws: Errno.addressInUse) { try Host.bind(other, to: target.socketAddress(isIPv6Socket: false)) }
      Host.close(other)
      Host.close(client)
    }
  }

  @Test func publishedPorts() throws {
    let free = try PortGuard(.tcp, at: .loopback4).port
    let network = try network(published: [PublishedPort(hostPort: free, guestPort: 80)])
    let host = InternetEndpoint(.loopback4, free)
    #expect(try !connects(to: host))
    let listener = try socket(.stream)
    let port = try bind(network, listener, 80, isWildcard: true)
    try network.ports.listen(listener, on: port, backlog: 4)
    #expect(try connects(to: host) && network.ports.target(.tcp, try endpoint("127.0.0.1", 80)) == host)
    network.sweep(open: [], since: MonotonicClock.now())
    #expect(network.ports.count == 1)
    #expect(throws: GuestNetworkError.self) {
      try self.network(published: [PublishedPort(hostPort: free, guestPort: 81)])
    }
    Host.close(listener)
  }

  @Test func thereIsABound() throws {
    let network = try network()
    let socket = try socket(.stream)
    defer { Host.close(socket) }
    for number in 1...UInt16(LoopbackPorts.limit) {
      let binding = LoopbackBinding(
        transport: .tcp, isIPv6Socket: false, isWildcard: true, isReachedByIPv4: true, isReachedByIPv6: false)
      network.ports.enter(try network.ports.claim(number, for: binding), inode: UInt64(number), binding)
    }
    #expect(throws: Errno.addressInUse) { try bind(network, socket, 9999) }
    #expect(network.isSweepDue)
    network.sweep(open: [1, 2], since: MonotonicClock.now())
    #expect(network.ports.count == 2)
    _ = try bind(network, socket, 9999)
  }

  @Test func refusalsAreCounted() throws {
    var refusals = NetworkRefusals()
    for _ in 0..<3 { refusals.add(.connection(.tcp, try endpoint("192.0.2.1", 80)), by: Array("curl".utf8)) }
    refusals.add(.connection(.udp, try endpoint("2001:db8::1", 53)), by: [])
    refusals.add(.name(Array("a\u{1b}.test".utf8)), by: [])
    #expect(
      refusals.lines == [
        "refused tcp 192.0.2.1:80 (3 times) by curl", "refused udp [2001:db8::1]:53", "refused name a?.test",
      ])
    for port in 0..<UInt16(100) { refusals.add(.connection(.tcp, try endpoint("192.0.2.2", port)), by: []) }
    #expect(refusals.lines.count == NetworkRefusals.limit + 1 && refusals.lines.last == "refused 39 more")
  }
}
