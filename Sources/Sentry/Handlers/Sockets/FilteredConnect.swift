// With `--net allow`: where a connection or a datagram of a guest goes.

import Gate
import Kernel
import LinuxABI

extension CallContext {
  /// `connect(2)` of an internet socket, with our copy of the address.
  func connectFiltered(
    _ descriptor: Descriptor, _ socket: borrowing InternetSocket, _ pointer: SocketAddressPointer, _ length: CInt
  ) throws(Errno) -> Outcome {
    guard let network else { throw .permissionDenied }
    let bytes = try plainAddress(pointer, length)
    guard bytes.count >= 2 else { throw .invalidArgument }
    // AF_UNSPEC dissolves the association.
    if bytes[0] == 0, bytes[1] == 0 {
      try network.update(socket.inode) { $0.asked = nil }
      try Host.connect(socket.descriptor, to: [UInt8](repeating: 0, count: 16))
      return .value(0)
    }
    let destination = try Self.destination(bytes, of: socket)
    trace(destination, at: pointer)
    let host = try route(socket, to: destination, in: network)
    if network.facts(of: socket.inode).deferred != nil {
      // It does not listen: the port that it has asked for is of no use to anybody.
      try network.update(socket.inode) { facts in
        facts.deferred = nil
        facts.shown = nil
      }
    }
    return try connectInternet(descriptor, host.socketAddress(isIPv6Socket: socket.isIPv6), socket.descriptor)
  }

  /// - Throws: `.invalidArgument`, `.addressFamilyNotSupported`, as the protocols' own connect.
  static func destination(_ bytes: [UInt8], of socket: borrowing InternetSocket) throws(Errno) -> InternetEndpoint {
    let family = bytes.count >= 2 ? UInt16(bytes[0]) | UInt16(bytes[1]) << 8 : 0
    // A UDP socket of IPv6 takes addresses of IPv4 too (`__ip6_datagram_connect`).
    let isIPv4 = !socket.isIPv6 || family == InternetEndpoint.family4 && socket.transport == .udp
    guard bytes.count >= (isIPv4 ? 16 : 24) else { throw .invalidArgument }
    guard family == (isIPv4 ? InternetEndpoint.family4 : InternetEndpoint.family6),
      let endpoint = InternetEndpoint(socketAddress: bytes)
    else { throw .addressFamilyNotSupported }
    return endpoint
  }

  /// Where on the host what is for a destination goes; the socket is made ready for it.
  ///
  /// - Throws: `.networkUnreachable` or `.connectionRefused` for what no rule covers.
  func route(
    _ socket: borrowing InternetSocket, to destination: InternetEndpoint, in network: GuestNetwork
  ) throws(Errno) -> InternetEndpoint {
    sweepSockets(network)
    switch network.verdict(socket.transport, destination) {
    case .outside(let host):
      if socket.transport == .udp { try renewFilter(of: socket, in: network) }
      return host
    case .inside(let host):
      // Who receives it may answer.
      if socket.transport == .udp, try !socket.isBound() { try bindToAnyPort(socket, in: network) }
      if host.address.isIPv4 != destination.address.isIPv4 {
        try network.update(socket.inode) { $0.asked = (destination, host) }
      }
      return host
    case .resolver(let host):
      try network.update(socket.inode) { $0.asked = (destination, host) }
      sandbox.startResolver()
      return host
    case .refused(let errno):
      // getaddrinfo(3) connects UDP sockets to find out which of a name's addresses has a route, and sends nothing.
      if !Self.isProbe(socket.transport, destination, network) {
        network.noteRefusal(socket.transport, destination, by: program)
      }
      throw errno
    }
  }

  private static func isProbe(
    _ transport: TransportProtocols, _ destination: InternetEndpoint, _ network: GuestNetwork
  ) -> Bool {
    if transport != .udp { return false }
    if destination.port == 0 { return true }
    if case .outside = network.verdict(.tcp, destination) { return true }
    return false
  }

  /// Addresses that have been pinned since may answer too.
  private func renewFilter(of socket: borrowing InternetSocket, in network: GuestNetwork) throws(Errno) {
    let (generation, program) = network.datagramFilter()
    if generation == 0 || network.facts(of: socket.inode).filter == generation { return }
    try network.update(socket.inode) { $0.filter = generation }
    try Host.attachFilter(program, to: socket.descriptor)
  }
}
