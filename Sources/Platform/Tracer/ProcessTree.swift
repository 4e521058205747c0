// How threads belong together: groups, parents, and what two of them share.

import CLinux
import Gate
import LinuxABI

/// What the kernel says of two threads (kcmp(2), /proc/THREAD/status).
enum ProcessTree {
  /// What two threads share, by kcmp(2); where it is refused, and the call that made one of them was not seen, threads of one
  /// group share everything and processes nothing.
  static func sharing(_ one: ThreadID, _ other: ThreadID, isThread: Bool) -> Sharing {
    if !isComparable { return isThread ? [.memory, .descriptors, .fileSystem] : [] }
    var sharing: Sharing = []
    if isSame(one, other, VD_KCMP_VM) { sharing.insert(.memory) }
    if isSame(one, other, VD_KCMP_FILES) { sharing.insert(.descriptors) }
    if isSame(one, other, VD_KCMP_FS) { sharing.insert(.fileSystem) }
    return sharing
  }

  /// A thread at the event of a birth is in the call that has made the child, and its registers say what that is. The gate
  /// lets no clone3(2) through, whose flags lie in memory.
  static func sharing(madeBy parent: Tracee) -> Sharing? {
    guard let number = parent.peek(.originalRax), let flags = parent.peek(.rdi) else { return nil }
    switch CInt(truncatingIfNeeded: number) {
    case SYS_fork: return []
    case SYS_vfork: return .memory
    case SYS_clone:
      var sharing: Sharing = []
      if flags & UInt64(CLONE_VM) != 0 { sharing.insert(.memory) }
      if flags & UInt64(CLONE_FILES) != 0 { sharing.insert(.descriptors) }
      if flags & UInt64(CLONE_FS) != 0 { sharing.insert(.fileSystem) }
      return sharing
    default: return nil
    }
  }

  /// The kernel has kcmp(2), and no filter above us refuses it.
  static let isComparable = isSame(getpid(), getpid(), VD_KCMP_VM)

  private static func isSame(_ one: ThreadID, _ other: ThreadID, _ kind: Int) -> Bool {
    // Where it is refused it is refused every time.
    let result = vd_syscall(Int(SYS_kcmp), Int(one), Int(other), kind, 0, 0, 0)
    return result < 0 ? vd_syscall(Int(SYS_kcmp), Int(one), Int(other), kind, 0, 0, 0) == 0 : result == 0
  }

  /// Whether the thread belongs to the group of `leader`.
  static func isMember(_ thread: ThreadID, of leader: ThreadID) -> Bool {
    let result = vd_syscall(Int(SYS_tgkill), Int(leader), Int(thread), 0, 0, 0, 0)
    return result < 0 ? vd_syscall(Int(SYS_tgkill), Int(leader), Int(thread), 0, 0, 0, 0) == 0 : true
  }

  /// The process that would wait for this thread; for a thread of a group, the group. Nil if it is gone.
  static func parent(of thread: ThreadID) -> ThreadID? {
    ProcessFile.withText(thread, "status", size: 4096) { text -> ThreadID? in
      guard let group = text.number(after: "\nTgid:\t"), let parent = text.number(after: "\nPPid:\t") else {
        return nil
      }
      return ThreadID(truncatingIfNeeded: group == UInt64(thread) ? parent : group)
    }
  }
}
