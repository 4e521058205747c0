// The program: words in, an exit status out. All that is wrong with us ends as one line on standard error and 125.

import Kernel
import Vedette

/// Our own failure, whatever it is.
let ownFailure: CInt = 125

/// Prints what was asked for; the result is the exit status.
func answer(_ text: String) -> CInt {
  if StandardStreams.write(text, to: 1) { return 0 }
  StandardStreams.complain("cannot write to standard output")
  return ownFailure
}

/// The same for bytes, which may hold paths.
func answer(_ text: [UInt8]) -> CInt {
  if StandardStreams.write(text, to: 1) { return 0 }
  StandardStreams.complain("cannot write to standard output")
  return ownFailure
}

/// Does what the command line asks for; the result is the exit status.
func perform(_ request: Request) -> CInt {
  switch request {
  case .text(let text):
    return answer(text + (text.isEmpty || text.hasSuffix("\n") ? "" : "\n"))
  case .doctor(let asJSON):
    return doctor(asJSON: asJSON)
  case .guestless(let command):
    do throws(SandboxError) {
      return try command.perform()
    } catch {
      let name = type(of: command).configuration.commandName ?? "vedette"
      StandardStreams.complain(error.message.hasPrefix(name + ":") ? error.message : "\(name): \(error.message)")
      return error.status
    }
  case .run(let configuration, let places):
    do throws(ConfigurationError) {
      try configuration.validate()
    } catch {
      StandardStreams.complain(places.named(in: error.description))
      return ownFailure
    }
    guard configuration.review else { return run(configuration, places) }
    do throws(SandboxError) {
      return try ReviewedRun(configuration).perform { run($0, places) }
    } catch {
      StandardStreams.complain(places.named(in: error.message))
      return error.status
    }
  }
}

/// Runs a sandbox; the result is the exit status.
func run(_ configuration: SandboxConfiguration, _ places: SettingPlaces) -> CInt {
  do throws(SandboxError) {
    return switch try Sandbox.run(configuration) {
    case .exited(let code): code
    case .signalled(let signal): 128 + signal
    }
  } catch {
    var message = places.named(in: error.message)
    // Such as --bind /a /b -- ls: /b begins the command.
    if [126, 127].contains(error.status), configuration.command.dropFirst().first == "--" {
      message += " (the command begins with the first word that is neither an option nor its value)"
    }
    StandardStreams.complain(message)
    return error.status
  }
}

StandardStreams.reserve()
do throws(ConfigurationError) {
  Host.exit(perform(try Request.parse(Array(ArgumentBytes.ofProcess().dropFirst()), in: ArgumentBytes.environment())))
} catch {
  StandardStreams.complain(error.description)
  Host.exit(ownFailure)
}
