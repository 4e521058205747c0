// How full a store is whose file system has no bound of its own: written by whoever measures it, read before anything is
// made there.

import Synchronization

/// Bytes that a store takes, against those that it may.
public final class StoreUsage: Sendable {
  public let limit: UInt64
  private let bytes = Atomic<UInt64>(0)
  /// Bytes in use on the whole file system at that time.
  private let wholeBytes = Atomic<UInt64>(.max)

  public init(limit: UInt64) { self.limit = limit }

  /// As measured last.
  public var used: UInt64 { bytes.load(ordering: .relaxed) }
  public var isFull: Bool { used >= limit }

  /// - Parameter whole: bytes in use on the whole file system, if it tells.
  public func measured(_ used: UInt64, whole: UInt64 = .max) {
    bytes.store(used, ordering: .relaxed)
    wholeBytes.store(whole, ordering: .relaxed)
  }

  /// What is in use now, as far as that can be told without measuring: all that the file system has grown by since the last
  /// measure is taken for the store's.
  public func used(whole: UInt64) -> UInt64 {
    let then = wholeBytes.load(ordering: .relaxed)
    return whole > then ? used.addingClamped(whole - then) : used
  }
}
