// The `--trace` file: one JSON object a line for each served or refused call. Lines are gathered and written in pieces;
// a line is never split between two threads, and a full disk never stops a guest.

public import Kernel
import Layers
public import LinuxABI
import Platform
public import Sentry

/// Writes trace lines to a descriptor of its own.
///
/// A line looks like this:
/// ```json
/// {"time":1795233220.123456,"pid":7,"call":"openat","arguments":{"directory":"AT_FDCWD","path":"/etc/x"},"result":-2,"error":"ENOENT"}
/// ```
/// The first line says how the sandbox is walled off:
/// ```json
/// {"time":1795233220.123456,"isolation":"full","gate":"trace","walls":["no-new-privileges","namespaces"],"missing":[]}
/// ```
/// A call that waits (for a FIFO's other end, a lock, a background copy) or that is served for more than 100 ms has a line when it
/// begins too, with `"begin":true` in place of the result, so that a stuck one shows; `--trace-begin` gives every call one. A path
/// that has not been read yet is `null` there.
///
/// Lines are written out when 64 KiB have gathered, when a line comes a second after the last writing, a second later if none
/// comes, and at the end.
public final class TraceWriter: Sendable {
  private struct State: ~Copyable {
    var line = JSONLine()
    let descriptor: OwnedDescriptor
    /// The second in which something was last written out.
    var flushed: Int64 = 0
    /// The first error; nothing is written after it.
    var failure: Errno?
  }

  /// Guards everything; held while the file is written, never while a guest is waited for.
  private let state: Lock<State>

  private static let limit = 65536

  /// Writes to `descriptor`, which is closed with the writer.
  public init(_ descriptor: consuming OwnedDescriptor) {
    state = Lock(.traceFile, State(descriptor: descriptor))
  }

  /// Makes (or empties) the file at `path` on the host.
  ///
  /// - Throws: `open(2)`'s errors.
  public convenience init(path: ByteString) throws(Errno) {
    let descriptor = try path.withCString { path throws(Errno) in
      try Host.openTrusted(path, [.writeOnly, .create, .truncate], mode: 0o644)
    }
    self.init(descriptor)
  }

  deinit { flush() }

  /// The error that ended the writing, if any.
  public var failure: Errno? { state.withLock { $0.failure } }

  /// Adds the line about the sandbox itself.
  func begin(time: Timestamp, level: StaticString, gate: String, _ walls: Walls) {
    state.withLock { state in
      state.line.append("{\"time\":")
      state.line.append(time.seconds)
      state.line.append(".")
      state.line.append(time.nanoseconds / 1000, width: 6)
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
  ///   - result: what the guest got: a value or a negative errno.
  public func record(
    time: Timestamp, pid: Int32, name: StaticString, arguments: [(String, TraceValue)], result: Int
  ) {
    add(time, pid, name, arguments) { line in
      line.append(",\"result\":")
      line.append(result)
      if let error = ErrnoNames.name(forResult: result) {
        line.append(",\"error\":\"")
        line.append(error)
        line.append("\"")
      }
    }
  }

  /// Adds the line of a call that has begun and is not answered yet.
  public func recordBeginning(
    time: Timestamp, pid: Int32, name: StaticString, arguments: [(String, TraceValue)]
  ) {
    add(time, pid, name, arguments) { $0.append(",\"begin\":true") }
  }

  private func add(
    _ time: Timestamp, _ pid: Int32, _ name: StaticString, _ arguments: [(String, TraceValue)],
    _ end: (inout JSONLine) -> Void
  ) {
    state.withLock { state in
      if state.failure != nil { return }
      state.line.append("{\"time\":")
      state.line.append(time.seconds)
      state.line.append(".")
      state.line.append(time.nanoseconds / 1000, width: 6)
      state.line.append(",\"pid\":")
      state.line.append(pid)
      state.line.append(",\"call\":\"")
      state.line.append(name)
      state.line.append("\",\"arguments\":{")
      for (index, argument) in arguments.enumerated() {
        state.line.append(index == 0 ? "\"" : ",\"")
        state.line.text.append(contentsOf: argument.0.utf8)
        state.line.append("\":")
        state.line.append(argument.1)
      }
      state.line.append("}")
      end(&state.line)
      state.line.append("}\n")
      if state.line.text.count >= Self.limit || state.flushed != time.seconds {
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
