// What a user names on a command line, and who: bytes as the kernel takes them.

/// A path, an argument or an environment string: bytes without NUL, which need not be UTF-8.
public struct ByteString: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
  public var bytes: [UInt8]

  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  public init(_ string: some StringProtocol) { self.bytes = [UInt8](string.utf8) }

  public init(stringLiteral value: String) { self.bytes = [UInt8](value.utf8) }

  public var isEmpty: Bool { bytes.isEmpty }

  /// A path that begins with a slash.
  public var isAbsolute: Bool { bytes.first == 0x2f }

  /// For people: control characters and bytes that are not UTF-8 show as question marks, so that a message stays one line.
  public var description: String {
    String(
      String(decoding: bytes, as: UTF8.self).unicodeScalars.map { scalar in
        scalar.value < 0x20 || scalar.value == 0x7f || scalar.value == 0xfffd ? Character("?") : Character(scalar)
      })
  }

  /// Calls `body` with a NUL-terminated copy, as the kernel wants a path.
  public func withCString<R: ~Copyable, E: Error>(_ body: (UnsafePointer<CChar>) throws(E) -> R) throws(E) -> R {
    try bytes.withCString(body)
  }
}

/// A user and a group, in numbers.
public struct UserAndGroup: Sendable, Hashable {
  public var uid: UInt32
  public var gid: UInt32

  public init(uid: UInt32, gid: UInt32) {
    self.uid = uid
    self.gid = gid
  }
}
