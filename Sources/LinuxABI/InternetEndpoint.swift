// Where a socket of the internet families is bound or connected to, and its form in memory: `struct sockaddr_in` and
// `struct sockaddr_in6` (`man 7 ip`, `man 7 ipv6`).

/// An address and a port.
public struct InternetEndpoint: Sendable, Hashable {
  public var address: InternetAddress
  public var port: UInt16
  /// `sin6_scope_id`: which link a link-local address is of; 0 for any other.
  public var scope: UInt32

  @inlinable
  public init(_ address: InternetAddress, _ port: UInt16, scope: UInt32 = 0) {
    self.address = address
    self.port = port
    self.scope = scope
  }

  /// AF_INET and AF_INET6.
  public static let family4: UInt16 = 2
  public static let family6: UInt16 = 10

  /// Reads a `struct sockaddr_in` or `sockaddr_in6`, of at least 16 or 24 bytes (SIN6_LEN_RFC2133); nil for anything else.
  public init?(socketAddress bytes: some RandomAccessCollection<UInt8>) {
    let bytes = [UInt8](bytes.prefix(28))
    func word(_ index: Int) -> UInt64 { bytes[index..<index + 8].reduce(0) { $0 << 8 | UInt64($1) } }
    guard bytes.count >= 16 else { return nil }
    let family = UInt16(bytes[0]) | UInt16(bytes[1]) << 8
    let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    switch family {
    case Self.family4:
      self.init(InternetAddress(ipv4: UInt32(truncatingIfNeeded: word(4) >> 32)), port)
    case Self.family6:
      guard bytes.count >= 24 else { return nil }
      let address = InternetAddress(ipv6: word(8), word(16))
      var scope: UInt32 = 0
      if bytes.count >= 28, !address.isIPv4 {
        for index in (24..<28).reversed() { scope = scope << 8 | UInt32(bytes[index]) }
      }
      self.init(address, port, scope: scope)
    default: return nil
    }
  }

  /// As the kernel takes it on a socket of a family; an IPv4 address is a mapped one on an IPv6 socket.
  ///
  /// - Precondition: an IPv6 address is for an IPv6 socket.
  public func socketAddress(isIPv6Socket: Bool) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: isIPv6Socket ? 28 : 16)
    bytes[0] = UInt8(isIPv6Socket ? Self.family6 : Self.family4)
    bytes[2] = UInt8(port >> 8)
    bytes[3] = UInt8(truncatingIfNeeded: port)
    func put(_ value: UInt64, _ count: Int, at start: Int) {
      for index in 0..<count {
        bytes[start + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - index)))
      }
    }
    if !isIPv6Socket {
      put(address.low, 4, at: 4)
    } else if address.isIPv4 {
      // in6addr_any and INADDR_ANY are one; a mapped 0.0.0.0 is another.
      put(0xffff, 2, at: 18)
      put(address.low, 4, at: 20)
    } else {
      put(address.high, 8, at: 8)
      put(address.low, 8, at: 16)
      for index in 0..<4 { bytes[24 + index] = UInt8(truncatingIfNeeded: scope >> UInt32(8 * index)) }
    }
    return bytes
  }

  /// `192.0.2.1:80`, `[2001:db8::1]:80`.
  public var text: [UInt8] {
    let host = address.isIPv4 ? address.text : [0x5b] + address.text + [0x5d]
    return host + [0x3a] + Array(String(port).utf8)
  }
}
