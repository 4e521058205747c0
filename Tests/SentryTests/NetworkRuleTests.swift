import LinuxABI
import Testing

@testable import Sentry

/// The written form of `--allow-net` and `--publish`, and what a rule covers.
@Suite struct NetworkRuleTests {
  private func covers(_ rule: String, _ address: String, _ port: UInt16, _ transport: TransportProtocols = .tcp) throws
    -> Bool
  {
    let address = try #require(InternetAddress(text: address.utf8))
    return try NetworkRule(ByteString(rule)).covers(address, port: port, transport)
  }

  @Test func addressesAndPorts() throws {
    #expect(try covers("192.0.2.1", "192.0.2.1", 1))
    #expect(try covers("192.0.2.1", "192.0.2.1", 65535, .udp))
    #expect(try covers("192.0.2.1:443", "192.0.2.1", 443))
    #expect(try !covers("192.0.2.1:443", "192.0.2.1", 444))
    #expect(try !covers("192.0.2.1:443", "192.0.2.2", 443))
    #expect(try covers("192.0.2.1:80-90", "192.0.2.1", 80) && covers("192.0.2.1:80-90", "192.0.2.1", 90))
    #expect(try !covers("192.0.2.1:80-90", "192.0.2.1", 91))
    #expect(try !covers("192.0.2.1", "192.0.2.1", 0))
    #expect(try covers("192.0.2.1:53/udp", "192.0.2.1", 53, .udp) && !covers("192.0.2.1:53/udp", "192.0.2.1", 53))
    #expect(try covers("192.0.2.1/tcp", "192.0.2.1", 9) && !covers("192.0.2.1/tcp", "192.0.2.1", 9, .udp))
    #expect(try covers("2001:db8::1", "2001:db8::1", 80) && covers("[2001:db8::1]", "2001:db8::1", 80))
    #expect(try covers("[2001:db8::1]:80", "2001:db8::1", 80) && !covers("[2001:db8::1]:80", "2001:db8::1", 81))
    #expect(try covers("[2001:db8::1]:80/udp", "2001:db8::1", 80, .udp))
    // A mapped address is the IPv4 one.
    #expect(try covers("192.0.2.1:80", "::ffff:192.0.2.1", 80) && covers("::ffff:192.0.2.1", "192.0.2.1", 80))
  }

  @Test func ranges() throws {
    #expect(try covers("10.0.0.0/8", "10.9.8.7", 80) && covers("10.0.0.0/8:80/tcp", "10.9.8.7", 80))
    #expect(try !covers("10.0.0.0/8:80/tcp", "10.9.8.7", 80, .udp) && !covers("10.0.0.0/8:80-81", "10.9.8.7", 82))
    #expect(try covers("2001:db8::/32", "2001:db8:1::1", 80) && covers("[2001:db8::/32]:443", "2001:db8:1::1", 443))
    #expect(try covers("[2001:db8::]/32:443/udp", "2001:db8:1::1", 443, .udp))
    #expect(try !covers("[2001:db8::]/32:443", "2001:db8:1::1", 80))
    #expect(try covers("0.0.0.0/0", "192.0.2.1", 80) && !covers("0.0.0.0/0", "2001:db8::1", 80))
    #expect(try covers("::/0", "2001:db8::1", 80) && !covers("::/0", "::ffff:192.0.2.1", 80))
    #expect(try covers("::ffff:10.0.0.0/104", "10.1.1.1", 80))
  }

  @Test func rangesNeverCoverTheMachineItsLinkOrMany() throws {
    for address in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "224.0.0.251", "255.255.255.255"] {
      #expect(try !covers("0.0.0.0/0", address, 80), "\(address)")
      #expect(try !covers("0.0.0.0/0", "::ffff:" + address, 80), "\(address)")
    }
    for address in ["::1", "::", "fe80::1", "ff02::fb", "64:ff9b::7f00:1", "::127.0.0.1"] {
      #expect(try !covers("::/0", address, 80), "\(address)")
    }
    #expect(try covers("127.0.0.1:5432", "127.0.0.1", 5432) && !covers("127.0.0.1:5432", "127.0.0.2", 5432))
    #expect(try covers("127.0.0.1/32", "127.0.0.1", 5432))
    #expect(try covers("169.254.169.254:80", "169.254.169.254", 80) && covers("224.0.0.251", "224.0.0.251", 5353, .udp))
    #expect(try covers("localhost:5432", "127.0.0.1", 5432) && covers("localhost:5432", "::1", 5432))
    #expect(try !covers("localhost:5432", "127.0.0.2", 5432) && covers("[::1]:80", "::1", 80))
  }

  @Test func names() throws {
    let rule = try NetworkRule("Example.ORG.:443/tcp")
    #expect(rule.names("example.org") && !rule.names("www.example.org") && !rule.names("xexample.org"))
    #expect(rule.coversPort(443, .tcp) && !rule.coversPort(443, .udp) && !rule.coversPort(80, .tcp))
    let below = try NetworkRule("*.example.org")
    #expect(below.names("a.example.org") && below.names("b.a.example.org"))
    #expect(!below.names("example.org") && !below.names("xexample.org") && !below.names("example.org.evil"))
    #expect(try covers("example.org", "192.0.2.1", 80) == false)
    #expect(try NetworkRule("dns").host == .everyName)
    #expect(try NetworkRule("dns:53").host == .name("dns"))
    #expect(try !covers("dns", "192.0.2.1", 53, .udp))
  }

  @Test(arguments: [
    "", ":80", "example.org:", "example.org:0", "example.org:65536", "example.org:90-80", "example.org:a",
    "example.org:1-2-3", "example.org/sctp", "example.org/", "exa mple.org", "-a.org", "a..b", "*",
    "*.*.org", "a.*.org",
    "1.2.3", "1.2.3.4.5", "01.2.3.4", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "127.0.0.0/8",
    "169.254.0.0/16", "224.0.0.0/4", "fe80::/10", "ff00::/8", "0.0.0.0", "::", "[::1", "::1]",
    "[1.2.3.4]:80", "fe80::1%eth0",
    "1:2:3", "bücher.example", "example.org:80/tcp/udp", "2001:db8::/129", "http://example.org",
  ])
  func whatIsNoRuleIsRefused(_ text: String) {
    #expect(throws: NetworkRuleError.self) { try NetworkRule(ByteString(text)) }
  }

  @Test func published() throws {
    #expect(try PublishedPort("8080") == PublishedPort(hostPort: 8080, guestPort: 8080))
    #expect(try PublishedPort("8080:80") == PublishedPort(hostPort: 8080, guestPort: 80))
    for text in ["", ":", "80:", ":80", "0", "65536", "80:0", "1:2:3", "a", "127.0.0.1:80"] {
      #expect(throws: NetworkRuleError.self, "\(text)") { try PublishedPort(ByteString(text)) }
    }
  }
}
