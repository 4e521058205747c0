// What clone(2) is asked to share.

/// CLONE_... (linux/sched.h), as a guest's register has them.
public struct CloneFlags: OptionSet, Sendable {
  public let rawValue: UInt64
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// CLONE_VM.
  public static let memory = CloneFlags(rawValue: 0x100)
  /// CLONE_FS: root, working directory and umask.
  public static let fileSystem = CloneFlags(rawValue: 0x200)
  /// CLONE_FILES: the descriptor table.
  public static let descriptors = CloneFlags(rawValue: 0x400)
}
