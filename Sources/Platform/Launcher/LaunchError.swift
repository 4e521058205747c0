// Why a sandbox could not be started or its command not be run, in one line a person can act on.

import LinuxABI

/// A failure of ours; a failure of the guest's command is `LaunchError.Kind.command`.
public struct LaunchError: Error, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// The kernel or the user's rights lack something the sandbox needs.
    case unsupported
    /// User namespaces are refused; without namespaces it may work.
    case namespaces
    /// A layer cannot be made read-only to us, or not be found for it.
    case layer
    /// The command could not be executed; `errno` says why.
    case command
    /// Anything else.
    case system
  }

  public let kind: Kind
  /// What the kernel said, if it said something.
  public let errno: Errno?
  /// What, where, and what to do; one line without a full stop.
  public let description: String

  /// Without the advice behind the semicolon.
  var summary: String {
    let text = description.split(separator: ";", maxSplits: 1).first.map(String.init) ?? description
    return text == description ? text : errno.map { "\(text): \($0)" } ?? text
  }

  public init(_ kind: Kind, _ description: String, errno: Errno? = nil) {
    self.kind = kind
    self.errno = errno
    self.description = errno.map { "\(description): \($0)" } ?? description
  }
}
