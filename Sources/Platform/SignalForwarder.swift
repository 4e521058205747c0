// Signals sent to the supervisor by kill(2) are meant for the guest, and are passed on. The guest is in our process group:
// signals of the terminal, and those that somebody sends to the whole group, have reached it by themselves.

import CLinux
import LinuxABI
import Synchronization

/// Waits for signals on a thread of its own.
final class SignalForwarder: Sendable {
  private static let signals: [CInt] = [
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGALRM, SIGPWR,
  ]

  private let guest: pid_t
  private let arrivals: SignalArrivals
  private let stopping = Atomic<Bool>(false)
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameter arrivals: what the tracer has seen reach `guest`.
  init(to guest: pid_t, past arrivals: SignalArrivals) {
    self.guest = guest
    self.arrivals = arrivals
  }

  /// Blocks the signals in the calling thread and in those it makes.
  static func block() {
    var mask = Self.mask
    _ = withUnsafeMutablePointer(to: &mask) {
      vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_BLOCK), Int(bitPattern: $0), 0, 8, 0, 0)
    }
  }

  private static var mask: UInt64 { signals.reduce(0) { $0 | 1 << (UInt64($1) - 1) } }

  /// - Throws: `.system` if the system has no thread to give.
  func start() throws(LaunchError) {
    let worker = try WorkerThread.start { [self] in work() }
    thread.withLock { $0 = worker }
  }

  func stop() {
    stopping.store(true, ordering: .releasing)
    thread.withLock { $0.take() }?.stop()
  }

  private func work() {
    // The kick is waited for like the others, so that none comes too early.
    var mask = Self.mask | 1 << (UInt64(WorkerThread.kick) - 1)
    _ = withUnsafeMutablePointer(to: &mask) {
      vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_BLOCK), Int(bitPattern: $0), 0, 8, 0, 0)
    }
    while !stopping.load(ordering: .acquiring) {
      var information = siginfo_t()
      let signal = withUnsafeMutablePointer(to: &mask) { mask in
        withUnsafeMutablePointer(to: &information) { information in
          CInt(
            vd_syscall(
              Int(SYS_rt_sigtimedwait), Int(bitPattern: mask), Int(bitPattern: information), 0, 8, 0, 0))
        }
      }
      // SI_KERNEL (0x80): the terminal's doing.
      if signal > 0, signal != WorkerThread.kick, information.si_code != 0x80 { passOn(signal) }
    }
  }

  /// The kernel tells the members of a group from the youngest on (`__kill_pgrp_info`), the guest before us: of a signal
  /// to the group the guest has its own by now. It is pending, or the tracer has seen it, or is about to.
  private func passOn(_ signal: CInt) {
    repeat {
      arrivals.lower()
      if arrivals.take(signal) || Kinship.isPending(signal, guest) { return }
    } while arrivals.wait(milliseconds: Self.patience)
    arrivals.expect(signal)
    kill(guest, signal)
  }

  /// How long the tracer may take on a busy machine to see a stop. A signal that is meant for us alone is late by this.
  private static let patience = 20
}

/// Which signals have reached the main guest from outside the sandbox, other than through us.
final class SignalArrivals: Sendable {
  private struct State {
    /// When a signal came last, in nanoseconds of the monotonic clock, at its number; 0 for never or taken.
    var times = [65 of UInt64](repeating: 0)
    /// Bits of those that are under way from us.
    var expected: UInt64 = 0
  }

  /// One signal to a group reaches us and the guest within this time, in nanoseconds; two of one number within it are one,
  /// as two that are pending are.
  private static let window: UInt64 = 50_000_000

  private let state = Mutex(State())
  /// Raised at each arrival.
  private let news = Flag()

  fileprivate func lower() { _ = news.take() }

  /// False if nothing arrives within that time.
  fileprivate func wait(milliseconds: Int) -> Bool { news.wait(milliseconds: milliseconds) }

  /// A signal sent from outside is about to be delivered to the main guest.
  func note(_ signal: CInt) {
    state.withLock { state in
      let bit = Self.bit(signal)
      if state.expected & bit != 0 {
        state.expected &= ~bit
      } else {
        state.times[Int(signal)] = MonotonicClock.now()
      }
    }
    news.raiseForWaiters()
  }

  /// We are about to send it.
  fileprivate func expect(_ signal: CInt) { state.withLock { $0.expected |= Self.bit(signal) } }

  /// Whether it came a moment ago; once for each time it came.
  fileprivate func take(_ signal: CInt) -> Bool {
    state.withLock { state in
      let time = state.times[Int(signal)]
      state.times[Int(signal)] = 0
      return time != 0 && MonotonicClock.now() &- time < Self.window
    }
  }

  private static func bit(_ signal: CInt) -> UInt64 { 1 << (UInt64(signal) - 1) }
}
