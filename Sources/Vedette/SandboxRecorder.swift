// Brings `--trace` and `--stats` together behind the sentry's one recorder.

import CLinux
import Gate
import LinuxABI
import Platform
import Sentry

/// Records calls for the trace file and the statistics, whichever were asked for.
final class SandboxRecorder: CallRecorder {
  private let trace: TraceWriter?
  private let statistics: CallStatistics?

  /// nil if neither was asked for: then no call pays for it.
  init?(_ configuration: SandboxConfiguration) throws(SandboxError) {
    guard configuration.traceFile != nil || configuration.statistics else { return nil }
    statistics = configuration.statistics ? CallStatistics() : nil
    if let path = configuration.traceFile {
      do throws(Errno) { trace = try TraceWriter(path: path) } catch {
        throw SandboxError("--trace: cannot write '\(path)': \(error)")
      }
    } else {
      trace = nil
    }
  }

  var wantsStrings: Bool { trace != nil }

  func record(_ record: CallRecord) {
    statistics?.record(callNumber: record.call.number, nanoseconds: record.duration)
    guard let trace else { return }
    var arguments = SystemCallTable.arguments(of: record.call, record.strings)
    let result: Int
    switch record.result {
    case .value(let value): result = value
    case .descriptor(let number):
      arguments.append(("answer", .word("descriptor")))
      result = number
    case .native:
      arguments.append(("answer", .word("native")))
      result = 0
    }
    trace.record(
      time: Timestamp.now(), pid: record.insideThread, name: SystemCallTable.name(of: record.call.number) ?? "unknown",
      arguments: arguments, result: result)
  }

  /// The first record: how the sandbox is walled off.
  func begin(level: IsolationLevel, gate: SandboxConfiguration.GateChoice, _ walls: Walls) {
    trace?.begin(time: Timestamp.now(), level: level == .full ? "full" : "no-namespaces", gate: gate.rawValue, walls)
  }

  /// Writes out what there is.
  func finish() {
    trace?.flush()
    if let statistics {
      let table = Array(statistics.table { number in SystemCallTable.name(of: number).map { "\($0)" } }.utf8)
      _ = table.withUnsafeBytes { vd_syscall(Int(SYS_write), 2, Int(bitPattern: $0.baseAddress), $0.count, 0, 0, 0) }
    }
  }
}
