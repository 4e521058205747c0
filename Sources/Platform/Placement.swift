// Where the tracer and a busy guest run. A served stop is two wake-ups; on one CPU they cost half of what they cost across
// two (5 against 11 us). So while one single-threaded guest makes nearly all stops, both share a CPU, and the notify worker
// with them; as soon as there is a second guest, or the stops become rare, all are free again. An exec is a burst of some
// twenty stops, so a thread that executes a program while all others sleep is taken for such a guest at once. Guests that
// ask for their affinity are unbound first, so they never see it.

import CLinux
import Gate
import LinuxABI
import Synchronization

/// The placement of one tracer thread. Used on that thread only.
final class Placement {
  /// A CPU mask of 1,024 bits, as sched_setaffinity(2) takes it.
  private typealias Mask = InlineArray<16, UInt64>

  private var bound: ThreadID = 0
  /// The thread that is or was bound last, and to what.
  private var lastBound: ThreadID = 0
  private var boundMask = Mask(repeating: 0)
  private var ownMask = Mask(repeating: 0)
  private var guestMask = Mask(repeating: 0)
  private var maskSize = 0

  private var last: ThreadID = 0
  private var changes = 0
  private var stops = 0
  private var windowStart: UInt64 = 0
  /// Stops since the timer last looked.
  private var stopsSinceTick = 0
  private var timer: CInt?

  /// The notify worker's thread while it is bound with us.
  private var boundWorker: ThreadID = 0
  private let requests: TracerRequests

  init(_ requests: TracerRequests) { self.requests = requests }

  var isBound: Bool { bound != 0 }

  /// More threads than these are not looked at, one by one, before an exec.
  private static let crowd = 6

  /// The thread is about to execute a program; `others` are all other guests.
  func executes(_ thread: ThreadID, others: some Collection<ThreadID>) {
    guard bound == 0, others.count <= Self.crowd else { return }
    for other in others where Kinship.mayRun(other) { return }
    bind(thread)
  }

  /// A seccomp stop of a guest; `isAlone` if it is the only thread there is.
  func saw(_ thread: ThreadID, isAlone: Bool) {
    stopsSinceTick &+= 1
    if thread != last {
      last = thread
      changes += 1
    }
    stops += 1
    if stops < 64 { return }
    let now = MonotonicClock.now()
    // 64 stops in 4 ms: the guest does little else.
    let isBusy = changes <= 1 && now &- windowStart < 4_000_000
    if isBusy, isAlone, bound == 0 { bind(thread) }
    stops = 0
    changes = 0
    windowStart = now
  }

  /// The timer's tick, which ends the tracer's wait: a guest that has stopped making calls may run where it likes.
  func tick() {
    guard bound != 0 else { return }
    if stopsSinceTick < 16 { release() }
    stopsSinceTick = 0
  }

  /// Puts back what was changed.
  func release() {
    guard bound != 0 else { return }
    setMask(bound, &guestMask)
    setMask(0, &ownMask)
    if boundWorker != 0 { setMask(boundWorker, &ownMask) }
    bound = 0
    boundWorker = 0
    arm(milliseconds: 0)
  }

  /// There is a second guest: both run where they like. A child has inherited the binding of its maker.
  func born(_ child: ThreadID, of parent: ThreadID) {
    release()
    guard parent == lastBound else { return }
    var inherited = Mask(repeating: 0)
    guard mask(of: child, &inherited) > 0 else { return }
    for word in 0..<16 where inherited[word] != boundMask[word] { return }
    setMask(child, &guestMask)
  }

  /// The thread is gone.
  func ended(_ thread: ThreadID) {
    if thread == bound { release() }
    if thread == lastBound { lastBound = 0 }
  }

  // MARK: - Visitors

  private var visitors = 0
  private var hostMask = Mask(repeating: 0)

  /// What a visitor is put back to.
  struct Visit {
    fileprivate let thread: ThreadID
    fileprivate let mask: InlineArray<16, UInt64>
  }

  /// Brings a stopped thread to our CPU for the calls that are injected into it: each of them is four wake-ups. To be ended
  /// with `leave`. Nil if that is not possible; then they are slower.
  func visit(_ thread: ThreadID) -> Visit? {
    var mask = Mask(repeating: 0)
    let size = self.mask(of: thread, &mask)
    var cpu: UInt32 = 0
    _ = withUnsafeMutablePointer(to: &cpu) { vd_syscall(Int(SYS_getcpu), Int(bitPattern: $0), 0, 0, 0, 0, 0) }
    let word = Int(cpu / 64)
    guard size > 0, word < 16, mask[word] & (1 << UInt64(cpu % 64)) != 0 else { return nil }
    maskSize = size
    var one = Mask(repeating: 0)
    one[word] = 1 << UInt64(cpu % 64)
    if bound == 0, visitors == 0 {
      guard self.mask(of: 0, &hostMask) > 0 else { return nil }
      setMask(0, &one)
    }
    visitors += 1
    setMask(thread, &one)
    return Visit(thread: thread, mask: mask)
  }

  func leave(_ visit: Visit) {
    var mask = visit.mask
    setMask(visit.thread, &mask)
    visitors -= 1
    if bound == 0, visitors == 0 { setMask(0, &hostMask) }
  }

  // MARK: - Binding

  private func bind(_ thread: ThreadID) {
    maskSize = mask(of: 0, &ownMask)
    guard maskSize > 0, mask(of: thread, &guestMask) > 0 else { return }
    var cpu: UInt32 = 0
    _ = withUnsafeMutablePointer(to: &cpu) { vd_syscall(Int(SYS_getcpu), Int(bitPattern: $0), 0, 0, 0, 0, 0) }
    let word = Int(cpu / 64)
    guard word < 16, guestMask[word] & (1 << UInt64(cpu % 64)) != 0 else { return }
    var one = Mask(repeating: 0)
    one[word] = 1 << UInt64(cpu % 64)
    setMask(0, &one)
    setMask(thread, &one)
    boundWorker = requests.workerThread.load(ordering: .relaxed)
    if boundWorker != 0 { setMask(boundWorker, &one) }
    bound = thread
    lastBound = thread
    boundMask = one
    stopsSinceTick = 0
    arm(milliseconds: 20)
  }

  private func mask(of thread: ThreadID, _ mask: inout Mask) -> Int {
    withUnsafeMutablePointer(to: &mask) {
      vd_syscall(Int(SYS_sched_getaffinity), Int(thread), 128, Int(bitPattern: $0), 0, 0, 0)
    }
  }

  private func setMask(_ thread: ThreadID, _ mask: inout Mask) {
    _ = withUnsafeMutablePointer(to: &mask) {
      vd_syscall(Int(SYS_sched_setaffinity), Int(thread), maskSize, Int(bitPattern: $0), 0, 0, 0)
    }
  }

  /// A periodic signal to this thread; 0 stops it.
  private func arm(milliseconds: Int) {
    if timer == nil {
      // struct sigevent: value, signal, SIGEV_THREAD_ID, thread.
      let event = (0 as UInt64, WorkerThread.kick, 4 as CInt, CInt(vd_syscall(Int(SYS_gettid), 0, 0, 0, 0, 0, 0)))
      var padded = (event, 0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64)
      var made: CInt = 0
      let result = withUnsafeMutablePointer(to: &padded) { event in
        withUnsafeMutablePointer(to: &made) {
          vd_syscall(Int(SYS_timer_create), Int(CLOCK_MONOTONIC), Int(bitPattern: event), Int(bitPattern: $0), 0, 0, 0)
        }
      }
      if result == 0 { timer = made }
    }
    guard let timer else { return }
    let nanoseconds = milliseconds * 1_000_000
    var value = (0, nanoseconds, 0, nanoseconds)
    _ = withUnsafeMutablePointer(to: &value) {
      vd_syscall(Int(SYS_timer_settime), Int(timer), 0, Int(bitPattern: $0), 0, 0, 0)
    }
  }

  deinit {
    if let timer { _ = vd_syscall(Int(SYS_timer_delete), Int(timer), 0, 0, 0, 0, 0) }
  }
}
