// The root of the command line, and how its end becomes an exit status.

import ArgumentParser
import Vedette

/// `vedette`.
struct VedetteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vedette",
    abstract: "Run unmodified programs on a virtual root file system.",
    discussion: """
      The main job: vedette run -- COMMAND runs COMMAND on a copy-on-write view of this machine. It may change and delete \
      what it likes; the machine stays as it was.
      """,
    version: "vedette \(Version.current)",
    subcommands: [
      RunCommand.self, DiffCommand.self, ExportCommand.self, ImportCommand.self, ReviewCommand.self, ApplyCommand.self,
      UndoCommand.self, FsckCommand.self, InspectCommand.self, DoctorCommand.self, CallsCommand.self,
    ])
}

/// A command that starts no guest.
protocol GuestlessCommand: ParsableCommand {
  /// Does it; the result is the exit status.
  func perform() throws(SandboxError) -> CInt
}

/// What a command line asks for.
enum Request {
  /// Errors that name an option are said with the place where it was set.
  case run(SandboxConfiguration, SettingPlaces)
  case doctor(asJSON: Bool)
  /// It is done by its own `perform`.
  case guestless(any GuestlessCommand)
  /// Text for standard output, and status 0: help and version.
  case text(String)

  /// Understands the words after the program's name.
  ///
  /// - Parameter environment: the caller's, `NAME=VALUE`; only a run asks for it.
  /// - Throws: one line that says what is wrong.
  static func parse(_ words: [ByteString], in environment: @autoclosure () -> [ByteString] = [])
    throws(ConfigurationError) -> Request
  {
    if let error = CommandLineComplaint.about(words) { throw error }
    var words = words
    if words.first == "run" {
      let arguments = try RunArguments(Array(words[1...]))
      if !arguments.wantsHelp {
        let (configuration, places) = try arguments.configuration(in: environment())
        return .run(configuration, places)
      }
      words = ["run", "--help"]
    }
    let parsed: any ParsableCommand
    do {
      parsed = try VedetteCommand.parseAsRoot(words.map(ArgumentBytes.string))
    } catch {
      return try explain(error, of: words)
    }
    switch parsed {
    case let doctor as DoctorCommand: return .doctor(asJSON: doctor.json)
    case let command as any GuestlessCommand: return .guestless(command)
    // `help` and `--generate-completion-script` are commands of ArgumentParser's own, which answer when they are run.
    default:
      var other = parsed
      do {
        try other.run()
        return .text("")
      } catch {
        return try explain(error, of: words)
      }
    }
  }

  /// ArgumentParser throws its help as it throws its errors, and would end us with 64; ours is 125.
  private static func explain(_ error: any Error, of words: [ByteString]) throws(ConfigurationError) -> Request {
    if VedetteCommand.exitCode(for: error) == .success { return .text(VedetteCommand.fullMessage(for: error)) }
    let first = words.first?.description
    let command = first.flatMap { first in CommandLineComplaint.commands.contains(first) ? first : nil }
    throw CommandLineComplaint.error(VedetteCommand.message(for: error), of: command)
  }
}
