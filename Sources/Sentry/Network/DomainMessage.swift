// Messages of the domain name system (RFC 1035, section 4; RFC 6891): what a guest asks, and what its answer is made of. Every
// byte may be a guest's, or come from a server that somebody has a hand in.

import LinuxABI

/// A name as messages carry it: labels with their lengths, in small letters, without the last, empty one.
struct WireName: Hashable {
  let labels: [[UInt8]]

  /// With dots between the labels; what is not printable is a question mark.
  var text: [UInt8] {
    [UInt8](labels.map { $0.map { (0x21...0x7e).contains($0) && $0 != 0x2e ? $0 : 0x3f } }.joined(separator: [0x2e]))
  }

  var host: DomainName? {
    labels.contains { $0.contains(0x2e) } ? nil : DomainName(text: text)
  }

  var encoded: [UInt8] { labels.flatMap { [UInt8($0.count & 0x3f)] + $0 } + [0] }
}

/// Reads a message from its beginning.
struct MessageReader {
  let bytes: [UInt8]
  var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func byte() -> UInt8? {
    guard position < bytes.count else { return nil }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func half() -> UInt16? {
    guard let high = byte(), let low = byte() else { return nil }
    return UInt16(high) << 8 | UInt16(low)
  }

  mutating func word() -> UInt32? {
    guard let high = half(), let low = half() else { return nil }
    return UInt32(high) << 16 | UInt32(low)
  }

  mutating func skip(_ count: Int) -> Bool {
    guard count <= bytes.count - position else { return false }
    position += count
    return true
  }

  /// A name, which may end in a pointer to an earlier place. Pointers go backwards only, so there is an end.
  mutating func name() -> WireName? {
    var labels: [[UInt8]] = []
    var length = 0
    var place = position
    var end: Int?
    while true {
      guard place < bytes.count else { return nil }
      let count = Int(bytes[place])
      switch count >> 6 {
      case 0:
        guard count > 0 else {
          position = end ?? place + 1
          return WireName(labels: labels)
        }
        guard count <= bytes.count - place - 1, length + count + 1 <= 254 else { return nil }
        labels.append(bytes[(place + 1)...(place + count)].map { (0x41...0x5a).contains($0) ? $0 + 0x20 : $0 })
        length += count + 1
        place += count + 1
      case 3:
        guard place + 1 < bytes.count else { return nil }
        let target = (count & 0x3f) << 8 | Int(bytes[place + 1])
        guard target < place else { return nil }
        end = end ?? place + 2
        place = target
      default: return nil
      }
    }
  }
}

/// TYPE of a record.
struct RecordType: RawRepresentable, Hashable {
  let rawValue: UInt16

  static let address = RecordType(rawValue: 1)  // A
  static let canonicalName = RecordType(rawValue: 5)  // CNAME
  static let address6 = RecordType(rawValue: 28)  // AAAA
  static let options = RecordType(rawValue: 41)  // OPT
  static let any = RecordType(rawValue: 255)
}

/// RCODE of an answer.
enum ResponseCode: UInt8 {
  case success = 0
  case formatError = 1
  case serverFailure = 2
  case nameError = 3
  case notImplemented = 4
}

/// A question that a guest has sent.
struct DomainQuery {
  let id: UInt16
  let name: WireName
  let type: RecordType
  /// The question as it was written.
  let question: [UInt8]
  /// How long an answer by UDP may be.
  let room: Int
  /// It has an OPT record, so the answer has one.
  let hasOptions: Bool

  /// Nil if it is no question that can be answered; `id` is known then.
  init?(_ message: [UInt8]) {
    var reader = MessageReader(message)
    guard let id = reader.half(), let flags = reader.half(), let questions = reader.half(), let answers = reader.half(),
      let authorities = reader.half(), let additional = reader.half(),
      // A query (QR 0, OPCODE 0) of one question.
      flags & 0xf800 == 0, questions == 1, answers == 0, authorities == 0, additional <= 2
    else { return nil }
    let start = reader.position
    guard let name = reader.name(), let type = reader.half(), reader.half() == 1 else { return nil }
    // A pointer in the only name there is would lead into the header.
    guard reader.position - start == name.encoded.count + 4 else { return nil }
    self.id = id
    self.name = name
    self.type = RecordType(rawValue: type)
    question = [UInt8](message[start..<reader.position])
    var room = 512
    var hasOptions = false
    for _ in 0..<additional {
      guard let owner = reader.name(), let type = reader.half(), let size = reader.half(), reader.word() != nil,
        let length = reader.half(), reader.skip(Int(length))
      else { return nil }
      if RecordType(rawValue: type) == .options, owner.labels.isEmpty {
        hasOptions = true
        room = min(max(Int(size), 512), 4096)
      }
    }
    self.room = room
    self.hasOptions = hasOptions
  }

  /// What is asked of the host's name server.
  func forwarded(id: UInt16) -> [UInt8] {
    // RD; one question, one additional record: OPT, for answers of 1232 bytes.
    Self.bytes(id) + [1, 0, 0, 1, 0, 0, 0, 0, 0, 1] + question + [0, 0, 41] + Self.bytes(1232) + [0, 0, 0, 0, 0, 0]
  }

  /// An answer of ours.
  ///
  /// - Parameter room: it is cut short to so many bytes, and says so (TC).
  func answer(_ code: ResponseCode, _ records: [[UInt8]] = [], room: Int) -> [UInt8] {
    let options: [UInt8] = hasOptions ? [0, 0, 41] + Self.bytes(1232) + [0, 0, 0, 0, 0, 0] : []
    var length = 12 + question.count + options.count
    var taken: [[UInt8]] = []
    for record in records {
      length += record.count
      if length > room { break }
      taken.append(record)
    }
    let isCut = taken.count < records.count
    // QR, TC, RD; RA.
    return Self.bytes(id) + [isCut ? 0x83 : 0x81, 0x80 | code.rawValue, 0, 1]
      + Self.bytes(UInt16(clamping: taken.count))
      + [0, 0, 0, hasOptions ? 1 : 0] + question + taken.flatMap(\.self) + options
  }

  /// The name server's own answer, with the guest's number.
  func passedOn(_ message: [UInt8], room: Int) -> [UInt8] {
    guard message.count <= room, message.count >= 12 else {
      return Self.bytes(id) + [0x83, 0x80, 0, 1, 0, 0, 0, 0, 0, 0] + question
    }
    return Self.bytes(id) + message[2...]
  }

  static func bytes(_ half: UInt16) -> [UInt8] { [UInt8(half >> 8), UInt8(truncatingIfNeeded: half)] }

  /// A record of the class IN.
  static func record(_ owner: WireName, _ type: RecordType, timeToLive: UInt32, _ data: [UInt8]) -> [UInt8] {
    owner.encoded + bytes(type.rawValue) + bytes(1) + bytes(UInt16(timeToLive >> 16))
      + bytes(UInt16(truncatingIfNeeded: timeToLive)) + bytes(UInt16(clamping: data.count)) + data
  }
}

/// What the host's name server has answered.
struct DomainResponse {
  let code: UInt8
  let isTruncated: Bool
  /// The aliases that lead from the name that was asked for to the one that has addresses, and those addresses.
  private(set) var aliases: [(owner: WireName, target: WireName, timeToLive: UInt32)] = []
  private(set) var addresses: [(owner: WireName, address: InternetAddress, timeToLive: UInt32)] = []

  /// Nil if it is not the answer to this question.
  init?(_ message: [UInt8], id: UInt16, to query: DomainQuery) {
    var reader = MessageReader(message)
    guard reader.half() == id, let flags = reader.half(), flags & 0x8000 != 0, reader.half() == 1,
      let answers = reader.half(), reader.half() != nil, reader.half() != nil,
      let name = reader.name(), name == query.name, reader.half() == query.type.rawValue, reader.half() == 1
    else { return nil }
    code = UInt8(flags & 0xf)
    isTruncated = flags & 0x0200 != 0
    if isTruncated { return }
    var links: [WireName: (WireName, UInt32)] = [:]
    var found: [(WireName, InternetAddress, UInt32)] = []
    for _ in 0..<min(answers, 256) {
      guard let owner = reader.name(), let type = reader.half(), let kind = reader.half(), let time = reader.word(),
        let length = reader.half()
      else { return nil }
      let end = reader.position + Int(length)
      guard end <= message.count else { return nil }
      if kind == 1 {
        switch RecordType(rawValue: type) {
        case .canonicalName:
          guard let target = reader.name() else { return nil }
          links[owner] = (target, time)
        case .address where length == 4 && query.type == .address:
          guard let bits = reader.word() else { return nil }
          found.append((owner, InternetAddress(ipv4: bits), time))
        case .address6 where length == 16 && query.type == .address6:
          guard let a = reader.word(), let b = reader.word(), let c = reader.word(), let d = reader.word() else {
            return nil
          }
          found.append((owner, InternetAddress(ipv6: UInt64(a) << 32 | UInt64(b), UInt64(c) << 32 | UInt64(d)), time))
        default: break
        }
      }
      reader.position = end
    }
    // What stands beside the way from the name to its addresses is nobody's answer.
    var current = query.name
    while aliases.count < 16, let (target, time) = links.removeValue(forKey: current) {
      aliases.append((current, target, time))
      current = target
    }
    addresses = found.filter { $0.0 == current }.map { (owner: $0.0, address: $0.1, timeToLive: $0.2) }
  }
}
