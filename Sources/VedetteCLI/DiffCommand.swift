// `vedette diff`: what a persistent upper directory changes.

import ArgumentParser
import Layers
import Vedette

/// An upper directory and its lowers, for the commands that read it.
struct LayerOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("What vedette run --upper was given.", valueName: "dir"))
  var directory: String

  @Option(
    help: ArgumentHelp(
      "The lowest layer, if it is not the last run's (DIR/work/layers tells). Example: --rootfs /srv/debian",
      valueName: "dir"))
  var rootfs: String?

  @Option(
    help: ArgumentHelp(
      "A layer over it, likewise; repeatable, topmost first. Example: --lower ./patches", valueName: "dir"))
  var lower: [String] = []

  var upper: UpperDirectory {
    UpperDirectory(
      ArgumentBytes.bytes(of: directory), rootfs: rootfs.map(ArgumentBytes.bytes(of:)),
      lowers: lower.map(ArgumentBytes.bytes(of:)))
  }
}

/// The command line of `vedette diff`.
struct DiffCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "List what a persistent upper directory adds, modifies and deletes.",
    usage: "vedette diff DIR [--json] [--rootfs DIR] [--lower DIR]...",
    discussion: """
      One line for each path: A (added), M (modified) or D (deleted), and the path inside; a directory ends in a slash, \
      bytes that do not print show as \\ooo. A file counts as modified if its content, owner, mode, modification time or \
      extended attributes differ from the lowers'; a directory if its owner, mode or attributes do. Of a deleted tree \
      only the top is listed; a renamed directory is deleted in one place and added in another.

      Exit status: 0, whether there are changes or not; 125 with one line on standard error if that cannot be told.

      Example: vedette run --upper ./changes -- make install; vedette diff ./changes
      """)

  @Flag(help: "A JSON array of objects with change, path and type. Example: --json")
  var json = false

  @OptionGroup var layers: LayerOptions

  /// Does it; the result is the exit status.
  func perform() throws(SandboxError) -> CInt {
    let report = try ChangeReport(layers.upper)
    let status = answer(json ? report.json : report.text)
    if let note = report.note { StandardStreams.complain("diff: \(note)") }
    if let complaint = report.complaint {
      StandardStreams.complain("diff: \(complaint)")
      return ownFailure
    }
    return status
  }
}
