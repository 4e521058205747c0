// `vedette undo`: takes the last apply of a persistent upper directory back.

import ArgumentParser
import Kernel
import Layers
import Vedette

/// The command line of `vedette undo`.
struct UndoCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "undo",
    abstract: "Undo what vedette apply has done.",
    usage: "vedette undo DIR [--yes] [--rootfs DIR] [--lower DIR]...",
    discussion: """
      The host tree gets back what the last apply of DIR replaced, removed or added, as long as it shows what the apply has \
      left: a path that was changed since is listed, and nothing is done. DIR keeps its changes. An apply that was killed is \
      undone too. What was replaced is kept in DIR until the next apply.

      Exit status: 0; 1 if the answer was no; 2 if something was changed since the apply; 125 with one line on standard \
      error on failure.

      Example: vedette undo ./changes --yes
      """)

  @Flag(help: "Do not ask. Example: --yes")
  var yes = false

  @OptionGroup var layers: LayerOptions

  func perform() throws(SandboxError) -> CInt {
    let plan = try UndoPlan(layers.upper)
    if plan.hasConflicts {
      StandardStreams.write(plan.conflictText, to: 2)
      StandardStreams.complain("undo: '\(plan.target)' was changed since the apply: nothing was done")
      return ApplyPlan.conflictStatus
    }
    if !yes {
      let question = "Take \(plan.count) change\(plan.count == 1 ? "" : "s") back from '\(plan.target)'?"
      guard try StandardStreams.ask(question, for: "undo") else { return 1 }
    }
    for note in try plan.perform() { StandardStreams.complain("undo: \(note)") }
    return 0
  }
}
