// The notify gate: receives calls that the filter holds (SECCOMP_RET_USER_NOTIF), asks the handler, and answers with a
// value or with a descriptor installed in the guest. It runs on a thread of its own beside the tracer.
//
// After RECV nothing but SIGKILL gets through to the guest until the answer, so the handler must not wait for anything.

import CLinux
import Gate
import Kernel
import LinuxABI
import Synchronization

/// Serves one listener.
final class NotifyWorker: Sendable {
  private let listener: NotifyListener
  private let handler: any SystemCallHandler
  private let requests: TracerRequests
  private let jobs: DescriptorJobs
  private let stopping = Atomic<Bool>(false)
  private let thread = Lock<WorkerThread?>(.workerThread, nil)

  /// Takes over `listener`.
  init(listener: NotifyListener, handler: any SystemCallHandler, requests: TracerRequests, jobs: DescriptorJobs) {
    self.listener = listener
    self.handler = handler
    self.requests = requests
    self.jobs = jobs
  }

  /// - Throws: `.system` if the system has no thread to give (RLIMIT_NPROC, pids.max).
  func start() throws(LaunchError) {
    let worker = try WorkerThread.start { [self] in work() }
    thread.withLock { $0 = worker }
  }

  /// Ends the thread and closes the listener.
  func stop() {
    stopping.store(true, ordering: .releasing)
    thread.withLock { $0.take() }?.stop()
    close(listener.descriptor)
  }

  private func work() {
    requests.workerThread.store(TracerRequests.ownThread, ordering: .relaxed)
    var wakeUp = WakeUpRule(listener: listener.descriptor)
    while !stopping.load(ordering: .acquiring) {
      // The kernel wants the structure zeroed (EINVAL otherwise).
      var notification = seccomp_notif()
      if let left = jobs.takeBacklog() {
        notification = left
      } else {
        requests.workerProgress.beginWait()
        let received = listener.receive(&notification)
        requests.workerProgress.endWait()
        if received == -Int(ENOENT), isDead { return }
        if received < 0 { continue }
        if jobs.recognise(notification, listener: listener) {
          requests.interruptTracer()
          continue
        }
      }
      let thread = ThreadID(bitPattern: notification.pid)
      wakeUp.saw(thread)
      // A thread that is in no namespace of ours: nothing to serve.
      if thread <= 0 {
        listener.answer(notification.id, of: thread, -Int(ENOSYS))
        continue
      }
      let data = notification.data
      serve(SystemCall(number: Int(data.nr), arguments: data.args), thread, notification.id)
    }
  }

  /// No task is left under the filter: from now on every receive fails at once (ENOENT), where older kernels sleep.
  private var isDead: Bool {
    var poll = pollfd(fd: listener.descriptor, events: 0, revents: 0)
    let ready = withUnsafeMutablePointer(to: &poll) {
      vd_syscall(Int(SYS_poll), Int(bitPattern: $0), 1, 0, 0, 0, 0)
    }
    return ready > 0 && CInt(poll.revents) & POLLHUP != 0
  }

  private func serve(_ call: SystemCall, _ thread: ThreadID, _ id: UInt64) {
    requests.notifications.wrappingAdd(1, ordering: .relaxed)
    // Known until a descriptor is installed: a remap that begins meanwhile counts on it.
    requests.served.withLock { $0 = thread }
    requests.workerProgress.beginCall(call.number, of: thread)
    answer(handler.handle(call, from: thread, by: .notify), to: id, of: thread, call)
    requests.workerProgress.endCall()
    requests.served.withLock { $0 = nil }
  }

  private func answer(_ outcome: consuming Outcome, to id: UInt64, of thread: ThreadID, _ call: SystemCall) {
    switch consume outcome {
    case .value(let value):
      listener.answer(id, of: thread, value)
    case .descriptor(let descriptor, let closeOnExec):
      // Not ADDFD_FLAG_SEND: ours must be closed before the guest goes on, or what hangs on the last close of an open file
      // (ETXTBSY at exec, flock, a pipe's end) would still find it open.
      let result = listener.install(descriptor.rawValue, at: id, closeOnExec: closeOnExec)
      _ = consume descriptor
      let answer = result < 0 ? Self.refusal(result) : result
      handler.installed(answer, in: thread)
      listener.answer(id, of: thread, answer)
    case .install(let program, let number, let interpreter, let interpreterNumber):
      // The last one answers the call too (each of them wakes the guest); nothing hangs on the last close of these.
      let last = VD_ADDFD_SETFD | VD_ADDFD_SEND
      var result = listener.install(
        program.rawValue, at: id, flags: interpreter == nil ? last : VD_ADDFD_SETFD, number: number)
      if result >= 0, let interpreter {
        result = listener.install(interpreter.rawValue, at: id, flags: last, number: interpreterNumber)
      }
      if result < 0 { listener.answer(id, of: thread, Self.refusal(result)) }
    // What only the tracer can do is refused here, never let through.
    case .native: listener.answer(id, of: thread, -Int(ENOSYS))
    case .observed: listener.answer(id, of: thread, -Int(ENOSYS))
    case .substitute: listener.answer(id, of: thread, -Int(ENOSYS))
    case .substituteAnswering: listener.answer(id, of: thread, -Int(ENOSYS))
    case .substituteReading: listener.answer(id, of: thread, -Int(ENOSYS))
    case .after: listener.answer(id, of: thread, -Int(ENOSYS))
    case .exec: listener.answer(id, of: thread, -Int(ENOSYS))
    case .start: listener.answer(id, of: thread, -Int(ENOSYS))
    case .kill: listener.answer(id, of: thread, -Int(ENOSYS))
    case .sleep(let isSlow):
      requests.sleep(TracerRequests.HeldCall(id: id, thread: thread), in: SleepingCall(call, isSlow: isSlow))
    }
  }

  /// A number at or above RLIMIT_NOFILE is EBADF for ADDFD and EMFILE for open.
  private static func refusal(_ result: Int) -> Int { result == -Int(EBADF) ? -Int(EMFILE) : result }
}
