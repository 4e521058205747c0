// What cachestat(2) is asked and answers (linux/mman.h, Linux 6.5).

/// `struct cachestat_range`.
public struct CacheRange: BitwiseCopyable, Sendable {
  public var offset: UInt64
  /// 0 for all up to the end of the file.
  public var length: UInt64

  @inlinable
  public init(offset: UInt64, length: UInt64) {
    self.offset = offset
    self.length = length
  }
}

/// `struct cachestat`: numbers of pages.
public struct CacheStatistics: BitwiseCopyable, Sendable {
  public var cached: UInt64 = 0
  public var dirty: UInt64 = 0
  public var underWriteback: UInt64 = 0
  public var evicted: UInt64 = 0
  public var recentlyEvicted: UInt64 = 0

  @inlinable
  public init() {}
}
