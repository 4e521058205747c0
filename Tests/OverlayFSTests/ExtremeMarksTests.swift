// Numbers in a store that this program has not written: marks, intents, overflow records and redirects.

import CLinux
import HostFS
import LinuxABI
import TestSupport
import Testing
import VFS

@testable import OverlayFS

@Suite struct ExtremeMarksTests {
  private static func words(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) } }

  /// The link count of a file is the store's word; where it ends, no name is added (EMLINK, `man 2 link`).
  @Test func theLargestLinkCountGetsNoOtherName() throws {
    let stage = try Stage(.store, "echo x > f && ln f g")
    try stage.client.append("f", "y\n")
    let mark = try #require(try stage.storedNames("f").first { $0.hasSuffix(".links") })
    let store = Client(try HostFilesystem.store(stage.upperTree))
    try store.setAttribute("upper/f", mark, "\(UInt32.max)")
    try stage.restart()
    #expect(try stage.client.stat("f").linkCount == .max)
    #expect(throws: Errno.tooManyLinks) { try stage.client.link("f", "h") }
    #expect(try stage.client.list("") == ["f", "g"])
    try stage.client.unlink("g")
    #expect(try stage.client.stat("f").linkCount == .max - 1)
    try stage.client.link("f", "h")
    #expect(try stage.client.stat("h").linkCount == .max)
  }

  @Test func marksOfFilesAndDirectories() throws {
    let texts = Extreme.texts.filter { $0.utf8.count < 64 }
    for word in ["links", "origin", "redirect"] {
      let stage = try Stage(.store, "mkdir -p d/e; echo x > d/f; ln d/f d/g; echo y > h")
      try stage.client.append("d/f", "z\n")
      try stage.client.append("h", "z\n")
      let prefix = try #require(try stage.storedNames("d/f").first { $0.hasSuffix(".links") }).dropLast(5)
      for text in texts {
        let store = Client(try HostFilesystem.store(stage.upperTree))
        for path in ["d", "d/f", "h"] {
          let value = word == "redirect" ? "\(text)/d" : text
          try store.setAttribute("upper/\(path)", prefix + word, value)
        }
        // A damaged store may be refused, by the errno that says so.
        do {
          try stage.restart()
          for path in ["d", "d/f", "h"] {
            _ = try? stage.client.stat(path)
            _ = try? stage.client.list(path)
          }
          _ = try? stage.client.link("h", "i")
          _ = try? stage.client.rename("i", "j")
          _ = try? stage.client.unlink("j")
        } catch OverlayError.upper(let errno) {
          #expect(errno == Errno(rawValue: EUCLEAN))
        }
        stage.overlay.close()
        let check = try OverlayCheck(
          store: try HostFilesystem.store(stage.upperTree),
          lowers: [try HostFilesystem.lower(stage.lowerTrees[0])], repair: false,
          isRecord: HostFilesystem.isRecord)
        _ = check.problems
      }
    }
  }

  @Test func intents() {
    for first in Extreme.texts {
      for second in Extreme.texts {
        for step in ["links \(first) \(second)", "forget \(first)", "mode \(first)"] {
          for proof in ["holds \(second)", "list \(second)", "taken"] {
            let body = Self.fields(["\(proof)", "path", step])
            _ = OverlayIntent(Self.sealed(body, length: UInt64(body.count)))
          }
        }
      }
    }
    let body = Self.fields(["taken", "path", "links 7 4294967295"])
    #expect(
      OverlayIntent(Self.sealed(body, length: UInt64(body.count)))?.followUps == [.links(number: 7, count: .max)])
    // No count that fits: it would be another one.
    let large = Self.fields(["taken", "path", "links 7 4294967296"])
    #expect(OverlayIntent(Self.sealed(large, length: UInt64(large.count))) == nil)
    for length in Extreme.values { _ = OverlayIntent(Self.sealed(body, length: length)) }
  }

  private static func fields(_ texts: [String]) -> [UInt8] {
    var bytes: [UInt8] = []
    for text in texts { bytes += Array(text.utf8) + [0] }
    return bytes
  }

  private static func sealed(_ body: [UInt8], length: UInt64) -> [UInt8] {
    var bytes = Array(OverlayIntent(.taken, [], []).encoded.prefix(4))
    bytes += words(length).prefix(4)
    bytes += words(OverlayIntent.checksum(body))
    return bytes + body
  }

  @Test func overflowRecords() {
    for length in Extreme.values {
      for keyLength in Extreme.values {
        for kind in [0, 1, 2, 4, 5, 255] as [UInt8] {
          let record =
            Array(Self.words(length).prefix(4)) + [kind] + Array(Self.words(keyLength).prefix(2))
            + [UInt8](repeating: 0x61, count: 40)
          for bytes in [record, Array(record.prefix(7)), Array(record.prefix(8)), record + record] {
            let whole = OverflowStore.parse(bytes) { _, _, _ in }
            #expect(whole <= bytes.count)
            _ = OverflowStore.isTorn(bytes[whole...])
          }
        }
      }
    }
  }

  @Test func layersOfRedirects() {
    for text in Extreme.texts {
      guard let path = LayerPath(Array("\(text)/x".utf8)) else { continue }
      #expect(path.layer >= 0)
    }
  }
}
