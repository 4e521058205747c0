// The filter that guests' UDP sockets have, run as the kernel runs it, and the ancillary data that go with a datagram.

import CLinux
import Kernel
import LinuxABI
import Testing

@testable import Sentry

@Suite struct DatagramFilterTests {
  private func endpoint(_ text: String, _ port: UInt16) throws -> InternetEndpoint {
    InternetEndpoint(try #require(InternetAddress(text: text.utf8)), port)
  }

  /// Interprets a program of the instructions that the filter has: the answer for a packet from there.
  private func accepts(_ program: [FilterInstruction], _ source: InternetEndpoint) throws -> Bool {
    var header = [UInt8](repeating: 0, count: 40)
    let bytes = source.socketAddress(isIPv6Socket: !source.address.isIPv4)
    if source.address.isIPv4 {
      header[0] = 0x45
      header.replaceSubrange(12..<16, with: bytes[4..<8])
    } else {
      header[0] = 0x60
      header.replaceSubrange(8..<24, with: bytes[8..<24])
    }
    let datagram: [UInt8] = [UInt8(source.port >> 8), UInt8(truncatingIfNeeded: source.port), 0, 53, 0, 8, 0, 0]
    var accumulator: UInt32 = 0
    var place = 0
    while true {
      let instruction = try #require(program.indices.contains(place) ? program[place] : nil)
      place += 1
      let operand = instruction.operand
      func load(_ count: Int) throws -> UInt32 {
        let isNetwork = operand >= 0xfff0_0000
        let start = Int(isNetwork ? operand - 0xfff0_0000 : operand)
        let memory = isNetwork ? header : datagram
        try #require(start + count <= memory.count)
        return memory[start..<(start + count)].reduce(0) { $0 << 8 | UInt32($1) }
      }
      func jump(_ holds: Bool) { place += Int(holds ? instruction.jumpTrue : instruction.jumpFalse) }
      switch instruction.code {
      case 0x30: accumulator = try load(1)
      case 0x28: accumulator = try load(2)
      case 0x20: accumulator = try load(4)
      case 0x74: accumulator >>= operand
      case 0x54: accumulator &= operand
      case 0x05: place += Int(operand)
      case 0x15: jump(accumulator == operand)
      case 0x25: jump(accumulator > operand)
      case 0x35: jump(accumulator >= operand)
      case 0x06: return operand != 0
      default: Issue.record("\(instruction)")
      }
    }
  }

  @Test func whatRulesCoverIsHeard() throws {
    let rules = NetworkRules(
      try [
        "10.0.0.0/8:53/udp", "192.0.2.1:1000-2000", "[2001:db8::]/33:443", "2001:db9::1", "198.51.100.1/tcp",
        "web.test:5000",
      ].map { try NetworkRule(ByteString($0)) })
    let pins = PinnedAddresses()
    let program = DatagramFilter.program(rules, pins: pins)
    for (text, port) in [
      ("127.0.0.1", 1), ("127.9.9.9", 65535), ("::1", 7), ("10.9.8.7", 53), ("192.0.2.1", 1000), ("192.0.2.1", 2000),
      ("2001:db8:7fff::1", 443), ("2001:db9::1", 1),
    ] as [(String, UInt16)] {
      #expect(try accepts(program, try endpoint(text, port)), "\(text) \(port)")
    }
    for (text, port) in [
      ("10.9.8.7", 54), ("11.0.0.1", 53), ("192.0.2.1", 999), ("192.0.2.1", 2001), ("192.0.2.2", 1500),
      ("2001:db8:8000::1", 443), ("2001:db8::1", 444), ("2001:db9::2", 1), ("198.51.100.1", 80), ("203.0.113.9", 5000),
      ("::2", 7), ("128.0.0.1", 1),
    ] as [(String, UInt16)] {
      #expect(try !accepts(program, try endpoint(text, port)), "\(text) \(port)")
    }
    let pinned = try endpoint("203.0.113.9", 5000)
    pins.pin([pinned.address], by: rules.naming("web.test"))
    let later = DatagramFilter.program(rules, pins: pins)
    #expect(try accepts(later, pinned))
    #expect(try !accepts(later, try endpoint("203.0.113.9", 5001)))
  }

  /// The kernel takes BPF_MAXINSNS instructions.
  @Test func theLongestFilterIsTaken() throws {
    let rules = try (0..<NetworkRules.limit).map { try NetworkRule(ByteString("[2001:db8::\($0)]:80-90/udp")) }
    let pins = PinnedAddresses()
    let names = try NetworkRules(rules + [NetworkRule("*.test:80-90")])
    pins.pin((0..<200).map { InternetAddress(ipv6: 0x2001_0db9_0000_0001, UInt64($0)) }, by: names.naming("a.test"))
    let program = DatagramFilter.program(names, pins: pins)
    #expect(program.count <= 4096)
    let socket = try Host.makeSocket(.internet, .datagram, isNonBlocking: true)
    try Host.attachFilter(program, to: socket.rawValue)
    #expect(try accepts(program, try endpoint("2001:db8::199", 85)))
    #expect(try accepts(program, try endpoint("2001:db9:0:1::c7", 85)))
  }

  private func control(_ items: [(level: CInt, type: CInt, data: [UInt8])]) -> [UInt8] {
    var data = AncillaryData()
    for item in items { data.append(.init(level: item.level, type: item.type, data: item.data[...])) }
    return data.words.withUnsafeBytes { [UInt8]($0) }
  }

  @Test func onlyKnownAncillaryDataGoThrough() throws {
    let ttl: (level: CInt, type: CInt, data: [UInt8]) = (0, 2, [9, 0, 0, 0])
    let segment: (level: CInt, type: CInt, data: [UInt8]) = (17, 103, [1, 2])
    let passed = try AncillaryData.ofDatagram(control([ttl, (0, 8, [UInt8](repeating: 0, count: 12)), segment]))
    let items = try AncillaryData.items(in: passed.words.withUnsafeBytes { [UInt8]($0.prefix(passed.length)) })
    #expect(items.map { [$0.level, $0.type] } == [[0, 2], [17, 103]])
    #expect(items.map { [UInt8]($0.data) } == [[9, 0, 0, 0], [1, 2]])
    // IP_RETOPTS, IPV6_RTHDR, IPV6_HOPOPTS, SO_MARK, SCM_RIGHTS.
    for (level, type) in [(0, 7), (41, 57), (41, 54), (1, 36), (1, 1)] as [(CInt, CInt)] {
      #expect(throws: Errno.invalidArgument) {
        try AncillaryData.ofDatagram(control([ttl, (level, type, [0, 0, 0, 0, 0, 0, 0, 0])]))
      }
    }
    for size in [0, 15, 21, 4096, UInt64.max] {
      var cut = control([ttl])
      cut.withUnsafeMutableBytes { $0.storeBytes(of: size, as: UInt64.self) }
      #expect(throws: Errno.invalidArgument) { try AncillaryData.items(in: Array(cut.prefix(20))) }
    }
  }
}
