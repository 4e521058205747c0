// Whether the listener wakes guests on its own CPU (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6). With one busy guest
// that is three times faster; with two it squeezes both onto one CPU.

import Gate
import Kernel

/// Decides every 64 notifications: on if the calling thread changed at most 4 times among them.
struct WakeUpRule {
  private let listener: CInt
  private var last: ThreadID = 0
  private var changes = 0
  private var seen = 0
  private var isOn = false

  init(listener: CInt) { self.listener = listener }

  mutating func saw(_ thread: ThreadID) {
    if thread != last {
      last = thread
      changes += 1
    }
    seen += 1
    if seen < 64 { return }
    let wanted = changes <= 4
    if wanted != isOn {
      isOn = wanted
      // An older kernel refuses: then nothing is lost but speed.
      try? Host.setWakesHere(listener, wanted)
    }
    seen = 0
    changes = 0
  }
}
