// `vedette import`: a lower directory from OCI layers.

import ArgumentParser
import Layers
import Vedette

/// The command line of `vedette import`.
struct ImportCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a directory for --rootfs or --lower from OCI layers, tar archives.",
    usage: "vedette import LAYER.tar... --to DIR",
    discussion: """
      Layers are unpacked in the order given, the lowest first; .wh.NAME and .wh..wh..opq delete what lower layers \
      have. A layer may be compressed (gzip, zstd, bzip2, xz: the system's program of that name is run). DIR must be new or \
      empty; on failure nothing is left of it.

      Refused: names that are absolute or hold '..', hard links and relative symlinks that point out of the tree, names that \
      lead through a symlink. Of two members with one name the last counts. What this user may not set (owners, \
      device nodes) is reported in one line at the end.

      Exit status: 0; 125 with one line on standard error on failure.

      Example: vedette import base.tar.gz layer.tar --to ./root; vedette run --rootfs ./root --fake-root -- sh
      """)

  @Argument(help: ArgumentHelp("The layers, the lowest first.", valueName: "layer.tar"))
  var archives: [String]

  @Option(help: ArgumentHelp("The directory to make. Example: --to ./root", valueName: "dir"))
  var to: String

  func perform() throws(SandboxError) -> CInt {
    let notes = try LayerImport.make(
      archives.map(ArgumentBytes.bytes(of:)), at: ArgumentBytes.bytes(of: to))
    for note in notes { StandardStreams.complain("import: \(note)") }
    return 0
  }
}
