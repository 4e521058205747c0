// Keeps a port of the host for the sandbox. A guest's socket can be closed at any time, and the kernel does not say when; if
// its port could then become another program's, what is sent to it would reach that program. So beside the sockets that
// guests bind to a port there is one of ours, bound to the same address, which receives nothing: a TCP socket that does not
// listen, a UDP socket that is connected to a port from which nothing comes. What the guest's sockets have (a listener, or none any more) is what
// one who connects meets; nobody else can bind the port as long as the guard has SO_REUSEADDR off.

import Kernel
import LinuxABI

/// See the head of this file.
final class PortGuard {
  private let socket: OwnedDescriptor
  let address: InternetAddress
  let port: UInt16

  /// Takes a port that nobody has.
  ///
  /// - Parameter port: 0 for any.
  /// - Throws: `.addressInUse`; `.addressNotAvailable` where the host has no IPv6.
  convenience init(_ transport: TransportProtocols, at address: InternetAddress, port: UInt16 = 0) throws(Errno) {
    try self.init(transport, InternetEndpoint(address, port), isShared: false)
  }

  /// Joins sockets of the sandbox on a port that is the sandbox's already.
  ///
  /// - Precondition: they have SO_REUSEADDR set.
  convenience init(_ transport: TransportProtocols, joining endpoint: InternetEndpoint) throws(Errno) {
    try self.init(transport, endpoint, isShared: true)
  }

  private init(_ transport: TransportProtocols, _ endpoint: InternetEndpoint, isShared: Bool) throws(Errno) {
    let isIPv6 = !endpoint.address.isIPv4
    socket = try Host.makeSocket(
      isIPv6 ? .internet6 : .internet, transport == .tcp ? .stream : .datagram, isNonBlocking: true)
    address = endpoint.address
    if isShared { try Host.setOption(.reuseAddress, of: socket.rawValue, to: 1) }
    try Host.bind(socket.rawValue, to: endpoint.socketAddress(isIPv6Socket: isIPv6))
    guard let bound = InternetEndpoint(socketAddress: try Host.name(ofSocket: socket.rawValue)) else {
      throw .ioError
    }
    port = bound.port
    if transport == .udp {
      // It never sends, and nobody sends to it from the port of the discard service (RFC 863).
      let peer = InternetEndpoint(bound.address, 9)
      try Host.connect(socket.rawValue, to: peer.socketAddress(isIPv6Socket: isIPv6))
    }
    if isShared { try close() }
  }

  /// A socket that has SO_REUSEADDR may bind the port too, and listen on it.
  func open() throws(Errno) { try Host.setOption(.reuseAddress, of: socket.rawValue, to: 1) }

  /// Nobody may.
  func close() throws(Errno) { try Host.setOption(.reuseAddress, of: socket.rawValue, to: 0) }
}
