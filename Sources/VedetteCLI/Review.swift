// The questions of a review: what an upper directory changes, and what becomes of it. `vedette review` asks them, and
// `vedette run --review` when its command has ended.

import Kernel
import Layers
import LinuxABI
import Vedette

/// One review of one upper directory.
struct Review {
  var upper: UpperDirectory
  /// The host tree to apply to.
  var target: ByteString
  /// The directory was made for this run: it goes with the changes, and to keep it is to give it a name.
  var isTemporary = false
  /// A run has just ended: where there is nothing to ask, one line is enough.
  var isAfterRun = false

  /// - Returns: the status of an apply that did not do all, else 0.
  func perform() throws(SandboxError) -> CInt {
    let hasTerminal = Host.isTerminal(0) && Host.isTerminal(2)
    let overview = try details { (details) throws(SandboxError) in
      if let complaint = details.complaint { throw SandboxError("review: \(complaint)") }
      if isAfterRun, details.isEmpty { return nil as [UInt8]? }
      return try details.overview()
    }
    guard let overview else {
      StandardStreams.complain("review: nothing was changed")
      if isTemporary { try discard() }
      return 0
    }
    if hasTerminal || !isAfterRun { StandardStreams.write(overview, to: 2) }
    guard hasTerminal else {
      StandardStreams.complain("review: there is no terminal to ask: \(kept)")
      return 0
    }
    while true {
      StandardStreams.write(
        "[a]pply all, apply [s]ome, [p]atch, [w]rite the patch, [k]eep, [t]hrow away? ", to: 2)
      switch readLine().map({ $0.lowercased() }) {
      case "a": return try apply(PathPatterns())
      case "s":
        StandardStreams.write("Pattern (/etc, *.conf): ", to: 2)
        guard let pattern = readLine(), !pattern.isEmpty else { continue }
        return try apply(PathPatterns(include: [Array(pattern.utf8)]))
      // What a guest wrote may hold what a terminal obeys.
      case "p": StandardStreams.write(ChangeDetails.escaped(try patch()), to: 2)
      case "w":
        StandardStreams.write("File: ", to: 2)
        guard let name = readLine(), !name.isEmpty else { continue }
        do throws(SandboxError) {
          try PatchFile.write(try patch(), to: ByteString(Array(name.utf8)))
        } catch {
          StandardStreams.complain(error.message)
        }
      case "t":
        StandardStreams.write("Throw the changes in '\(upper.path)' away? [y/N] ", to: 2)
        guard let line = readLine(), ["y", "yes"].contains(line.lowercased()) else { continue }
        try discard()
        return 0
      case "k":
        if isTemporary, keepUnderName() { return 0 }
        fallthrough
      case nil:
        StandardStreams.complain("review: \(kept)")
        return 0
      default: continue
      }
    }
  }

  private var kept: String {
    "the changes are kept in '\(upper.path)'" + (isTemporary ? " (vedette review \(upper.path) --to \(target))" : "")
  }

  /// Asks for a name, and moves the directory there.
  ///
  /// - Returns: false if it stays where it is.
  private func keepUnderName() -> Bool {
    StandardStreams.write("Directory to keep them in, a new one (empty: \(upper.path)): ", to: 2)
    guard let line = readLine(), !line.isEmpty else { return false }
    let name = ByteString(Array(line.utf8))
    do throws(Errno) {
      try upper.path.withCString { old throws(Errno) in
        try name.withCString { new throws(Errno) in
          try Host.rename(old, in: AtFlags.currentDirectory, to: new, in: AtFlags.currentDirectory, .noReplace)
        }
      }
      StandardStreams.complain("review: the changes are kept in '\(name)'")
      return true
    } catch {
      StandardStreams.complain("review: cannot move them to '\(name)': \(error)")
      return false
    }
  }

  private func discard() throws(SandboxError) {
    try upper.discard()
    if isTemporary { TemporaryUpper.remove(upper.path) }
  }

  private func patch() throws(SandboxError) -> [UInt8] {
    try details { (details) throws(SandboxError) in try details.patch() }
  }

  /// The upper is not held between two looks: the apply takes it for itself.
  private func details<Result>(
    _ body: (inout ChangeDetails) throws(SandboxError) -> Result
  ) throws(SandboxError) -> Result {
    var details = try ChangeDetails(upper, PathPatterns())
    defer { details.close() }
    return try body(&details)
  }

  private func apply(_ patterns: PathPatterns) throws(SandboxError) -> CInt {
    let plan = try ApplyPlan(upper, to: target, .refuse, patterns)
    if let note = plan.note { StandardStreams.complain("review: \(note)") }
    if !plan.conflicts.isEmpty {
      StandardStreams.write(plan.conflictText, to: 2)
      StandardStreams.complain("review: the changes are kept: see vedette apply --ours, --theirs, --merge")
      if isTemporary { StandardStreams.complain("review: \(kept)") }
      return ApplyPlan.conflictStatus
    }
    if plan.isEmpty {
      StandardStreams.complain("review: there is nothing to apply; \(kept)")
      return 0
    }
    guard try StandardStreams.ask(plan.question, for: "review", showing: plan.text) else {
      if isTemporary { StandardStreams.complain("review: \(kept)") }
      return 1
    }
    for note in try plan.perform(afterAsking: true) { StandardStreams.complain("review: \(note)") }
    if isTemporary {
      StandardStreams.complain("review: applied; '\(upper.path)' is kept for vedette undo \(upper.path)")
    }
    return 0
  }
}
