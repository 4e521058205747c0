// The notify gate: receives calls that the filter holds (SECCOMP_RET_USER_NOTIF), asks the handler, and answers with a
// value or with a descriptor installed in the guest. It runs on a thread of its own beside the tracer.
//
// After RECV nothing but SIGKILL gets through to the guest until the answer, so the handler must not wait for anything.

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
    Host.close(listener.descriptor)
  }

  private func work() {
    requests.workerThread.store(TracerRequests.ownThread, ordering: .relaxed)
    var wakeUp = WakeUpRule(listener: listener.descriptor)
    while !stopping.load(ordering: .acquiring) {
      let notification: SeccompNotification
      if let left = jobs.takeBacklog() {
        notification = left
      } else {
        do throws(Errno) { notification = try receive() } catch {
          if error == .noSuchFileOrDirectory, isDead { return }
          continue
        }
        if jobs.recognise(notification, listener: listener) {
          requests.interruptTracer()
          continue
        }
      }
      let thread = notification.thread
      wakeUp.saw(thread)
      // A thread that is in no namespace of ours: nothing to serve.
      if thread <= 0 {
        refuse(notification.identifier, of: thread)
        continue
      }
      let call = SystemCall(number: Int(notification.number), arguments: notification.arguments)
      serve(call, thread, notification.identifier)
    }
  }

  private func receive() throws(Errno) -> SeccompNotification {
    requests.workerProgress.beginWait()
    defer { requests.workerProgress.endWait() }
    return try listener.receive()
  }

  /// No task is left under the filter: from now on every receive fails at once (ENOENT), where older kernels sleep.
  private var isDead: Bool {
    (try? Host.poll(listener.descriptor, for: [], milliseconds: 0))?.contains(.hungUp) ?? false
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
      let last: SeccompDescriptor.Flags = [.setNumber, .send]
      var result = listener.install(
        program.rawValue, at: id, flags: interpreter == nil ? last : .setNumber, number: number)
      if result >= 0, let interpreter {
        result = listener.install(interpreter.rawValue, at: id, flags: last, number: interpreterNumber)
      }
      if result < 0 { listener.answer(id, of: thread, Self.refusal(result)) }
    // What only the tracer can do is refused here, never let through.
    case .native: refuse(id, of: thread)
    case .observed: refuse(id, of: thread)
    case .substitute: refuse(id, of: thread)
    case .substituteAnswering: refuse(id, of: thread)
    case .substituteReading: refuse(id, of: thread)
    case .after: refuse(id, of: thread)
    case .exec: refuse(id, of: thread)
    case .start: refuse(id, of: thread)
    case .kill: refuse(id, of: thread)
    case .sleep(let isSlow):
      requests.sleep(TracerRequests.HeldCall(id: id, thread: thread), in: SleepingCall(call, isSlow: isSlow))
    }
  }

  private func refuse(_ id: UInt64, of thread: ThreadID) { listener.answer(id, of: thread, Errno.noFunction.result) }

  /// A number at or above RLIMIT_NOFILE is EBADF for ADDFD and EMFILE for open.
  private static func refusal(_ result: Int) -> Int {
    result == Errno.badFileDescriptor.result ? Errno.tooManyOpenFiles.result : result
  }
}
