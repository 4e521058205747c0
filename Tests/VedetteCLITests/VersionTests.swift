// The version stands in one place, and a release has its section in the page Changes.

import Foundation
import Testing
import Vedette

@testable import VedetteCLI

@Suite struct VersionTests {
  @Test func commandNamesTheVersion() {
    #expect(VedetteCommand.configuration.version == "vedette \(Version.current)")
  }

  @Test func newestSectionOfChangesIsTheVersion() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(
      contentsOf: root.appendingPathComponent("Sources/Vedette/Vedette.docc/Changes.md"), encoding: .utf8)
    #expect(page.split(separator: "\n").first { $0.starts(with: "## ") } == "## \(Version.current)")
  }
}
