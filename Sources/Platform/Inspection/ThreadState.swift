// What the host's /proc says of a thread at this moment: of a guest's, what it waits for and since when. The kernel is asked, not
// the tracer's records: those belong to the tracer's thread, which may be the one that is stuck. No file is read that waits for
// a guest's memory (cmdline, environ, maps).

import Gate
import Kernel
import LinuxABI

/// One thread, as it was when it was looked at.
struct ThreadState {
  let thread: ThreadID
  let group: ThreadID
  /// The two numbers in the innermost pid namespace (`NSpid`, `NStgid` of /proc/THREAD/status).
  let insideThread: UInt64
  let insideGroup: UInt64
  /// The thread that traces it; 0 for none.
  let tracer: ThreadID
  /// /proc/THREAD/comm: any bytes.
  let name: [UInt8]
  /// R, S, D, T, t, Z, X (`man 5 proc_pid_stat`).
  let letter: UInt8
  /// The call it is blocked in; see `TaskState.blockingCall`.
  let call: Int?
  /// /proc/THREAD/wchan: the kernel function it sleeps in.
  let function: [UInt8]

  /// Nil if it is gone.
  init?(_ thread: ThreadID) {
    typealias Numbers = (group: UInt64, tracer: UInt64, thread: UInt64, inside: UInt64, letter: UInt8)
    let numbers = ProcessFile.withText(thread, "status", size: 4096) { text -> Numbers? in
      var state = text
      guard state.find("\nState:\t"), let letter = state.next(), let group = text.number(after: "\nTgid:\t"),
        let tracer = text.number(after: "\nTracerPid:\t")
      else { return nil }
      return (
        group, tracer, text.lastNumber(after: "\nNSpid:") ?? UInt64(thread),
        text.lastNumber(after: "\nNStgid:") ?? group, letter
      )
    }
    guard let numbers else { return nil }
    self.thread = thread
    group = ThreadID(truncatingIfNeeded: numbers.group)
    tracer = ThreadID(truncatingIfNeeded: numbers.tracer)
    insideThread = numbers.thread
    insideGroup = numbers.inside
    letter = numbers.letter
    name = Self.bytes(thread, "comm")
    call = TaskState.blockingCall(of: thread)
    function = Self.bytes(thread, "wchan")
  }

  private static func bytes(_ thread: ThreadID, _ name: StaticString) -> [UInt8] {
    withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { buffer in
      let count = ProcessFile.read(thread, name, into: buffer)
      var bytes = [UInt8](buffer[..<count])
      if bytes.last == 0x0a { bytes.removeLast() }
      return bytes
    }
  }

  /// Every thread that `tracer` traces, in order; nil if /proc cannot be read. Of more than `limit`, the first.
  static func traced(by tracer: ThreadID, limit: Int) -> [ThreadState]? {
    guard let processes = numbers(in: "/proc") else { return nil }
    var found: [ThreadState] = []
    for process in processes where found.count < limit {
      guard isTraced(process, by: tracer) else { continue }
      for thread in (numbers(in: "/proc/\(process)/task") ?? []) where found.count < limit {
        if let state = ThreadState(thread), state.tracer == tracer { found.append(state) }
      }
    }
    return found
  }

  /// Every process that `tracer` traces.
  static func processes(tracedBy tracer: ThreadID) -> [ThreadID] {
    (numbers(in: "/proc") ?? []).filter { isTraced($0, by: tracer) }
  }

  /// The threads of our own process.
  static func own() -> [ThreadState] { (numbers(in: "/proc/self/task") ?? []).compactMap(ThreadState.init) }

  private static func isTraced(_ process: ThreadID, by tracer: ThreadID) -> Bool {
    ProcessFile.withText(process, "status", size: 1024) { $0.number(after: "\nTracerPid:\t") == UInt64(tracer) }
  }

  /// The names in a directory that are numbers, in order.
  private static func numbers(in directory: String) -> [ThreadID]? {
    var numbers: [ThreadID] = []
    do throws(Errno) {
      let descriptor = try Host.openTrusted(directory, .directory)
      try Host.forEachName(in: descriptor.rawValue) { name in
        var text = KernelText(name.bytes)
        if let number = text.number(), text.isAtEnd { numbers.append(ThreadID(truncatingIfNeeded: number)) }
      }
    } catch { return nil }
    return numbers.sorted()
  }
}

/// Since when threads sleep: from the clocks of the CPUs that they sleep on (Timeouts.swift).
struct SleepTimes {
  private var clocks: [Int: ProcessorClock] = [:]

  /// Nanoseconds of CLOCK_MONOTONIC, or a little later; nil if the kernel does not say.
  mutating func since(_ thread: ThreadID) -> UInt64? {
    guard let text = SchedulerText(of: thread), let processor = LastProcessor.of(thread) else { return nil }
    // The calling thread goes to that CPU for a moment to read its clock.
    if clocks[processor] == nil { clocks[processor] = ProcessorClock(of: processor) }
    return clocks[processor]?.since(text.time)
  }
}

extension KernelText {
  /// The last number of the line that begins with `words`.
  func lastNumber(after words: StaticString) -> UInt64? {
    var text = self
    guard text.find(words) else { return nil }
    var last: UInt64?
    while true {
      while text.take(UInt8(ascii: "\t")) || text.take(UInt8(ascii: " ")) {}
      guard let number = text.number() else { return last }
      last = number
    }
  }
}
