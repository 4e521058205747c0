// How threads belong together: groups, parents, and what two of them share.

import Gate
import Kernel
import LinuxABI

/// What the kernel says of two threads (kcmp(2), /proc/THREAD/status).
enum ProcessTree {
  /// What two threads share, by kcmp(2); where it is refused, and the call that made one of them was not seen, threads of one
  /// group share everything and processes nothing.
  static func sharing(_ one: ThreadID, _ other: ThreadID, isThread: Bool) -> Sharing {
    if !Host.comparesProcesses { return isThread ? [.memory, .descriptors, .fileSystem] : [] }
    var sharing: Sharing = []
    if share(.memory, one, other) { sharing.insert(.memory) }
    if share(.descriptors, one, other) { sharing.insert(.descriptors) }
    if share(.fileSystem, one, other) { sharing.insert(.fileSystem) }
    return sharing
  }

  /// A thread at the event of a birth is in the call that has made the child, and its registers say what that is. The gate
  /// lets no clone3(2) through, whose flags lie in memory.
  static func sharing(madeBy parent: Tracee) -> Sharing? {
    guard let number = parent.peek(.originalRax), let word = parent.peek(.rdi) else { return nil }
    switch SystemCallNumber(Int(truncatingIfNeeded: number)) {
    case .fork: return []
    case .vfork: return .memory
    case .clone:
      let flags = CloneFlags(rawValue: word)
      var sharing: Sharing = []
      if flags.contains(.memory) { sharing.insert(.memory) }
      if flags.contains(.descriptors) { sharing.insert(.descriptors) }
      if flags.contains(.fileSystem) { sharing.insert(.fileSystem) }
      return sharing
    default: return nil
    }
  }

  private static func share(_ resource: Host.SharedResource, _ one: ThreadID, _ other: ThreadID) -> Bool {
    // Where it is refused it is refused every time.
    if let known = try? Host.share(resource, one, other) { return known }
    return (try? Host.share(resource, one, other)) ?? false
  }

  /// Whether the thread belongs to the group of `leader`.
  static func isMember(_ thread: ThreadID, of leader: ThreadID) -> Bool {
    Host.signalThread(thread, of: leader, 0) || Host.signalThread(thread, of: leader, 0)
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
