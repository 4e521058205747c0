// What went wrong, as the user reads it.

/// Why something was not done that the user asked for: one line for people, and the exit status for it.
public struct ReportedError: Error, Sendable, CustomStringConvertible {
  public var message: String
  /// 125 for our own failures, 126 for a command that cannot be executed, 127 for one that is not there.
  public var status: Int32

  public init(_ message: String, status: Int32 = 125) {
    self.message = message
    self.status = status
  }

  public var description: String { message }
}
