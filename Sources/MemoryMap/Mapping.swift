// One place where part of a file shows in an address space. Offsets and addresses are whole pages.

import LinuxABI

/// How a file is mapped. The bits are those of PROCMAP_QUERY's `vma_flags` (linux/fs.h).
public struct MappingAccess: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8

  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// PROT_READ.
  public static let read = MappingAccess(rawValue: 1)
  /// PROT_WRITE.
  public static let write = MappingAccess(rawValue: 2)
  /// PROT_EXEC.
  public static let execute = MappingAccess(rawValue: 4)
  /// MAP_SHARED.
  public static let shared = MappingAccess(rawValue: 8)

  /// The protection argument of `mmap(2)`.
  public var protection: UInt64 { UInt64(rawValue & 7) }
}

/// One place where part of a file shows.
public struct Mapping: Hashable, Sendable {
  /// Which address space (`MappingSpace.number`).
  public var space: Int
  /// Of the file, in bytes.
  public var range: Range<UInt64>
  /// Where `range` begins in the space.
  public var address: UInt64
  public var access: MappingAccess

  public init(space: Int, range: Range<UInt64>, address: UInt64, access: MappingAccess) {
    self.space = space
    self.range = range
    self.address = address
    self.access = access
  }

  /// The addresses. A mapping that would reach beyond the last address ends there: the kernel makes none.
  public var addresses: Range<UInt64> { address..<address.addingClamped(range.upperBound - range.lowerBound) }

  /// Writes through it reach the file.
  public var isWritable: Bool { access.isSuperset(of: [.write, .shared]) }

  public var isShared: Bool { access.contains(.shared) }

  /// What of it shows `part` of the file, which lies in `range`.
  func part(_ part: Range<UInt64>) -> Mapping {
    Mapping(space: space, range: part, address: address + (part.lowerBound - range.lowerBound), access: access)
  }

  func continues(in next: Mapping) -> Bool {
    space == next.space && access == next.access && range.upperBound == next.range.lowerBound
      && addresses.upperBound == next.address
  }
}
