// Sockets. A Unix socket with a path: the name is a file of the virtual tree, the kernel's own address an abstract name or a
// path in the store (SocketRegistry). The sentry binds a duplicate of the guest's socket itself, so the kernel never reads
// a guest's path.

import Gate
import KernFS
import Kernel
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addSockets() {
    served(49, "bind", .fd, .socketAddress, .addressLength, as: .trace) {
      (call, descriptor, address, length) throws(Errno) in
      call.traceAddress(address, length)
      return try call.bind(descriptor, address, length)
    }
    served(42, "connect", .fd, .socketAddress, .addressLength, as: .trace) {
      (call, descriptor, address, length) throws(Errno) in
      call.traceAddress(address, length)
      return try call.connect(descriptor, address, length)
    }
    addMessages()
    addSocketNames()
    native(43, "accept", .fd, .bytes("addr"), .bytes("addrlen"))
    native(288, "accept4", .fd, .bytes("addr"), .bytes("addrlen"), .int("flags"))
    native(48, "shutdown", .fd, .int("how"))
    native(55, "getsockopt", .fd, .int("level"), .int("optname"), .bytes("optval"), .bytes("optlen"))
    addSocketMaking()
    addFilteredSockets()
  }

  private mutating func addSocketMaking() {
    let unix = AddressFamily.unix.argument
    let internet: [UInt32] = [AddressFamily.internet.argument, AddressFamily.internet6.argument]
    let isInternet = ArgumentTest.oneOf(argument: 0, internet)
    let refused = Disposition.errno(.addressFamilyNotSupported)
    // A datagram of an AF_UNIX socket names its receiver in memory, and without namespaces the kernel would look that name up
    // on the host: no such sockets. SOCK_RAW is a datagram socket too (unix_create).
    let datagrams = [SocketType.datagram, .raw].map { type in
      ArgumentRule(
        .errno(.permissionDenied), when: .int(0, unix),
        .equal(argument: 1, mask: 0xf, value: UInt64(type.rawValue)))
    }
    let ofUnix = ArgumentRule(.native, when: .int(0, unix))
    served(
      41, "socket", .socketDomain, .socketKind, .int("protocol"),
      as: .depends { policy in
        let ofInternet = ArgumentRule(Self.makingInternetSocket(policy), when: isInternet)
        switch policy.isolation {
        case .full:
          let routing = ArgumentRule(.native, when: .int(0, AddressFamily.netlink.argument), .int(2, 0))
          // With a network list the sockets are not of the namespace whose interfaces these would show.
          return CallPolicy([ofUnix, ofInternet] + (policy.network == .allow ? [] : [routing]), otherwise: refused)
        case .noNamespaces: return CallPolicy(datagrams + [ofUnix, ofInternet], otherwise: refused)
        }
      }, note: "Unix sockets, those of the internet, and routing; without namespaces no datagrams of the first"
    ) { (call, domain, type, protocolNumber) throws(Errno) in
      try call.makeInternetSocket(domain.rawValue, CInt(bitPattern: type.rawValue), protocolNumber)
    }
    // `sock_no_socketpair`: the families of socket(2), and netlink, make no pairs.
    let unpaired = ArgumentRule(
      .errno(.notSupportedOnSocket), when: .oneOf(argument: 0, internet + [AddressFamily.netlink.argument]))
    filtered(
      53, "socketpair", "Unix sockets", .socketDomain, .socketKind, .int("protocol"), .bytes("sv"),
      treatment: .depends { policy in
        CallPolicy((policy.isolation == .full ? [] : datagrams) + [ofUnix, unpaired], otherwise: refused)
      })
    filtered(
      54, "setsockopt",
      "no interface of the host is named where guests have no network; with a network list, what it lists",
      .fd, .int("level"), .int("optname"), .bytes("optval"), .int("optlen"),
      treatment: .depends { policy in
        if policy.network == .allow { return Self.optionsOfFilteredSockets }
        // SO_BINDTODEVICE and SO_BINDTOIFINDEX: by a name or a number whether there is such an interface, and getsockopt(2)
        // answers with its name.
        let binding = ArgumentRule(
          Self.interfaces(policy), when: .int(1, UInt32(SocketOption.level)),
          .oneOf(argument: 2, [SocketOption.bindToDevice, .bindToInterface].map { UInt32($0.rawValue) }))
        return CallPolicy([binding], otherwise: .native)
      })
  }

  private static func makingInternetSocket(_ policy: GatePolicy) -> Disposition {
    switch policy.network {
    case .host: .native
    case .allow: .notify
    // Without namespaces there is no loopback but the host's.
    case .none: policy.isolation == .full ? .native : .errno(.permissionDenied)
    }
  }
}

/// A `struct sockaddr_un` that was read.
struct UnixAddress {
  /// With the family; valid until the next one is read.
  let bytes: UnsafeRawBufferPointer

  /// `sun_family`, with which it begins.
  static let family: [UInt8] = [UInt8(truncatingIfNeeded: AddressFamily.unix.rawValue), 0]

  /// Nil for an unnamed or abstract one.
  var path: UnsafeRawBufferPointer? {
    guard bytes.count > 2, bytes[2] != 0 else { return nil }
    return UnsafeRawBufferPointer(rebasing: bytes[2..<min(bytes.count, 110)].prefix { $0 != 0 })
  }

  var isAbstract: Bool { bytes.count > 2 && bytes[2] == 0 }
}

extension CallContext {
  /// A Unix address argument, read once. - Throws: `.invalidArgument` for another family or an impossible length.
  func unixAddress(_ pointer: SocketAddressPointer, _ length: CInt) throws(Errno) -> UnixAddress {
    guard length >= 2, length <= 110 else { throw .invalidArgument }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(length)])
    try memory.read(into: buffer, at: pointer.address)
    guard buffer.loadUnaligned(as: UInt16.self) == AddressFamily.unix.rawValue else { throw .invalidArgument }
    return UnixAddress(bytes: UnsafeRawBufferPointer(buffer))
  }

  /// The address argument of a socket that is not a Unix one, read once.
  func plainAddress(_ pointer: SocketAddressPointer, _ length: CInt) throws(Errno) -> [UInt8] {
    // sizeof(struct sockaddr_storage), as in the kernel (`move_addr_to_kernel`).
    guard length >= 0, length <= 128 else { throw .invalidArgument }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(length)])
    if length > 0 { try memory.read(into: buffer, at: pointer.address) }
    return [UInt8](buffer)
  }

  fileprivate func bind(_ descriptor: Descriptor, _ pointer: SocketAddressPointer, _ length: CInt) throws(Errno)
    -> Outcome
  {
    let socket = try duplicate(descriptor)
    let family = try Host.addressFamily(of: socket.rawValue)
    if network != nil, family == .internet || family == .internet6 {
      return try bindInternet(InternetSocket(socket, family), pointer, length)
    }
    guard family == .unix else {
      // As for connect: without namespaces the kernel does not read the address again.
      if hasPidNamespace { return .native }
      let address = try plainAddress(pointer, length)
      return .answer { () throws(Errno) in
        try Host.bind(socket.rawValue, to: address)
        return 0
      }
    }
    let address = try unixAddress(pointer, length)
    guard let bytes = address.path else {
      if address.isAbstract, !sockets.abstractNamesAreScoped { throw .notPermitted }
      if numbersStay { return .native }
      try Host.bind(socket.rawValue, to: [UInt8](address.bytes))
      return .value(0)
    }
    trace(bytes, at: pointer.address)
    // Bound already: before anything about the path.
    if try Host.name(ofSocket: socket.rawValue).count > 2 { throw .invalidArgument }
    let guestPath = [UInt8](bytes)
    try sockets.makeRoom(askedThrough: task.thread)
    let path = VirtualFileSystem.Path(bytes, from: start(of: bytes))
    // `unix_bind_bsd` applies the umask itself, in a directory with a default ACL too.
    let mode = Permissions(rawValue: 0o777).subtracting(task.context.umask)
    do throws(Errno) {
      try vfs.makeNode(path, type: .socket, mode: mode, device: 0, task.caller)
    } catch {
      throw error == .fileExists ? .addressInUse : error
    }
    do throws(Errno) {
      // The kernel's bind is the last that can fail: a socket that has an address is known by it.
      guard let inode = try vfs.resolve(path, task.caller, follow: false).dentry.inode else { throw .ioError }
      let type = try Host.socketType(of: socket.rawValue)
      let (address, number) = try sockets.newAddress(isAbstract: hasPidNamespace)
      try Host.bind(socket.rawValue, to: UnixAddress.family + address)
      sockets.enter(
        SocketRegistry.Entry(inode: inode, address: address, guestPath: guestPath, type: type, number: number))
      return .value(0)
    } catch {
      // The node must not outlive a bind that failed.
      do throws(Errno) { try vfs.unlink(path, task.caller) } catch {}
      throw error
    }
  }

  /// The kernel's address for the path in a guest's address.
  ///
  /// - Throws: `.connectionRefused` for what no socket is bound to; a socket of the host below us is never connected to.
  func kernelAddress(of bytes: UnsafeRawBufferPointer, for socket: CInt) throws(Errno) -> [UInt8] {
    let position = try vfs.resolve(VirtualFileSystem.Path(bytes, from: start(of: bytes)), task.caller)
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    try task.credentials.fileCredentials.check(.write, on: inode)
    guard inode.type == .socket, let entry = sockets.entry(of: inode) else { throw .connectionRefused }
    // Abstract names differ by type, paths are not.
    if entry.type != (try Host.socketType(of: socket)) { throw .protocolWrongTypeForSocket }
    return entry.address
  }
}
