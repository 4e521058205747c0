// Tasks come and go: the first guest, clone, exit, exec.

import Coherence
import Gate
import Kernel
import LinuxABI
import VFS

extension SentryState {
  /// Enters the first guest. A working directory that does not exist inside becomes `/`.
  private func adopt(_ thread: ThreadID) {
    let context = initialContext(workingDirectory: workingDirectory, umask: umask)
    coherence.firstGuest(thread)
    tasks.insert(
      Task(
        thread: thread, process: Process(leader: thread), context: context, credentials: initialCredentials(),
        descriptors: DescriptorTable(thread: thread), space: MappedFiles(store.budget)))
  }

  func initialCredentials() -> TaskCredentials {
    TaskCredentials(user: identity.user, group: identity.group, groups: groups)
  }

  func initialContext(workingDirectory: [UInt8], umask: Permissions) -> FilesystemContext {
    let context = FilesystemContext(root: vfs.root, workingDirectory: vfs.root, umask: umask)
    let caller = VirtualFileSystem.Caller(context: context, credentials: initialCredentials().fileCredentials)
    workingDirectory.withUnsafeBytes { bytes in
      do throws(Errno) {
        let position = try vfs.resolve(VirtualFileSystem.Path(bytes, from: vfs.root), caller)
        if let inode = position.dentry.inode, inode.isDirectory {
          try caller.credentials.check(.execute, on: inode)
          context.workingDirectory = position
        }
      } catch {
        // It does not exist inside, or may not be entered: `/`, as documented.
      }
    }
    return context
  }

  func created(_ child: ThreadID, leader: ThreadID, by parent: ThreadID, sharing: Sharing) {
    if parent == 0 { return adopt(child) }
    guard let maker = tasks[parent] else { return }
    tasks.create(child, leader: leader, by: maker, sharing: sharing, store.budget)
    // The kernel has made it, and clone(2) is not ours to refuse: what there is no memory for ends at once. A share of its
    // own, so that a guest that has filled the rest can still start the programs that clean up.
    if tasks.count > threadLimit { Host.signalThread(child, Signal.kill.rawValue) }
  }

  /// How many threads there may be: a quarter of the budget, each with its share of process and platform records.
  private var threadLimit: Int { max(1024, store.budget.limit / 4 / MemoryCost.thread) }

  func exited(_ thread: ThreadID) {
    guard tasks.remove(thread) != nil else { return }
    files.fifoWaits.forget(thread)
    coherence.copyUps.exited(thread)
    files.notifier?.checkUnlinked()
  }

  func executionFailed(_ thread: ThreadID) {
    guard let task = tasks[thread] else { return }
    task.execPlan = nil
    task.keepsDescriptors()
  }

  func imageReplaced(_ thread: ThreadID, former: ThreadID, stackPointer: UInt64) throws(Errno) -> TrampolineStart {
    tasks.becomeLeader(thread, former: former)
    guard let task = tasks[thread], let plan = task.execPlan else { throw .noSuchProcess }
    // exec ends sharing: the table is this task's own now (`man 2 execve`).
    task.hasUnsharedDescriptors()
    task.space = MappedFiles(store.budget)
    task.isLoading = true
    task.process.executable = plan.executable
    task.credentials = plan.credentials
    let start = try plan.begin(FreshProcess(thread, stackPointer: stackPointer), layout: task.isFiltered ? nil : layout)
    try plan.recordMappings(in: task.space)
    return start
  }
}

extension SentryState {
  /// A task that is no guest: for looking things up as the first guest would, before it exists.
  func temporaryTask(_ workingDirectory: [UInt8] = [0x2f]) -> Task {
    Task(
      thread: 0, process: Process(leader: 0),
      context: initialContext(workingDirectory: workingDirectory, umask: []), credentials: initialCredentials(),
      descriptors: DescriptorTable(thread: 0), space: MappedFiles(store.budget))
  }
}
