// SIGCHLD as a thread's own wake-up while it waits for stops of tracees.

import Kernel
import LinuxABI

/// SIGCHLD, which the kernel sends at every stop of a tracee: while there is one of these, the calling thread can wait for it.
struct StopSignal {
  private static let signals = SignalSet([.child])
  private let former: SignalSet

  init() { former = (try? Host.changeSignalMask(.block, Self.signals)) ?? SignalSet() }

  func end() { _ = try? Host.changeSignalMask(.set, former) }

  /// Until some tracee has stopped, or for so long. A stop that came since `init` and was not waited for counts.
  func wait(microseconds: Int) {
    _ = Host.waitForSignal(in: Self.signals, nanoseconds: UInt64(clamping: microseconds) * 1000)
  }
}
