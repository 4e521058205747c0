// What a guest's UDP socket may receive. Such a socket is bound to a port of the host, and anybody who reaches the host could
// send to it; so each has a filter (SO_ATTACH_FILTER), a program of classic BPF that lets through what comes from the
// loopback and from addresses that the guests may send to.

import LinuxABI

/// See the head of this file.
enum DatagramFilter {
  private static let loadByte: UInt16 = 0x30  // BPF_LD | BPF_B | BPF_ABS
  private static let loadHalf: UInt16 = 0x28
  private static let loadWord: UInt16 = 0x20
  private static let shiftRight: UInt16 = 0x74  // BPF_ALU | BPF_RSH | BPF_K
  private static let and: UInt16 = 0x54
  private static let equal: UInt16 = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
  private static let above: UInt16 = 0x25  // BPF_JGT
  private static let atLeast: UInt16 = 0x35  // BPF_JGE
  private static let answer: UInt16 = 0x06  // BPF_RET | BPF_K

  /// SKF_NET_OFF: offsets from here on are of the network header; those from 0 on of UDP's.
  private static let network: UInt32 = 0xfff0_0000

  /// How many pinned addresses are among them.
  static let pinned = 64

  /// The program for these rules.
  static func program(_ rules: NetworkRules, pins: PinnedAddresses) -> [FilterInstruction] {
    var sources = [Source(range: AddressRange(.loopback6), ports: 0...UInt16.max)]
    if let own = AddressRange(InternetAddress(ipv4: 0x7f00_0000), length: 8) {
      sources.append(Source(range: own, ports: 0...UInt16.max))
    }
    for rule in rules.rules where rule.protocols.contains(.udp) {
      if case .addresses(let range) = rule.host { sources.append(Source(range: range, ports: rule.ports)) }
    }
    for address in pins.newest(pinned) {
      for place in pins.rules(of: address) where rules.rules[place].protocols.contains(.udp) {
        sources.append(Source(range: AddressRange(address), ports: rules.rules[place].ports))
      }
    }
    let ipv4 = sources.filter(\.range.first.isIPv4).flatMap(\.instructions)
    let ipv6 = sources.filter { !$0.range.first.isIPv4 }.flatMap(\.instructions)
    // The version of IP is in the first half of the header's first byte. Jumps over a whole part are longer than a byte says.
    var program = [
      FilterInstruction(loadByte, network), FilterInstruction(shiftRight, 4),
      FilterInstruction(equal, 6, jumpTrue: 2), FilterInstruction(equal, 4, jumpTrue: 2), refusal,
      jump(ipv4.count + 1),
    ]
    program += ipv4 + [refusal] + ipv6 + [refusal]
    return program
  }

  private static let refusal = FilterInstruction(answer, 0)
  private static let acceptance = FilterInstruction(answer, .max)
  /// BPF_JMP | BPF_JA.
  private static func jump(_ count: Int) -> FilterInstruction { FilterInstruction(0x05, UInt32(clamping: count)) }

  private struct Word {
    let place: UInt32
    let mask: UInt32
    let value: UInt32

    init(at place: UInt32, _ mask: UInt64, _ value: UInt64) {
      self.place = place
      self.mask = UInt32(truncatingIfNeeded: mask)
      self.value = UInt32(truncatingIfNeeded: value)
    }
  }

  private struct Source {
    let range: AddressRange
    let ports: ClosedRange<UInt16>

    /// Accepts, or goes on behind its last instruction.
    var instructions: [FilterInstruction] {
      let mask = range.mask
      let first = range.first
      // Where the source address is in the header; each word of it with its mask.
      var words: [Word] = []
      if first.isIPv4 {
        words = [Word(at: 12, mask.low, first.low)]
      } else {
        words = [
          Word(at: 8, mask.high >> 32, first.high >> 32), Word(at: 12, mask.high, first.high),
          Word(at: 16, mask.low >> 32, first.low >> 32), Word(at: 20, mask.low, first.low),
        ]
      }
      var tests: [FilterInstruction] = []
      for word in words where word.mask != 0 {
        tests.append(FilterInstruction(loadWord, network &+ word.place))
        if word.mask != .max { tests.append(FilterInstruction(and, word.mask)) }
        tests.append(FilterInstruction(equal, word.value))
      }
      if ports.lowerBound > 1 || ports.upperBound < .max {
        tests.append(FilterInstruction(loadHalf, 0))
        tests.append(FilterInstruction(atLeast, UInt32(ports.lowerBound)))
        tests.append(FilterInstruction(above, UInt32(ports.upperBound)))
      }
      // A test that fails leaves out the rest and the acceptance.
      for index in tests.indices {
        let rest = UInt8(clamping: tests.count - index)
        switch tests[index].code {
        case DatagramFilter.equal, DatagramFilter.atLeast: tests[index].jumpFalse = rest
        case DatagramFilter.above: tests[index].jumpTrue = rest
        default: break
        }
      }
      return tests + [DatagramFilter.acceptance]
    }
  }
}
