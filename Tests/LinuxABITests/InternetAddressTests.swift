import Testing

@testable import LinuxABI

/// Addresses as text and in ranges.
@Suite struct InternetAddressTests {
  private func address(_ text: String) -> InternetAddress? { InternetAddress(text: text.utf8) }
  private func range(_ text: String, _ length: Int) -> AddressRange? {
    address(text).flatMap { AddressRange($0, length: length) }
  }

  @Test func textComesBack() {
    for text in [
      "0.0.0.0", "127.0.0.1", "255.255.255.255", "192.0.2.77", "::", "::1", "2001:db8::1", "fe80::1:0:0:1",
      "1:2:3:4:5:6:7:8", "2001:db8:0:1:1:1:1:1", "1::", "64:ff9b::a00:1", "0:0:1::",
    ] {
      #expect(address(text).map { String(decoding: $0.text, as: UTF8.self) } == text)
    }
  }

  @Test func otherFormsAreTheSameAddress() {
    #expect(address("2001:0DB8:0:0:0:0:0:1") == address("2001:db8::1"))
    #expect(address("1:2:3:4:5:6:1.2.3.4") == address("1:2:3:4:5:6:102:304"))
    #expect(address("::ffff:127.0.0.1") == .loopback4)
    #expect(address("::ffff:7f00:1") == .loopback4)
    #expect(address("0:0:0:0:0:0:0:1") == .loopback6)
  }

  @Test func whatIsNoAddressIsNone() {
    for text in [
      "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.0x4", "1..3.4", " 1.2.3.4", "1.2.3.4 ", ":", ":::",
      "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "g::", "1.2.3.4::", "::1.2.3",
      "::1.2.3.4:5", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "fe80::1%lo", "::1/128",
    ] {
      #expect(address(text) == nil, "\(text)")
    }
  }

  @Test func rangesHoldWhatBeginsAlike() throws {
    let ten = try #require(range("10.0.0.0", 8))
    #expect(ten.contains(try #require(address("10.255.255.255"))))
    #expect(!ten.contains(try #require(address("11.0.0.0"))))
    #expect(!ten.contains(try #require(address("::a00:0"))))
    #expect(ten.contains(try #require(address("::ffff:10.1.2.3"))))
    let all = try #require(range("0.0.0.0", 0))
    #expect(all.contains(.loopback4) && !all.contains(.loopback6) && !all.isOneAddress)
    let every = try #require(range("::", 0))
    #expect(every.contains(.loopback6) && !every.contains(.loopback4))
    let odd = try #require(range("2001:db8:8000::", 33))
    #expect(odd.contains(try #require(address("2001:db8:ffff::1"))))
    #expect(!odd.contains(try #require(address("2001:db8:7fff::1"))))
    let deep = try #require(range("2001:db8::80", 121))
    #expect(deep.contains(try #require(address("2001:db8::ff"))))
    #expect(!deep.contains(try #require(address("2001:db8::7f"))))
    #expect(range("10.0.0.1", 8) == nil && range("10.0.0.0", 33) == nil && range("10.0.0.0", -1) == nil)
    #expect(range("::", 129) == nil && range("2001:db8::", 32)?.isOneAddress == false)
    #expect(range("::1", 128)?.isOneAddress == true)
  }

  @Test func someAddressesMustBeNamed() throws {
    for text in [
      "127.0.0.1", "127.255.0.1", "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "239.255.255.255",
      "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1", "febf::1", "ff02::1", "::ffff:127.0.0.1",
      "::ffff:169.254.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
      "2002:a9fe:a9fe::1",
    ] {
      #expect(try #require(address(text)).mustBeNamed, "\(text)")
    }
    for text in [
      "1.1.1.1", "10.0.0.1", "126.255.255.255", "128.0.0.1", "169.253.255.255", "223.255.255.255", "2001:db8::1",
      "fec0::1", "fd00::1", "64:ff9b::a00:1", "2002:a00:1::", "::2:0:0", "fe00::1",
    ] {
      #expect(!(try #require(address(text)).mustBeNamed), "\(text)")
    }
  }
}
