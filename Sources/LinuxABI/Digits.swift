// Numbers as text: the names of descriptors, processes and store files, and what the kernel's text files hold.

/// Numbers in ASCII digits, read and written without a String.
public enum Digits {
  /// The number that `bytes` are, in digits of either case of a radix of at most 16; nil if they are none, or too large.
  @inlinable
  public static func parse(_ bytes: some Collection<UInt8>, radix: UInt64 = 10) -> UInt64? {
    if bytes.isEmpty { return nil }
    var value: UInt64 = 0
    for byte in bytes {
      guard let digit = digit(byte), digit < radix else { return nil }
      guard let next = value.multipliedExactly(by: radix)?.addingExactly(digit) else { return nil }
      value = next
    }
    return value
  }

  /// The value of a digit, of either case; nil of what is none in any radix up to 16.
  @inlinable
  public static func digit(_ byte: UInt8) -> UInt64? {
    switch byte {
    case 0x30...0x39: UInt64(byte) - 0x30
    case 0x61...0x66: UInt64(byte) - 0x61 + 10
    case 0x41...0x46: UInt64(byte) - 0x41 + 10
    default: nil
    }
  }

  /// The number that a process, a descriptor or a terminal is named by: decimal, without leading zeros.
  @inlinable
  public static func identifier(_ name: Name) -> Int32? {
    if name.count == 0 || name.count > 10 || (name.bytes[0] == 0x30 && name.count > 1) { return nil }
    return parse(name.bytes).flatMap { Int32(exactly: $0) }
  }

  /// Calls `body` with the decimal number as a C string on the stack.
  @inlinable
  public static func withDecimal<T: ~Copyable, E: Error>(
    _ number: UInt64, _ body: (UnsafePointer<CChar>) throws(E) -> T
  ) throws(E) -> T {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 21) { text throws(E) in
      text[20] = 0
      var index = 20
      var rest = number
      repeat {
        index -= 1
        text[index] = 0x30 + CChar(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest != 0
      return try body(UnsafePointer(text.baseAddress.unsafelyUnwrapped + index))
    }
  }
}
