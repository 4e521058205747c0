// How full a store is whose file system has no bound of its own: written by whoever measures it, read before anything is
// made there.

import Synchronization

/// Bytes that a store takes, against those that it may.
public final class StoreUsage: Sendable {
  public let limit: UInt64
  private let bytes = Atomic<UInt64>(0)

  public init(limit: UInt64) { self.limit = limit }

  /// As measured last.
  public var used: UInt64 { bytes.load(ordering: .relaxed) }
  public var isFull: Bool { used >= limit }

  public func measured(_ used: UInt64) { bytes.store(used, ordering: .relaxed) }
}
