// Births and deaths. A newborn's first stop and its parent's event come in either order; the newborn runs only when both
// have been seen and the handler has been told.

import CLinux
import Gate
import LinuxABI

extension Tracer {
  /// PTRACE_EVENT_FORK, VFORK or CLONE at the parent.
  func birth(by parent: Tracee) {
    if let message = parent.eventMessage() { announce(ThreadID(truncatingIfNeeded: message), by: parent) }
    parent.resume()
  }

  /// Tells the handler of a new thread, and lets it run if it has stopped already.
  private func announce(_ child: ThreadID, by parent: Tracee) {
    guard tracees[child] == nil else { return }
    vanished.remove(child)
    let isThread =
      vd_syscall(Int(SYS_tgkill), Int(parent.group.leader), Int(child), 0, 0, 0, 0) == 0
    let group = isThread ? parent.group : ThreadGroup(leader: child)
    group.count += 1
    let tracee = Tracee(thread: child, group: group)
    let sharing = Kinship.sharing(parent.thread, child, isThread: isThread)
    // A copy of the address space has the vdso where the original has it.
    group.vdso = parent.group.vdso
    tracees[child] = tracee
    handler.created(child, leader: group.leader, by: parent.thread, sharing: sharing)
    if let status = diedUnborn.removeValue(forKey: child) {
      ended(child, status)
    } else if let status = held.removeValue(forKey: child) {
      stopped(tracee, status)
    }
  }

  /// The thread is gone.
  func ended(_ thread: ThreadID, _ status: ExitStatus) {
    if vanished.remove(thread) != nil { return }
    guard let tracee = tracees[thread] else {
      held[thread] = nil
      if mainStatus == nil { diedUnborn[thread] = status }
      return
    }
    if !held.isEmpty { adoptOrphans(of: tracee) }
    tracees[thread] = nil
    tracee.group.count -= 1
    released(tracee)
    handler.exited(thread, status: status)
    if thread == main { mainStatus = status }
  }

  /// A parent that was killed between its child's birth and the event leaves a child that no event will name. Those whose
  /// kernel parent is not a live guest are taken for `parent`'s.
  private func adoptOrphans(of parent: Tracee) {
    for child in Array(held.keys) {
      if let maker = Kinship.parent(of: child), maker != parent.thread, tracees[maker] != nil { continue }
      announce(child, by: parent)
    }
  }

  /// An exec ended the thread that had made a child before its event was seen: the child's kernel parent is the group.
  func adoptStragglers(of parent: Tracee) {
    for child in Array(held.keys) where Kinship.parent(of: child) == parent.group.leader { announce(child, by: parent) }
  }
}

/// What the kernel knows of two threads.
enum Kinship {
  /// What two threads share, by kcmp(2); a kernel without it is asked nothing, and threads of one group share everything.
  static func sharing(_ one: ThreadID, _ other: ThreadID, isThread: Bool) -> Sharing {
    if isThread && !isComparable(one) { return [.memory, .descriptors, .fileSystem] }
    var sharing: Sharing = []
    if isSame(one, other, VD_KCMP_VM) { sharing.insert(.memory) }
    if isSame(one, other, VD_KCMP_FILES) { sharing.insert(.descriptors) }
    if isSame(one, other, VD_KCMP_FS) { sharing.insert(.fileSystem) }
    return sharing
  }

  private static func isComparable(_ thread: ThreadID) -> Bool { isSame(thread, thread, VD_KCMP_VM) }

  private static func isSame(_ one: ThreadID, _ other: ThreadID, _ kind: Int) -> Bool {
    vd_syscall(Int(SYS_kcmp), Int(one), Int(other), kind, 0, 0, 0) == 0
  }

  /// The process that would wait for this thread; for a thread of a group, the group. Nil if it is gone.
  static func parent(of thread: ThreadID) -> ThreadID? {
    withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { buffer in
      let count = ProcessFile.read(thread, "status", into: buffer)
      let text = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      guard let group = field("\nTgid:\t", in: text), let parent = field("\nPPid:\t", in: text) else { return nil }
      return group == thread ? parent : group
    }
  }

  private static func field(_ name: StaticString, in text: UnsafeRawBufferPointer) -> ThreadID? {
    let length = name.utf8CodeUnitCount
    guard let base = text.baseAddress, text.count > length else { return nil }
    for start in 0..<text.count - length where memcmp(base + start, name.utf8Start, length) == 0 {
      var number: ThreadID = 0
      for byte in text[(start + length)...] {
        guard byte >= 0x30, byte <= 0x39 else { break }
        number = number &* 10 &+ ThreadID(byte - 0x30)
      }
      return number
    }
    return nil
  }
}
