// The guests as Coherence sees them: which tasks there are, what they have been given, and what the sentry itself must do
// when a file gets another backing file.

public import Coherence
public import Gate
public import LinuxABI
public import VFS

extension SentryState: CoherentGuests {
  public func forEachTask(_ body: (ThreadID, DescriptorTable, MappedFiles) -> Void) {
    for task in tasks.values { body(task.thread, task.descriptors, task.space) }
  }

  public func mappedFiles(of thread: ThreadID) -> MappedFiles? { tasks[thread]?.space }

  public func filter(of thread: ThreadID) -> GuestFilter? { tasks[thread]?.filter }

  public func hasBeenOpened(_ hostFile: FileIdentity) -> Bool {
    files.registry.node(hostFile) != nil || files.registry.hasForgotten(hostFile)
  }

  public var isExecuting: Bool { tasks.values.contains { $0.execPlan != nil } }

  public var isServedByNotify: Bool { room.currentGate == .notify }

  public var restartableThread: ThreadID? {
    guard let task = room.current, !task.isLoading, SystemCallTable.mayBeRepeated(room.currentNumber) else {
      return nil
    }
    return task.thread
  }

  public func backingChanged(of file: Inode, to upper: Inode) { files.notifier?.backingChanged(of: file, to: upper) }

  public func willRemap(from lower: FileIdentity, to upperFile: CInt) throws(Errno) {
    files.notifier?.willClose(upperFile)
    for task in tasks.values {
      // A program that cannot be opened anew is executed from what it has.
      do throws(Errno) { try task.execPlan?.backingChanged(from: lower, to: upperFile) } catch {}
    }
    if let node = files.registry.node(lower) { try files.registry.register(upperFile, node.position, node.inode) }
  }
}
