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

      vedette run --review asks the same when its command has ended.
      """)

  @Option(help: ArgumentHelp("The host tree to apply to. Example: --to /srv/debian", valueName: "root"))
  var to: String

  @OptionGroup var layers: LayerOptions

  func perform() throws(SandboxError) -> CInt {
    let root = ArgumentBytes.bytes(of: to)
    do throws(Errno) {
      _ = try root.withCString { path throws(Errno) in try Host.openTrusted(path, [.path, .directory]) }
    } catch {
      throw SandboxError("review: '\(root)': \(error) (--to names the host tree that changes would go to)")
    }
    return try Review(upper: layers.upper, target: root).perform()
  }
}
