// `vedette export`: a persistent upper directory as an OCI layer.

import ArgumentParser
import Kernel
import Layers
import Vedette

/// The command line of `vedette export`.
struct ExportCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write what a persistent upper directory changes as an OCI layer, a tar archive.",
    usage: "vedette export DIR [-o LAYER.tar] [--rootfs DIR] [--lower DIR]...",
    discussion: """
      Deleted names become .wh.NAME, directories that hide what lies below .wh..wh..opq. Owners, modes, times, extended \
      attributes, hard links, holes, FIFOs and device nodes are kept (pax format). The same changes make the same bytes. \
      What tar cannot hold (sockets) is named on standard error.

      Exit status: 0; 125 with one line on standard error on failure, and no archive then.

      Examples:
        vedette export ./changes -o layer.tar
        vedette export ./changes | zstd >layer.tar.zst
      """)

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("The archive (default: standard output). Example: -o layer.tar", valueName: "file"))
  var output: String?

  @OptionGroup var layers: LayerOptions

  func perform() throws(SandboxError) -> CInt {
    if output == nil && Host.isTerminal(1) {
      throw SandboxError("export: standard output is a terminal (say -o LAYER.tar, or pipe it)")
    }
    let notes = try LayerExport.write(layers.upper, to: output.map(ArgumentBytes.bytes(of:)))
    for note in notes { StandardStreams.complain("export: \(note)") }
    return 0
  }
}
