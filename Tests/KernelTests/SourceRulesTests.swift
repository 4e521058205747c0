// Rules on the sources that keep a number of a guest from ending the supervisor.

import Foundation
import Testing

@Suite struct SourceRulesTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Every Swift file of the products: its path from Sources, and its lines without comments.
  private static func lines() throws -> [(path: String, line: Substring)] {
    let sources = root.appending(path: "Sources").path
    let files = try FileManager.default.subpathsOfDirectory(atPath: sources).filter { $0.hasSuffix(".swift") }
    try #require(files.count > 150)
    return try files.flatMap { path in
      try String(contentsOfFile: "\(sources)/\(path)", encoding: .utf8).split(separator: "\n")
        .filter { !$0.drop { $0 == " " }.hasPrefix("//") }.map { (path, $0) }
    }
  }

  /// Arithmetic that may fail has one form.
  @Test func overflowIsReportedInOneFile() throws {
    let others = try Self.lines().filter {
      $0.line.contains("ReportingOverflow") && $0.path != "LinuxABI/CheckedArithmetic.swift"
    }
    #expect(others.map { "\($0.path): \($0.line)" } == [])
  }

  /// The kernel has one room: `Kernel` alone sees the C headers and makes calls.
  @Test func oneTargetCallsTheKernel() throws {
    let forms = [
      "import CLinux", "import Glibc", "import Foundation", "vd_syscall(", "Host.raw(", "Host.call(",
      "Host.callForGuest(", "interruptibleCall(",
    ]
    // memcmp and memchr of names.
    let pure: Set = ["LinuxABI/Name.swift: public import Glibc", "LinuxABI/ByteSearch.swift: public import Glibc"]
    let found = try Self.lines().filter { line in
      let target = String(line.path.prefix { $0 != "/" })
      return target != "Kernel" && forms.contains { line.line.contains($0) }
    }
    #expect(Set(found.map { "\($0.path): \($0.line)" }).subtracting(pure) == [])
  }

  /// Each target declares what it imports: SwiftPM's own check is content with what a dependency depends on.
  @Test func whatIsImportedIsDeclared() throws {
    let text = try String(contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
    var declared: [String: Set<String>] = [:]
    for match in text.matches(of: /room\(\s*"(\w+)",\s*\[([^\]]*)\]/) {
      declared[String(match.1)] = Set(match.2.matches(of: /"(\w+)"/).map { String($0.1) })
    }
    try #require(declared.count > 10)
    let targets = try Set(FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: "Sources").path))
    for (path, line) in try Self.lines() {
      let target = String(path.prefix { $0 != "/" })
      guard let known = declared[target], let match = line.firstMatch(of: /^(?:public |package )?import (\w+)/) else {
        continue
      }
      let module = String(match.1)
      #expect(!targets.contains(module) || known.contains(module), "\(path): import \(module)")
    }
  }

  /// What ends the process by what it is given. `preconditionFailure` stands in getters of what an initializer sets.
  @Test func nothingEndsTheProcessOnPurpose() throws {
    let forms = [
      "fatalError(", "try!", " as! ", "uniqueKeysWithValues", "assertionFailure(", "precondition(", "assert(",
    ]
    let found = try Self.lines().filter { line in forms.contains { line.line.contains($0) } }
    #expect(found.map { "\($0.path): \($0.line)" } == [])
  }

  /// Without its checks Swift would compute on with a number that does not fit.
  @Test func checksAreNeverTurnedOff() throws {
    for file in ["Package.swift", "Makefile"] {
      let text = try String(contentsOf: Self.root.appending(path: file), encoding: .utf8)
      for flag in ["Ounchecked", "remove-runtime-asserts", "assert-config"] {
        #expect(!text.contains(flag), "\(file): \(flag)")
      }
    }
    let found = try Self.lines().filter { $0.line.contains("unchecked)") && $0.line.contains("@") }
    #expect(found.map { "\($0.path): \($0.line)" } == [])
  }
}
