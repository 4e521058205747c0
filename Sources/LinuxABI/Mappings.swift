// The flag words of mmap(2) and mprotect(2), with the kernel's values for x86-64.

/// PROT_...: an `unsigned long`.
public struct Protection: OptionSet, Sendable, Hashable {
  public let rawValue: UInt64
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let read = Protection(rawValue: 1)
  public static let write = Protection(rawValue: 2)
  public static let execute = Protection(rawValue: 4)
}

/// MAP_...: an `unsigned long`.
public struct MapFlags: OptionSet, Sendable, Hashable {
  public let rawValue: UInt64
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// MAP_SHARED, and of MAP_SHARED_VALIDATE.
  public static let shared = MapFlags(rawValue: 0x01)
  public static let isPrivate = MapFlags(rawValue: 0x02)
  public static let fixed = MapFlags(rawValue: 0x10)
  public static let anonymous = MapFlags(rawValue: 0x20)
  /// MAP_FIXED_NOREPLACE.
  public static let fixedNoReplace = MapFlags(rawValue: 0x10_0000)
}
