// The `#!` line, as the kernel reads it.

import LinuxABI
import Testing

@testable import Sentry

struct LoaderScriptTests {
  private static func padded(_ text: String, to count: Int) -> String {
    text + String(repeating: "x", count: count - text.utf8.count)
  }

  static let lines: [(String, String, String?)] = [
    ("#!/bin/sh\n", "/bin/sh", nil),
    ("#!/bin/sh", "/bin/sh", nil),
    ("#! \t/bin/sh\n", "/bin/sh", nil),
    ("#!/bin/sh -e\necho", "/bin/sh", "-e"),
    ("#!/bin/sh  -e  x \t\n", "/bin/sh", "-e  x"),
    ("#!/bin/sh\t\n", "/bin/sh", nil),
    ("#!/bin/sh \0hidden\n", "/bin/sh", ""),
    ("#!/bin/sh\0 -e\n", "/bin/sh", nil),
    ("#!/bin/sh a\0b\n", "/bin/sh", "a"),
    ("#!", "", nil),
    ("#!sh\r\n", "sh\r", nil),
    // A cut argument is all right, 255 bytes are looked at.
    (padded("#!/bin/sh ", to: 300), "/bin/sh", String(repeating: "x", count: 245)),
    (padded("#!/", to: 254) + "\n", "/" + String(repeating: "x", count: 251), nil),
    (padded("#!/", to: 255) + "\n", "/" + String(repeating: "x", count: 252), nil),
  ]

  @Test(arguments: lines) func parses(_ line: String, _ interpreter: String, _ argument: String?) throws {
    let script = try Script(start: Array(line.utf8.prefix(256)))
    #expect(script?.interpreter == Array(interpreter.utf8))
    #expect(script?.argument == argument.map { Array($0.utf8) })
  }

  @Test(arguments: ["#!\n", "#! \t \n", "#!" + String(repeating: " ", count: 300), padded("#!/", to: 256)])
  func refuses(_ line: String) {
    #expect(throws: Errno.execFormatError) { try Script(start: Array(line.utf8.prefix(256))) }
  }

  @Test(arguments: ["", "#", "# !/bin/sh", "\u{7f}ELF", "echo"]) func isNoScript(_ text: String) throws {
    #expect(try Script(start: Array(text.utf8)) == nil)
  }

  @Test func randomLinesNeverTrap() {
    for _ in 0..<10_000 {
      let count = Int.random(in: 0...256)
      let alphabet: [UInt8] = [0x20, 0x09, 0x0a, 0x00, 0x2f, 0x61, 0x20, 0x61]
      let line: [UInt8] = [0x23, 0x21] + (0..<count).map { _ in alphabet.randomElement() ?? 0 }
      _ = try? Script(start: Array(line.prefix(256)))
    }
  }

  @Test func innerHeadFollowsTheOuterWithoutItsFirst() throws {
    let inner = try #require(try Script(start: Array("#!/s2 one\n".utf8)))
    let outer = try #require(try Script(start: Array("#!/bin/sh two\n".utf8)))
    let head = outer.argumentHead(
      path: Array("/s2".utf8), inner: inner.argumentHead(path: Array("/s1".utf8), inner: nil))
    #expect(head.map { String(decoding: $0, as: UTF8.self) } == ["/bin/sh", "two", "/s2", "one", "/s1"])
  }
}
