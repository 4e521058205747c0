// What guests were refused of the network: counted by what was asked for and by which program, for the report at the end.

import LinuxABI

/// See the head of this file. Of so many different ones, and how many more there were.
public struct NetworkRefusals: Sendable {
  /// What was refused.
  public enum Subject: Sendable, Hashable {
    case connection(TransportProtocols, InternetEndpoint)
    case name([UInt8])
  }

  private struct Key: Hashable {
    let subject: Subject
    let program: [UInt8]
  }

  private var counts: [Key: Int] = [:]
  private var order: [Key] = []
  private var others = 0

  static let limit = 64

  mutating func add(_ subject: Subject, by program: [UInt8]) {
    let key = Key(subject: subject, program: program)
    if let count = counts[key] {
      counts[key] = count.addingClamped(1)
    } else if order.count < Self.limit {
      counts[key] = 1
      order.append(key)
    } else {
      others = others.addingClamped(1)
    }
  }

  /// `refused tcp 192.0.2.1:80 (3 times) by curl`, in the order in which they came first.
  public var lines: [String] {
    var lines = order.map { key in
      let count = counts[key] ?? 1
      let what =
        switch key.subject {
        case .connection(let transport, let endpoint):
          "\(transport == .tcp ? "tcp" : "udp") \(String(decoding: endpoint.text, as: UTF8.self))"
        case .name(let name): "name \(ByteString(name))"
        }
      let program = key.program.isEmpty ? "" : " by \(ByteString(key.program))"
      return "refused \(what)" + (count == 1 ? "" : " (\(count) times)") + program
    }
    if others > 0 { lines.append("refused \(others) more") }
    return lines
  }
}
