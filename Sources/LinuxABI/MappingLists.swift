// What the kernel fills in when it is asked about the mappings and the pages of an address space (linux/fs.h).

/// `struct procmap_query`: PROCMAP_QUERY on a descriptor of /proc/PID/maps, Linux 6.11 (`man 2 PROCMAP_QUERY`).
public struct MappingQuery: BitwiseCopyable, Sendable {
  @usableFromInline let size: UInt64
  @usableFromInline let queryFlags: UInt64
  @usableFromInline let queryAddress: UInt64
  @usableFromInline var start: UInt64 = 0
  @usableFromInline var end: UInt64 = 0
  /// PROCMAP_QUERY_VMA_...: readable, writable, executable, shared are the bits from 1 to 8.
  public private(set) var flags: UInt64 = 0
  public private(set) var pageSize: UInt64 = 0
  /// Where the mapping begins in its file, in bytes.
  public private(set) var offset: UInt64 = 0
  public private(set) var inode: UInt64 = 0
  @usableFromInline var deviceMajor: UInt32 = 0
  @usableFromInline var deviceMinor: UInt32 = 0
  /// The name and the build id are not asked for: sizes and addresses are 0.
  @usableFromInline var nameSize: UInt32 = 0
  @usableFromInline var buildIdentifierSize: UInt32 = 0
  @usableFromInline var nameAddress: UInt64 = 0
  @usableFromInline var buildIdentifierAddress: UInt64 = 0

  /// The first file mapping that ends behind `address`: PROCMAP_QUERY_COVERING_OR_NEXT_VMA and PROCMAP_QUERY_FILE_BACKED_VMA.
  public init(fileMappingFrom address: UInt64) {
    size = UInt64(MemoryLayout<Self>.size)
    queryFlags = 0x30
    queryAddress = address
  }

  /// The addresses; nil of what is no range.
  @inlinable
  public var range: Range<UInt64>? { start <= end ? start..<end : nil }

  /// The two halves side by side, as `ExtendedStatus.device` has them.
  @inlinable
  public var device: UInt64 { UInt64(deviceMajor) << 32 | UInt64(deviceMinor) }
}

/// `struct pm_scan_arg`: PAGEMAP_SCAN on a descriptor of /proc/PID/pagemap, Linux 6.7 (`man 2 PAGEMAP_SCAN`).
public struct PageScan: BitwiseCopyable, Sendable {
  /// PAGE_IS_...
  public struct Categories: OptionSet, BitwiseCopyable, Sendable {
    public let rawValue: UInt64
    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The page is a file's, or of shared memory.
    @inlinable public static var file: Categories { Categories(rawValue: 4) }
    @inlinable public static var present: Categories { Categories(rawValue: 8) }
    @inlinable public static var swapped: Categories { Categories(rawValue: 16) }
  }

  @usableFromInline var size: UInt64
  @usableFromInline var flags: UInt64 = 0
  @usableFromInline var start: UInt64
  @usableFromInline var end: UInt64
  /// Where the kernel has stopped to look.
  @usableFromInline var walkEnd: UInt64 = 0
  @usableFromInline var regions: UInt64 = 0
  @usableFromInline var regionCount: UInt64 = 0
  /// 0 for as many as there are.
  @usableFromInline var pageLimit: UInt64 = 0
  /// Categories that a page must not have.
  @usableFromInline var inverted: Categories
  /// Categories that decide, after the inversion: all of the first, one at least of the second.
  @usableFromInline var all: Categories
  @usableFromInline var any: Categories
  @usableFromInline var returned: Categories = []

  /// The pages of `range` that are in none of the categories `without`, and in one at least of `any`.
  @inlinable
  public init(of range: Range<UInt64>, without: Categories, any: Categories) {
    size = UInt64(MemoryLayout<Self>.size)
    start = range.lowerBound
    end = range.upperBound
    inverted = without
    all = without
    self.any = any
  }

  /// The same, with its answer to be written into `buffer`.
  @inlinable
  public mutating func answer(into buffer: UnsafeMutableBufferPointer<PageRegion>) {
    regions = UInt64(UInt(bitPattern: buffer.baseAddress))
    regionCount = UInt64(buffer.count)
  }

  /// Goes on behind what has been looked at. False if that is all, or if there was no progress.
  @inlinable
  public mutating func advance() -> Bool {
    if walkEnd <= start || walkEnd >= end { return false }
    start = walkEnd
    return true
  }
}

/// `struct page_region`: pages that belong to the same categories.
public struct PageRegion: BitwiseCopyable, Sendable {
  public var start: UInt64
  public var end: UInt64
  public var categories: PageScan.Categories
}
