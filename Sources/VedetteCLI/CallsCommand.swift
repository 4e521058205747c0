// `vedette calls`: the page of all system calls, for `make doc`. Not shown in the help.

import ArgumentParser
import Vedette

/// The command line of `vedette calls`.
struct CallsCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "calls", abstract: "Print what is done with each system call, as Markdown.", shouldDisplay: false)

  func perform() throws(SandboxError) -> CInt {
    StandardStreams.write(SystemCallPage.text, to: 1) ? 0 : 125
  }
}
