// A timer whose signal ends the blocking call of the thread that made it.

import Kernel
import LinuxABI

/// Sends `WorkerThread.interruption` to the thread that arms it first. A signal that comes between two waits is lost, so it is repeated.
final class InterruptTimer {
  private var timer: ThreadTimer?
  /// The signal comes.
  private(set) var isArmed = false

  /// The first signal comes after so many nanoseconds, further ones in that interval. 0 stops it.
  func arm(after first: Int, every interval: Int) {
    isArmed = false
    let times = TimerSpecification(
      first: TimeSpecification(nanoseconds: UInt64(clamping: first)),
      interval: TimeSpecification(nanoseconds: UInt64(clamping: interval)))
    do throws(Errno) {
      if timer == nil { timer = try ThreadTimer(WorkerThread.interruption) }
      try timer?.set(times)
      isArmed = first > 0
    } catch {}
  }
}
