// `--verbose`: what the sandbox is made of and how the command ended, in lines for people on standard error.

import Gate
import Kernel
import Layers
import LinuxABI
import Platform
import VFS

/// Says what a run does, step by step.
struct RunAccount {
  private let configuration: SandboxConfiguration
  private let identity: IdentityMap
  private let start = MonotonicClock.now()

  init(_ configuration: SandboxConfiguration, _ identity: IdentityMap) {
    self.configuration = configuration
    self.identity = identity
  }

  /// The sandbox is there; the command is not.
  func begin(_ guest: GuestProcess) {
    let level = guest.isolation == .full ? "full" : "no-namespaces"
    let missing = guest.walls.missing.map { "\($0)" }
    say("isolation \(level), gate \(configuration.gate.rawValue)\(missing.isEmpty ? "" : ", without \(list(missing))")")
    let layers = (configuration.lowers + [configuration.rootfs]).map { "'\($0)'" }
    let upper: String =
      switch configuration.upper {
      case .memory: "memory, at most \(SandboxBounds(size: configuration.size).bytes >> 20) MiB"
      case .directory(let path): "'\(path)'"
      }
    say("root \(layers.joined(separator: " over ")), changes to \(upper)\(configuration.readOnly ? ", read-only" : "")")
    for bind in configuration.binds {
      say("bind '\(bind.source)' at '\(bind.destination)'\(bind.readOnly ? ", read-only" : "")")
    }
    for point in configuration.tmpfs { say("tmpfs at '\(point)'") }
    say(
      "user \(identity.user), group \(identity.group), host name '\(configuration.hostName)', "
        + "network \(configuration.network.rawValue)")
  }

  /// The command was found.
  func found(_ path: [UInt8], from directory: [UInt8]) {
    say("command '\(ByteString(path))', directory '\(ByteString(directory))'")
  }

  /// The command has ended.
  func end(_ status: ExitStatus) {
    let ending =
      switch status {
      case .exited(let code): "exited with status \(code)"
      case .signalled(let signal): "was ended by signal \(signal)"
      }
    let time = DurationText.seconds(MonotonicClock.now() - start)
    say("the command \(ending) after \(time) s")
  }

  private func list(_ words: [String]) -> String { words.joined(separator: ", ") }

  private func say(_ line: String) { DescriptorOutput.write(Array("vedette: \(line)\n".utf8), to: 2) }
}
