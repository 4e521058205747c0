// The `--stats` table: how often each call was served and how long that took, gathered in one histogram a call.

import Histogram
import Kernel
import Layers
import LinuxABI

/// Counts and latency per call number.
///
/// A histogram keeps two significant digits over 1 ns to an hour in 30 KiB, and is made when a call is first seen.
public final class CallStatistics: Sendable {
  private struct Entry {
    var histogram = Histogram<UInt64>(
      lowestDiscernibleValue: 1, highestTrackableValue: CallStatistics.longest, numberOfSignificantValueDigits: .two)
    /// The exact sum; saturates instead of wrapping.
    var total: UInt64 = 0
    var longest: UInt64 = 0

    mutating func add(_ nanoseconds: UInt64) {
      _ = histogram.record(min(max(nanoseconds, 1), CallStatistics.longest))
      total = total.addingClamped(nanoseconds)
      longest = max(longest, nanoseconds)
    }
  }

  /// One line of the table; times in nanoseconds.
  public struct Row: Sendable, Equatable {
    public var call: Int
    public var count: UInt64
    public var median: UInt64
    public var percentile99: UInt64
    public var maximum: UInt64
    public var total: UInt64
  }

  /// What takes longer counts as one hour in the percentiles.
  private static let longest: UInt64 = 3_600_000_000_000

  /// Guards the entries; held for one record or one reading.
  private let entries = Lock<[Int: Entry]>(.statistics, [:])

  public init() {}

  /// Counts one served call.
  public func record(callNumber: Int, nanoseconds: UInt64) {
    entries.withLock { entries in entries[callNumber, default: Entry()].add(nanoseconds) }
  }

  /// What was gathered, the call with the largest total first.
  public var rows: [Row] {
    entries.withLock { entries in
      entries.map { number, entry in
        Row(
          call: number, count: entry.histogram.totalCount,
          median: min(entry.histogram.valueAtPercentile(50), entry.longest),
          percentile99: min(entry.histogram.valueAtPercentile(99), entry.longest), maximum: entry.longest,
          total: entry.total)
      }.sorted { ($0.total, $1.call) > ($1.total, $0.call) }
    }
  }

  /// The table as text, a header first; `name` gives a call's name by its number.
  public func table(name: (Int) -> String?) -> String {
    var lines = [["call", "count", "p50", "p99", "max", "total"]]
    var count: UInt64 = 0
    var total: UInt64 = 0
    for row in rows {
      count &+= row.count
      total = total.addingClamped(row.total)
      lines.append([
        name(row.call) ?? "call \(row.call)", String(row.count), Self.duration(row.median),
        Self.duration(row.percentile99), Self.duration(row.maximum), Self.duration(row.total),
      ])
    }
    lines.append(["all", String(count), "", "", "", Self.duration(total)])
    let widths = (0..<6).map { column in lines.map { $0[column].unicodeScalars.count }.max() ?? 0 }
    return lines.map { line in
      line.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.unicodeScalars.count)
        return column == 0 ? cell + padding : padding + cell
      }.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// The table as an object of JSON on one line; times in nanoseconds.
  func json(name: (Int) -> StaticString?) -> [UInt8] {
    var result = JSONLine()
    result.append("{\"calls\":[")
    for (index, row) in rows.enumerated() {
      result.append(index == 0 ? "{\"call\":\"" : ",{\"call\":\"")
      if let name = name(row.call) {
        result.append(name)
      } else {
        result.append("call ")
        result.append(row.call)
      }
      result.append("\"")
      let numbers: [(StaticString, UInt64)] = [
        ("count", row.count), ("p50", row.median), ("p99", row.percentile99), ("max", row.maximum),
        ("total", row.total),
      ]
      for (key, number) in numbers {
        result.append(",\"")
        result.append(key)
        result.append("\":")
        result.append(number)
      }
      result.append("}")
    }
    result.append("]}\n")
    return result.text
  }

  /// A time in the unit that gives it one to three digits before the point.
  static func duration(_ nanoseconds: UInt64) -> String {
    func scaled(_ unit: UInt64, _ name: String) -> String {
      let tenths = nanoseconds / (unit / 10)
      return "\(tenths / 10).\(tenths % 10) \(name)"
    }
    return switch nanoseconds {
    case 0..<1000: "\(nanoseconds) ns"
    case 1000..<1_000_000: scaled(1000, "us")
    case 1_000_000..<1_000_000_000: scaled(1_000_000, "ms")
    default: scaled(1_000_000_000, "s")
    }
  }
}
