// What two processes have in common, by kcmp(2). It may not be built in, and filters refuse it in places.

public import LinuxABI

extension Host {
  /// Something that two threads have in common, or not: KCMP_VM, KCMP_FILES, KCMP_FS.
  public enum SharedResource: Int, Sendable {
    case memory = 1
    /// The descriptor table.
    case descriptors = 2
    /// Root, working directory and umask.
    case fileSystem = 3
  }

  /// `kcmp(2)`: whether two threads share it.
  ///
  /// - Throws: `.noSuchProcess` if one is gone; `.notPermitted` or `.noFunction` where kcmp is refused or not built in.
  public static func share(_ resource: SharedResource, _ one: Int32, _ other: Int32) throws(Errno) -> Bool {
    try callForGuest(.kcmp, Int(one), Int(other), resource.rawValue) == 0
  }

  /// `kcmp(2)`, KCMP_FILE: whether a descriptor of ours and descriptor `number` of a thread are one open file description.
  ///
  /// - Throws: `.noSuchProcess` if the thread is gone, `.badFileDescriptor` if it has no such descriptor.
  public static func isSameDescription(_ descriptor: CInt, as number: CInt, of thread: Int32) throws(Errno) -> Bool {
    try callForGuest(.kcmp, Int(ownProcess), Int(thread), 0, Int(descriptor), Int(number)) == 0
  }

  /// The kernel has kcmp(2), and no filter above us refuses it.
  public static let comparesProcesses = (0..<2).contains { _ in
    // Where it is refused it is refused every time.
    (try? share(.memory, ownProcess, ownProcess)) == true
  }
}
