// The flag words of the file calls, one `OptionSet` each, with the kernel's values for x86-64.

/// The flags of `open(2)`.
public struct OpenFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let writeOnly = OpenFlags(rawValue: 0o1)
  public static let readWrite = OpenFlags(rawValue: 0o2)
  public static let create = OpenFlags(rawValue: 0o100)
  public static let exclusive = OpenFlags(rawValue: 0o200)
  public static let noControllingTerminal = OpenFlags(rawValue: 0o400)
  public static let truncate = OpenFlags(rawValue: 0o1000)
  public static let append = OpenFlags(rawValue: 0o2000)
  public static let nonBlocking = OpenFlags(rawValue: 0o4000)
  public static let dataSync = OpenFlags(rawValue: 0o10000)
  public static let async = OpenFlags(rawValue: 0o20000)
  public static let direct = OpenFlags(rawValue: 0o40000)
  public static let largeFile = OpenFlags(rawValue: 0o100000)
  public static let directory = OpenFlags(rawValue: 0o200000)
  public static let noFollow = OpenFlags(rawValue: 0o400000)
  public static let noAccessTime = OpenFlags(rawValue: 0o1000000)
  public static let closeOnExec = OpenFlags(rawValue: 0o2000000)
  public static let sync = OpenFlags(rawValue: 0o4010000)
  public static let path = OpenFlags(rawValue: 0o10000000)
  /// O_TMPFILE without the O_DIRECTORY bit that the C constant contains.
  public static let temporaryBit = OpenFlags(rawValue: 0o20000000)

  /// Every bit Linux knows; `open` ignores the others, `openat2` refuses them.
  public static let known = OpenFlags(rawValue: 0o37777703)

  /// O_TMPFILE is asked for.
  @inlinable
  public var isTemporary: Bool { contains(.temporaryBit) }

  /// The access the open asks for; access mode 3 means read and write permission (`man 2 open`).
  @inlinable
  public var access: AccessMode {
    switch rawValue & 3 {
    case 0: .read
    case 1: .write
    default: [.read, .write]
    }
  }

  /// The descriptor may change the file's content.
  @inlinable
  public var isWriting: Bool { rawValue & 3 != 0 }
}

/// The AT_ flags of the `*at` calls.
public struct AtFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let symlinkNoFollow = AtFlags(rawValue: 0x100)
  /// AT_REMOVEDIR of `unlinkat`; the same bit as AT_EACCESS of `faccessat`.
  public static let removeDirectory = AtFlags(rawValue: 0x200)
  public static let effectiveAccess = AtFlags(rawValue: 0x200)
  public static let symlinkFollow = AtFlags(rawValue: 0x400)
  public static let noAutomount = AtFlags(rawValue: 0x800)
  public static let emptyPath = AtFlags(rawValue: 0x1000)
  public static let statxSyncMask = AtFlags(rawValue: 0x6000)
  /// AT_STATX_DONT_SYNC.
  public static let doNotSync = AtFlags(rawValue: 0x4000)

  /// AT_FDCWD.
  public static let currentDirectory: Int32 = -100
}

/// The flags of `renameat2(2)`.
public struct RenameFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let noReplace = RenameFlags(rawValue: 1)
  public static let exchange = RenameFlags(rawValue: 2)
  public static let whiteout = RenameFlags(rawValue: 4)
}

/// The resolve flags of `openat2(2)`.
public struct ResolveFlags: OptionSet, Sendable {
  public let rawValue: UInt64
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public static let noCrossDevice = ResolveFlags(rawValue: 0x01)
  public static let noMagicLinks = ResolveFlags(rawValue: 0x02)
  public static let noSymlinks = ResolveFlags(rawValue: 0x04)
  public static let beneath = ResolveFlags(rawValue: 0x08)
  public static let inRoot = ResolveFlags(rawValue: 0x10)
  public static let cached = ResolveFlags(rawValue: 0x20)
  public static let known = ResolveFlags(rawValue: 0x3f)
}

/// The flags of `setxattr(2)`.
public struct XattrFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let create = XattrFlags(rawValue: 1)
  public static let replace = XattrFlags(rawValue: 2)
}

/// The flags of `send(2)` and `recv(2)`.
public struct MessageFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// MSG_DONTWAIT.
  public static let doNotWait = MessageFlags(rawValue: 0x40)
  /// MSG_NOSIGNAL: no SIGPIPE.
  public static let noSignal = MessageFlags(rawValue: 0x4000)
}

/// The mode of `fallocate(2)`: FALLOC_FL_...
public struct AllocationMode: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let keepSize = AllocationMode(rawValue: 1)
  public static let punchHole = AllocationMode(rawValue: 2)
  public static let collapseRange = AllocationMode(rawValue: 8)
}

/// The flags of `splice(2)` and `tee(2)`.
public struct SpliceFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let nonBlocking = SpliceFlags(rawValue: 2)
}
