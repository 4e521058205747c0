// Births and deaths. A newborn's first stop and its parent's event come in either order; the newborn runs only when both
// have been seen and it has been reported to the handler.

import Gate
import Kernel
import LinuxABI

extension Tracer {
  /// PTRACE_EVENT_FORK, VFORK or CLONE at the parent.
  func birth(by parent: Tracee) {
    let child = parent.eventMessage().map { ThreadID(truncatingIfNeeded: $0) }
    if let child {
      if !Host.comparesProcesses { sharingAtBirth[child] = ProcessTree.sharing(madeBy: parent) }
      report(.birth(child, parent))
    }
    // Of a lost parent nothing is known; its children are taken for its own when it ends (`adoptOrphans`).
    parent.resume()
  }

  /// Reports a new thread to the handler, and lets it run if it has stopped already.
  func announce(_ child: ThreadID, by parent: Tracee) {
    guard tracees[child] == nil else { return }
    vanished.remove(child)
    let isThread = ProcessTree.isMember(child, of: parent.group.leader)
    placement.born(child, of: parent.thread, isProcess: !isThread && tracees.count == 1)
    let group = isThread ? parent.group : ThreadGroup(leader: child)
    if isThread { group.count += 1 }
    let sharing =
      sharingAtBirth.removeValue(forKey: child) ?? ProcessTree.sharing(parent.thread, child, isThread: isThread)
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
      if let maker = ProcessTree.parent(of: child), maker != parent.thread, tracees[maker] != nil { continue }
      announce(child, by: parent)
    }
  }

  /// An exec ended the thread that had made a child before its event was seen: the child's kernel parent is the group.
  func adoptStragglers(of parent: Tracee) {
    for child in Array(held.keys) where ProcessTree.parent(of: child) == parent.group.leader {
      announce(child, by: parent)
    }
  }
}
