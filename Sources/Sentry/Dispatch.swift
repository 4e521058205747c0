// From a call's number to its handler, for both gates. A number that has no handler is answered with ENOSYS, whatever the
// filter let through to us.

import Gate
import LinuxABI
import VFS

extension CallRoom {
  func serve(_ call: SystemCall, from thread: ThreadID, by gate: GateKind) -> Outcome {
    guard let task = tasks[thread] else { return .value(Errno.noSuchProcess.result) }
    begin(call, of: task, by: gate)
    let context = CallContext(call, of: task, by: gate, in: self)
    task.descriptors.serves(thread)
    tasks.serves(thread)
    // What it waited for at a FIFO is of no interest any more, unless this is the open made again.
    if !files.fifoWaits.isEmpty, !SystemCallTable.opens(call.number) { files.fifoWaits.forget(thread) }
    if task.isLoading { return context.serveLoading(call) }
    if !task.sent.isEmpty { task.forgetSent(unlessFor: call) }
    if let refusals = state.refusals, let errno = SystemCallTable.refusal(of: call, in: refusals) {
      return .value(errno.result)
    }
    guard let handler = SystemCallTable.handler(call.number) else { return .value(Errno.noFunction.result) }
    files.notifier?.beginCall()
    do throws(Errno) {
      let outcome = try handler(context)
      files.notifier?.finishCall()
      endWait(call, of: task)
      return outcome
    } catch {
      files.notifier?.finishCall()
      if wantedDescriptor != nil { return .sleep(isSlow: false) }
      // A copy-up is needed that takes long. Whatever the error is, nothing has been changed: the call will be made again.
      if copyUps.isNeeded {
        copyUps.wait(thread, in: call)
        return .sleep(isSlow: false)
      }
      endWait(call, of: task)
      return .value(error.result)
    }
  }

  /// The call has been answered: it waits for no copy-up any more, and what was sent for it is closed.
  private func endWait(_ call: SystemCall, of task: Task) {
    if !task.sent.isEmpty { task.dropSent() }
    if !copyUps.isEmpty { copyUps.answered(call, of: task.thread) }
  }
}
