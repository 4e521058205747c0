// Writing to a descriptor that may be a pipe, a terminal or a file: all of it, in order, from where it stands.

import Kernel
import LinuxABI

package enum DescriptorOutput {
  /// All of it, or as much as can be: for messages, which must not fail.
  package static func write(_ bytes: [UInt8], to descriptor: CInt) {
    _ = try? Host.writeAll(bytes, to: descriptor)
  }
}

/// A line on standard error that shows how far a long job is, while standard error is a terminal.
struct ProgressBar {
  private let isShown: Bool
  private let title: String
  private let total: Int64
  private let countsBytes: Bool
  private var done: Int64 = 0
  private var shownAt: Int64 = -1

  init(_ title: String, total: Int64, countsBytes: Bool = true) {
    self.title = title
    self.total = max(total, 1)
    self.countsBytes = countsBytes
    isShown = Host.isTerminal(2)
  }

  /// Of sizes that a guest has made: a file with a hole may be as long as a number can say.
  static func percent(_ done: Int64, of total: Int64) -> Int64 {
    let share = total > Int64.max / 100 ? done / (total / 100) : done.multipliedClamped(by: 100) / max(total, 1)
    return min(100, share)
  }

  mutating func advance(_ count: Int64) {
    guard isShown else { return }
    done = done.addingClamped(count)
    let percent = Self.percent(done, of: total)
    guard percent != shownAt else { return }
    shownAt = percent
    let filled = Int(percent) * 30 / 100
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
    let amount = countsBytes ? " \(Self.megabytes(done))" : ""
    DescriptorOutput.write(Array("\r\(title) [\(bar)] \(percent)%\(amount)".utf8), to: 2)
  }

  /// Takes the line away.
  func finish() {
    if isShown && shownAt >= 0 { DescriptorOutput.write(Array("\r\u{1b}[K".utf8), to: 2) }
  }

  private static func megabytes(_ bytes: Int64) -> String { "\(bytes / 1_000_000).\(bytes / 100_000 % 10) MB" }
}
