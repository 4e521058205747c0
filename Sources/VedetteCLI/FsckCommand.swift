// `vedette fsck`: checks a persistent upper directory.

import ArgumentParser
import Layers
import Vedette

/// The command line of `vedette fsck`.
struct FsckCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "fsck",
    abstract: "Check a persistent upper directory.",
    usage: "vedette fsck DIR [--repair] [--json] [--rootfs DIR] [--lower DIR]...",
    discussion: """
      Looks at every mark in DIR: whiteouts, origins, redirects and whether they lead anywhere, link counts, the overflow \
      store and the index. One line for each problem, then a summary. What a killed run leaves behind is no problem.

      Exit status: 0 if DIR is clean (or all was repaired), 1 if problems are left, 125 if it cannot be checked.

      Example: vedette fsck ./changes
      """)

  @Flag(help: "Remove marks that mean nothing and files that belong to nothing. Example: --repair")
  var repair = false

  @Flag(help: "An object of JSON: clean, files, problems (path, problem, repaired). Example: --json")
  var json = false

  @OptionGroup var layers: LayerOptions

  func perform() throws(SandboxError) -> CInt {
    let check = try LayerCheck(layers.upper, repair: repair)
    if json {
      let status = answer(check.json)
      return status != 0 ? status : check.isClean ? 0 : 1
    }
    if let note = check.note { StandardStreams.complain("fsck: \(note)") }
    let status = answer(check.text + Array((check.summary + "\n").utf8))
    return status != 0 ? status : check.isClean ? 0 : 1
  }
}
