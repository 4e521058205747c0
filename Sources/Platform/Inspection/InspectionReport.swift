// What `vedette inspect` prints: the supervisor's threads, the guests, the locks, and what is on the way. Everything is read
// without a lock, but for the handler's own records, whose lock is tried for a moment only.

import Gate
import Kernel
import LinuxABI

/// Makes one report.
struct InspectionReport {
  private let requests: TracerRequests
  private let handler: any SystemCallHandler
  private var text = ReportText()
  private let now = MonotonicClock.now()

  /// Of more guests the first ones are shown.
  private static let limit = 1000
  /// How long the handler's lock is tried for, in milliseconds.
  private static let patience = 200

  static func make(_ requests: TracerRequests, _ handler: any SystemCallHandler) -> [UInt8] {
    var report = InspectionReport(requests, handler)
    report.write()
    return report.text.bytes
  }

  private init(_ requests: TracerRequests, _ handler: any SystemCallHandler) {
    self.requests = requests
    self.handler = handler
  }

  private mutating func write() {
    // First what changes fastest.
    let tracerCall = requests.tracerProgress.servedCall
    let workerCall = requests.workerProgress.servedCall
    let injected = requests.tracerProgress.injectedCall
    let holders = LockKind.allCases.map { ($0, LockHolder.of($0)) }
    let work = handler.pendingWork(within: Self.patience)

    text.line("supervisor \(Host.ownProcess)")
    ownThreads(tracerCall, workerCall)
    guests([tracerCall, workerCall].compactMap(\.self), work)
    locks(holders)
    text.line("on the way")
    guard let work else {
      text.line("  not known: the lock of the tree was not free within \(Self.patience) ms")
      return injection(injected)
    }
    text.line("  remaps after copy-up: \(work.remaps) pending")
    text.line("  background copies: \(work.copies), waited for by \(work.waitingForCopy) calls")
    text.line("  opens of FIFOs: \(work.waitingForFIFO) wait")
    injection(injected)
  }

  /// A call of ours in a guest's thread, and what is left of the time it has (StopDeadline).
  private mutating func injection(_ work: Progress.Work?) {
    guard let work else { return text.line("  calls injected into guests: 0") }
    let age = now > work.since ? now - work.since : 0
    let left = StopDeadline.clockLimit > age ? StopDeadline.clockLimit - age : 0
    text.line(
      "  calls injected into guests: \(name(work.number)) in \(work.thread) for \(ReportText.seconds(age)), "
        + "its process is ended in \(ReportText.seconds(left)) at the latest")
  }

  // MARK: - Our own threads

  private mutating func ownThreads(_ tracerCall: Progress.Work?, _ workerCall: Progress.Work?) {
    let worker = requests.workerThread.load(ordering: .relaxed)
    for state in ThreadState.own() {
      let role: String
      let doing: String
      if state.thread == Host.ownProcess {
        role = "tracer"
        doing = serving(tracerCall, requests.tracerProgress, state)
      } else if state.thread == worker {
        role = "notify worker"
        doing = serving(workerCall, requests.workerProgress, state)
      } else {
        role = "thread"
        doing = state.thread == TracerRequests.ownThread ? "makes this report" : blocked(state)
      }
      text.line("  \(state.thread) \(role): \(doing)")
    }
  }

  private func serving(_ work: Progress.Work?, _ progress: Progress, _ state: ThreadState) -> String {
    guard let work else { return progress.isWaiting ? "waits for guests" : "is busy, \(blocked(state))" }
    return "serves \(name(work.number)) of \(work.thread) for \(age(work.since)), \(blocked(state))"
  }

  private func age(_ since: UInt64) -> String { ReportText.seconds(now > since ? now - since : 0) }

  private func blocked(_ state: ThreadState) -> String {
    switch state.call {
    case .none: "state not known"
    case .some(.max): "runs"
    case .some(let number) where number < 0: "sleeps outside a system call"
    case .some(let number): "sleeps in \(name(number))"
    }
  }

  private func name(_ number: Int) -> String {
    handler.name(of: number).map { "\($0)" } ?? "call \(number)"
  }

  // MARK: - Guests

  private mutating func guests(_ served: [Progress.Work], _ work: PendingWork?) {
    guard let states = ThreadState.traced(by: Host.ownProcess, limit: Self.limit) else {
      return text.line("guests: /proc cannot be read")
    }
    text.line("guests (process/thread outside = inside)")
    var times = SleepTimes()
    for state in states {
      text.append("  \(state.group)/\(state.thread) = \(state.insideGroup)/\(state.insideThread) ")
      text.append(guest: state.name)
      text.append(": ")
      if let call = served.first(where: { $0.thread == state.thread }) {
        text.append("its \(name(call.number)) is served for \(age(call.since))")
      } else if let wait = work?.waits.first(where: { $0.thread == state.thread }), state.isAsleepForSupervisor {
        text.append("waits for ")
        text.append(guest: wait.reason)
        append(since: wait.since ?? times.since(state.thread))
      } else {
        describe(state, &times)
      }
      text.line("")
    }
    if states.count == Self.limit { text.line("  and others") }
  }

  private mutating func describe(_ state: ThreadState, _ times: inout SleepTimes) {
    switch state.letter {
    case UInt8(ascii: "R"): return text.append("runs")
    case UInt8(ascii: "Z"), UInt8(ascii: "X"): return text.append("has ended")
    case UInt8(ascii: "t"), UInt8(ascii: "T"): text.append("is stopped, by a signal or for the tracer")
    default:
      if state.function.starts(with: "seccomp_do_user_notification".utf8) {
        text.append("waits for the notify worker to answer")
      } else if let call = state.call, call >= 0, call != .max {
        text.append("sleeps in \(name(call))")
        if state.isAsleepForSupervisor { text.append(", its own or in place of a call that waits for the supervisor") }
      } else {
        text.append("sleeps outside a system call")
      }
      if state.function.count > 1 {
        text.append(" (")
        text.append(guest: state.function)
        text.append(")")
      }
    }
    append(since: times.since(state.thread))
  }

  private mutating func append(since: UInt64?) {
    text.append(since.map { " for \(age($0))" } ?? ", since when is not known")
  }

  // MARK: - Locks

  private mutating func locks(_ holders: [(LockKind, LockHolder?)]) {
    text.line("locks")
    var free: [String] = []
    for (kind, holder) in holders {
      if let holder {
        text.line("  \(kind): held by \(holder.thread) for \(age(holder.since))")
      } else {
        free.append("\(kind)")
      }
    }
    text.line("  free: \(free.joined(separator: ", "))")
  }
}

extension ThreadState {
  /// In pause(2), which stands in place of a call of its own (`Outcome.sleep`), or in poll(2), which comes before one
  /// (`Outcome.after`), or just in between.
  fileprivate var isAsleepForSupervisor: Bool {
    call == SystemCallNumber.pause.index || call == SystemCallNumber.poll.index || call == .max
  }
}

/// Text for people, of which guests may have chosen parts.
struct ReportText {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ words: String) { bytes.append(contentsOf: words.utf8) }

  mutating func line(_ words: String) {
    append(words)
    bytes.append(0x0a)
  }

  /// What a guest has chosen: printable ASCII stays, other bytes are written `\xNN`, so that no terminal obeys it and no line
  /// is forged.
  mutating func append(guest words: [UInt8]) {
    for byte in words {
      if (0x20...0x7e).contains(byte), byte != 0x5c {
        bytes.append(byte)
      } else {
        let digits = String(byte, radix: 16)
        append("\\x" + (digits.count == 1 ? "0" : "") + digits)
      }
    }
  }

  /// With one decimal.
  static func seconds(_ nanoseconds: UInt64) -> String {
    let tenths = nanoseconds / 100_000_000
    return "\(tenths / 10).\(tenths % 10) s"
  }
}
