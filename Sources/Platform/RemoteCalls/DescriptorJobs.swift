// Descriptors are installed in a guest through a held call (SECCOMP_IOCTL_NOTIF_ADDFD). For a replacement the tracer
// injects a call of its own; its notification may be received by the notify worker or by the tracer, the first
// to wait for it, and is recognised by the thread it comes from.

import Gate
import Kernel
import LinuxABI

/// One replacement, or one new descriptor.
final class DescriptorJob: Sendable {
  let thread: ThreadID
  /// Nil for the lowest free number.
  let number: CInt?
  let file: CInt
  let closeOnExec: Bool
  let isDone = ThreadFlag()

  init(thread: ThreadID, number: CInt?, file: CInt, closeOnExec: Bool) {
    self.thread = thread
    self.number = number
    self.file = file
    self.closeOnExec = closeOnExec
  }
}

/// The replacement under way, and notifications that the tracer received in passing.
final class DescriptorJobs: Sendable {
  private struct State {
    var current: DescriptorJob?
    var backlog: [SeccompNotification] = []
  }

  private let state = Lock(.descriptorJobs, State())

  func begin(_ job: DescriptorJob) -> DescriptorJob {
    state.withLock { $0.current = job }
    return job
  }

  func end(_ job: DescriptorJob) { state.withLock { $0.current = nil } }

  /// The worker's share: a notification that the tracer received and left for it.
  func takeBacklog() -> SeccompNotification? {
    state.withLock { $0.backlog.isEmpty ? nil : $0.backlog.removeFirst() }
  }

  /// Does the job if the notification is its carrier. True if it was.
  func recognise(_ notification: SeccompNotification, listener: NotifyListener) -> Bool {
    guard let job = state.withLock({ $0.current }), notification.thread == job.thread else {
      return false
    }
    let result = listener.install(
      job.file, at: notification.identifier, flags: job.number == nil ? [] : .setNumber, number: job.number ?? 0,
      closeOnExec: job.closeOnExec)
    listener.answer(notification.identifier, of: job.thread, result)
    job.isDone.raise()
    return true
  }

  /// The tracer's share: receives until the job is done, by itself or by the worker, which interrupts the tracer then.
  func serve(_ job: DescriptorJob, listener: NotifyListener) {
    var deadline = StopDeadline(job.thread)
    var rounds = 0
    while !job.isDone.isRaised {
      rounds += 1
      // Then its stop does not come in time either.
      if rounds % 64 == 0, deadline.isOver() { return }
      var events: PollEvents = []
      do throws(Errno) {
        events = try job.isDone.poll(listener.descriptor, for: .readable, milliseconds: 1)
      } catch {
        if error == .interrupted { continue }
      }
      // The guest may have died on its way to the gate, or a filter of its own has refused the call; its stop says so.
      if !events.contains(.readable) {
        if TaskState.isStoppedOrDead(job.thread) { return }
        continue
      }
      guard let notification = try? listener.receive(until: job.isDone),
        !recognise(notification, listener: listener)
      else { continue }
      state.withLock { $0.backlog.append(notification) }
    }
  }
}
