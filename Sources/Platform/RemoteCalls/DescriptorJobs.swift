// Descriptors are installed in a guest through a held call (SECCOMP_IOCTL_NOTIF_ADDFD). For a replacement the tracer
// injects a call of its own; its notification may be received by the notify worker or by the tracer, the first
// to wait for it, and is recognised by the thread it comes from.

import CLinux
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
    var backlog: [seccomp_notif] = []
  }

  private let state = Lock(.descriptorJobs, State())

  func begin(_ job: DescriptorJob) -> DescriptorJob {
    state.withLock { $0.current = job }
    return job
  }

  func end(_ job: DescriptorJob) { state.withLock { $0.current = nil } }

  /// The worker's share: a notification that the tracer received and left for it.
  func takeBacklog() -> seccomp_notif? {
    state.withLock { $0.backlog.isEmpty ? nil : $0.backlog.removeFirst() }
  }

  /// Does the job if the notification is its carrier. True if it was.
  func recognise(_ notification: seccomp_notif, listener: NotifyListener) -> Bool {
    guard let job = state.withLock({ $0.current }), ThreadID(bitPattern: notification.pid) == job.thread else {
      return false
    }
    let result = listener.install(
      job.file, at: notification.id, flags: job.number == nil ? 0 : VD_ADDFD_SETFD, number: job.number ?? 0,
      closeOnExec: job.closeOnExec)
    listener.answer(notification.id, of: job.thread, result)
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
      var poll = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
      let ready = withUnsafeMutablePointer(to: &poll) {
        job.isDone.interruptibleCall(SYS_poll, Int(bitPattern: $0), 1, 1)
      }
      if ready == -Int(EINTR) { continue }
      // The guest may have died on its way to the gate, or a filter of its own has refused the call; its stop says so.
      if ready <= 0 || CInt(poll.revents) & POLLIN == 0 {
        if TaskState.isStoppedOrDead(job.thread) { return }
        continue
      }
      var notification = seccomp_notif()
      let received = listener.receive(&notification, until: job.isDone)
      if received < 0 || recognise(notification, listener: listener) { continue }
      state.withLock { $0.backlog.append(notification) }
    }
  }
}
