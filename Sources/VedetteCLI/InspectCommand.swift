// `vedette inspect`: what a running sandbox is doing.

import ArgumentParser
import Vedette

/// The command line of `vedette inspect`.
struct InspectCommand: GuestlessCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Print what a running sandbox is doing: its guests, what each waits for, locks, work on its way.",
    usage: "vedette inspect PID",
    discussion: """
      PID is the supervisor's (the process `vedette run`), or any process or thread inside, by the host's number. The run is not \
      stopped and not slowed, and it answers even when the thread that serves its guests is stuck. SIGQUIT sent to the \
      supervisor alone makes it print the same on its own standard error.

      Exit status: 0 if the report was printed; 1 if PID belongs to no run, or to another user's; 2 if the supervisor did not \
      answer within 5 seconds; 125 if vedette itself failed.

      Example: vedette inspect $(pgrep -n vedette)
      """)

  @Argument(help: ArgumentHelp("The supervisor, or a process inside.", valueName: "pid"))
  var process: Int32

  func perform() throws(SandboxError) -> CInt {
    answer(try Sandbox.inspect(process))
  }
}
