// Brings `--trace` and `--stats` together behind the sentry's one recorder.

import Gate
import Kernel
import LinuxABI
import Platform
import Sentry
import Synchronization

/// Records calls for the trace file and the statistics, whichever were asked for.
final class SandboxRecorder: CallRecorder {
  private let trace: TraceWriter?
  private let statistics: CallStatistics?
  /// `--trace-begin`: every beginning has a line, not only those of calls that wait or are slow.
  private let showsBeginnings: Bool
  private let filter: TraceFilter
  private let isJSON: Bool
  private let inService = Lock(.callsInService, CallsInService())
  /// Shows slow calls while they are served, and writes out lines that no other line follows. Started with the first call: the
  /// process has one thread until its guests run.
  private let ticker = Lock<Ticker?>(.traceTicker, nil)
  private let isTicking = Atomic<Bool>(false)
  private static let interval = 100

  /// nil if neither was asked for: then no call pays for it.
  init?(_ configuration: SandboxConfiguration) throws(SandboxError) {
    guard configuration.traceFile != nil || configuration.statistics else { return nil }
    statistics = configuration.statistics ? CallStatistics() : nil
    showsBeginnings = configuration.traceBeginnings
    filter = configuration.traceFilter
    isJSON = configuration.json
    if let path = configuration.traceFile {
      do throws(Errno) {
        let format = configuration.formatOfTrace
        trace =
          path == "-"
          ? TraceWriter(try Host.duplicate(2), format, gathers: false) : try TraceWriter(path: path, format)
      } catch {
        throw SandboxError("--trace: cannot write '\(path)': \(error)")
      }
    } else {
      trace = nil
    }
  }

  var wantsStrings: Bool { trace != nil }

  func began(_ call: SystemCall, from thread: ThreadID, by gate: GateKind, isAgain: Bool) {
    // Whether it will be refused is not known yet.
    guard trace != nil, filter.includes(call.number), !filter.onlyRefused else { return }
    if !isTicking.exchange(true, ordering: .relaxed) { startTicker() }
    let entry = CallsInService.Entry(
      call: call, thread: thread, since: MonotonicClock.now(), isShown: isAgain || showsBeginnings)
    inService.withLock { $0.begin(entry, by: gate) }
    if showsBeginnings, !isAgain { show(entry) }
  }

  func served(by gate: GateKind) -> Bool { trace == nil || inService.withLock { $0.end(by: gate) } }

  func slept(_ record: CallRecord) {
    if !filter.includes(record.call.number) || filter.onlyRefused { return }
    begin(record.call, pid: record.insideThread, SystemCallTable.arguments(of: record.call, record.strings))
  }

  /// A line for a call that is being served. What its paths are is not known yet: the guest's memory is read once, by the handler.
  private func show(_ entry: CallsInService.Entry) {
    begin(
      entry.call, pid: InsideNumber.of(entry.thread) ?? 0, SystemCallTable.arguments(of: entry.call, TracedStrings()))
  }

  private func begin(_ call: SystemCall, pid: Int32, _ arguments: [(String, TraceValue)]) {
    trace?.recordBeginning(
      time: Timestamp.exact(), pid: pid, name: SystemCallTable.name(of: call.number) ?? "unknown", arguments: arguments)
  }

  private func startTicker() {
    let started = Ticker(everyMilliseconds: Self.interval) { [weak self] in self?.tick() }
    ticker.withLock { $0 = started }
  }

  private func tick() {
    for entry in inService.withLock({ $0.takeSlow(now: MonotonicClock.now()) }) { show(entry) }
    trace?.flush(olderThan: Timestamp.now())
  }

  func record(_ record: CallRecord) {
    statistics?.record(callNumber: record.call.number, nanoseconds: record.duration)
    guard let trace else { return }
    let result: Int? =
      switch record.result {
      case .value(let value), .descriptor(let value): value
      case .native(let value): value
      }
    guard filter.includes(record.call.number, result: result) else { return }
    var arguments = SystemCallTable.arguments(of: record.call, record.strings)
    let name = SystemCallTable.name(of: record.call.number)
    if name == nil { arguments = [("number", .integer(record.call.number))] }
    switch record.result {
    case .value: break
    case .descriptor: arguments.append(("answer", .word("descriptor")))
    case .native: arguments.append(("answer", .word("native")))
    }
    trace.record(
      time: Timestamp.exact(), pid: record.insideThread, name: name ?? "unknown", arguments: arguments, result: result,
      isAddress: Self.givesAddress.contains(record.call.number),
      duration: record.duration)
  }

  /// mmap, brk, mremap, shmat.
  private static let givesAddress: Set<Int> = [9, 12, 25, 30]

  private static let exitGroup = 231

  func exited(_ process: Int32, status: ExitStatus) {
    if filter.includes(Self.exitGroup), !filter.onlyRefused {
      trace?.recordEnd(time: Timestamp.exact(), pid: process, of: status)
    }
  }

  /// The first record: how the sandbox is walled off.
  func begin(level: IsolationLevel, gate: SandboxConfiguration.GateChoice, _ walls: Walls) {
    trace?.begin(time: Timestamp.exact(), level: level == .full ? "full" : "no-namespaces", gate: gate.rawValue, walls)
  }

  /// Writes out what there is.
  func finish() {
    ticker.withLock { $0.take() }?.stop()
    trace?.flush()
    if let statistics {
      let table =
        isJSON
        ? statistics.json { SystemCallTable.name(of: $0) }
        : Array(statistics.table { number in SystemCallTable.name(of: number).map { "\($0)" } }.utf8)
      _ = try? Host.writeAll(table, to: 2)
    }
  }
}
