// What a new process or thread has of its own, and what it shares with its maker.

/// CLONE_... (`man 2 clone`), as a guest's register has them.
public struct CloneFlags: OptionSet, Sendable, Hashable {
  public let rawValue: UInt64
  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// CLONE_VM.
  public static let memory = CloneFlags(rawValue: 0x100)
  /// CLONE_FS: root, working directory and umask.
  public static let fileSystem = CloneFlags(rawValue: 0x200)
  /// CLONE_FILES: the descriptor table.
  public static let descriptors = CloneFlags(rawValue: 0x400)
  /// CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM.
  public static let signalHandlers = CloneFlags(rawValue: 0x800)
  public static let thread = CloneFlags(rawValue: 0x1_0000)
  public static let semaphoreAdjustments = CloneFlags(rawValue: 0x4_0000)
  /// CLONE_SETTLS, CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID.
  public static let setThreadPointer = CloneFlags(rawValue: 0x8_0000)
  public static let setParentNumber = CloneFlags(rawValue: 0x10_0000)
  public static let clearChildNumber = CloneFlags(rawValue: 0x20_0000)

  // MARK: - Namespaces (`man 7 namespaces`)

  /// CLONE_NEWNS.
  public static let newMounts = CloneFlags(rawValue: 0x2_0000)
  public static let newCgroup = CloneFlags(rawValue: 0x200_0000)
  /// CLONE_NEWUTS: host name and domain name.
  public static let newHostName = CloneFlags(rawValue: 0x400_0000)
  public static let newIPC = CloneFlags(rawValue: 0x800_0000)
  public static let newUser = CloneFlags(rawValue: 0x1000_0000)
  /// CLONE_NEWPID.
  public static let newProcesses = CloneFlags(rawValue: 0x2000_0000)
  public static let newNetwork = CloneFlags(rawValue: 0x4000_0000)
}
