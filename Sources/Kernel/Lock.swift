// The supervisor's locks. Each says of which kind it is, and the thread that holds one shows in a table which an inspection
// reads without a lock (`vedette inspect`): a lock that is never released must be seen from outside.

public import CLinux
public import Synchronization

/// Every lock there is, by what it guards.
public enum LockKind: UInt32, CaseIterable, Sendable {
  /// The sentry's state; held around each call that is served. Of the others each may be taken under this one.
  case tree
  /// `--trace`: calls that are to be made again; calls whose descriptor is not numbered yet; calls that are being served; the line
  /// being written; the thread that shows slow calls.
  case sleepingCalls, unnumberedCalls, callsInService, traceFile, traceTicker
  /// `--stats`.
  case statistics
  /// What other threads ask of the tracer; the tracer itself; whose call the notify worker serves; the signal that ends the run.
  case tracerQueue, tracer, servedThread, endingSignal
  /// Threads that the platform has started.
  case backgroundThreads, readinessThreads, threadHandle, signalThread, workerThread
  /// The thread that answers an inspection.
  case inspection
  /// Signals that have reached the main guest.
  case signalArrivals
  /// The replacement of a guest's descriptor.
  case descriptorJobs
  /// The queue of background copies; one copy's bytes (held while it copies a slice); how it has ended.
  case copyQueue, copyBytes, copyResult
  /// The name server that guests ask; the addresses that it has answered with.
  case resolver, pinnedAddresses
  /// Of one remap after copy-up: descriptions that have been replaced; how the kernel lists the two files.
  case replacedDescriptions, listedFiles
}

/// A mutual exclusion lock around a value, as `Mutex`, whose holder can be seen by an inspection.
public struct Lock<Value: ~Copyable>: ~Copyable, Sendable {
  @usableFromInline let mutex: Mutex<Value>
  @usableFromInline let kind: UInt32

  @inlinable
  public init(_ kind: LockKind, _ value: consuming sending Value) {
    mutex = Mutex(value)
    self.kind = kind.rawValue
  }

  @inlinable @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    try mutex.withLock { (value) throws(Failure) in
      vd_lock_taken(kind)
      defer { vd_lock_released(kind) }
      return try body(&value)
    }
  }

  /// Nil if the lock is not to be had within `milliseconds`.
  public borrowing func withLock<Result, Failure: Error>(
    within milliseconds: Int, _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result? {
    for attempt in 0...max(milliseconds, 0) {
      if attempt > 0 {
        var pause = timespec(tv_sec: 0, tv_nsec: 1_000_000)
        nanosleep(&pause, nil)
      }
      let result = try mutex.withLockIfAvailable { (value) throws(Failure) in
        vd_lock_taken(kind)
        defer { vd_lock_released(kind) }
        return try body(&value)
      }
      if let result { return result }
    }
    return nil
  }
}

/// Who holds the locks of one kind.
public struct LockHolder: Sendable {
  public var thread: Int32
  /// On CLOCK_MONOTONIC.
  public var since: UInt64

  /// The last that took a lock of this kind and has not released it; nil if there is none.
  public static func of(_ kind: LockKind) -> LockHolder? {
    let holder = vd_lock_holder_of(kind.rawValue)
    return holder.thread == 0 ? nil : LockHolder(thread: holder.thread, since: holder.since)
  }
}
