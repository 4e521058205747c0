// What the sentry may ask of the platform beside answering calls: to work on guests while none of them runs,
// to wake a guest that sleeps in a call, and to run something beside the calls.

import LinuxABI

/// The platform as the sentry sees it. Implemented by Platform; unit tests have their own.
public protocol GuestControl: AnyObject, Sendable {
  /// Runs `work`, which may stop guests, on the tracer thread, which resumes them all afterwards; the caller need not wait for
  /// that. To be called from `handle` on either gate, with no lock held that `work` or a handler needs.
  /// Nothing happens if the last guest has gone.
  func withStoppedGuests(_ work: any StoppedGuestsWork)

  /// The guest that was given `Outcome.sleep` makes its call again. A wake that comes before the sleep is not lost.
  func wake(_ thread: ThreadID)

  /// Runs `body` on a thread of the platform's own; false if there is none to be had. The thread is waited for when the last
  /// guest has gone, so `body` must come to an end by then.
  func inBackground(_ body: @escaping @Sendable () -> Void) -> Bool

  /// Calls `body` on a thread of the platform's own whenever `descriptor`, which must stay open, is readable, until the
  /// last guest has gone. To be called with no lock held that `body` takes.
  func whenReadable(_ descriptor: CInt, _ body: @escaping @Sendable () -> Void)
}
