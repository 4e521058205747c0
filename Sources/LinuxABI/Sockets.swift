// The constants of socket(2) and socket(7), with the kernel's values for x86-64.

/// The family of a socket, and of its addresses: AF_... (`man 2 socket`).
public struct AddressFamily: RawRepresentable, Hashable, Sendable {
  /// As a `struct sockaddr` begins with it (`sa_family_t`).
  public let rawValue: UInt16
  @inlinable
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// AF_UNSPEC.
  public static let unspecified = AddressFamily(rawValue: 0)
  public static let unix = AddressFamily(rawValue: 1)
  /// AF_INET.
  public static let internet = AddressFamily(rawValue: 2)
  /// AF_INET6.
  public static let internet6 = AddressFamily(rawValue: 10)
  public static let netlink = AddressFamily(rawValue: 16)

  /// As the first argument of socket(2).
  @inlinable
  public var argument: UInt32 { UInt32(rawValue) }
}

/// What a socket carries: SOCK_... (`man 2 socket`), without SOCK_NONBLOCK and SOCK_CLOEXEC.
public struct SocketType: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32
  @inlinable
  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static let stream = SocketType(rawValue: 1)
  public static let datagram = SocketType(rawValue: 2)
  public static let raw = SocketType(rawValue: 3)
  /// SOCK_SEQPACKET.
  public static let sequencedPacket = SocketType(rawValue: 5)
}

/// An option of the level SOL_SOCKET: SO_... (`man 7 socket`).
public struct SocketOption: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32
  @inlinable
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// SOL_SOCKET.
  public static let level: Int32 = 1

  public static let type = SocketOption(rawValue: 3)
  /// SO_RCVTIMEO.
  public static let receiveTimeout = SocketOption(rawValue: 20)
  /// SO_SNDTIMEO.
  public static let sendTimeout = SocketOption(rawValue: 21)
  public static let bindToDevice = SocketOption(rawValue: 25)
  public static let domain = SocketOption(rawValue: 39)
  /// SO_BINDTOIFINDEX.
  public static let bindToInterface = SocketOption(rawValue: 62)
}
