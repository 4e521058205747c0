// With `--net allow`: socket(2), bind(2), listen(2) and the names of internet sockets. The sockets are the supervisor's making,
// in the host's network; what is done to one is done by the supervisor, on its duplicate, with its own copy of an address.

import Gate
import Kernel
import LinuxABI
import VFS

/// One of our duplicates of a guest's socket, judged by itself.
struct InternetSocket: ~Copyable {
  private let copy: OwnedDescriptor
  let transport: TransportProtocols
  let isIPv6: Bool
  let inode: UInt64

  var descriptor: CInt { copy.rawValue }

  /// - Precondition: `copy` is of a socket of this family.
  /// - Throws: `.notSupportedOnSocket` for one that is neither of TCP nor of UDP, which only a caller could have passed on.
  init(_ copy: consuming OwnedDescriptor, _ family: AddressFamily) throws(Errno) {
    let transport = try Self.transport(of: copy.rawValue)
    let inode = try Host.stat(copy.rawValue).inode
    self.copy = copy
    self.transport = transport
    self.inode = inode
    isIPv6 = family == .internet6
  }

  private static func transport(of socket: CInt) throws(Errno) -> TransportProtocols {
    // IPPROTO_TCP and IPPROTO_UDP.
    switch try Host.option(.protocolNumber, of: socket) {
    case 6: return .tcp
    case 17: return .udp
    default: throw .notSupportedOnSocket
    }
  }

  /// Where the kernel has it bound.
  func name() throws(Errno) -> InternetEndpoint {
    guard let name = InternetEndpoint(socketAddress: try Host.name(ofSocket: descriptor)) else {
      throw .invalidArgument
    }
    return name
  }

  /// It is bound to a port.
  func isBound() throws(Errno) -> Bool { try name().port != 0 }

  /// O_NONBLOCK is not set.
  func isBlocking() throws(Errno) -> Bool { try !Host.openFlags(of: descriptor).contains(.nonBlocking) }

  /// IPV6_V6ONLY.
  func takesIPv6Only() throws(Errno) -> Bool { isIPv6 ? try Host.option(.onlyIPv6, of: descriptor) != 0 : false }
}

/// A socket whose kind has been looked at.
enum KnownSocket: ~Copyable {
  case internet(InternetSocket)
  case other(OtherSocket)

  /// Ours, of a Unix socket; nil for any other one.
  var unixDescriptor: CInt? {
    switch self {
    case .internet: nil
    case .other(let socket): socket.family == .unix ? socket.descriptor : nil
    }
  }
}

/// One of our duplicates of a guest's socket that is none of the internet's.
struct OtherSocket: ~Copyable {
  private let copy: OwnedDescriptor
  let family: AddressFamily

  var descriptor: CInt { copy.rawValue }

  init(_ copy: consuming OwnedDescriptor, _ family: AddressFamily) {
    self.copy = copy
    self.family = family
  }
}

extension CallContext {
  /// Nil without `--net allow`.
  var network: GuestNetwork? { sandbox.network }

  /// The kernel may look up again what the caller's descriptor stands for. With `--net allow` a socket of the host's network
  /// that another task puts at the number meanwhile must not be used in a call that was judged for something else.
  var numbersStay: Bool { network == nil || !task.descriptors.isShared }

  /// - Throws: as `duplicate`; `.notSocket`.
  func knownSocket(_ descriptor: Descriptor) throws(Errno) -> KnownSocket {
    let copy = try duplicate(descriptor)
    let family = try Host.addressFamily(of: copy.rawValue)
    guard family == .internet || family == .internet6 else { return .other(OtherSocket(copy, family)) }
    return .internet(try InternetSocket(copy, family))
  }

  /// The program that makes the call, as the kernel calls it.
  var program: [UInt8] {
    guard let name = try? Host.readFile("/proc/\(task.thread)/comm") else { return [] }
    return [UInt8](name.prefix { $0 != 0x0a })
  }

  // MARK: - socket

  /// `socket(2)` of the internet families.
  func makeInternetSocket(_ domain: CInt, _ kind: CInt, _ protocolNumber: CInt) throws(Errno) -> Outcome {
    guard let network else { throw .permissionDenied }
    let flags = OpenFlags(rawValue: UInt32(bitPattern: kind) & ~0xf)
    guard flags.isSubset(of: [.nonBlocking, .closeOnExec]) else { throw .invalidArgument }
    let type = SocketType(rawValue: kind & 0xf)
    switch (type, protocolNumber) {
    case (.stream, 0), (.stream, 6), (.datagram, 0), (.datagram, 17): break
    // IPPROTO_ICMP and IPPROTO_ICMPV6: as where ping_group_range names nobody (`man 7 icmp`).
    case (.datagram, 1), (.datagram, 58): throw .permissionDenied
    case (.raw, _): throw .notPermitted
    case (.stream, _), (.datagram, _): throw .protocolNotSupported
    default: throw .socketTypeNotSupported
    }
    let family: AddressFamily = domain == CInt(AddressFamily.internet6.rawValue) ? .internet6 : .internet
    let socket = try Host.makeSocket(family, type, isNonBlocking: flags.contains(.nonBlocking))
    if type == .datagram {
      try Host.attachFilter(network.datagramFilter().program, to: socket.rawValue)
    }
    return .descriptor(socket, closeOnExec: flags.contains(.closeOnExec))
  }

  // MARK: - bind

  /// `bind(2)` of an internet socket: to the loopback of the sandbox.
  func bindInternet(_ socket: borrowing InternetSocket, _ pointer: SocketAddressPointer, _ length: CInt)
    throws(Errno) -> Outcome
  {
    guard let network else { throw .permissionDenied }
    let bytes = try plainAddress(pointer, length)
    let asked = try Self.addressToBind(bytes, isIPv6Socket: socket.isIPv6)
    trace(asked, at: pointer)
    if asked.port != 0, asked.port < 1024, !network.opensLowPorts { throw .permissionDenied }
    guard asked.address.isLoopback || asked.address.isUnspecified else { throw .addressNotAvailable }
    if network.facts(of: socket.inode).deferred != nil { throw .invalidArgument }
    if try socket.isBound() { throw .invalidArgument }
    sweepSockets(network)
    let binding = try Self.binding(of: socket, to: asked.address)
    let port = try network.ports.claim(asked.port, for: binding)
    let shown = InternetEndpoint(asked.address, port.number)
    if binding.transport == .tcp, binding.isWildcard {
      // What it is bound to depends on whether it listens or connects.
      try network.ports.tryBinding(to: port, binding)
      try network.update(socket.inode) { facts in
        facts.deferred = (port, binding)
        facts.shown = shown
      }
      network.ports.enter(port, inode: socket.inode, binding)
    } else {
      try network.update(socket.inode) { $0.shown = shown }
      try network.ports.bind(socket.descriptor, inode: socket.inode, to: port, binding)
    }
    return .value(0)
  }

  /// - Throws: `.invalidArgument`, `.addressFamilyNotSupported`, as `inet_bind_sk` and `inet6_bind_sk`.
  private static func addressToBind(_ bytes: [UInt8], isIPv6Socket: Bool) throws(Errno) -> InternetEndpoint {
    guard bytes.count >= (isIPv6Socket ? 24 : 16) else { throw .invalidArgument }
    let family = UInt16(bytes[0]) | UInt16(bytes[1]) << 8
    if !isIPv6Socket, family == 0, bytes[4..<8].allSatisfy({ $0 == 0 }) {
      return InternetEndpoint(.any4, UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
    }
    guard family == (isIPv6Socket ? InternetEndpoint.family6 : InternetEndpoint.family4),
      let endpoint = InternetEndpoint(socketAddress: bytes)
    else { throw .addressFamilyNotSupported }
    return endpoint
  }

  static func binding(of socket: borrowing InternetSocket, to address: InternetAddress) throws(Errno)
    -> LoopbackBinding
  {
    let takesBoth = address == .any6 ? try !socket.takesIPv6Only() : false
    return LoopbackBinding(
      transport: socket.transport, isIPv6Socket: socket.isIPv6, isWildcard: address.isUnspecified,
      isReachedByIPv4: address.isIPv4 || takesBoth, isReachedByIPv6: !address.isIPv4)
  }

  /// Gives a socket that is not bound a port of the loopback, as the kernel would.
  func bindToAnyPort(_ socket: borrowing InternetSocket, in network: GuestNetwork) throws(Errno) {
    sweepSockets(network)
    let address: InternetAddress = socket.isIPv6 ? .any6 : .any4
    let binding = try Self.binding(of: socket, to: address)
    // A port that is free on the loopback address may be taken on another one of the host's, the resolver's for one, which shows
    // when the wildcard address is bound.
    for _ in 0..<16 {
      let port = try network.ports.claim(0, for: binding)
      try network.update(socket.inode) { $0.shown = InternetEndpoint(address, port.number) }
      do throws(Errno) {
        return try network.ports.bind(socket.descriptor, inode: socket.inode, to: port, binding)
      } catch {
        if error != .addressInUse { throw error }
      }
    }
    try network.update(socket.inode) { $0.shown = nil }
    throw .addressInUse
  }

  /// Forgets the sockets that no guest has open any more, if there are many.
  func sweepSockets(_ network: GuestNetwork) {
    guard network.isSweepDue else { return }
    let start = MonotonicClock.now()
    // A table that cannot be looked at may hold any of them.
    guard let open = try? files.openIdentities() else { return }
    network.sweep(open: Set(open.map(\.number)), since: start)
  }

  // MARK: - listen

  /// `listen(2)` of any socket.
  func listen(_ descriptor: Descriptor, _ backlog: CInt) throws(Errno) -> Outcome {
    guard let network else { return .native }
    switch try knownSocket(descriptor) {
    case .other(let socket):
      if numbersStay { return .native }
      guard socket.family == .unix else { throw .notSupportedOnSocket }
      try Host.listen(socket.descriptor, backlog: backlog)
    case .internet(let socket):
      guard socket.transport == .tcp else { throw .notSupportedOnSocket }
      if let (port, binding) = network.facts(of: socket.inode).deferred {
        try network.ports.bind(socket.descriptor, inode: socket.inode, to: port, binding)
        try network.update(socket.inode) { $0.deferred = nil }
      } else if try !socket.isBound() {
        try bindToAnyPort(socket, in: network)
      }
      // A socket that was connected has a port that is none of the loopback's.
      guard let port = network.ports.port(at: try socket.name(), .tcp) else { throw .invalidArgument }
      try network.ports.listen(socket.descriptor, on: port, backlog: backlog)
    }
    return .value(0)
  }

  // MARK: - Names

  /// `getsockname(2)` and `getpeername(2)` of an internet socket, as guests know it.
  func shownName(_ name: [UInt8], of socket: borrowing InternetSocket) throws(Errno) -> [UInt8] {
    guard let network, let host = InternetEndpoint(socketAddress: name) else { return name }
    let shown =
      number == SystemCallNumber.getpeername.index
      ? network.shownPeer(host, socket.transport, inode: socket.inode)
      : network.shownName(host, socket.transport, inode: socket.inode)
    return shown == host ? name : shown.socketAddress(isIPv6Socket: socket.isIPv6)
  }

  /// For `--trace`: an address that was read.
  func trace(_ endpoint: InternetEndpoint, at pointer: SocketAddressPointer) {
    guard sandbox.isTracing else { return }
    endpoint.text.withUnsafeBytes { trace($0, at: pointer.address) }
  }
}
