// What the host itself knows of names: its name servers (`man 5 resolv.conf`) and its own list (`man 5 hosts`).

import Kernel
import LinuxABI

/// See the head of this file. Read once, when a sandbox is made.
struct HostNames {
  /// Where the host asks; three at most, as the C library has it.
  let servers: [InternetEndpoint]
  private let hosts: [DomainName: [InternetAddress]]

  /// - Parameter isWanted: a name that may be asked for.
  init(configuration: [UInt8], hosts list: [UInt8], isWanted: (DomainName) -> Bool) {
    var servers: [InternetEndpoint] = []
    for words in Self.lines(configuration) where words.count >= 2 && words[0].elementsEqual("nameserver".utf8) {
      if let address = InternetAddress(text: words[1]) { servers.append(InternetEndpoint(address, 53)) }
    }
    self.servers = servers.isEmpty ? [InternetEndpoint(.loopback4, 53)] : [InternetEndpoint](servers.prefix(3))
    var hosts: [DomainName: [InternetAddress]] = [:]
    for words in Self.lines(list) where words.count >= 2 {
      guard let address = InternetAddress(text: words[0]) else { continue }
      for word in words.dropFirst() {
        guard let name = DomainName(text: word), isWanted(name) else { continue }
        hosts[name, default: []].append(address)
      }
    }
    self.hosts = hosts
  }

  /// The host's own files; one that cannot be read is empty.
  static func read(isWanted: (DomainName) -> Bool) -> HostNames {
    let configuration = try? Host.readFile("/etc/resolv.conf")
    let hosts = try? Host.readFile("/etc/hosts")
    return HostNames(configuration: configuration ?? [], hosts: hosts ?? [], isWanted: isWanted)
  }

  /// Words of each line, without comments.
  private static func lines(_ text: [UInt8]) -> [[ArraySlice<UInt8>]] {
    text.split(separator: 0x0a).map { line in
      line.prefix { $0 != 0x23 && $0 != 0x3b }.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
    }
  }

  var names: Dictionary<DomainName, [InternetAddress]>.Keys { hosts.keys }

  /// What the list has for a name; nil if it does not have it.
  func addresses(of name: DomainName) -> [InternetAddress]? { hosts[name] }
}
