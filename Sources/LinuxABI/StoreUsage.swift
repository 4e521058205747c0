// How full a store is whose file system has no bound of its own: written by whoever measures it, read before anything is
// made there.

import Synchronization

/// Bytes that a store takes, against those that it may.
public final class StoreUsage: Sendable {
  public let limit: UInt64
  private let bytes = Atomic<UInt64>(0)
  /// Bytes in use on the whole file system at that time.
  private let wholeBytes = Atomic<UInt64>(.max)
  /// Bytes that calls have been allowed to take since then.
  private let reserved = Atomic<UInt64>(0)

  /// How many measures have been asked for, and the last of those requests that an exact measure has answered.
  private let requests = Atomic<UInt64>(0)
  private let answered = Atomic<UInt64>(0)

  public init(limit: UInt64) { self.limit = limit }

  /// As measured last.
  public var used: UInt64 { bytes.load(ordering: .relaxed) }
  public var isFull: Bool { used >= limit }

  /// - Parameter whole: bytes in use on the whole file system, if it reports them.
  public func measured(_ used: UInt64, whole: UInt64 = .max) {
    bytes.store(used, ordering: .relaxed)
    wholeBytes.store(whole, ordering: .relaxed)
    reserved.store(0, ordering: .relaxed)
  }

  /// Asks for an exact measure that begins after this. - Returns: what `isAnswered` is to be asked.
  public func requestMeasure() -> UInt64 { requests.wrappingAdd(1, ordering: .relaxed).newValue }

  /// The measure has been made.
  public func isAnswered(_ request: UInt64) -> Bool { answered.load(ordering: .acquiring) >= request }

  /// Whether a measure has been asked for that none has answered.
  public var isMeasureWanted: Bool { requests.load(ordering: .relaxed) > answered.load(ordering: .relaxed) }

  /// Makes an exact measure by `measure`, which returns the bytes of the store, and records it.
  ///
  /// - Parameter whole: bytes in use on the whole file system, as they were before.
  public func measure(whole: UInt64, by measure: () -> UInt64) -> UInt64 {
    let request = requests.load(ordering: .relaxed)
    let bytes = measure()
    measured(bytes, whole: whole)
    answered.store(request, ordering: .releasing)
    return bytes
  }

  /// What is in use now, as far as that is known without measuring: all that the file system has grown by since the last
  /// measure is taken for the store's.
  public func used(whole: UInt64) -> UInt64 {
    let then = wholeBytes.load(ordering: .relaxed)
    return whole > then ? used.addingClamped(whole - then) : used
  }

  /// Allows a call to take `count` bytes more: false if they are more than there is room. What has been allowed since the
  /// last measure is in use, whether the call has been made by now or not.
  public func reserve(_ count: UInt64, whole: UInt64) -> Bool {
    let taken = max(used(whole: whole), used.addingClamped(reserved.load(ordering: .relaxed)))
    guard taken.addingClamped(count) <= limit else { return false }
    reserved.store(reserved.load(ordering: .relaxed).addingClamped(count), ordering: .relaxed)
    return true
  }
}
