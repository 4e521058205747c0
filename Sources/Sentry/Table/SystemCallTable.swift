// The table of system calls: one row for each number of the kernel's list. The filter, the dispatch, the decoding of
// arguments, `--trace`, `--stats` and the page "What each call does" of the documentation come from here, and from nothing
// else. The rows stand beside their handlers (Handlers/), by subject.

public import Gate
import LinuxABI

/// See the head of this file.
public struct SystemCallTable: Sendable {
  /// Indexed by number; nil where Linux 6.18 has none.
  public private(set) var rows: [CallRow?] = Array(repeating: nil, count: DispositionTable.count)
  /// Numbers that were given twice, or lie outside: none, as a test sees to.
  public private(set) var conflicts: [Int] = []

  /// All of them.
  public static let all = SystemCallTable()

  private init() {
    addStatus()
    addOpen()
    addNames()
    addAttributes()
    addXattrs()
    addDirectories()
    addMounts()
    addDescriptors()
    addAllocation()
    addCacheStatistics()
    addLocks()
    addSynchronisation()
    addControl()
    addMemory()
    addSockets()
    addInotify()
    addExec()
    addProcesses()
    addOtherProcesses()
    addLimits()
    addCredentials()
    addSignals()
    addTime()
    addScheduling()
    addIPC()
    addPrivileged()
    addAbsent()
  }

  mutating func add(
    _ number: Int, _ name: StaticString, _ arguments: [ShownArgument], _ treatment: Treatment,
    _ mayBeRepeated: Bool = false, note: String = "", _ handler: Handler? = nil
  ) {
    guard rows.indices.contains(number), rows[number] == nil else {
      conflicts.append(number)
      return
    }
    rows[number] = CallRow(
      number: number, name: name, arguments: arguments, treatment: treatment, handler: handler,
      mayBeRepeated: mayBeRepeated, note: note)
  }

  // MARK: - What comes from it

  /// The name of a number; nil if Linux 6.18 has none there.
  public static func name(of number: Int) -> StaticString? { row(number)?.name }

  static func row(_ number: Int) -> CallRow? { all.rows.indices.contains(number) ? all.rows[number] : nil }

  /// What the gates of one sandbox do with each call.
  public static func dispositions(_ policy: GatePolicy) -> DispositionTable {
    DispositionTable(policies: all.rows.map { $0?.treatment.policy(policy) }, isolation: policy.isolation)
  }

  /// The same where a trace is to show what the filter refuses too: the tracer is asked about that, and the sentry answers
  /// with the error that the filter would have given (`SentryState.refusals`).
  public static func tracedDispositions(_ policy: GatePolicy) -> DispositionTable {
    let plain = dispositions(policy)
    let policies = plain.policies.map { policy -> CallPolicy? in
      guard var policy else { return CallPolicy(otherwise: .trace) }
      if policy.otherwise.isRefusal { policy.otherwise = .trace }
      for index in policy.rules.indices where policy.rules[index].disposition.isRefusal {
        policy.rules[index].disposition = .trace
      }
      return policy
    }
    return DispositionTable(policies: policies, isolation: policy.isolation)
  }

  /// What `tracedDispositions` answers in the place of the filter; nil if the filter would have asked too.
  static func refusal(of call: SystemCall, in table: DispositionTable) -> Errno? {
    guard case .errno(let number) = table.disposition(of: call), number != 0 else { return nil }
    return Errno(rawValue: number)
  }

  /// Whether there is a handler.
  public static func serves(_ number: Int) -> Bool { row(number)?.handler != nil }

  /// By number, for the dispatch.
  private static let handlers: [Handler?] = all.rows.map { $0?.handler }

  @inline(__always)
  static func handler(_ number: Int) -> Handler? {
    let handlers = handlers
    return number >= 0 && number < handlers.count ? handlers[number] : nil
  }

  /// The call may be answered with a descriptor and may sleep: an open, which may wait at a FIFO.
  static func opens(_ number: Int) -> Bool { openings.contains(number) }

  private static let openings = all.rows.indices.filter { number in
    guard let row = all.rows[number], case .always(let policy) = row.treatment else { return false }
    return policy.otherwise == .notify && row.mayBeRepeated
  }

  /// fork, vfork, clone and clone3.
  static func bears(_ number: Int) -> Bool { (56...58).contains(number) || number == 435 }

  /// Whether a call may be interrupted and made again later.
  static func mayBeRepeated(_ number: Int) -> Bool { row(number)?.mayBeRepeated ?? false }

  /// The arguments of a call as a trace shows them: name and value. Strings come from the sentry, which has read them once;
  /// nothing of the guest's memory is read again.
  public static func arguments(of call: SystemCall, _ strings: TracedStrings) -> [(String, TraceValue)] {
    guard let row = row(call.number) else { return [] }
    return row.arguments.enumerated().map { ($1.name, $1.show(call.argument($0), strings)) }
  }
}

extension Disposition {
  fileprivate var isRefusal: Bool { if case .errno(let number) = self { number != 0 } else { false } }
}
