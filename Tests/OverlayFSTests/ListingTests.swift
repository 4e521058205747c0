import HostFS
import LinuxABI
import OverlayFS
import Testing
import VFS

/// Listings that change while they are read.
@Suite struct ListingTests {
  static let kinds = UpperKind.allCases

  /// Reads `count` entries from `cursor`; returns the names and the cursor behind them.
  private func read(_ inode: Inode, _ cursor: Int64, _ count: Int) throws -> ([String], Int64) {
    var names: [String] = []
    var next = cursor
    try inode.iterate(from: cursor) { entry in
      if names.count == count { return false }
      names.append(String(decoding: entry.name.bytes, as: UTF8.self))
      next = entry.next
      return true
    }
    return (names, next)
  }

  @Test(arguments: kinds) func deletingWhatIsReadSkipsNothing(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir d && cd d && seq 1 500 | xargs touch")
    let directory = try stage.client.at("d")
    var cursor: Int64 = 0
    var seen: Set<String> = []
    while true {
      let (names, next) = try read(directory, cursor, 7)
      if names.isEmpty { break }
      for name in names {
        #expect(seen.insert(name).inserted)
        try stage.client.unlink("d/\(name)")
      }
      cursor = next
    }
    #expect(seen.count == 500)
    #expect(try stage.client.list("d") == [])
    try stage.client.rmdir("d")
  }

  @Test(arguments: kinds) func entriesPresentThroughoutAreShownOnce(_ kind: UpperKind) throws {
    let stage = try Stage(
      kind, "mkdir d && cd d && seq 1 300 | xargs touch", "mkdir d && cd d && seq 200 600 | xargs touch")
    let directory = try stage.client.at("d")
    var cursor: Int64 = 0
    var seen: [String: Int] = [:]
    var round = 0
    while true {
      let (names, next) = try read(directory, cursor, 13)
      if names.isEmpty { break }
      for name in names { seen[name, default: 0] += 1 }
      if round < 40 {
        try stage.client.write("d/new-\(round)", "x")
        if round > 0 { try stage.client.unlink("d/new-\(round - 1)") }
      }
      round += 1
      cursor = next
    }
    for number in 1...600 { #expect(seen["\(number)"] == 1) }
    #expect(seen.values.allSatisfy { $0 == 1 })
  }

  @Test(arguments: kinds) func cursorComesBackToTheSameEntry(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir d && cd d && seq 1 50 | xargs touch")
    let directory = try stage.client.at("d")
    let (_, middle) = try read(directory, 0, 20)
    let (before, _) = try read(directory, middle, 5)
    try stage.client.write("d/new", "x")
    try stage.client.chmod("d/\(before[1])", 0o600)
    let (after, _) = try read(directory, middle, 5)
    #expect(before == after)
  }
}
