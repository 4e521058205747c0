// Names and paths are bytes. `Name` borrows one component; whoever keeps a name copies it.

public import Glibc

/// One component of a path, borrowed: never empty, no slash, no NUL, at most NAME_MAX bytes unless it comes from a guest
/// and has not been checked yet. The pointer is valid only for the call it was passed to.
public struct Name {
  public let bytes: UnsafeRawBufferPointer

  /// NAME_MAX of every Linux file system that matters.
  public static let maximumLength = 255
  /// PATH_MAX: the bytes of a path, its NUL among them.
  public static let maximumPath = 4096

  @inlinable
  public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  @inlinable
  public var count: Int { bytes.count }

  @inlinable
  public var isDot: Bool { bytes.count == 1 && bytes[0] == 0x2e }

  @inlinable
  public var isDotDot: Bool { bytes.count == 2 && bytes[0] == 0x2e && bytes[1] == 0x2e }

  /// A copy that may be kept.
  @inlinable
  public var copy: [UInt8] { [UInt8](bytes) }

  /// FNV-1a over eight bytes at a time, mixed; not keyed: tables that a guest can fill chain their entries and grow.
  @inlinable
  public var hash: UInt64 {
    var value: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(truncatingIfNeeded: bytes.count)
    var index = 0
    while index &+ 8 <= bytes.count {
      value = (value ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) &* 0x9e37_79b9_7f4a_7c15
      value ^= value >> 32
      index &+= 8
    }
    while index < bytes.count {
      value = (value ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3
      index &+= 1
    }
    value ^= value >> 29
    return value &* 0xbf58_476d_1ce4_e5b9
  }

  @inlinable
  public func equals(_ other: [UInt8]) -> Bool {
    other.count == bytes.count
      && other.withUnsafeBytes { stored in
        guard let a = stored.baseAddress, let b = bytes.baseAddress else { return true }
        return memcmp(a, b, stored.count) == 0
      }
  }

  @inlinable
  public func equals(_ other: Name) -> Bool {
    guard other.count == count else { return false }
    guard let a = bytes.baseAddress, let b = other.bytes.baseAddress else { return true }
    return memcmp(a, b, count) == 0
  }

  @inlinable
  public func hasPrefix(_ prefix: StaticString) -> Bool {
    bytes.contains(prefix)
  }

  /// Calls `body` with the bytes as a C string on the stack.
  @inlinable
  public func withCString<T: ~Copyable, E: Error>(_ body: (UnsafePointer<CChar>) throws(E) -> T) throws(E) -> T {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) { buffer throws(E) in
      UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
      buffer[bytes.count] = 0
      return try body(UnsafePointer(buffer.baseAddress.unsafelyUnwrapped))
    }
  }
}

extension Name {
  /// Calls `body` with a name that borrows the array.
  @inlinable
  public static func with<T, E: Error>(_ stored: [UInt8], _ body: (Name) throws(E) -> T) throws(E) -> T {
    try stored.withUnsafeBufferPointer { bytes throws(E) in try body(Name(UnsafeRawBufferPointer(bytes))) }
  }

  /// Calls `body` with a name that is a constant of ours.
  @inlinable
  public static func with<T: ~Copyable, E: Error>(_ constant: StaticString, _ body: (Name) throws(E) -> T) throws(E)
    -> T
  {
    try body(Name(UnsafeRawBufferPointer(start: constant.utf8Start, count: constant.utf8CodeUnitCount)))
  }
}

extension [UInt8] {
  /// The bytes of a C string, without its NUL.
  @inlinable
  public init(cString: UnsafePointer<CChar>) {
    self.init(UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
  }

  /// Calls `body` with the bytes as a C string on the stack.
  @inlinable
  public func withCString<T: ~Copyable, E: Error>(_ body: (UnsafePointer<CChar>) throws(E) -> T) throws(E) -> T {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: count + 1) { buffer throws(E) in
      withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
      buffer[count] = 0
      return try body(UnsafePointer(buffer.baseAddress.unsafelyUnwrapped))
    }
  }
}

extension StaticString {
  /// Calls `body` with a constant of ours as a C string, which it is.
  @inlinable
  public func withCString<T: ~Copyable, E: Error>(_ body: (UnsafePointer<CChar>) throws(E) -> T) throws(E) -> T {
    try utf8Start.withMemoryRebound(to: CChar.self, capacity: utf8CodeUnitCount + 1, body)
  }
}
