// Messages of the domain name system: what is understood of them, and that no byte of one ends the process.

import Kernel
import LinuxABI
import TestSupport
import Testing

@testable import Sentry

@Suite struct DomainMessageTests {
  private func name(_ text: String) -> [UInt8] {
    text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
  }

  private func query(_ text: String, _ type: UInt16 = 1, options: Bool = false) -> [UInt8] {
    [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, options ? 1 : 0] + name(text) + DomainQuery.bytes(type) + [0, 1]
      + (options ? [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0] : [])
  }

  @Test func aQuestionIsUnderstood() throws {
    let question = try #require(DomainQuery(query("WWW.Example.Test", 28, options: true)))
    #expect(question.name.host == "www.example.test" && question.type == .address6 && question.id == 0x1234)
    #expect(question.room == 4096 && question.hasOptions)
    #expect(DomainQuery(query("a.test"))?.room == 512)
    // The guest's own spelling goes out and comes back.
    #expect(question.question.starts(with: name("WWW.Example.Test")))
  }

  @Test func whatIsNoQuestionIsNone() {
    let good = query("a.test")
    for (place, value) in [
      (2, 0x81), (2, 0x29), (5, 0), (5, 2), (7, 1), (9, 1), (11, 3), (12, 0xc0), (good.count - 1, 3),
    ] {
      var bad = good
      bad[place] = UInt8(value)
      #expect(DomainQuery(bad) == nil, "\(place) \(value)")
    }
    for count in 0..<good.count { #expect(DomainQuery(Array(good.prefix(count))) == nil, "\(count)") }
    #expect(
      DomainQuery(query(Array(repeating: String(repeating: "a", count: 63), count: 4).joined(separator: "."))) == nil)
  }

  private func response(_ question: DomainQuery, _ records: [[UInt8]], code: UInt8 = 0) -> [UInt8] {
    [0xab, 0xcd, 0x81, 0x80 | code, 0, 1, 0, UInt8(records.count), 0, 0, 0, 0] + question.question
      + records.flatMap(\.self)
  }

  private func record(_ owner: String, _ type: UInt16, _ data: [UInt8]) -> [UInt8] {
    name(owner) + DomainQuery.bytes(type) + [0, 1, 0, 0, 0, 60] + DomainQuery.bytes(UInt16(data.count)) + data
  }

  @Test func onlyTheWayFromTheNameCounts() throws {
    let question = try #require(DomainQuery(query("www.test")))
    let message = response(
      question,
      [
        record("web.test", 1, [192, 0, 2, 1]), record("www.test", 5, name("alias.test")),
        record("planted.test", 1, [192, 0, 2, 66]),
        record("alias.test", 5, name("web.test")), record("web.test", 28, [UInt8](repeating: 1, count: 16)),
      ])
    let answer = try #require(DomainResponse(message, id: 0xabcd, to: question))
    #expect(answer.addresses.map(\.address) == [InternetAddress(ipv4: 0xc000_0201)])
    #expect(answer.aliases.map(\.target.text) == [Array("alias.test".utf8), Array("web.test".utf8)])
    #expect(DomainResponse(message, id: 0xabce, to: question) == nil)
    let other = try #require(DomainQuery(query("other.test")))
    #expect(DomainResponse(message, id: 0xabcd, to: other) == nil)
    // A circle of aliases has an end.
    let circle = response(question, [record("www.test", 5, name("b.test")), record("b.test", 5, name("www.test"))])
    #expect(try #require(DomainResponse(circle, id: 0xabcd, to: question)).addresses.isEmpty)
  }

  @Test func answersFitTheirRoom() throws {
    let question = try #require(DomainQuery(query("many.test")))
    let records = (0..<100).map { DomainQuery.record(question.name, .address, timeToLive: 60, [192, 0, 2, UInt8($0)]) }
    let short = question.answer(.success, records, room: 512)
    #expect(short.count <= 512 && short[2] & 2 != 0)
    let whole = question.answer(.success, records, room: 65535)
    #expect(whole[2] & 2 == 0 && Int(whole[6]) << 8 | Int(whole[7]) == 100)
    var asAnswer = whole
    asAnswer.replaceSubrange(0..<2, with: [0xab, 0xcd])
    #expect(try #require(DomainResponse(asAnswer, id: 0xabcd, to: question)).addresses.count == 100)
    #expect(question.answer(.nameError, room: 512)[3] & 0xf == 3)
  }

  /// Pointers, lengths and counts of every kind, in messages that are otherwise right.
  @Test func noByteOfAMessageEndsTheProcess() throws {
    var chance = SeededRandom(77)
    let question = try #require(DomainQuery(query("www.test", options: true)))
    let good = [
      query("www.test", options: true),
      response(question, [record("www.test", 5, name("web.test")), record("web.test", 1, [192, 0, 2, 1])]),
    ]
    var understood = 0
    for round in 0..<40000 {
      var message = good[round % 2]
      for _ in 0...Int.random(in: 0...3, using: &chance) {
        let place = Int.random(in: 0..<message.count, using: &chance)
        message[place] =
          [0, 1, 0x3f, 0x40, 0xc0, 0xff, UInt8.random(in: 0...255, using: &chance)].randomElement(using: &chance) ?? 0
      }
      if chance.next() % 4 == 0 { message.removeLast(Int.random(in: 0...message.count, using: &chance)) }
      if let asked = DomainQuery(message) {
        understood += 1
        _ = asked.answer(.success, [], room: asked.room)
        _ = asked.forwarded(id: 1)
      }
      if DomainResponse(message, id: 0xabcd, to: question) != nil { understood += 1 }
    }
    #expect(understood > 100)
  }

  @Test func theHostsOwnFiles() throws {
    let names = HostNames(
      configuration: Array(
        "# c\nsearch x\nnameserver 192.0.2.53 # first\nnameserver\tfe80::1%eth0\nnameserver 2001:db8::53\noptions edns0\n"
          .utf8),
      hosts: Array(
        "127.0.0.1 localhost\n192.0.2.7 Web.Test alias # x\n2001:db8::7 web.test\nbad line\n192.0.2.8 other.test\n".utf8
      )
    ) { $0 == "web.test" || $0 == "alias" }
    #expect(names.servers.map { String(decoding: $0.text, as: UTF8.self) } == ["192.0.2.53:53", "[2001:db8::53]:53"])
    #expect(names.addresses(of: "web.test")?.count == 2 && names.addresses(of: "alias")?.count == 1)
    #expect(names.addresses(of: "other.test") == nil && names.addresses(of: "localhost") == nil)
    let none = HostNames(configuration: [], hosts: []) { _ in true }
    #expect(none.servers == [InternetEndpoint(.loopback4, 53)])
  }
}
