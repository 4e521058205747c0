// Counting calls: exact counts and totals, percentiles within the histogram's precision, a table that lines up.

import Testing

@testable import Vedette

struct StatisticsTableTests {
  @Test func rowHoldsCountPercentilesAndExactTotal() throws {
    let statistics = CallStatistics()
    for value in 1...1000 { statistics.record(callNumber: 4, nanoseconds: UInt64(value) * 1000) }
    let row = try #require(statistics.rows.first)
    #expect(row.count == 1000)
    #expect(row.maximum == 1_000_000)
    #expect(row.total == 500_500_000)
    #expect((495_000...510_000).contains(row.median))
    #expect((980_000...1_000_000).contains(row.percentile99))
  }

  @Test func extremesDoNotTrap() throws {
    let statistics = CallStatistics()
    for value in [0, 1, .max, .max] as [UInt64] { statistics.record(callNumber: -1, nanoseconds: value) }
    let row = try #require(statistics.rows.first)
    #expect(row.count == 4)
    #expect(row.total == .max)
    #expect(row.maximum == .max)
  }

  @Test func threadsCountTogether() async {
    let statistics = CallStatistics()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { for _ in 0..<1000 { statistics.record(callNumber: 1, nanoseconds: 5) } }
      }
    }
    #expect(statistics.rows.map(\.count) == [8000])
  }

  @Test func tableIsSortedByTotalAndAligned() {
    let statistics = CallStatistics()
    statistics.record(callNumber: 1, nanoseconds: 10)
    statistics.record(callNumber: 257, nanoseconds: 5_100)
    statistics.record(callNumber: 257, nanoseconds: 5_200)
    let lines = statistics.table { $0 == 257 ? "openat" : nil }.split(separator: "\n")
    #expect(lines.count == 4)
    #expect(lines[0].split(separator: " ") == ["call", "count", "p50", "p99", "max", "total"])
    #expect(lines[1].hasPrefix("openat ") && lines[1].hasSuffix("10.3 us"))
    #expect(lines[2].hasPrefix("call 1 "))
    #expect(lines[3].hasPrefix("all "))
    #expect(Set(lines.map(\.count)).count == 1)
  }

  @Test func durations() {
    #expect(CallStatistics.duration(0) == "0 ns")
    #expect(CallStatistics.duration(999) == "999 ns")
    #expect(CallStatistics.duration(1_000) == "1.0 us")
    #expect(CallStatistics.duration(12_345_678) == "12.3 ms")
    #expect(CallStatistics.duration(61_000_000_000) == "61.0 s")
  }
}
