// When a connect(2) that SO_SNDTIMEO bounds is to end. A guest chooses the timeout, of up to 2^63 seconds.

import LinuxABI

/// A moment of CLOCK_MONOTONIC, in nanoseconds.
struct ConnectDeadline: Equatable {
  let time: UInt64

  /// Nil for a timeout of zero: there is none (`man 7 socket`). One that is longer than the clock can say ends with it.
  init?(_ timeout: TimeValue, from now: UInt64) {
    if timeout.seconds == 0 && timeout.microseconds == 0 { return nil }
    let seconds = UInt64(clamping: timeout.seconds).multipliedClamped(by: 1_000_000_000)
    let rest = UInt64(clamping: timeout.microseconds).multipliedClamped(by: 1000)
    time = now.addingClamped(seconds).addingClamped(rest)
  }

  /// What is left, as the timeout of a poll(2), which takes an int; nil if nothing is. The call is made again when that
  /// is over, so a wait may be cut in parts.
  func milliseconds(from now: UInt64) -> CInt? {
    if now >= time { return nil }
    return CInt(clamping: (time - now).addingClamped(999_999) / 1_000_000)
  }
}
