// Calls that have begun and are not answered yet, for `--trace`: one that never is answered has a line all the same.

import Gate
import LinuxABI

/// At most one call for each gate: a gate serves one at a time.
struct CallsInService {
  /// One call, from the question to the answer.
  struct Entry {
    var call: SystemCall
    var thread: ThreadID
    /// Nanoseconds of CLOCK_MONOTONIC.
    var since: UInt64
    /// Its beginning has a line.
    var isShown: Bool
  }

  private var entries: (trace: Entry?, notify: Entry?)

  /// Nanoseconds of service after which the beginning gets a line.
  static let slow: UInt64 = 100_000_000

  mutating func begin(_ entry: Entry, by gate: GateKind) { self[gate] = entry }

  /// - Returns: whether its beginning has a line.
  mutating func end(by gate: GateKind) -> Bool {
    defer { self[gate] = nil }
    return self[gate]?.isShown ?? false
  }

  /// Those whose beginning is to have a line now; each is given once.
  mutating func takeSlow(now: UInt64) -> [Entry] {
    var slow: [Entry] = []
    for gate in [GateKind.trace, .notify] {
      guard let entry = self[gate], !entry.isShown, now >= entry.since, now - entry.since >= Self.slow else { continue }
      slow.append(entry)
      self[gate]?.isShown = true
    }
    return slow
  }

  private subscript(gate: GateKind) -> Entry? {
    get { gate == .trace ? entries.trace : entries.notify }
    set { if gate == .trace { entries.trace = newValue } else { entries.notify = newValue } }
  }
}
