// The sentry: answers the system calls that the gates stop. It holds the tree lock around each; everything below runs
// under it and none of it waits for a guest.

public import Coherence
public import Gate
import Kernel
public import LinuxABI
public import VFS

/// Receives what `--trace` and `--stats` show. Called outside the tree lock, from whichever thread served the call.
public protocol CallRecorder: AnyObject, Sendable {
  /// Strings the guest passed are wanted in `CallRecord.strings`.
  var wantsStrings: Bool { get }
  /// A call is about to be served. `isAgain`: it has slept (`slept`) and is made again.
  func began(_ call: SystemCall, from thread: ThreadID, by gate: GateKind, isAgain: Bool)
  /// The service that began is over. `slept` or `record` follows.
  ///
  /// - Returns: whether the call's beginning has been shown already.
  func served(by gate: GateKind) -> Bool
  /// The thread sleeps in the call, for the first time, and will make it again.
  func slept(_ record: CallRecord)
  func record(_ record: CallRecord)
  /// A process of the guests has ended, by the number under which they knew it. Only if strings are wanted.
  func exited(_ process: Int32, status: ExitStatus)
}

/// One served or refused call.
public struct CallRecord: Sendable {
  /// What became of the call.
  public enum Result: Sendable {
    /// Answered with this value (a negative errno for an error).
    case value(Int)
    /// Answered with a new descriptor, for which the kernel chose this number.
    case descriptor(Int)
    /// Left to the kernel, after checks: what it gave, if that is known.
    case native(Int?)
  }
  public var thread: ThreadID
  /// The same thread as guests number it; 0 unless strings are wanted.
  public var insideThread: Int32
  public var call: SystemCall
  public var strings: TracedStrings
  public var result: Result
  /// Nanoseconds from the gate's question to the answer.
  public var duration: UInt64
}

/// The handler that both gates call.
public final class Sentry: SystemCallHandler, CoherenceOwner {
  private let state: Lock<SentryState>
  private let recorder: (any CallRecorder)?
  private let wantsStrings: Bool

  /// Takes over the state; from now on it is reached through the lock only.
  public init(_ state: sending SentryState, recorder: (any CallRecorder)? = nil) {
    self.recorder = recorder
    wantsStrings = recorder?.wantsStrings ?? false
    state.room.isTracing = wantsStrings
    self.state = Lock(.tree, state)
    self.state.withLock { $0.coherence.copyUps.owner = self }
  }

  public func handle(_ call: SystemCall, from thread: ThreadID, by gate: GateKind) -> Outcome {
    // What the trampoline does is no guest's doing.
    guard let recorder, !isLoading(thread) else {
      var traced = Traced()
      return serve(call, from: thread, by: gate, &traced)
    }
    let (begin, isAgain) = beginning(of: call, from: thread)
    var traced = Traced()
    recorder.began(call, from: thread, by: gate, isAgain: isAgain)
    let outcome = serve(call, from: thread, by: gate, &traced)
    let isShown = recorder.served(by: gate)
    var record = CallRecord(
      thread: thread, insideThread: traced.insideThread, call: call, strings: traced.strings,
      result: .native(nil), duration: MonotonicClock.now() - begin)
    var isAnswered = true
    var isAsleep = false
    var isObserved = false
    switch outcome {
    case .value(let value): record.result = .value(value)
    // The kernel chooses the number while the guest is being answered, and says how an execve ended.
    case .descriptor: isAnswered = false
    case .observed: isAnswered = !wantsStrings
    case .exec: isAnswered = !wantsStrings
    // A birth stops its thread on the way to the call's end.
    case .native where wantsStrings && gate == .trace && !SystemCallTable.bears(call.number):
      isObserved = true
      isAnswered = false
    case .sleep: isAsleep = true
    default: break
    }
    if isAsleep {
      asleep.withLock { $0[thread] = (call.number, begin) }
      if !isShown { recorder.slept(record) }
    } else if isAnswered {
      recorder.record(record)
    } else {
      let waiting = record
      unanswered.withLock { $0[thread] = waiting }
    }
    return isObserved ? .observed : outcome
  }

  private func isLoading(_ thread: ThreadID) -> Bool { state.withLock { $0.tasks[thread]?.isLoading ?? false } }

  /// Calls that will be made again, and when they were made first.
  private let asleep = Lock<[ThreadID: (number: Int, begin: UInt64)]>(.sleepingCalls, [:])

  private func beginning(of call: SystemCall, from thread: ThreadID) -> (time: UInt64, isAgain: Bool) {
    let first = asleep.withLock { asleep in
      asleep[thread]?.number == call.number ? asleep.removeValue(forKey: thread)?.begin : nil
    }
    return (first ?? MonotonicClock.now(), first != nil)
  }

  /// Records of calls whose end is still to come: a descriptor is on its way to the guest, or the kernel runs the call.
  private let unanswered = Lock<[ThreadID: CallRecord]>(.unnumberedCalls, [:])

  private func answered(_ thread: ThreadID, _ result: CallRecord.Result) {
    guard let recorder, var record = unanswered.withLock({ $0.removeValue(forKey: thread) }) else { return }
    record.result = result
    recorder.record(record)
  }

  public func installed(_ number: Int, in thread: ThreadID) {
    answered(thread, number < 0 ? .value(number) : .descriptor(number))
  }

  /// What a trace line shows beyond the registers.
  private struct Traced {
    var strings = TracedStrings()
    var insideThread: Int32 = 0
  }

  /// Serves the call under the tree lock, then does what must not be done under it: remapping after copy-up,
  /// and waking sleepers. Both wait for the tracer, which may be waiting for the lock.
  private func serve(
    _ call: SystemCall, from thread: ThreadID, by gate: GateKind, _ traced: inout Traced
  ) -> Outcome {
    var mustRemap = false
    var wakes: [ThreadID] = []
    var control: (any GuestControl)?
    var newNotifier: CInt?
    var newResolver: Resolver?
    var wanted: CInt?
    let outcome = state.withLock { state in
      let outcome = state.serve(call, from: thread, by: gate)
      let room = state.room
      newNotifier = room.newNotifier.take()
      newResolver = room.newResolver.take()
      wakes = room.takeWakes()
      wanted = room.wantedDescriptor
      mustRemap = state.coherence.hasPendingRemaps
      if mustRemap || newNotifier != nil || newResolver != nil || !wakes.isEmpty || wanted != nil {
        control = state.control
      }
      if room.isTracing {
        traced.strings = room.traced
        traced.insideThread = state.tasks[thread].map { state.tasks.insideID(of: $0) } ?? 0
      }
      return outcome
    }
    if mustRemap { flushRemaps(control) }
    if let newResolver { control?.whenReadable(newResolver.descriptor) { newResolver.serve() } }
    if let newNotifier {
      control?.whenReadable(newNotifier) { [weak self] in self?.state.withLock { $0.files.notifier?.serve() } }
    }
    for sleeper in wakes { control?.wake(sleeper) }
    if let wanted, let control { fetch(wanted, for: call, of: thread, by: control) }
    return outcome
  }

  public func withCoherence<Result: Sendable>(_ body: (Coherence) -> Result) -> Result {
    state.withLock { body($0.coherence) }
  }

  public func pendingWork(within milliseconds: Int) -> PendingWork? {
    state.withLock(within: milliseconds) { $0.pendingWork }
  }

  public func name(of number: Int) -> StaticString? { SystemCallTable.name(of: number) }

  /// Keeps what a thread has sent until it makes its call again.
  func deliver(_ sent: SentDescriptor, to thread: ThreadID) {
    state.withLock { state in
      guard let task = state.tasks[thread] else {
        return sent.drop()
      }
      task.forgetSent(unlessFor: sent.call)
      task.sent.append(sent)
    }
  }

  public func completed(_ call: SystemCall, from thread: ThreadID, result: Int) {
    answered(thread, .native(result))
    state.withLock { $0.completed(thread, result: result) }
  }

  public func created(_ child: ThreadID, leader: ThreadID, by parent: ThreadID, sharing: Sharing) {
    state.withLock { $0.created(child, leader: leader, by: parent, sharing: sharing) }
  }

  public func exited(_ thread: ThreadID, status: ExitStatus) {
    let process = state.withLock { state -> Int32? in
      let task = wantsStrings ? state.tasks[thread] : nil
      let number = task.flatMap { $0.process.leader == thread ? state.tasks.insideID(of: $0) : nil }
      state.exited(thread)
      return number
    }
    guard let recorder else { return }
    asleep.withLock { $0[thread] = nil }
    unanswered.withLock { $0[thread] = nil }
    if let process { recorder.exited(process, status: status) }
  }

  public func imageReplaced(_ thread: ThreadID, former: ThreadID, stackPointer: UInt64) throws(Errno) -> TrampolineStart
  {
    answered(former, .value(0))
    return try state.withLock { state throws(Errno) in
      try state.imageReplaced(thread, former: former, stackPointer: stackPointer)
    }
  }

  public func execFailed(_ thread: ThreadID, errno: Errno) {
    answered(thread, .value(errno.result))
    state.withLock { $0.executionFailed(thread) }
  }

  /// How often guests were refused a thread or process more (`SentryState.taskLimit`).
  public var refusedTasks: Int { state.withLock { $0.tasks.refusedCount } }

  /// What guests were refused of the network, a line each.
  public var networkReport: [String] { state.withLock { $0.network?.report ?? [] } }

  /// Gives `body` the tree under its lock: for what is asked of it when the guests are gone.
  public func withTree<Result: Sendable, Failure: Error>(
    _ body: (VirtualFileSystem) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try state.withLock { state throws(Failure) in try body(state.vfs) }
  }

  /// Checks that the first guest can start in a directory.
  ///
  /// - Throws: what `chdir(2)` would.
  public func checkDirectory(_ path: [UInt8]) throws(Errno) {
    try state.withLock { state throws(Errno) in try state.checkDirectory(path) }
  }

  /// Whether a path leads the first guest to a directory.
  public func isDirectory(_ path: [UInt8], workingDirectory: [UInt8]) -> Bool {
    state.withLock { $0.isDirectory(path, workingDirectory: workingDirectory) }
  }

  /// Finds the command as `execvp(3)` does, in the guest's own tree.
  ///
  /// - Throws: the errno that `execvp` would end with: `.noSuchFileOrDirectory`, `.permissionDenied`, …
  public func findCommand(_ name: [UInt8], searchPath: [UInt8], workingDirectory: [UInt8]) throws(Errno) -> [UInt8] {
    try state.withLock { state throws(Errno) in
      try state.findCommand(name, searchPath: searchPath, workingDirectory: workingDirectory)
    }
  }
}
