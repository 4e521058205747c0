// Looking for bytes in bytes by the C library's own routines, which look at many at a time.

public import Glibc

extension UnsafeRawBufferPointer {
  /// Where `byte` is first, from the beginning; nil if it is nowhere. The C function is `memchr(3)`.
  @inlinable
  public func offset(of byte: UInt8) -> Int? {
    guard let start = baseAddress else { return nil }
    return memchr(start, CInt(byte), count).map { UnsafeRawPointer($0) - start }
  }

  /// Whether the bytes of a constant are the ones from `offset` on. The C function is `memcmp(3)`.
  @inlinable
  public func contains(_ constant: StaticString, at offset: Int = 0) -> Bool {
    guard offset >= 0, count - offset >= constant.utf8CodeUnitCount, let start = baseAddress else { return false }
    return memcmp(start + offset, constant.utf8Start, constant.utf8CodeUnitCount) == 0
  }
}
