// Tasks come and go: the first guest, clone, exit, exec.

import CLinux
import Coherence
import Gate
import LinuxABI
import VFS

extension SentryState {
  /// Enters the first guest. A working directory that does not exist inside becomes `/`.
  private func adopt(_ thread: ThreadID) {
    let context = initialContext(workingDirectory: workingDirectory, umask: umask)
    let process = Process(leader: thread)
    process.threads.insert(thread)
    processes[thread] = process
    coherence.firstGuest(thread)
    tasks[thread] = Task(
      thread: thread, process: process, context: context, credentials: initialCredentials(),
      descriptors: DescriptorTable(thread: thread), space: MappedFiles(store.budget))
  }

  func initialCredentials() -> TaskCredentials {
    TaskCredentials(user: identity.user, group: identity.group)
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
    let process: Process
    if let known = processes[leader] {
      process = known
    } else {
      process = Process(leader: leader)
      process.executable = maker.process.executable
      processes[leader] = process
    }
    process.threads.insert(child)
    let task = Task(
      thread: child, process: process,
      context: sharing.contains(.fileSystem) ? maker.context : maker.context.copy(),
      credentials: maker.credentials,
      descriptors: sharing.contains(.descriptors) ? maker.descriptors : DescriptorTable(thread: child),
      space: sharing.contains(.memory) ? maker.space : maker.space.copy(store.budget))
    task.filter = maker.filter
    task.isFiltered = maker.isFiltered
    tasks[child] = task
    // The kernel has made it, and clone(2) is not ours to refuse: what there is no memory for ends at once. A share of its
    // own, so that a guest that has filled the rest can still start the programs that clean up.
    if tasks.count > threadLimit { _ = vd_syscall(Int(SYS_tkill), Int(child), Int(SIGKILL), 0, 0, 0, 0) }
  }

  /// How many threads there may be: a quarter of the budget, each with its share of process and platform records.
  private var threadLimit: Int { max(1024, store.budget.limit / 4 / MemoryCost.thread) }

  func exited(_ thread: ThreadID) {
    guard let task = tasks.removeValue(forKey: thread) else { return }
    fifoWaits.forget(thread)
    coherence.copyUps.exited(thread)
    task.process.threads.remove(thread)
    if let id = task.insideThread, hostThreads[id] == thread { hostThreads.removeValue(forKey: id) }
    if task.process.threads.isEmpty {
      processes.removeValue(forKey: task.process.leader)
      task.process.executable = nil
    }
    // Whoever shares the table is reached through another thread from now on.
    if let other = tasks.values.first(where: { $0.descriptors === task.descriptors }) {
      task.descriptors.reach(through: other.thread)
    }
    notifier?.checkUnlinked()
  }

  func imageReplaced(_ thread: ThreadID, former: ThreadID, stackPointer: UInt64) throws(Errno) -> TrampolineStart {
    if former != thread, let task = tasks.removeValue(forKey: former) {
      tasks[thread] = task
      task.thread = thread
      task.insideThread = nil
    }
    guard let task = tasks[thread], let plan = task.execPlan else { throw .noSuchProcess }
    task.process.threads = [thread]
    // exec ends sharing: the table is this task's own now (`man 2 execve`), and is reached anew.
    task.descriptors = DescriptorTable(thread: thread)
    task.space = MappedFiles(store.budget)
    task.isLoading = true
    task.process.executable = plan.executable
    task.credentials = plan.credentials
    let start = try plan.begin(FreshProcess(thread, stackPointer: stackPointer), layout: task.isFiltered ? nil : layout)
    try plan.recordMappings(in: task.space)
    return start
  }

  func completed(_ call: SystemCall, from thread: ThreadID, result: Int) {
    guard let task = tasks[thread] else { return }
    if call.number == Int(SYS_unshare), result == 0 { unshared(task, call) }
    if call.number == Int(SYS_seccomp) || call.number == Int(SYS_prctl), result == 0 { filterAdded(task, call) }
    if call.number == Int(SYS_fcntl), result == 0 { checkRangeLock(task) }
    if call.number == Int(SYS_recvfrom), result >= 0 {
      // The guest's memory went away under us: it has no use for a name then.
      do throws(Errno) { try showSender(task, call) } catch {}
    }
  }

  private func unshared(_ task: Task, _ call: SystemCall) {
    let flags = call.arguments.0
    if flags & UInt64(CLONE_FS) != 0 { task.context = task.context.copy() }
    if flags & UInt64(CLONE_FILES) != 0 { task.descriptors = DescriptorTable(thread: task.thread) }
  }
}

extension SentryState {
  /// A task that is none: for looking things up as the first guest would, before it exists.
  func temporaryTask(_ workingDirectory: [UInt8]) -> Task {
    Task(
      thread: 0, process: Process(leader: 0),
      context: initialContext(workingDirectory: workingDirectory, umask: []), credentials: initialCredentials(),
      descriptors: DescriptorTable(thread: 0), space: MappedFiles(store.budget))
  }
}
