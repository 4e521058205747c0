// Where the tracer and a busy guest run. A served stop is two wake-ups; on one CPU they cost half of what they cost across
// two (5 against 11 us). So while one single-threaded guest makes nearly all stops, both share a CPU, and the notify worker
// with them; as soon as there is a second guest, or the stops become rare, all are free again. An exec is a burst of some
// twenty stops, so a thread that executes a program while all others sleep is taken for such a guest at once. A parent that
// runs its children one after the other stays on that CPU, and so do those to come, which inherit its place: one of the
// two sleeps. Guests that ask for their affinity are unbound first, so they never see it.

import Gate
import Kernel
import LinuxABI
import Synchronization

/// The placement of one tracer thread. Used on that thread only.
final class Placement {
  /// A guest that is or was bound, and where it may run otherwise.
  private struct Guest {
    let thread: ThreadID
    let mask: CPUMask
  }

  /// The tracer and the notify worker are bound. They stay for a while when their guest ends: the next one is often near.
  private var isHere = false
  /// Where, then or last.
  private var boundMask = CPUMask()
  private var ownMask = CPUMask()
  /// The guests that are bound with us: none, one, or a parent and its child.
  private var guests: [Guest] = []
  /// Those that were bound last: children of theirs may have inherited the binding.
  private var former: [Guest] = []

  private var last: ThreadID = 0
  private var changes = 0
  private var stops = 0
  private var windowStart: UInt64 = 0
  /// Stops since the timer last looked.
  private var stopsSinceTick = 0
  private let timer = InterruptTimer()

  /// The last process that was born when its parent was the only guest: 0 if there is no such pair now.
  private var child: ThreadID = 0
  private var parent: ThreadID = 0
  /// The parent whose last children, so many of them in a row, ended where we are.
  private var waiter: ThreadID = 0
  private var waits = 0
  /// At so many ticks in a row two bound guests wanted to run at once.
  private var contentions = 0
  /// No parent is bound before this time.
  private var parentsAreFreeUntil: UInt64 = 0

  /// The notify worker's thread while it is bound with us.
  private var boundWorker: ThreadID = 0
  private let requests: TracerRequests

  init(_ requests: TracerRequests) { self.requests = requests }

  /// More threads than these are not looked at, one by one, before an exec.
  private static let crowd = 6

  /// The thread is about to execute a program; `others` are all other guests.
  func executes(_ thread: ThreadID, others: some Collection<ThreadID>) {
    guard guests.isEmpty, others.count <= Self.crowd else { return }
    for other in others where TaskState.mayRun(other) { return }
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
    // 64 stops in 10 ms: the guest does little else, even where a wake-up across CPUs is slow.
    let isBusy = changes <= 1 && now &- windowStart < 10_000_000
    if isBusy, isAlone, guests.isEmpty { bind(thread) }
    stops = 0
    changes = 0
    windowStart = now
  }

  /// The timer's tick, which ends the tracer's wait: a guest that has stopped making calls may run where it likes, and so
  /// may two that want to run at once: not a parent alone that is on its way to sleep.
  func tick() {
    guard isHere else { return }
    contentions = guests.count > 1 && guests.allSatisfy { TaskState.mayRun($0.thread) } ? contentions + 1 : 0
    if contentions > 1 { parentsAreFreeUntil = MonotonicClock.now() &+ 2_000_000_000 }
    // A guest that opens one file after another makes no stops; the worker serves it.
    let notified = requests.notifications.exchange(0, ordering: .relaxed)
    if contentions > 1 || stopsSinceTick + notified < 16 { release() }
    stopsSinceTick = 0
  }

  /// Puts back what was changed.
  func release() {
    guard isHere else { return }
    isHere = false
    for guest in guests { guest.mask.apply(to: guest.thread) }
    ownMask.apply(to: 0)
    if boundWorker != 0 { ownMask.apply(to: boundWorker) }
    if !guests.isEmpty { former = guests }
    guests = []
    boundWorker = 0
    timer.arm(after: 0, every: 0)
  }

  /// There is a second guest: both run where they like, unless the parent is one that waits; `isProcess` if the two are all
  /// there is, and no threads of one process. A child has inherited the binding of its maker.
  func born(_ child: ThreadID, of parent: ThreadID, isProcess: Bool) {
    (self.child, self.parent) = isProcess ? (child, parent) : (0, 0)
    guard let maker = (guests + former).first(where: { $0.thread == parent }) else { return release() }
    if isProcess, waits > 1, parent == waiter, guests.count == 1, guests[0].thread == parent {
      guests.append(Guest(thread: child, mask: maker.mask))
      return
    }
    release()
    // It may run where we are or were, and nowhere else.
    if CPUMask(of: child) == boundMask { maker.mask.apply(to: child) }
  }

  /// The thread is gone.
  func ended(_ thread: ThreadID) {
    let wasBound = guests.contains { $0.thread == thread }
    guests.removeAll { $0.thread == thread }
    former.removeAll { $0.thread == thread }
    if thread == waiter { waits = 0 }
    if thread != child { return }
    // It executed its program while its parent slept, or both shared this CPU and did well.
    waits = wasBound ? (parent == waiter ? waits + 1 : 1) : 0
    waiter = parent
    if waits > 1, isHere, guests.isEmpty, MonotonicClock.now() >= parentsAreFreeUntil { bind(parent) }
  }

  // MARK: - Visitors

  private var visitors = 0
  private var hostMask = CPUMask()

  /// What a visitor is put back to.
  struct Visit {
    fileprivate let thread: ThreadID
    fileprivate let mask: CPUMask
  }

  /// Brings a stopped thread to our CPU for the calls that are injected into it: each of them is four wake-ups. To be ended
  /// with `leave`. Nil if that is not possible; then they are slower.
  func visit(_ thread: ThreadID) -> Visit? {
    guard let mask = CPUMask(of: thread), let here = CPUMask.here(), mask.contains(here) else { return nil }
    if !isHere, visitors == 0 {
      guard let own = CPUMask(of: 0) else { return nil }
      hostMask = own
      here.apply(to: 0)
    }
    visitors += 1
    here.apply(to: thread)
    return Visit(thread: thread, mask: mask)
  }

  func leave(_ visit: Visit) {
    visit.mask.apply(to: visit.thread)
    visitors -= 1
    if !isHere, visitors == 0 { hostMask.apply(to: 0) }
  }

  // MARK: - Binding

  private func bind(_ thread: ThreadID) {
    guard let mask = CPUMask(of: thread) else { return }
    if isHere {
      guard mask.contains(boundMask) else { return }
    } else {
      guard let own = CPUMask(of: 0), let here = CPUMask.here(), mask.contains(here) else { return }
      (ownMask, boundMask) = (own, here)
      here.apply(to: 0)
      boundWorker = requests.workerThread.load(ordering: .relaxed)
      if boundWorker != 0 { here.apply(to: boundWorker) }
      isHere = true
      stopsSinceTick = 0
      requests.notifications.store(0, ordering: .relaxed)
      timer.arm(after: 20_000_000, every: 20_000_000)
    }
    boundMask.apply(to: thread)
    guests.append(Guest(thread: thread, mask: mask))
  }
}
