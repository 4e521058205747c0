// Where the tracer and a busy guest run. A served stop is two wake-ups; on one CPU they cost half of what they cost across
// two (5 against 11 us). So while one single-threaded guest makes nearly all stops, both share a CPU; as soon as there
// is a second guest, or the stops become rare, both are free again. Guests that ask for their affinity are unbound first,
// so they never see it.

import CLinux
import Gate

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

  var isBound: Bool { bound != 0 }

  /// A seccomp stop of a guest; `isAlone` if it is the only thread there is.
  func saw(_ thread: ThreadID, isAlone: Bool) {
    stopsSinceTick &+= 1
    if thread != last {
      last = thread
      changes += 1
    }
    stops += 1
    if stops < 64 { return }
    let now = Self.now()
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
    bound = 0
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

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
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
