// `vedette doctor`: its help. What it looks at is Platform's business.

import ArgumentParser

/// The command line of `vedette doctor`.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Say what this kernel and this user allow, and which isolation level follows.",
    usage: "vedette doctor [--json]",
    discussion: """
      One line for each thing looked at. Exit status: 0 if vedette can run here, 125 if not.

      Example: vedette doctor
      """)

  @Flag(help: "An object of JSON: isolation, findings (name, available, needed, detail). Example: --json")
  var json = false
}
