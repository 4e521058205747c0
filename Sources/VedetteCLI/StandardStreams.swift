// Standard output and error as plain descriptors. A closed or broken one never ends us, and a full one is reported by
// the exit status only.

import Kernel
import LinuxABI
import Vedette

/// Descriptors 0, 1 and 2.
enum StandardStreams {
  /// Fills the numbers 0, 1 and 2 that the caller has closed, so that nothing we open lands there.
  ///
  /// An O_PATH descriptor gives EBADF to read and write, as a closed one does, and O_CLOEXEC closes it for the guest: the
  /// guest sees exactly what the caller left.
  static func reserve() {
    for number in 0..<3 as Range<CInt> where !Host.isOpen(number) {
      // The lowest free number is the one we look at, as those below it are taken by now.
      guard let opened = try? Host.openTrusted("/", .path).release() else { continue }
      if opened != number { Host.close(opened) }
    }
  }

  /// Writes all of `text`; false if that is not possible.
  @discardableResult
  static func write(_ text: String, to descriptor: CInt) -> Bool {
    write(Array(text.utf8), to: descriptor)
  }

  @discardableResult
  static func write(_ text: [UInt8], to descriptor: CInt) -> Bool {
    do throws(Errno) {
      try Host.writeAll(text, to: descriptor)
      return true
    } catch { return false }
  }

  /// Asks a person; false for anything but yes.
  ///
  /// - Throws: `SandboxError` where there is no terminal to ask.
  static func ask(_ question: String, for command: String, showing text: [UInt8] = []) throws(SandboxError) -> Bool {
    guard Host.isTerminal(0), Host.isTerminal(2) else {
      throw SandboxError(
        "\(command): there is no terminal to ask (say --yes\(command == "apply" ? ", --dry-run to look" : ""))")
    }
    write(text, to: 2)
    write(question + " [y/N] ", to: 2)
    if let line = readLine(), ["y", "yes"].contains(line.lowercased()) { return true }
    complain("\(command): nothing was changed")
    return false
  }

  /// One line for people: `vedette: …`.
  static func complain(_ message: String) {
    write("vedette: " + message.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n", to: 2)
  }
}
