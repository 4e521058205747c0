// Times as people read them.

/// A time in nanoseconds as text.
enum DurationText {
  /// Seconds with as many decimals as there are, at most three: `10`, `0.5`.
  static func seconds(_ nanoseconds: UInt64) -> String {
    let whole = nanoseconds / 1_000_000_000
    let thousandths = nanoseconds % 1_000_000_000 / 1_000_000
    if thousandths == 0 { return "\(whole)" }
    let digits = "\(thousandths + 1000)".dropFirst()
    let shown = digits.reversed().drop { $0 == "0" }.reversed()
    return "\(whole).\(String(shown))"
  }
}
