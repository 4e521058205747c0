// What `make doc` asks the program for.

import Sentry

/// The documentation's page of all system calls.
public enum SystemCallPage {
  /// Markdown.
  public static var text: String { SystemCallTable.page }
}
