// `vedette apply`: applies what a persistent upper directory changes to a host tree.

import ArgumentParser
import Kernel
import Layers
import Vedette

/// The command line of `vedette apply`.
struct ApplyCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Apply what a persistent upper directory changes to a host tree.",
    usage:
      "vedette apply DIR --to ROOT [--ours | --theirs | --merge] [--include PATTERN]... [--exclude PATTERN]... [--dry-run] [--yes] [--rootfs DIR] [--lower DIR]...",
    discussion: """
      Shows the changes and asks first; without a terminal to ask, --yes is needed. Everything is built beside its place, \
      then renamed into it; on failure what was done is undone and a line says so. Other writers of ROOT are not kept out. \
      DIR stays as it is. Extended attributes security.* and trusted.* set inside are not applied.

      Three-way: what ROOT has changed, lost or got since DIR covered it is a conflict. Conflicts are listed, C and the path, \
      and nothing is applied, unless an option says what to do. vedette undo DIR takes the last apply back.

      Exit status: 0; 1 if the answer was no; 2 for conflicts, and nothing was changed; 125 with one line on standard error on failure.

      Example: vedette apply ./changes --to / --dry-run
      """)

  @Option(help: ArgumentHelp("The host tree to change. Example: --to /srv/debian", valueName: "root"))
  var to: String

  @Flag(help: "Conflicts: what DIR has goes over what ROOT has. Example: --ours")
  var ours = false

  @Flag(help: "Conflicts: what ROOT has stays; all else is applied. Example: --theirs")
  var theirs = false

  @Flag(
    help: ArgumentHelp(
      "Conflicts in text files: merge them line by line where that is clear. Needs the lower as it was. Example: --merge"
    ))
  var merge = false

  @Flag(help: "Only list what would change. Example: --dry-run")
  var dryRun = false

  @Flag(help: "Do not ask. Example: --yes")
  var yes = false

  @OptionGroup var patterns: PatternOptions

  @OptionGroup var layers: LayerOptions

  func perform() throws(SandboxError) -> CInt {
    if [ours, theirs, merge].count(where: { $0 }) > 1 {
      throw SandboxError("apply: --ours, --theirs and --merge exclude each other (say one of them)")
    }
    let policy: ConflictPolicy = ours ? .ours : theirs ? .theirs : merge ? .merge : .refuse
    let plan = try ApplyPlan(layers.upper, to: ArgumentBytes.bytes(of: to), policy, patterns.patterns)
    if let note = plan.note { StandardStreams.complain("apply: \(note)") }
    let status = dryRun ? answer(plan.text) : 0
    if !plan.conflicts.isEmpty {
      StandardStreams.write(plan.conflictText, to: 2)
      let advice = merge ? "--ours or --theirs" : "--ours, --theirs or --merge"
      let count = "\(plan.conflicts.count) conflict\(plan.conflicts.count == 1 ? "" : "s")"
      StandardStreams.complain("apply: \(count) with '\(ArgumentBytes.bytes(of: to))', nothing was changed (\(advice))")
      return status == 0 ? ApplyPlan.conflictStatus : status
    }
    if dryRun || plan.isEmpty { return status }
    if !yes, try !StandardStreams.ask(plan.question, for: "apply", showing: plan.text) { return 1 }
    for note in try plan.perform(afterAsking: !yes) { StandardStreams.complain("apply: \(note)") }
    return 0
  }
}
