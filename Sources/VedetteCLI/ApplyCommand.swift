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
    usage: "vedette apply DIR --to ROOT [--dry-run] [--yes] [--rootfs DIR] [--lower DIR]...",
    discussion: """
      Shows the changes and asks first; without a terminal to ask, --yes is needed. Everything is built beside its place, \
      then renamed into it; on failure what was done is undone and a line says so. Other writers of ROOT are not kept out. \
      DIR stays as it is. Extended attributes security.* and trusted.* set inside are not carried over.

      Exit status: 0; 1 if the answer was no; 125 with one line on standard error on failure.

      Example: vedette apply ./changes --to / --dry-run
      """)

  @Option(help: ArgumentHelp("The host tree to change. Example: --to /srv/debian", valueName: "root"))
  var to: String

  @Flag(help: "Only list what would change. Example: --dry-run")
  var dryRun = false

  @Flag(help: "Do not ask. Example: --yes")
  var yes = false

  @OptionGroup var layers: LayerOptions

  func perform() throws(SandboxError) -> CInt {
    let plan = try ApplyPlan(layers.upper, to: ArgumentBytes.bytes(of: to))
    if dryRun { return answer(plan.text) }
    if plan.isEmpty { return 0 }
    if !yes {
      guard Host.isTerminal(0), Host.isTerminal(2) else {
        throw SandboxError("apply: there is no terminal to ask (look with --dry-run, then say --yes)")
      }
      StandardStreams.write(plan.text, to: 2)
      StandardStreams.write(plan.question + " [y/N] ", to: 2)
      guard let line = readLine(), ["y", "yes"].contains(line.lowercased()) else {
        StandardStreams.complain("apply: nothing was changed")
        return 1
      }
    }
    for note in try plan.perform() { StandardStreams.complain("apply: \(note)") }
    return 0
  }
}
