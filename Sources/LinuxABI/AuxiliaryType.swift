// The auxiliary vector, which the kernel passes to a fresh program (`man 3 getauxval`, linux/auxvec.h).

/// The type of an entry: AT_...
public struct AuxiliaryType: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt64
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// AT_NULL: the end.
  public static let end = AuxiliaryType(rawValue: 0)
  /// AT_PHDR, AT_PHENT and AT_PHNUM: address, size and count of the program headers.
  public static let programHeaders = AuxiliaryType(rawValue: 3)
  public static let programHeaderSize = AuxiliaryType(rawValue: 4)
  public static let programHeaderCount = AuxiliaryType(rawValue: 5)
  /// AT_PAGESZ.
  public static let pageSize = AuxiliaryType(rawValue: 6)
  /// AT_BASE: where the interpreter is.
  public static let base = AuxiliaryType(rawValue: 7)
  public static let flags = AuxiliaryType(rawValue: 8)
  public static let entry = AuxiliaryType(rawValue: 9)
  /// AT_UID, AT_EUID, AT_GID, AT_EGID.
  public static let user = AuxiliaryType(rawValue: 11)
  public static let effectiveUser = AuxiliaryType(rawValue: 12)
  public static let group = AuxiliaryType(rawValue: 13)
  public static let effectiveGroup = AuxiliaryType(rawValue: 14)
  public static let platform = AuxiliaryType(rawValue: 15)
  /// AT_HWCAP.
  public static let hardwareCapabilities = AuxiliaryType(rawValue: 16)
  public static let secure = AuxiliaryType(rawValue: 23)
  /// AT_RANDOM: the address of sixteen random bytes.
  public static let random = AuxiliaryType(rawValue: 25)
  /// AT_EXECFN: the address of the name that was executed.
  public static let executedName = AuxiliaryType(rawValue: 31)
  /// AT_SYSINFO_EHDR: the address of the vdso.
  public static let vdso = AuxiliaryType(rawValue: 33)
}
