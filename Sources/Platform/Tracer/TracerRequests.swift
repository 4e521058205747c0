// The way from other threads to the tracer: a queue, and a signal that ends the tracer's wait, which misses none.
// `GuestControl` for the sentry is implemented here; on the tracer thread itself the work is done in place.

import Gate
import Kernel
import LinuxABI
import Synchronization

/// The tracer's mailbox.
final class TracerRequests: GuestControl {
  /// A call that the notify gate holds.
  struct HeldCall: Sendable {
    var id: UInt64
    var thread: ThreadID
  }

  /// Work on guests, asked for by a thread that waits for it.
  final class GuestsRequest: Sendable {
    let work: any StoppedGuestsWork
    /// The notify worker asks, in the middle of a call: it is answering no other one.
    let isByWorker: Bool
    let isDone = ThreadFlag()

    init(isByWorker: Bool, _ work: any StoppedGuestsWork) {
      self.isByWorker = isByWorker
      self.work = work
    }
  }

  enum Request: Sendable {
    case guests(GuestsRequest)
    case sleep(HeldCall, SleepingCall)
    case wake(ThreadID)
    /// The sandbox is to end, with the status of a command that this signal has ended.
    case end(CInt)
  }

  /// Of the thread that serves the trace gate, and of the one that serves the notify gate.
  let tracerProgress = Progress()
  let workerProgress = Progress()

  /// The tracer is touched through this reference by its own thread only.
  private struct TracerReference: @unchecked Sendable {
    weak var tracer: Tracer?
  }

  /// What has not been taken yet; nil once the tracer has ended.
  private let queue = Lock<[Request]?>(.tracerQueue, [])
  /// Something is in the queue. The tracer waits in `ThreadFlag.interruptibleCall` of this one.
  let isWaiting = ThreadFlag()
  private let reference = Lock(.tracer, TracerReference())
  private let tracerThread: ThreadID
  /// Whose call the notify worker serves: set before it hands the call to the handler, until the answer is with the guest.
  let served = Lock<ThreadID?>(.servedThread, nil)

  /// The notify worker's thread, which goes where the tracer goes; 0 until it runs.
  let workerThread = Atomic<ThreadID>(0)
  /// Calls that the worker has served since the placement last looked.
  let notifications = Atomic<Int>(0)

  /// To be called on what will be the tracer thread.
  init() {
    tracerThread = Self.ownThread
    affinity = CPUMask(of: 0)
  }

  func bind(_ tracer: Tracer) {
    let made = TracerReference(tracer: tracer)
    reference.withLock { $0 = made }
  }

  static var ownThread: ThreadID { Host.ownThread }

  func withStoppedGuests(_ work: any StoppedGuestsWork) {
    let thread = Self.ownThread
    let request = GuestsRequest(isByWorker: thread == workerThread.load(ordering: .relaxed), work)
    if thread == tracerThread {
      let tracer = reference.withLock { $0 }
      tracer.tracer?.serve(request)
    } else {
      post(.guests(request))
      // The tracer serves now, and its progress counts.
      if request.isByWorker { workerProgress.beginWait() }
      while !request.isDone.wait(milliseconds: 200) { interruptTracer() }
      if request.isByWorker { workerProgress.endWait() }
    }
  }

  func wake(_ thread: ThreadID) { post(.wake(thread)) }

  /// Every guest is to be killed.
  func end(by signal: CInt) {
    endedBy.withLock { $0 = signal }
    post(.end(signal))
  }

  /// By which signal the run is ended by force, if it is.
  let endedBy = Lock<CInt?>(.endingSignal, nil)

  /// A held call is to be turned into a sleep.
  func sleep(_ held: HeldCall, in call: SleepingCall) { post(.sleep(held, call)) }

  private func post(_ request: Request) {
    let isOpen = queue.withLock { queue in
      queue?.append(request)
      return queue != nil
    }
    guard isOpen else { return Self.refuse(request) }
    isWaiting.raise()
    if Self.ownThread != tracerThread { interruptTracer() }
  }

  /// Ends what the tracer, or the notify worker, waits for.
  func interrupt(_ isTracer: Bool) {
    let thread = isTracer ? tracerThread : workerThread.load(ordering: .relaxed)
    guard thread > 0 else { return }
    // One that is lost would leave it asleep.
    for _ in 0..<3 {
      if Host.signalThread(thread, of: Host.ownProcess, WorkerThread.interruption.rawValue) { return }
    }
  }

  func interruptTracer() { interrupt(true) }

  /// What has come in since the last look.
  func take() -> [Request] {
    guard isWaiting.take() else { return [] }
    return queue.withLock { queue in
      defer { if queue != nil { queue = [] } }
      return queue ?? []
    }
  }

  // MARK: - Other threads

  private let workers = Lock<[WorkerThread]>(.backgroundThreads, [])
  /// Where the process may run: a thread inherits where the one that starts it has been put (Placement.swift).
  private let affinity: CPUMask?

  func inBackground(_ body: @escaping @Sendable () -> Void) -> Bool {
    let affinity = affinity
    let started = WorkerThread {
      affinity?.apply(to: 0)
      body()
    }
    guard let started else { return false }
    return workers.withLock { workers in
      for worker in workers where worker.hasEnded { worker.stop() }
      workers.removeAll { $0.hasEnded }
      workers.append(started)
      return true
    }
  }

  private let watchers = Lock<[ReadinessThread]>(.readinessThreads, [])

  func whenReadable(_ descriptor: CInt, _ body: @escaping @Sendable () -> Void) {
    guard queue.withLock({ $0 != nil }) else { return }
    let watcher = ReadinessThread(descriptor, body)
    watchers.withLock { $0.append(watcher) }
  }

  /// Ends the threads of `whenReadable` and waits for those of `inBackground`; no body runs any more when it returns.
  func stopOthers() {
    for watcher in watchers.withLock({ $0 }) { watcher.stop() }
    watchers.withLock { $0 = [] }
    for worker in workers.withLock({ $0 }) { worker.stop() }
    workers.withLock { $0 = [] }
  }

  /// The tracer has ended: the threads that wait are released.
  func close() {
    let left = queue.withLock { queue in
      defer { queue = nil }
      return queue ?? []
    }
    for request in left { Self.refuse(request) }
  }

  private static func refuse(_ request: Request) {
    switch request {
    case .guests(let request): request.isDone.raiseForWaiters()
    case .sleep, .wake, .end: break
    }
  }
}
