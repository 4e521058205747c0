// The page "What each call does" of the documentation, as the table has it.

import Gate

extension SystemCallTable {
  /// The page: Markdown for DocC.
  public static var page: String {
    var page = """
      # What each system call does

      Every call of Linux 6.18 on x86-64, from the table of which the filter and the dispatch are made (`SystemCallTable`).

      ## Overview

      This page is written by `make doc`, from the table; do not edit it.

      *native*: the kernel runs the call. *served*: a gate stops it and the sentry answers, or has the kernel run it once it has
      looked. The name of an error: the filter answers with it. Several of these: the arguments decide. The two columns are the
      isolation levels `full` and `no-namespaces`, without a network.

      | Number | Call | full | no-namespaces | |
      |---|---|---|---|---|

      """
    for case let row? in all.rows {
      let cells = [IsolationLevel.full, .noNamespaces].map { level in
        words(row.treatment.policy(GatePolicy(isolation: level, network: .none, gate: .trace, layout: noSecrets)))
      }
      let arguments = row.arguments.map(\.name).joined(separator: ", ")
      page += "| \(row.number) | `\(row.name)(\(arguments))` | \(cells[0]) | \(cells[1]) | \(row.note) |\n"
    }
    return page
  }

  private static let noSecrets = TrampolineLayout(flagsSecret: 0, descriptorSecret: 0)

  private static func words(_ policy: CallPolicy) -> String {
    var words: [String] = []
    for disposition in policy.rules.map(\.disposition) + [policy.otherwise] {
      let word = word(disposition)
      if !words.contains(word) { words.append(word) }
    }
    return words.joined(separator: " or ")
  }

  private static func word(_ disposition: Disposition) -> String {
    switch disposition {
    case .native: "native"
    case .trace, .notify: "served"
    case .errno(0): "success"
    case .errno(let number): ErrnoNames.name(forResult: -Int(number)).map { "\($0)" } ?? "error \(number)"
    case .kill: "SIGSYS"
    }
  }
}
