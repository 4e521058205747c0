// The threads and processes of the guests, by the numbers that the host and that guests know them by. A process is in the table as
// long as it has threads; a number of the inside is learnt from the host's /proc when it is first asked for, and checked
// at each use.

import Coherence
import Gate
import Kernel
import LinuxABI
import VFS

/// Tasks and processes. Part of the sentry's state, under the tree lock.
final class TaskTable {
  /// Guests live in a pid namespace of their own, which bounds what they can name.
  let hasPidNamespace: Bool
  private var tasks: [ThreadID: Task] = [:]
  /// By the number of the thread group on the host.
  private(set) var processes: [ThreadID: Process] = [:]
  /// Threads by the number guests know them by.
  private var byInsideID: [Int32: ThreadID] = [:]

  /// How many tasks there may be; nil for as many as there is memory for.
  var limit: Int?
  /// How often one more was refused.
  private(set) var refusedCount = 0
  /// Threads that have been let into a call which makes a task, until that has been announced.
  private var makers: Set<ThreadID> = []
  /// Where there is a limit: leaders of thread groups that have ended, and have a number until their parents wait for them. The
  /// kernel's pids controller counts them too (`release_task`).
  private var zombies: [ThreadID] = []

  init(hasPidNamespace: Bool) { self.hasPidNamespace = hasPidNamespace }

  subscript(thread: ThreadID) -> Task? { tasks[thread] }

  var values: Dictionary<ThreadID, Task>.Values { tasks.values }
  var count: Int { tasks.count }

  // MARK: - Coming and going

  /// `thread` is about to make a task.
  ///
  /// - Throws: `.resourceTemporarilyUnavailable` where there are as many as there may be, as from a cgroup's pids.max
  ///   (Documentation/admin-guide/cgroup-v2.rst).
  func admit(_ thread: ThreadID) throws(Errno) {
    guard let limit else { return }
    makers.insert(thread)
    if tasks.count + makers.count + zombies.count > limit { dropReleased() }
    if tasks.count + makers.count + zombies.count > limit {
      makers.remove(thread)
      refusedCount = refusedCount.addingClamped(1)
      throw .resourceTemporarilyUnavailable
    }
  }

  /// A part of them at a time, however many there are: who is refused can ask again.
  private func dropReleased() {
    let looked = zombies.prefix(64)
    zombies.removeFirst(looked.count)
    zombies += looked.filter { tasks[$0] == nil && !Host.isGone($0) }
  }

  /// A call of `thread` is served: one that was to make a task is over, whatever has come of it.
  func serves(_ thread: ThreadID) { if !makers.isEmpty { makers.remove(thread) } }

  /// Enters a task, and its process.
  func insert(_ task: Task) {
    task.process.threads.insert(task.thread)
    processes[task.process.leader] = task.process
    tasks[task.thread] = task
    if let id = task.insideThread { byInsideID[id] = task.thread }
  }

  /// `clone(2)`: a new thread of the process `leader`, which is the maker's or a new one. What it does not share with its
  /// maker it has a copy of.
  func create(_ child: ThreadID, leader: ThreadID, by maker: Task, sharing: Sharing, _ budget: MemoryBudget) {
    let process: Process
    if let known = processes[leader] {
      process = known
    } else {
      process = Process(leader: leader)
      process.executable = maker.process.executable
    }
    let task = Task(
      thread: child, process: process,
      context: sharing.contains(.fileSystem) ? maker.context : maker.context.copy(),
      credentials: maker.credentials,
      descriptors: sharing.contains(.descriptors) ? maker.descriptors : DescriptorTable(thread: child),
      space: sharing.contains(.memory) ? maker.space : maker.space.copy(budget))
    task.filter = maker.filter
    task.isFiltered = maker.isFiltered
    if sharing.contains(.descriptors) { task.descriptors.join(child) }
    makers.remove(maker.thread)
    insert(task)
  }

  /// The thread is gone.
  @discardableResult
  func remove(_ thread: ThreadID) -> Task? {
    makers.remove(thread)
    guard let task = tasks.removeValue(forKey: thread) else { return nil }
    if limit != nil, thread == task.process.leader { zombies.append(thread) }
    task.process.threads.remove(thread)
    if let id = task.insideThread, byInsideID[id] == thread { byInsideID.removeValue(forKey: id) }
    if task.process.threads.isEmpty {
      processes.removeValue(forKey: task.process.leader)
      task.process.executable = nil
    }
    task.leaveDescriptors()
    return task
  }

  /// `execve(2)` leaves one thread in the group: the caller, by the number of the leader.
  func becomeLeader(_ thread: ThreadID, former: ThreadID) {
    if former != thread, let task = tasks.removeValue(forKey: former) {
      if let id = task.insideThread, byInsideID[id] == former { byInsideID.removeValue(forKey: id) }
      tasks[thread]?.leaveDescriptors()
      tasks[thread] = task
      task.renumber(thread)
    }
    if let task = tasks[thread] { task.process.threads = [thread] }
  }

  // MARK: - Numbers

  /// The number of a thread as guests see it: in the innermost pid namespace of its own.
  func insideID(of task: Task) -> Int32 {
    if let known = task.insideThread { return known }
    let id = hasPidNamespace ? insideID(ofHost: task.thread) : task.thread
    // It is about to go, or cannot be looked at: no number is not a number to be found by.
    if id == 0 { return 0 }
    task.insideThread = id
    byInsideID[id] = task.thread
    return id
  }

  /// The number guests see for any thread of the host; 0 for one that is outside (`NSpid` of `man 5 proc`).
  func insideID(ofHost thread: ThreadID) -> Int32 {
    if !hasPidNamespace { return thread }
    do throws(Errno) {
      let status = try Host.readFile("/proc/\(thread)/status")
      guard let line = status.split(separator: 0x0a).first(where: { $0.starts(with: "NSpid:".utf8) }) else { return 0 }
      let numbers = line.dropFirst(6).split(whereSeparator: { $0 == 0x09 || $0 == 0x20 })
      guard numbers.count > 1, let last = numbers.last else { return 0 }
      return Int32(String(decoding: last, as: UTF8.self)) ?? 0
    } catch {
      return 0
    }
  }

  /// The task that guests know by this number.
  func task(insideID id: Int32) -> Task? {
    if !hasPidNamespace { return tasks[id] }
    if let known = byInsideID[id], let task = tasks[known], task.insideThread == id { return task }
    // Not asked about before: learn the numbers of the tasks that are new.
    for task in tasks.values where task.insideThread == nil { _ = insideID(of: task) }
    return byInsideID[id].flatMap { tasks[$0] }.flatMap { $0.insideThread == id ? $0 : nil }
  }

  /// Some guest is in this process group.
  func isGroup(_ group: ThreadID) -> Bool {
    processes.keys.contains { Host.isProcess($0, in: group) }
  }
}
