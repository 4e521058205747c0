// Crash points: the moments between two steps on a persistent upper that the host can see. The tests of crash safety have
// the supervisor kill itself at the Nth of them; in every other run a point is one load and one branch.

import LinuxABI

/// The counter of crash points. Set once, before any other thread runs; the guest has no way to it.
public enum CrashPoint {
  /// How many points are still to be passed; 0 in every run that is no test.
  @usableFromInline
  nonisolated(unsafe) static var remaining = 0

  /// A step on the host has just been taken.
  @inlinable
  @inline(__always)
  public static func passed(_ step: StaticString) {
    if remaining != 0 { count(step) }
  }

  /// The process ends itself, as by `kill -9`, behind the `step`th step from now on.
  public static func arm(at step: Int) { remaining = max(0, step) }

  @usableFromInline
  @inline(never)
  static func count(_ step: StaticString) {
    remaining -= 1
    guard remaining == 0 else { return }
    for part in [StaticString("crash point: "), step, "\n"] {
      Host.writeToStandardError(part)
    }
    Host.raw(.kill, Host.raw(.getpid), Int(Signal.kill.rawValue))
  }
}
