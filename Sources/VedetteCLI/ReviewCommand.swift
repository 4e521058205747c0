// `vedette review`: a person looks at what an upper directory changes, and says what becomes of it.

import ArgumentParser
import Kernel
import Layers
import LinuxABI
import Vedette

/// The command line of `vedette review`.
struct ReviewCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "review",
    abstract: "Look at what a persistent upper directory changes, then apply, keep or throw it away.",
    usage: "vedette review DIR --to ROOT [--rootfs DIR] [--lower DIR]...",
    discussion: """
      Lists the changes by kind, with renames and sizes, and asks: apply all of them to ROOT or those of a pattern (as vedette \
      apply does, conflicts refused), show the patch of text files or write it to a file, keep DIR for later, or throw the \
      changes away. Without a terminal nothing is asked, and DIR is kept.

      Exit status: that of apply if something was applied, else 0; 125 with one line on standard error on failure.

      Example: vedette run --upper ./changes -- ./install.sh; vedette review ./changes --to /
      """)

  @Option(help: ArgumentHelp("The host tree to apply to. Example: --to /srv/debian", valueName: "root"))
  var to: String

  @OptionGroup var layers: LayerOptions

  func perform() throws(SandboxError) -> CInt {
    let upper = layers.upper
    let root = ArgumentBytes.bytes(of: to)
    do throws(Errno) {
      _ = try root.withCString { path throws(Errno) in try Host.openTrusted(path, [.path, .directory]) }
    } catch {
      throw SandboxError("review: '\(root)': \(error) (--to names the host tree that changes would go to)")
    }
    let overview = try details { (details) throws(SandboxError) in
      if let complaint = details.complaint { throw SandboxError("review: \(complaint)") }
      return try details.overview()
    }
    StandardStreams.write(overview, to: 2)
    guard Host.isTerminal(0), Host.isTerminal(2) else {
      StandardStreams.complain("review: there is no terminal to ask: the changes are kept in '\(upper.path)'")
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
        try upper.discard()
        return 0
      case "k", nil:
        StandardStreams.complain("review: the changes are kept in '\(upper.path)'")
        return 0
      default: continue
      }
    }
  }

  private func patch() throws(SandboxError) -> [UInt8] {
    try details { (details) throws(SandboxError) in try details.patch() }
  }

  /// The upper is not held between two looks: the apply takes it for itself.
  private func details<Result>(
    _ body: (inout ChangeDetails) throws(SandboxError) -> Result
  ) throws(SandboxError) -> Result {
    var details = try ChangeDetails(layers.upper, PathPatterns())
    defer { details.close() }
    return try body(&details)
  }

  private func apply(_ patterns: PathPatterns) throws(SandboxError) -> CInt {
    let plan = try ApplyPlan(layers.upper, to: ArgumentBytes.bytes(of: to), .refuse, patterns)
    if let note = plan.note { StandardStreams.complain("review: \(note)") }
    if !plan.conflicts.isEmpty {
      StandardStreams.write(plan.conflictText, to: 2)
      StandardStreams.complain("review: the changes are kept: see vedette apply --ours, --theirs, --merge")
      return ApplyPlan.conflictStatus
    }
    if plan.isEmpty {
      StandardStreams.complain("review: there is nothing to apply; the changes are kept")
      return 0
    }
    guard try StandardStreams.ask(plan.question, for: "review", showing: plan.text) else { return 1 }
    for note in try plan.perform(afterAsking: true) { StandardStreams.complain("review: \(note)") }
    return 0
  }
}
