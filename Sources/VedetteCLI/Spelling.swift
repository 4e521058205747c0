// Slips of the pen: which known word was meant.

/// How far words are apart.
enum Spelling {
  /// The known word that is at most one edit away, or two where it is long; nil if there is none, or if two are as near.
  static func nearest(to word: String, among known: [String]) -> String? {
    let letters = Array(word.utf8)
    let allowed = letters.count < 8 ? 1 : 2
    var best: (distance: Int, word: String?) = (allowed + 1, nil)
    for candidate in known where abs(candidate.utf8.count - letters.count) <= allowed {
      let distance = distance(letters, Array(candidate.utf8))
      if distance < best.distance {
        best = (distance, candidate)
      } else if distance == best.distance {
        best.word = nil
      }
    }
    return best.distance <= allowed ? best.word : nil
  }

  /// Letters that were left out, added, changed, or exchanged with their neighbour (optimal string alignment).
  static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    // A word of the user's own may be as long as they like.
    if max(a.count, b.count) > 64 { return a == b ? 0 : max(a.count, b.count) }
    var rows = [Array(0...b.count)]
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var cost = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, rows[i - 1][j - 1] + 1) }
        row.append(cost)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
