// What a Landlock rule allows of a place in the file system.

/// LANDLOCK_ACCESS_FS_... (linux/landlock.h, `man 7 landlock`).
public struct LandlockAccess: OptionSet, Sendable, Hashable {
  public let rawValue: UInt64
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let execute = LandlockAccess(rawValue: 1 << 0)
  public static let writeFile = LandlockAccess(rawValue: 1 << 1)
  public static let readFile = LandlockAccess(rawValue: 1 << 2)
  public static let readDirectory = LandlockAccess(rawValue: 1 << 3)
  /// From ABI 3 on.
  public static let truncate = LandlockAccess(rawValue: 1 << 14)
  /// LANDLOCK_ACCESS_FS_IOCTL_DEV, from ABI 5 on.
  public static let deviceControl = LandlockAccess(rawValue: 1 << 15)
  /// Everything but executing: making, removing and renaming too.
  public static let change = LandlockAccess(rawValue: 0xfffe)
  /// All that a rule of a file, not a directory, may hold.
  public static let ofFiles: LandlockAccess = [.execute, .writeFile, .readFile, .truncate, .deviceControl]
  /// All of ABI 2.
  public static let first = LandlockAccess(rawValue: 0x3fff)
}

/// `struct landlock_ruleset_attr`.
public struct LandlockAttributes: BitwiseCopyable, Sendable {
  /// What is refused where no rule allows it.
  @usableFromInline var fileSystem: UInt64
  @usableFromInline var network: UInt64 = 0
  @usableFromInline var scopes: UInt64 = 0

  @inlinable
  public init(handling access: LandlockAccess) { fileSystem = access.rawValue }

  /// LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL, from ABI 6 on: neither leaves the domain.
  @inlinable
  public mutating func scope() { scopes = 3 }
}
