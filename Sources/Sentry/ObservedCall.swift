// Calls that the kernel runs and whose result the sentry waits for (`Outcome.observed`): what is to be done then.

import Gate
import LinuxABI

/// What a task's call is, as long as the kernel runs it.
enum ObservedCall {
  /// `unshare(2)`, and `close_range(2)` with CLOSE_RANGE_UNSHARE.
  case unshare(UnshareFlags)
  /// A filter is added, of the thread or of its whole group (`GuestFilter`).
  case filter(ofAllThreads: Bool)
  /// A lock of the process is taken, while another task can change the descriptor table.
  case rangeLock
  /// A message is received whose sender's address is to be shown as guests know it.
  case sender(SocketAddressPointer, length: Pointer<CInt>)
  /// The same with `--net allow`.
  case received(ReceivedNames)
}

extension CallContext {
  /// The kernel runs the call, and `completed` follows.
  func observe(_ call: ObservedCall) -> Outcome {
    task.observed = call
    if case .unshare(let flags) = call, flags.contains(.files) { task.mayUnshareDescriptors() }
    return .observed
  }
}

extension SentryState {
  /// What `CallContext.observe` was called for has returned `result`.
  func completed(_ thread: ThreadID, result: Int) {
    guard let task = tasks[thread], let observed = task.observed.take() else { return }
    switch observed {
    case .unshare(let flags):
      if result == 0 { unshared(task, flags) } else { task.keepsDescriptors() }
    case .filter(let ofAllThreads):
      if result == 0 { filterAdded(task, ofAllThreads: ofAllThreads) }
    case .rangeLock:
      if result == 0 { files.checkRangeLock(of: task) }
    case .sender(let address, let length):
      // The guest's memory went away under us: it has no use for a name then.
      if result >= 0 { do throws(Errno) { try showSender(task, address, length) } catch {} }
    case .received(let names):
      if result >= 0 { do throws(Errno) { try showSenders(task, names, result: result) } catch {} }
    }
  }

  private func unshared(_ task: Task, _ flags: UnshareFlags) {
    if flags.contains(.fileSystem) { task.context = task.context.copy() }
    task.hasUnsharedDescriptors()
  }
}
