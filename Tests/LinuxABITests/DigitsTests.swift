import LinuxABI
import Testing

@Suite struct DigitsTests {
  private static func parse(_ text: String, radix: UInt64 = 10) -> UInt64? { Digits.parse(text.utf8, radix: radix) }
  private static func identifier(_ text: String) -> Int32? { Name.with(Array(text.utf8)) { Digits.identifier($0) } }

  @Test func numbersAreRead() {
    #expect(Self.parse("0") == 0 && Self.parse("007") == 7 && Self.parse("18446744073709551615") == .max)
    #expect(Self.parse("7fFf", radix: 16) == 0x7fff && Self.parse("777", radix: 8) == 0o777)
    #expect(Self.parse("ffffffffffffffff", radix: 16) == .max)
  }

  @Test(arguments: ["", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616", "99999999999999999999", "/", ":"])
  func whatIsNoNumberIsNil(_ text: String) {
    #expect(Self.parse(text) == nil)
  }

  @Test func digitsBeyondTheRadixAreNone() {
    #expect(Self.parse("8", radix: 8) == nil && Self.parse("g", radix: 16) == nil && Self.parse("@", radix: 16) == nil)
    #expect(Self.parse("10000000000000000", radix: 16) == nil)
  }

  @Test func identifiersAreAsTheKernelWritesThem() {
    #expect(Self.identifier("0") == 0 && Self.identifier("10") == 10 && Self.identifier("2147483647") == .max)
    for text in ["", ".", "..", "00", "01", "2147483648", "9999999999", "10000000000", "1x", "-1", "self"] {
      #expect(Self.identifier(text) == nil, "\(text)")
    }
  }

  @Test(arguments: [0, 9, 10, 4_294_967_295, UInt64.max]) func numbersAreWritten(_ number: UInt64) throws {
    let text = try Digits.withDecimal(number) { (text: UnsafePointer<CChar>) throws(Errno) in String(cString: text) }
    #expect(text == String(number))
  }
}
