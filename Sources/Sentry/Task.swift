// Threads and processes as the sentry knows them. The kernel schedules them and keeps their descriptors and memory; what
// is kept here is what the kernel must not know: the virtual root, working directory, umask and credentials.

import Coherence
import Gate
import LinuxABI
import VFS

/// One guest thread.
final class Task {
  /// In the supervisor's pid namespace. Changes when a thread other than the leader executes a program.
  var thread: ThreadID
  var process: Process
  /// The number guests see; learnt from the host's /proc when first asked for.
  var insideThread: Int32?
  /// Shared as CLONE_FS says.
  var context: FilesystemContext
  var credentials: TaskCredentials
  /// Shared as CLONE_FILES says.
  private(set) var descriptors: DescriptorTable
  /// The one that it shared before the call it is in, which may end that (unshare, close_range, execve).
  private var formerDescriptors: DescriptorTable?
  /// Shared as CLONE_VM says.
  var space: MappedFiles
  /// Set between an `execve` stop and the start of the new image.
  var execPlan: ExecPlan?
  /// Until when a `connect` that the socket bounds (SO_SNDTIMEO) may take, in nanoseconds of CLOCK_MONOTONIC.
  var connectDeadline: ConnectDeadline?
  /// What it has sent for the call that it makes again (Duplicates.swift).
  var sent: [SentDescriptor] = []
  /// How often it has asked for a lock that it waits for; see `takeAtOnce`.
  var lockAttempts = 0
  /// The measure of the store that it waits for before an allocation is refused (`StoreUsage.requestMeasure`).
  var measureRequest: UInt64?
  /// What it is in the kernel for, while the sentry waits for the result.
  var observed: ObservedCall?
  /// The filters that it has added to ours, or inherited; and one that it is adding.
  var filter: GuestFilter?
  var addedFilter: GuestFilter?
  /// It has a filter that a guest added, or may soon have: such a filter sees the arguments of every call, those of the
  /// trampoline's too.
  var isFiltered = false
  /// The trampoline is the image and runs its table.
  var isLoading = false

  init(
    thread: ThreadID, process: Process, context: FilesystemContext, credentials: TaskCredentials,
    descriptors: DescriptorTable, space: MappedFiles
  ) {
    self.thread = thread
    self.process = process
    self.context = context
    self.credentials = credentials
    self.descriptors = descriptors
    self.space = space
  }

  deinit { dropSent() }

  // MARK: - Its descriptor table

  /// A call begins that may give the task a table of its own. Between the kernel's doing so and our hearing of it no task that
  /// shares the table may be judged by what this task has; so it is taken for separate from now on.
  func mayUnshareDescriptors() {
    guard descriptors.isShared, formerDescriptors == nil else { return }
    descriptors.leaveForACall(thread)
    formerDescriptors = descriptors
    descriptors = DescriptorTable(thread: thread)
  }

  /// That call has failed.
  func keepsDescriptors() {
    guard let former = formerDescriptors.take() else { return }
    former.returned(thread, isMember: true)
    descriptors = former
  }

  /// That call has succeeded.
  func hasUnsharedDescriptors() {
    formerDescriptors.take()?.returned(thread, isMember: false)
  }

  /// `execve(2)` has given it the number of its group's leader.
  func renumber(_ thread: ThreadID) {
    leaveDescriptors()
    self.thread = thread
    descriptors = DescriptorTable(thread: thread)
    insideThread = nil
  }

  /// The task is gone.
  func leaveDescriptors() {
    hasUnsharedDescriptors()
    descriptors.leave(thread)
  }

  var memory: GuestMemory { GuestMemory(thread: thread) }

  var caller: VirtualFileSystem.Caller {
    VirtualFileSystem.Caller(context: context, credentials: credentials.fileCredentials)
  }
}

/// One thread group.
final class Process {
  /// The thread group's id in the supervisor's pid namespace.
  let leader: ThreadID
  /// The threads that exist.
  var threads: Set<ThreadID> = []
  /// What `/proc/PID/exe` names.
  var executable: Position? {
    didSet {
      executable?.dentry.inode?.denyWriteCount += 1
      oldValue?.dentry.inode?.denyWriteCount -= 1
    }
  }

  init(leader: ThreadID) { self.leader = leader }
}
