// The type and the permission bits of a file: the two halves of `st_mode` (`man 7 inode`).

/// The S_IFMT half of a mode.
public enum FileType: UInt16, Sendable {
  case fifo = 0o010000
  case characterDevice = 0o020000
  case directory = 0o040000
  case blockDevice = 0o060000
  case regular = 0o100000
  case symlink = 0o120000
  case socket = 0o140000

  /// The type in a full `st_mode`; nil if the bits name none.
  @inlinable
  public init?(mode: UInt32) { self.init(rawValue: UInt16(truncatingIfNeeded: mode & 0o170000)) }

  /// The `d_type` of a directory entry: DT_FIFO, DT_CHR, … (`man 3 readdir`).
  @inlinable
  public var directoryEntryType: UInt8 { UInt8(rawValue >> 12) }

  /// The type that a `d_type` names; nil for DT_UNKNOWN and for what Linux has no files of.
  @inlinable
  public init?(directoryEntryType: UInt8) { self.init(rawValue: UInt16(directoryEntryType) << 12) }
}

/// The permission half of a mode: rwx for three classes, set-user-ID, set-group-ID, sticky.
public struct Permissions: OptionSet, Sendable, Hashable {
  public let rawValue: UInt16

  /// Bits beyond 0o7777 are dropped.
  @inlinable
  public init(rawValue: UInt16) { self.rawValue = rawValue & 0o7777 }

  /// The low twelve bits of a mode as a guest gave it.
  @inlinable
  public init(mode: UInt64) { self.init(rawValue: UInt16(truncatingIfNeeded: mode & 0o7777)) }

  public static let setUserID = Permissions(rawValue: 0o4000)
  public static let setGroupID = Permissions(rawValue: 0o2000)
  public static let sticky = Permissions(rawValue: 0o1000)
  public static let groupExecute = Permissions(rawValue: 0o0010)
  public static let anyExecute = Permissions(rawValue: 0o0111)
}

/// What a caller wants to do with an inode: the mask of `access(2)`.
public struct AccessMode: OptionSet, Sendable {
  public let rawValue: UInt8
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let read = AccessMode(rawValue: 4)
  public static let write = AccessMode(rawValue: 2)
  /// Execute a file, or search a directory.
  public static let execute = AccessMode(rawValue: 1)
}
