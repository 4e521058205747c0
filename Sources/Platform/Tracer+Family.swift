// Births and deaths. A newborn's first stop and its parent's event come in either order; the newborn runs only when both
// have been seen and the handler has been told.

import CLinux
import Gate
import LinuxABI

extension Tracer {
  /// PTRACE_EVENT_FORK, VFORK or CLONE at the parent.
  func birth(by parent: Tracee) {
    let child = parent.eventMessage().map { ThreadID(truncatingIfNeeded: $0) }
    if let child {
      if !Kinship.isComparable { sharingAtBirth[child] = Kinship.sharing(madeBy: parent) }
      report(.birth(child, parent))
    }
    // Of a lost parent nothing is known; its children are taken for its own when it ends (`adoptOrphans`).
    parent.resume()
  }

  /// Tells the handler of a new thread, and lets it run if it has stopped already.
  func announce(_ child: ThreadID, by parent: Tracee) {
    guard tracees[child] == nil else { return }
    vanished.remove(child)
    let isThread = Kinship.isMember(child, of: parent.group.leader)
    placement.born(child, of: parent.thread, isProcess: !isThread && tracees.count == 1)
    let group = isThread ? parent.group : ThreadGroup(leader: child)
    if isThread { group.count += 1 }
    let sharing =
      sharingAtBirth.removeValue(forKey: child) ?? Kinship.sharing(parent.thread, child, isThread: isThread)
    // A copy of the address space has the vdso where the original has it.
    let space = sharing.contains(.memory) ? parent.space : AddressSpace(vdso: parent.space.vdso)
    let tracee = Tracee(thread: child, group: group, space: space)
    tracees[child] = tracee
    tracee.unfinished = newbornWork
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
    placement.ended(thread)
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

  /// The thread is in the kernel and cannot reach guest code without a ptrace stop that has been asked for: state D (a held
  /// call, vfork, disk), or dead.
  static func isOutOfGuestCode(_ thread: ThreadID) -> Bool {
    state(of: thread).map { $0 == UInt8(ascii: "D") || isZombie($0) } ?? isGone(thread)
  }

  /// Not asleep and not stopped: it has a CPU, or waits for one.
  static func mayRun(_ thread: ThreadID) -> Bool { state(of: thread) == UInt8(ascii: "R") }

  static func isZombie(_ thread: ThreadID) -> Bool { state(of: thread).map(isZombie) ?? false }

  static func isDead(_ thread: ThreadID) -> Bool { state(of: thread).map(isZombie) ?? isGone(thread) }

  /// Its files cannot be read: because there are none, and not for want of a descriptor.
  private static func isGone(_ thread: ThreadID) -> Bool {
    vd_syscall(Int(SYS_tkill), Int(thread), 0, 0, 0, 0, 0) == -Int(ESRCH)
  }

  /// It is at a ptrace stop, for all that can be seen: false if it runs, or is dead.
  static func mayBeStopped(_ thread: ThreadID) -> Bool {
    if let state = state(of: thread) { return state == UInt8(ascii: "t") }
    // Gone, or its file could not be opened.
    return !isGone(thread)
  }

  /// It is at a ptrace stop, or there is none.
  static func isStoppedOrDead(_ thread: ThreadID) -> Bool {
    state(of: thread).map { $0 == UInt8(ascii: "t") || isZombie($0) } ?? isGone(thread)
  }

  private static func isZombie(_ state: UInt8) -> Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }

  /// The call that a thread is blocked in; -1 if it is none (a page fault), Int.max if it is not blocked, nil if the thread is
  /// gone or the kernel does not say (`man 5 proc_pid_syscall`).
  static func blockingCall(of thread: ThreadID) -> Int? {
    ProcessFile.withText(thread, "syscall", size: 256) { text -> Int? in
      var text = text
      if text.isAtEnd { return nil }
      let isNegative = text.take(UInt8(ascii: "-"))
      guard let number = text.number() else { return .max }
      return Int(truncatingIfNeeded: isNegative ? 0 &- number : number)
    }
  }

  /// The letter of /proc/THREAD/stat; the name before it may hold anything, so it is looked for from the last ')'.
  private static func state(of thread: ThreadID) -> UInt8? {
    ProcessFile.withText(thread, "stat", size: 512) { text -> UInt8? in
      var text = text
      return text.findLast(UInt8(ascii: ")")) && text.take(UInt8(ascii: " ")) ? text.next() : nil
    }
  }

  /// The signal waits for delivery, blocked or not.
  static func isPending(_ signal: CInt, _ thread: ThreadID) -> Bool {
    withStatus(of: thread) { pendingSignals(in: $0) & bit(signal) != 0 }
  }

  /// A signal that the thread neither blocks nor ignores waits for delivery.
  static func hasPendingSignal(_ thread: ThreadID) -> Bool {
    withStatus(of: thread) {
      pendingSignals(in: $0) & ~$0.signals("\nSigBlk:\t") & ~ignoredSignals(in: $0) != 0
    }
  }

  /// The signal does nothing to the thread's process.
  static func ignores(_ signal: CInt, _ thread: ThreadID) -> Bool {
    withStatus(of: thread) { ignoredSignals(in: $0) & bit(signal) != 0 }
  }

  /// SIG_IGN, or SIG_DFL of a signal whose default is to be ignored (`man 7 signal`).
  private static func ignoredSignals(in text: KernelText) -> UInt64 {
    let byDefault = bit(SIGCHLD) | bit(SIGCONT) | bit(SIGURG) | bit(SIGWINCH)
    return text.signals("\nSigIgn:\t") | byDefault & ~text.signals("\nSigCgt:\t")
  }

  private static func pendingSignals(in text: KernelText) -> UInt64 {
    text.signals("\nSigPnd:\t") | text.signals("\nShdPnd:\t")
  }

  /// 0 for what is no signal.
  private static func bit(_ signal: CInt) -> UInt64 { signal > 0 ? 1 << (UInt64(signal) - 1) : 0 }

  /// The text of /proc/THREAD/status.
  private static func withStatus<T>(of thread: ThreadID, _ body: (KernelText) -> T) -> T {
    ProcessFile.withText(thread, "status", size: 4096, body)
  }

  /// The process that would wait for this thread; for a thread of a group, the group. Nil if it is gone.
  static func parent(of thread: ThreadID) -> ThreadID? {
    withStatus(of: thread) { text -> ThreadID? in
      guard let group = text.number(after: "\nTgid:\t"), let parent = text.number(after: "\nPPid:\t") else {
        return nil
      }
      return ThreadID(truncatingIfNeeded: group == UInt64(thread) ? parent : group)
    }
  }
}

extension KernelText {
  /// A set of signals: a line of /proc/THREAD/status. None if there is no such line.
  fileprivate func signals(_ line: StaticString) -> UInt64 { number(after: line, radix: 16) ?? 0 }
}
