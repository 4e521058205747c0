// Signals sent to the supervisor by kill(2) are meant for the guest, and are passed on. Signals of the terminal have
// reached the guest by themselves: it is in our process group.

import CLinux
import Synchronization

/// Waits for signals on a thread of its own.
final class SignalForwarder: Sendable {
  private static let signals: [CInt] = [
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGALRM, SIGPWR,
  ]

  private let guest: pid_t
  private let stopping = Atomic<Bool>(false)
  private let thread = Mutex<WorkerThread?>(nil)

  init(to guest: pid_t) { self.guest = guest }

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
          vd_syscall(
            Int(SYS_rt_sigtimedwait), Int(bitPattern: mask), Int(bitPattern: information), 0, 8, 0, 0)
        }
      }
      // SI_KERNEL (0x80): the terminal's doing.
      if signal > 0, CInt(signal) != WorkerThread.kick, information.si_code != 0x80 { kill(guest, CInt(signal)) }
    }
  }
}
