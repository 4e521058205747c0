// What `--allow-net` says: one rule in its written form, and what it covers. A rule names an address, a range or a name; a
// range never covers what means the machine itself, its link or many receivers.

import LinuxABI

/// TCP, UDP.
public struct TransportProtocols: OptionSet, Sendable, Hashable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let tcp = TransportProtocols(rawValue: 1)
  public static let udp = TransportProtocols(rawValue: 2)
  public static let all: TransportProtocols = [.tcp, .udp]
}

/// Why a text is no rule, and what to write; each part of one line for people.
public struct NetworkRuleError: Error, Sendable, Equatable {
  public let problem: String
  public let advice: String

  init(_ problem: String, advice: String) {
    self.problem = problem
    self.advice = advice
  }
}

/// One `--allow-net`: `HOST[:PORT[-PORT]][/tcp|udp]`, or `dns`.
public struct NetworkRule: Sendable, Hashable {
  /// Whom a rule names.
  public enum Host: Sendable, Hashable {
    /// An address, or those of a range.
    case addresses(AddressRange)
    /// What the name resolves to inside.
    case name(DomainName)
    /// What any name below this one resolves to: `*.example.org`.
    case below(DomainName)
    /// 127.0.0.1 and ::1 of the host.
    case localhost
    /// `dns`: every name may be resolved. No address can be connected to for that.
    case everyName
  }

  public let host: Host
  public let ports: ClosedRange<UInt16>
  public let protocols: TransportProtocols

  /// - Throws: what is wrong with the text.
  public init(_ text: ByteString) throws(NetworkRuleError) {
    var parser = Parser(text)
    if text == "dns" {
      (host, ports, protocols) = (.everyName, 1...UInt16.max, .all)
      return
    }
    protocols = try parser.takeProtocol()
    ports = try parser.takePorts() ?? 1...UInt16.max
    host = try parser.host()
  }

  /// Whether the rule covers an address and a port by themselves; those of a name are `coversPort`'s.
  public func covers(_ address: InternetAddress, port: UInt16, _ transport: TransportProtocols) -> Bool {
    guard coversPort(port, transport) else { return false }
    switch host {
    case .addresses(let range): return range.contains(address) && (range.isOneAddress || !address.mustBeNamed)
    case .localhost: return address == .loopback4 || address == .loopback6
    case .name, .below, .everyName: return false
    }
  }

  public func coversPort(_ port: UInt16, _ transport: TransportProtocols) -> Bool {
    ports.contains(port) && protocols.isSuperset(of: transport)
  }

  /// Whether the rule is about this name.
  public func names(_ name: DomainName) -> Bool {
    switch host {
    case .name(let own): own == name
    case .below(let parent): name.isBelow(parent)
    case .addresses, .localhost, .everyName: false
    }
  }

  // MARK: - Reading it

  private struct Parser {
    let whole: ByteString
    /// What has not been taken yet.
    var rest: ArraySlice<UInt8>

    init(_ text: ByteString) {
      whole = text
      rest = text.bytes[...]
    }

    static let form = "write HOST[:PORT[-PORT]][/tcp|/udp], or dns"

    func error(_ problem: String, advice: String = form) -> NetworkRuleError {
      NetworkRuleError("'\(whole)' \(problem)", advice: advice)
    }

    mutating func takeProtocol() throws(NetworkRuleError) -> TransportProtocols {
      guard let slash = rest.lastIndex(of: 0x2f) else { return .all }
      let word = String(decoding: rest[(slash + 1)...], as: UTF8.self)
      switch word {
      case "tcp", "udp":
        rest = rest[..<slash]
        return word == "tcp" ? .tcp : .udp
      default:
        // The length of a range; its port may follow.
        if word.utf8.allSatisfy({ (0x30...0x3a).contains($0) || $0 == 0x2d || $0 == 0x5d }), !word.isEmpty {
          return .all
        }
        throw error("names no protocol behind the slash")
      }
    }

    /// The ports behind the last colon, unless that is one of an IPv6 address without brackets.
    mutating func takePorts() throws(NetworkRuleError) -> ClosedRange<UInt16>? {
      guard let colon = rest.lastIndex(of: 0x3a) else { return nil }
      if let bracket = rest.lastIndex(of: 0x5d) {
        if bracket > colon { return nil }
      } else if rest.firstIndex(of: 0x3a) != colon {
        return nil
      }
      let text = rest[(colon + 1)...]
      let ends = text.split(separator: 0x2d, maxSplits: 1, omittingEmptySubsequences: false)
      let numbers = ends.compactMap { Digits.parse($0) }.compactMap { UInt16(exactly: $0) }
      guard numbers.count == ends.count, let first = numbers.first, let last = numbers.last, first > 0 else {
        throw error("has no port behind the colon", advice: "a number from 1 to 65535, or two with a dash between them")
      }
      if first > last { throw error("has a range of ports that ends before it begins") }
      rest = rest[..<colon]
      return first...last
    }

    func host() throws(NetworkRuleError) -> Host {
      if rest.isEmpty { throw error("names no host") }
      if rest.contains(0x2f) { return try range() }
      var text = rest
      if text.first == 0x5b {
        guard text.last == 0x5d else { throw error("has a bracket without its other one") }
        text = text.dropFirst().dropLast()
        if !text.contains(0x3a) { throw error("has brackets around what is no IPv6 address") }
      }
      if text.contains(0x25) {
        throw error("names an interface", advice: "write the address without the part behind %")
      }
      if let address = InternetAddress(text: text) {
        if address.isUnspecified { throw error("is nobody's address", advice: "for every address: 0.0.0.0/0 and ::/0") }
        return .addresses(AddressRange(address))
      }
      if text.contains(0x3a) { throw error("is no IPv6 address") }
      return try name(text)
    }

    /// `ADDRESS/LENGTH`, in brackets or with the address in them.
    private func range() throws(NetworkRuleError) -> Host {
      let text = rest.filter { $0 != 0x5b && $0 != 0x5d }
      let parts = text.split(separator: 0x2f, omittingEmptySubsequences: false)
      guard parts.count == 2, let address = InternetAddress(text: parts[0]), var length = Digits.parse(parts[1]) else {
        throw error("is no range of addresses", advice: "write ADDRESS/LENGTH, as 192.0.2.0/24 or [2001:db8::]/32:443")
      }
      // The range of mapped addresses is one of IPv4.
      if address.isIPv4, parts[0].contains(0x3a) { length = length.subtractingExactly(96) ?? 33 }
      guard length <= (address.isIPv4 ? 32 : 128) else { throw error("has a length that no address has") }
      guard let range = AddressRange(address, length: Int(length)) else {
        throw error("names an address, not the first of its range", advice: "the bits behind the length are zero")
      }
      if !range.isOneAddress, range.lastMustBeNamed {
        throw error(
          "is a range of the machine itself, its link, or many receivers",
          advice: "these are allowed one by one: name the address")
      }
      return .addresses(range)
    }

    private func name(_ text: ArraySlice<UInt8>) throws(NetworkRuleError) -> Host {
      if text.elementsEqual("*".utf8) {
        throw error("is everything", advice: "write 0.0.0.0/0 and ::/0 for every address, and dns for every name")
      }
      let isBelow = text.starts(with: "*.".utf8)
      guard let name = DomainName(text: isBelow ? text.dropFirst(2) : text) else {
        throw error("names no host", advice: "a name, *.name, an address or a range; a name of another script as xn--")
      }
      if name == "localhost", !isBelow { return .localhost }
      return isBelow ? .below(name) : .name(name)
    }
  }
}

extension AddressRange {
  /// Every address of the range, from the first to the last, is one that no range covers.
  fileprivate var lastMustBeNamed: Bool {
    let mask = mask
    let last =
      first.isIPv4
      ? InternetAddress(ipv4: UInt32(truncatingIfNeeded: first.low | ~mask.low))
      : InternetAddress(ipv6: first.high | ~mask.high, first.low | ~mask.low)
    // Two of these ranges that are not one: 0.0.0.0/0, which also begins and ends with such addresses.
    return first.mustBeNamed && last.mustBeNamed && length > (first.isIPv4 ? 3 : 7)
  }
}

/// `--publish`: a port of the host's 127.0.0.1 that leads to a port inside.
public struct PublishedPort: Sendable, Hashable {
  public let hostPort: UInt16
  public let guestPort: UInt16

  public init(hostPort: UInt16, guestPort: UInt16) {
    self.hostPort = hostPort
    self.guestPort = guestPort
  }

  /// `PORT[:GUESTPORT]`.
  ///
  /// - Throws: what is wrong with the text.
  public init(_ text: ByteString) throws(NetworkRuleError) {
    let parts = text.bytes.split(separator: 0x3a, omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Digits.parse($0) }.compactMap { UInt16(exactly: $0) }.filter { $0 > 0 }
    guard numbers.count == parts.count, numbers.count <= 2, let first = numbers.first, let last = numbers.last else {
      throw NetworkRuleError("'\(text)' is no port", advice: "write PORT or PORT:GUESTPORT, numbers from 1 to 65535")
    }
    self.init(hostPort: first, guestPort: last)
  }
}
