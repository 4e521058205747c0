// What the sentry may ask of the platform beside answering calls: to work on an address space while nothing runs in it,
// to wake a guest that sleeps in a call, and to run something beside the calls.

import LinuxABI

/// The platform as the sentry sees it. Implemented by Platform; unit tests have their own.
public protocol GuestControl: AnyObject, Sendable {
  /// Runs `body` while no thread of the address space of `thread` runs guest code. It may be called from `handle` on
  /// either gate, for the caller's own address space or another one; the call being handled is answered as usual
  /// afterwards. No lock that `handle` needs may be held by another thread that waits for the same call.
  ///
  /// `body` runs on the tracer thread. While it runs no other stop is served, so it must not wait for a guest.
  ///
  /// - Throws: `.noSuchProcess` if the address space is gone, and what `body` throws.
  func withStoppedSpace(
    of thread: ThreadID, _ body: @escaping @Sendable (any StoppedSpace) throws(Errno) -> Void
  ) throws(Errno)

  /// Runs `body`, which may stop guests and work on them, on the tracer thread, which resumes them all afterwards; the caller
  /// need not wait for that. To be called from `handle` on either gate, with no lock held that `body` or a handler needs.
  /// Nothing happens if the last guest has gone.
  func withStoppedGuests(_ body: @escaping @Sendable (any StoppedGuests) -> Void)

  /// The guest that was given `Outcome.sleep` makes its call again. A wake that comes before the sleep is not lost.
  func wake(_ thread: ThreadID)

  /// Runs `body` on a thread of the platform's own; false if there is none to be had. The thread is waited for when the last
  /// guest has gone, so `body` must come to an end by then.
  func inBackground(_ body: @escaping @Sendable () -> Void) -> Bool

  /// Calls `body` on a thread of the platform's own whenever `descriptor`, which must stay open, is readable, until the
  /// last guest has gone. To be called with no lock held that `body` takes.
  func whenReadable(_ descriptor: CInt, _ body: @escaping @Sendable () -> Void)
}

/// An address space in which nothing runs.
public protocol StoppedSpace: AnyObject {
  /// The kernel runs this call in one of the space's threads, past the gate (a traced call runs natively; a call that the
  /// filter refuses is refused). A guest's own filter applies too.
  ///
  /// - Throws: the call's error, or `.noSuchProcess` if the space died.
  func call(_ call: SystemCall) throws(Errno) -> Int

  /// Descriptor `number` of the space's first thread becomes `file`, as by `dup3(2)`.
  func replaceDescriptor(_ number: CInt, by file: CInt, closeOnExec: Bool) throws(Errno)
}
