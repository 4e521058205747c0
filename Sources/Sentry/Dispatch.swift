// From a call's number to its handler. One table for both gates; a number that has no handler here is answered with
// ENOSYS, whatever the filter let through to us.

import CLinux
import Gate
import LinuxABI

/// Answers one call of `task`. Throws the errno that the guest gets.
typealias Handler = @Sendable (SentryState, Task, SystemCall) throws(Errno) -> Outcome

extension SentryState {
  func serve(_ call: SystemCall, from thread: ThreadID, by gate: GateKind) -> Outcome {
    guard let task = tasks[thread] else { return .value(Errno.noSuchProcess.result) }
    current = task
    currentNumber = call.number
    currentGate = gate
    task.descriptors.caller = thread
    if !fifoWaits.isEmpty, !openNumbers.contains(call.number) { fifoWaits.forget(thread) }
    if task.isLoading { return serveLoading(task, call) }
    guard let handler = HandlerTable.handler(call.number) else { return .value(Errno.noFunction.result) }
    notifier?.beginCall()
    do throws(Errno) {
      let outcome = try handler(self, task, call)
      notifier?.finishCall()
      if !coherence.copyUps.isEmpty { coherence.copyUps.answered(call, of: thread) }
      return outcome
    } catch {
      notifier?.finishCall()
      if error == .restart {
        coherence.copyUps.wait(thread, in: call)
        return .sleep(isSlow: false)
      }
      if !coherence.copyUps.isEmpty { coherence.copyUps.answered(call, of: thread) }
      return .value(error.result)
    }
  }
}

/// The calls that may come again after a sleep.
private let openNumbers = [Int(SYS_open), Int(SYS_creat), Int(SYS_openat), Int(SYS_openat2)]

/// Which numbers have a handler; every call that the disposition table sends to a gate must be here.
public enum HandlerTable {
  static let count = 512

  @inline(__always)
  static func handler(_ number: Int) -> Handler? {
    number >= 0 && number < count ? table[number] : nil
  }

  /// Whether a call may be given up and made again later: its handler does nothing before what may throw `.restart`.
  static func mayWait(_ number: Int) -> Bool { number >= 0 && number < count && waiting[number] }

  private static let waiting: [Bool] = {
    var waiting = [Bool](repeating: false, count: count)
    for group in [openHandlers, nameHandlers, attributeHandlers, xattrHandlers, lockHandlers] {
      for (number, _) in group { waiting[Int(number)] = true }
    }
    return waiting
  }()

  /// Whether a gate may send this number; for the test that compares with the disposition table.
  public static func serves(_ number: Int) -> Bool { handler(number) != nil }

  private static let table: [Handler?] = {
    var table = [Handler?](repeating: nil, count: count)
    for group in [
      statusHandlers, openHandlers, nameHandlers, attributeHandlers, xattrHandlers, directoryHandlers, execHandlers,
      credentialHandlers, socketHandlers, processHandlers, otherProcessHandlers, limitHandlers, inotifyHandlers,
      lockHandlers, synchronisationHandlers, allocationHandlers,
    ] {
      for (number, handler) in group { table[Int(number)] = handler }
    }
    return table
  }()
}
