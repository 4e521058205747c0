// The `--trace` file: a line for each served or refused call, as text or as JSON. Lines are gathered and written in pieces;
// a line is never split between two threads, and a full disk never stops a guest.

import Gate
public import Kernel
import Layers
public import LinuxABI
import Platform
public import Sentry

/// Writes trace lines to a descriptor of its own.
///
/// A line of text is the thread's number, the seconds since the start, and what strace(1) would write:
/// ```
///     7 0.123456 openat(AT_FDCWD, "/etc/x", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory) <0.000031>
/// ```
/// A line of JSON looks like this:
/// ```json
/// {"time":1795233220.123456,"pid":7,"call":"openat","arguments":{"directory":"AT_FDCWD","path":"/etc/x"},"result":-2,"error":"ENOENT","duration":0.000031}
/// ```
/// The first line says how the sandbox is walled off:
/// ```json
/// {"time":1795233220.123456,"isolation":"full","gate":"trace","walls":["no-new-privileges","namespaces"],"missing":[]}
/// ```
/// A call that waits (for a FIFO's other end, a lock, a background copy) or that is served for more than 100 ms has a line when it
/// begins too, with `"begin":true` (`<unfinished ...>`) in place of the result, so that a stuck one shows; `--trace-begin` gives
/// every call one. A path that has not been read yet is `null` there (its address).
///
/// Lines are written out when 64 KiB have gathered, when a line comes a second after the last writing, a second later if none
/// comes, and at the end; each at once to standard error, where other lines come between.
public final class TraceWriter: Sendable {
  private struct State: ~Copyable {
    var line = JSONLine()
    let descriptor: OwnedDescriptor
    /// The second in which something was last written out.
    var flushed: Int64 = 0
    /// Where the times of text begin.
    var start: Timestamp?
    /// The first error; nothing is written after it.
    var failure: Errno?
  }

  /// Guards everything; held while the file is written, never while a guest is waited for.
  private let state: Lock<State>
  private let format: TraceFormat
  private let gathers: Bool

  private static let limit = 65536

  /// Writes to `descriptor`, which is closed with the writer.
  ///
  /// - Parameter gathers: false to write each line at once.
  public init(_ descriptor: consuming OwnedDescriptor, _ format: TraceFormat = .json, gathers: Bool = true) {
    self.format = format
    self.gathers = gathers
    state = Lock(.traceFile, State(descriptor: descriptor))
  }

  /// Makes (or empties) the file at `path` on the host.
  ///
  /// - Throws: `open(2)`'s errors.
  public convenience init(path: ByteString, _ format: TraceFormat = .json) throws(Errno) {
    let descriptor = try path.withCString { path throws(Errno) in
      try Host.openTrusted(path, [.writeOnly, .create, .truncate], mode: 0o644)
    }
    self.init(descriptor, format)
  }

  deinit { flush() }

  /// The error that ended the writing, if any.
  public var failure: Errno? { state.withLock { $0.failure } }

  /// Adds the line about the sandbox itself.
  func begin(time: Timestamp, level: StaticString, gate: String, _ walls: Walls) {
    state.withLock { state in
      state.start = time
      if format == .text {
        state.line.append("--- isolation ")
        state.line.append(level)
        state.line.append(", gate ")
        for byte in gate.utf8 { state.line.text.append(byte) }
        for (index, name) in walls.missing.enumerated() {
          state.line.append(index == 0 ? ", without " : ", ")
          state.line.append(name)
        }
        state.line.append(" ---\n")
      } else {
        state.line.append("{\"time\":")
        Self.append(time, to: &state.line)
        state.line.append(",\"isolation\":\"")
        state.line.append(level)
        state.line.append("\",\"gate\":\"")
        for byte in gate.utf8 { state.line.text.append(byte) }
        state.line.append("\",\"walls\":[")
        Self.append(walls.standing, to: &state.line)
        state.line.append("],\"missing\":[")
        Self.append(walls.missing, to: &state.line)
        state.line.append("]}\n")
      }
      if !gathers { Self.write(&state) }
    }
  }

  private static func append(_ time: Timestamp, to line: inout JSONLine) {
    line.append(time.seconds)
    line.append(".")
    line.append(time.nanoseconds / 1000, width: 6)
  }

  private static func append(_ names: [StaticString], to line: inout JSONLine) {
    for (index, name) in names.enumerated() {
      line.append(index == 0 ? "\"" : ",\"")
      line.append(name)
      line.append("\"")
    }
  }

  /// Adds one line.
  ///
  /// - Parameters:
  ///   - time: when the call was answered.
  ///   - pid: the thread's number as guests see it.
  ///   - name: the call, as its man page spells it.
  ///   - arguments: what was decoded, in the call's own order.
  ///   - result: what the guest got: a value or a negative errno; nil if that is not known.
  ///   - isAddress: the result is one.
  ///   - duration: nanoseconds.
  public func record(
    time: Timestamp, pid: Int32, name: StaticString, arguments: [(String, TraceValue)], result: Int?,
    isAddress: Bool = false, duration: UInt64 = 0
  ) {
    add(time, pid, name, arguments) { [format] line in
      if format == .text {
        line.append(")")
        line.appendResult(result, isAddress: isAddress)
        line.appendDuration(duration)
        return
      }
      line.append(",\"result\":")
      if let result { line.append(result) } else { line.append("null") }
      if let error = result.flatMap({ ErrnoNames.name(forResult: $0) }) {
        line.append(",\"error\":\"")
        line.append(error)
        line.append("\"")
      }
      line.append(",\"duration\":")
      line.appendSeconds(duration)
    }
  }

  /// Adds the line of a call that has begun and is not answered yet.
  public func recordBeginning(
    time: Timestamp, pid: Int32, name: StaticString, arguments: [(String, TraceValue)]
  ) {
    add(time, pid, name, arguments) { [format] in
      $0.append(format == .text ? " <unfinished ...>" : ",\"begin\":true")
    }
  }

  /// Adds the line of a process's end; JSON has none.
  func recordEnd(time: Timestamp, pid: Int32, of status: ExitStatus) {
    guard format == .text else { return }
    addLine(at: time) { line, start in
      Self.begin(pid, time, since: start, in: &line)
      switch status {
      case .exited(let code):
        line.append("+++ exited with ")
        line.append(code)
      case .signalled(let signal):
        line.append("+++ killed by signal ")
        line.append(signal)
      }
      line.append(" +++")
    }
  }

  /// The number, in five columns at least, and the time since the start.
  private static func begin(_ pid: Int32, _ time: Timestamp, since start: Timestamp, in line: inout JSONLine) {
    var bound: Int32 = 10
    for _ in 0..<4 {
      if pid < bound { line.append(" ") }
      bound *= 10
    }
    line.append(pid)
    line.append(" ")
    let elapsed = time.seconds.subtractingClamped(start.seconds).multipliedClamped(by: 1_000_000_000)
      .addingClamped(Int64(time.nanoseconds)).subtractingClamped(Int64(start.nanoseconds))
    // The clock may have been set back.
    line.appendSeconds(UInt64(max(0, elapsed)))
    line.append(" ")
  }

  private func add(
    _ time: Timestamp, _ pid: Int32, _ name: StaticString, _ arguments: [(String, TraceValue)],
    _ end: (inout JSONLine) -> Void
  ) {
    addLine(at: time) { line, start in
      if format == .text {
        Self.begin(pid, time, since: start, in: &line)
        line.appendCall(name, arguments)
        end(&line)
        return
      }
      line.append("{\"time\":")
      Self.append(time, to: &line)
      line.append(",\"pid\":")
      line.append(pid)
      line.append(",\"call\":\"")
      line.append(name)
      line.append("\",\"arguments\":{")
      for (index, argument) in arguments.enumerated() {
        line.append(index == 0 ? "\"" : ",\"")
        line.text.append(contentsOf: argument.0.utf8)
        line.append("\":")
        line.append(argument.1)
      }
      line.append("}")
      end(&line)
      line.append("}")
    }
  }

  private func addLine(at time: Timestamp, _ body: (inout JSONLine, Timestamp) -> Void) {
    state.withLock { state in
      if state.failure != nil { return }
      let start = state.start ?? time
      state.start = start
      body(&state.line, start)
      state.line.append("\n")
      if !gathers || state.line.text.count >= Self.limit || state.flushed != time.seconds {
        state.flushed = time.seconds
        Self.write(&state)
      }
    }
  }

  /// Writes out what has gathered, unless something has been written in the second of `time`.
  func flush(olderThan time: Timestamp) {
    state.withLock { state in
      if state.flushed == time.seconds || state.line.text.isEmpty { return }
      state.flushed = time.seconds
      Self.write(&state)
    }
  }

  /// Writes out what has gathered.
  public func flush() {
    state.withLock { state in Self.write(&state) }
  }

  private static func write(_ state: inout State) {
    if state.failure == nil {
      do throws(Errno) { try Host.writeAll(state.line.text, to: state.descriptor.rawValue) } catch {
        state.failure = error
      }
    }
    state.line.text.removeAll(keepingCapacity: true)
  }
}
