// The options of prctl(2).

/// PR_...
public struct ProcessOption: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32
  @inlinable
  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static let getDumpable = ProcessOption(rawValue: 3)
  public static let setDumpable = ProcessOption(rawValue: 4)
  public static let getKeepCapabilities = ProcessOption(rawValue: 7)
  public static let setKeepCapabilities = ProcessOption(rawValue: 8)
  public static let setName = ProcessOption(rawValue: 15)
  public static let setSeccomp = ProcessOption(rawValue: 22)
  /// PR_CAPBSET_READ and PR_CAPBSET_DROP.
  public static let readBoundingSet = ProcessOption(rawValue: 23)
  public static let dropBoundingSet = ProcessOption(rawValue: 24)
  public static let getSecureBits = ProcessOption(rawValue: 27)
  public static let setSecureBits = ProcessOption(rawValue: 28)
  /// PR_SET_MM.
  public static let setMemory = ProcessOption(rawValue: 35)
  /// PR_CAP_AMBIENT.
  public static let ambientSet = ProcessOption(rawValue: 47)

  /// PR_SET_MM_MAP, the second argument of PR_SET_MM: a `struct prctl_mm_map`.
  public static let memoryMap: UInt64 = 14
}

/// PR_CAP_AMBIENT_...: the second argument of PR_CAP_AMBIENT.
public enum AmbientOperation: UInt64, Sendable {
  case isSet = 1
  case raise = 2
  case lower = 3
  /// PR_CAP_AMBIENT_CLEAR_ALL.
  case clearAll = 4
}
