// /proc/PID/net (`man 5 proc_pid_net`). With a network namespace, or with the host's network on purpose, the host's text is
// the guest's. Without both it would name the host's interfaces, routes, neighbours and sockets: then each file shows what
// a new network namespace shows, an interface `lo` and counters that stand at 0.

import KernFS
import LinuxABI

enum NetworkFiles {
  /// What a file shows of a network that guests do not have.
  enum Hidden {
    /// This many lines of headings, and no rows.
    case headings(Int)
    /// net/dev: the headings and a row for `lo`.
    case interfaces
    /// Each number is 0.
    case zeros
    /// It is about the machine: the processors' queues.
    case machine
  }

  static let files: [(path: StaticString, hidden: Hidden)] = [
    ("net/arp", .headings(1)), ("net/dev", .interfaces), ("net/dev_mcast", .headings(0)),
    ("net/fib_trie", .headings(0)), ("net/fib_triestat", .headings(0)), ("net/icmp", .headings(1)),
    ("net/icmp6", .headings(1)), ("net/if_inet6", .headings(0)), ("net/igmp", .headings(1)),
    ("net/igmp6", .headings(0)), ("net/ipv6_route", .headings(0)), ("net/netlink", .headings(1)),
    ("net/netstat", .zeros), ("net/packet", .headings(1)), ("net/protocols", .headings(1)),
    ("net/ptype", .headings(1)), ("net/raw", .headings(1)), ("net/raw6", .headings(1)), ("net/route", .headings(1)),
    ("net/rt6_stats", .zeros), ("net/snmp", .zeros), ("net/snmp6", .zeros), ("net/sockstat", .zeros),
    ("net/sockstat6", .zeros), ("net/softnet_stat", .machine), ("net/tcp", .headings(1)), ("net/tcp6", .headings(1)),
    ("net/udp", .headings(1)), ("net/udp6", .headings(1)), ("net/udplite", .headings(1)),
    ("net/udplite6", .headings(1)), ("net/unix", .headings(1)), ("net/wireless", .headings(2)),
  ]

  static func directory(_ filesystem: ProcFilesystem, _ thread: ProcessThread, number: UInt64) -> KernInode {
    let directory = StaticDirectory(filesystem, number: number)
    for (path, hidden) in files {
      let file = ProducedFile(filesystem) { [unowned filesystem] () throws(Errno) in
        let source = filesystem.source
        let text = try source.hostFile(path, of: ProcessThread(process: thread.process))
        return source.networkIsHidden ? without(text, hidden) : text
      }
      Name.with(Array(Text.bytes(path).dropFirst(4))) { directory.populate($0, file) }
    }
    return directory
  }

  /// The host's text without its network.
  static func without(_ text: [UInt8], _ hidden: Hidden) -> [UInt8] {
    switch hidden {
    case .headings(let count): headings(text, count)
    case .interfaces:
      // `dev_seq_printf_stats`: 16 counters.
      headings(text, 2) + Text.bytes("    lo:") + [[UInt8]](repeating: Text.bytes(" 0"), count: 16).joined()
        + [Text.newline]
    case .zeros: zeros(text)
    case .machine: text
    }
  }

  private static func headings(_ text: [UInt8], _ count: Int) -> [UInt8] {
    var end = 0
    for _ in 0..<count {
      guard let newline = text[end...].firstIndex(of: Text.newline) else { return [] }
      end = newline + 1
    }
    return [UInt8](text[..<end])
  }

  /// Words of hexadecimal digits become 0: no name in these files is made of them.
  private static func zeros(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for line in text.split(separator: Text.newline) {
      let words = line.split(whereSeparator: { $0 == Text.space || $0 == Text.tab })
      let shown = words.map { $0.allSatisfy(isDigit) ? [Text.digit(0)] : $0 }
      result += shown.joined(separator: [Text.space])
      result.append(Text.newline)
    }
    return result
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x61...0x66, 0x2d: true
    default: false
    }
  }
}
