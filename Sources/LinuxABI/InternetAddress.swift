// Addresses of IPv4 and IPv6: as text (`man 3 inet_pton`), as ranges, and which of them never lie in a range that somebody
// has written, because they mean the machine itself, its link, or everybody.

/// An address of either family. One of IPv4 that IPv6 can name (`::ffff:a.b.c.d`) is the same value as the IPv4 address.
public struct InternetAddress: Sendable, Hashable {
  /// The 128 bits of an IPv6 address, the first 64 in `high`; of an IPv4 address, its 32 bits in `low`.
  public let high: UInt64
  public let low: UInt64
  public let isIPv4: Bool

  /// An IPv4 address, its first byte the highest one.
  public init(ipv4 bits: UInt32) {
    high = 0
    low = UInt64(bits)
    isIPv4 = true
  }

  /// An IPv6 address; a mapped one is the IPv4 address that it stands for.
  public init(ipv6 high: UInt64, _ low: UInt64) {
    let isMapped = high == 0 && low >> 32 == 0xffff
    self.high = high
    self.low = isMapped ? low & 0xffff_ffff : low
    isIPv4 = isMapped
  }

  /// INADDR_LOOPBACK, and in6addr_loopback.
  public static let loopback4 = InternetAddress(ipv4: 0x7f00_0001)
  public static let loopback6 = InternetAddress(ipv6: 0, 1)
  /// INADDR_ANY, and in6addr_any.
  public static let any4 = InternetAddress(ipv4: 0)
  public static let any6 = InternetAddress(ipv6: 0, 0)

  // MARK: - What it means

  /// 127.0.0.0/8 or ::1.
  public var isLoopback: Bool { isIPv4 ? low >> 24 == 127 : self == .loopback6 }

  /// 0.0.0.0 or ::, which to connect(2) are the machine itself.
  public var isUnspecified: Bool { high == 0 && low == 0 }

  /// 224.0.0.0/4 or ff00::/8.
  public var isMulticast: Bool { isIPv4 ? low >> 28 == 0xe : high >> 56 == 0xff }

  /// 169.254.0.0/16 (where clouds have their metadata) or fe80::/10.
  public var isLinkLocal: Bool { isIPv4 ? low >> 16 == 0xa9fe : high >> 54 == 0x3fa }

  /// It means this machine, its link, or many receivers, by itself or by an IPv4 address that a translator makes of it: no
  /// range covers such an address, it has to be named.
  ///
  /// RFC 6890; RFC 6052 (64:ff9b::/96), RFC 3056 (2002::/16), RFC 4291 section 2.5.5.1 (::a.b.c.d).
  public var mustBeNamed: Bool {
    if isLoopback || isUnspecified || isMulticast || isLinkLocal { return true }
    // 0.0.0.0/8; 240.0.0.0/4, with the broadcast address.
    if isIPv4 { return low >> 24 == 0 || low >> 28 == 0xf }
    if let embedded { return embedded.mustBeNamed }
    return false
  }

  /// The IPv4 address in one of IPv6 that a translator or a tunnel sends there.
  private var embedded: InternetAddress? {
    if high == 0, low >> 32 == 0 { return InternetAddress(ipv4: UInt32(truncatingIfNeeded: low)) }
    if high == 0x0064_ff9b_0000_0000, low >> 32 == 0 { return InternetAddress(ipv4: UInt32(truncatingIfNeeded: low)) }
    if high >> 48 == 0x2002 { return InternetAddress(ipv4: UInt32(truncatingIfNeeded: high >> 16)) }
    return nil
  }

  // MARK: - Text

  /// `a.b.c.d` in decimal, or any of the forms of RFC 4291, section 2.2; no zone.
  public init?(text: some Collection<UInt8>) {
    let text = [UInt8](text)
    if text.contains(0x3a) {
      guard let groups = Self.groups(text[...]) else { return nil }
      let words = groups.map { UInt64($0) }
      self.init(
        ipv6: words[0] << 48 | words[1] << 32 | words[2] << 16 | words[3],
        words[4] << 48 | words[5] << 32 | words[6] << 16 | words[7])
    } else {
      guard let bits = Self.dotted(text[...]) else { return nil }
      self.init(ipv4: bits)
    }
  }

  private static func dotted(_ text: ArraySlice<UInt8>) -> UInt32? {
    let parts = text.split(separator: 0x2e, omittingEmptySubsequences: false)
    if parts.count != 4 { return nil }
    var bits: UInt32 = 0
    for part in parts {
      // A leading zero would be octal to some readers (`man 3 inet_aton`).
      guard part.count <= 3, part.count == 1 || part.first != 0x30, let value = Digits.parse(part), value < 256 else {
        return nil
      }
      bits = bits << 8 | UInt32(value)
    }
    return bits
  }

  /// The eight groups of an IPv6 address.
  private static func groups(_ text: ArraySlice<UInt8>) -> [UInt16]? {
    // `::` once, with something missing on either side or none.
    var gap: Int?
    for index in text.indices.dropLast() where text[index] == 0x3a && text[index + 1] == 0x3a {
      if gap != nil { return nil }
      gap = index
    }
    guard let gap else {
      guard let groups = plainGroups(text), groups.count == 8 else { return nil }
      return groups
    }
    guard let before = plainGroups(text[..<gap]), let after = plainGroups(text[(gap + 2)...]) else { return nil }
    if before.count + after.count > 7 { return nil }
    // Dots stand at the end alone.
    if text[..<gap].contains(0x2e) { return nil }
    return before + [UInt16](repeating: 0, count: 8 - before.count - after.count) + after
  }

  /// Groups with single colons between them; the last two may be in dots.
  private static func plainGroups(_ text: ArraySlice<UInt8>) -> [UInt16]? {
    if text.isEmpty { return [] }
    let parts = text.split(separator: 0x3a, omittingEmptySubsequences: false)
    var groups: [UInt16] = []
    for (index, part) in parts.enumerated() {
      if part.contains(0x2e) {
        guard index == parts.count - 1, let bits = dotted(part) else { return nil }
        groups += [UInt16(bits >> 16), UInt16(truncatingIfNeeded: bits)]
      } else {
        guard part.count <= 4, let value = Digits.parse(part, radix: 16) else { return nil }
        groups.append(UInt16(value))
      }
    }
    return groups.count > 8 ? nil : groups
  }

  /// The text that people know it by: in dots, or as RFC 5952 has it.
  public var text: [UInt8] {
    if isIPv4 { return Self.dots(low) }
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64(48 - $0 % 4 * 16)) }
    // The first of the longest runs of two zeros or more.
    var best = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, groups[end] == 0 { end += 1 }
      if end - start > max(best.count, 1) { best = start..<end }
      start = max(end, start + 1)
    }
    func joined(_ part: ArraySlice<UInt16>) -> [UInt8] {
      [UInt8](part.map { Array(String($0, radix: 16).utf8) }.joined(separator: [0x3a]))
    }
    if best.isEmpty { return joined(groups[...]) }
    return joined(groups[..<best.lowerBound]) + [0x3a, 0x3a] + joined(groups[best.upperBound...])
  }

  private static func dots(_ bits: UInt64) -> [UInt8] {
    let bytes = [24, 16, 8, 0].map { Array(String((bits >> UInt64($0)) & 0xff).utf8) }
    return [UInt8](bytes.joined(separator: [0x2e]))
  }
}

/// All addresses that begin with the same bits (CIDR, RFC 4632): one address, if they are all of its bits.
public struct AddressRange: Sendable, Hashable {
  public let first: InternetAddress
  /// Of 32 for IPv4, of 128 for IPv6.
  public let length: Int

  /// Nil if there are not so many bits, or others behind them are set.
  public init?(_ first: InternetAddress, length: Int) {
    guard length >= 0, length <= (first.isIPv4 ? 32 : 128), Self.masked(first, length) == first else { return nil }
    self.first = first
    self.length = length
  }

  public init(_ address: InternetAddress) {
    first = address
    length = address.isIPv4 ? 32 : 128
  }

  public var isOneAddress: Bool { length == (first.isIPv4 ? 32 : 128) }

  public func contains(_ address: InternetAddress) -> Bool {
    address.isIPv4 == first.isIPv4 && Self.masked(address, length) == first
  }

  /// Masks of the two halves.
  public var mask: (high: UInt64, low: UInt64) { Self.mask(length, isIPv4: first.isIPv4) }

  private static func mask(_ length: Int, isIPv4: Bool) -> (high: UInt64, low: UInt64) {
    func leading(_ count: Int) -> UInt64 { count <= 0 ? 0 : count >= 64 ? .max : ~(.max >> UInt64(count)) }
    if isIPv4 { return (0, leading(length + 32) & 0xffff_ffff) }
    return (leading(length), leading(length - 64))
  }

  private static func masked(_ address: InternetAddress, _ length: Int) -> InternetAddress {
    let mask = mask(length, isIPv4: address.isIPv4)
    if address.isIPv4 { return InternetAddress(ipv4: UInt32(truncatingIfNeeded: address.low & mask.low)) }
    return InternetAddress(ipv6: address.high & mask.high, address.low & mask.low)
  }
}
