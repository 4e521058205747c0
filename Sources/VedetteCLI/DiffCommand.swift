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
      "The lowest layer, if it is not the last run's (DIR/work/layers names it). Example: --rootfs /srv/debian",
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

/// Which paths a command is about.
struct PatternOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Only paths of the pattern; repeatable. Example: --include '*.conf'", valueName: "pattern"))
  var include: [String] = []

  @Option(
    help: ArgumentHelp("No paths of the pattern; repeatable. Example: --exclude /var/cache", valueName: "pattern"))
  var exclude: [String] = []

  var patterns: PathPatterns {
    PathPatterns(
      include: include.map { ArgumentBytes.bytes(of: $0).bytes },
      exclude: exclude.map { ArgumentBytes.bytes(of: $0).bytes })
  }
}

/// The command line of `vedette diff`.
struct DiffCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "List what a persistent upper directory adds, modifies and deletes.",
    usage:
      "vedette diff DIR [--json | --patch | --stat | --renames] [--include PATTERN]... [--exclude PATTERN]... [--rootfs DIR] [--lower DIR]...",
    discussion: """
      One line for each path: A (added), M (modified) or D (deleted), and the path inside; a directory ends in a slash, \
      bytes that do not print show as \\ooo. A file counts as modified if its content, owner, mode, modification time or \
      extended attributes differ from the lowers'; a directory if its owner, mode or attributes do. Of a deleted tree \
      only the top is listed; a renamed directory is deleted in one place and added in another, unless --renames is given.

      A pattern covers what it matches and all below that. With a slash in it it is matched from the root, without one against \
      each name; *, ?, [a-z] do not match a slash, a ** between slashes matches any number of names.

      Exit status: 0, whether there are changes or not; 125 with one line on standard error if that cannot be found out.

      Examples:
        vedette run --upper ./changes -- make install; vedette diff ./changes
        vedette diff ./changes --patch --include /etc | git apply --directory=etc-copy -p2
      """)

  @Flag(
    help: ArgumentHelp(
      "A JSON array of objects: change, path, type, from (renamed), size and sha256 (files). Example: --json"))
  var json = false

  @Flag(help: "Text files and symlinks as a patch for git apply or patch -p1. Example: --patch")
  var patch = false

  @Flag(help: "For each file how many lines came and went. Example: --stat")
  var stat = false

  @Flag(help: "R OLD -> NEW for what was renamed. Example: --renames")
  var renames = false

  @OptionGroup var patterns: PatternOptions

  @OptionGroup var layers: LayerOptions

  /// Does it; the result is the exit status.
  func perform() throws(SandboxError) -> CInt {
    if [json, patch, stat, renames].count(where: { $0 }) > 1 {
      throw SandboxError("diff: --json, --patch, --stat and --renames exclude each other (say one of them)")
    }
    let patterns = patterns.patterns
    if json || patch || stat || renames { return try showDetails(patterns) }
    let report = try ChangeReport(layers.upper, patterns)
    let status = answer(report.text)
    if let note = report.note { StandardStreams.complain("diff: \(note)") }
    if let complaint = report.complaint {
      StandardStreams.complain("diff: \(complaint)")
      return ownFailure
    }
    return status
  }

  private func showDetails(_ patterns: PathPatterns) throws(SandboxError) -> CInt {
    var details = try ChangeDetails(layers.upper, patterns)
    defer { details.close() }
    let status: CInt
    if json {
      status = answer(try details.json())
    } else if patch {
      status = answer(try details.patch())
      let count = details.leftOut
      if count > 0 {
        StandardStreams.complain(
          "diff: \(count) change\(count == 1 ? " is" : "s are") of no text file: not in the patch")
      }
    } else {
      status = answer(stat ? try details.stat() : try details.text())
    }
    if let note = details.note { StandardStreams.complain("diff: \(note)") }
    if let complaint = details.complaint {
      StandardStreams.complain("diff: \(complaint)")
      return ownFailure
    }
    return status
  }
}
