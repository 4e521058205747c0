// A timer whose signal ends the blocking call of the thread that made it.

import CLinux

/// Sends `WorkerThread.interruption` to the thread that arms it first. A signal that comes between two waits is lost, so it is repeated.
final class InterruptTimer {
  private var timer: CInt?
  /// The signal comes.
  private(set) var isArmed = false

  /// The first signal comes after so many nanoseconds, further ones in that interval. 0 stops it.
  func arm(after first: Int, every interval: Int) {
    if timer == nil {
      // struct sigevent: value, signal, SIGEV_THREAD_ID, thread.
      let event = (
        0 as UInt64, WorkerThread.interruption, 4 as CInt, CInt(vd_syscall(Int(SYS_gettid), 0, 0, 0, 0, 0, 0))
      )
      var padded = (event, 0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64)
      var made: CInt = 0
      let result = withUnsafeMutablePointer(to: &padded) { event in
        withUnsafeMutablePointer(to: &made) {
          vd_syscall(Int(SYS_timer_create), Int(CLOCK_MONOTONIC), Int(bitPattern: event), Int(bitPattern: $0), 0, 0, 0)
        }
      }
      if result == 0 { timer = made }
    }
    isArmed = false
    guard let timer else { return }
    var value = (interval / 1_000_000_000, interval % 1_000_000_000, first / 1_000_000_000, first % 1_000_000_000)
    let result = withUnsafeMutablePointer(to: &value) {
      vd_syscall(Int(SYS_timer_settime), Int(timer), 0, Int(bitPattern: $0), 0, 0, 0)
    }
    isArmed = result == 0 && first > 0
  }

  deinit {
    if let timer { _ = vd_syscall(Int(SYS_timer_delete), Int(timer), 0, 0, 0, 0, 0) }
  }
}
