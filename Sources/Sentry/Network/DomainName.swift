// Names of the domain name system, as rules have them and as messages carry them (RFC 1035).

import LinuxABI

/// A host's name: labels of letters, digits, `-` and `_`, in small letters, with dots between them and none at the end.
public struct DomainName: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
  public let bytes: [UInt8]

  /// Nil for what no host is called: an empty label, one of more than 63 bytes, more than 253 in all, another character, or an
  /// address (whose last label is a number).
  public init?(text: some Collection<UInt8>) {
    var bytes = text.map { (0x41...0x5a).contains($0) ? $0 + 0x20 : $0 }
    if bytes.last == 0x2e { bytes.removeLast() }
    let labels = bytes.split(separator: 0x2e, omittingEmptySubsequences: false)
    guard !bytes.isEmpty, bytes.count <= 253, labels.allSatisfy({ !$0.isEmpty && $0.count <= 63 }),
      labels.allSatisfy({ $0.allSatisfy(Self.isAllowed) && $0.first != 0x2d && $0.last != 0x2d }),
      labels.last?.allSatisfy({ (0x30...0x39).contains($0) }) == false
    else { return nil }
    self.bytes = bytes
  }

  /// For names in sources, which are right.
  public init(stringLiteral value: String) { bytes = Array(value.utf8) }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x61...0x7a, 0x2d, 0x5f: true
    default: false
    }
  }

  /// It ends with a dot and the other one.
  public func isBelow(_ parent: DomainName) -> Bool {
    bytes.count > parent.bytes.count + 1 && bytes.suffix(parent.bytes.count).elementsEqual(parent.bytes)
      && bytes[bytes.count - parent.bytes.count - 1] == 0x2e
  }

  public var description: String { String(decoding: bytes, as: UTF8.self) }
}
