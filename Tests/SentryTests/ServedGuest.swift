// A guest whose calls are served without a sandbox: its memory and descriptors are this process's own.

import CLinux
import Coherence
import Gate
import LinuxABI
import TestSupport
import KernFS
import VFS

@testable import Sentry

/// One task, over an empty tree in memory.
final class ServedGuest {
  let state: SentryState
  let task: Task
  private let scratch: Scratch

  init(
    _ credentials: TaskCredentials = TaskCredentials(user: 0, group: 0), insideThread: Int32 = 7
  ) throws {
    scratch = try Scratch()
    let vfs = VirtualFileSystem(
      root: TmpFilesystem(store: scratch.store, owner: 0, group: 0), source: Array("tmpfs".utf8))
    state = try SentryState(
      vfs: vfs, store: scratch.store, layout: TrampolineLayout(flagsSecret: 1 << 40, descriptorSecret: 1 << 41),
      identity: IdentityMap(hostUser: 0, hostGroup: 0, user: 0, group: 0), hasPidNamespace: true,
      abstractSocketsAreScoped: true, networkIsHidden: false, copyUps: nil)
    task = Self.makeTask(getpid(), credentials, insideThread, state)
    state.tasks.insert(task)
  }

  /// Another guest, which makes no calls.
  func add(_ thread: ThreadID, insideThread: Int32, _ credentials: TaskCredentials) {
    state.tasks.insert(Self.makeTask(thread, credentials, insideThread, state))
  }

  private static func makeTask(
    _ thread: ThreadID, _ credentials: TaskCredentials, _ insideThread: Int32, _ state: SentryState
  ) -> Task {
    let task = Task(
      thread: thread, process: Process(leader: thread),
      context: state.initialContext(workingDirectory: [0x2f], umask: []), credentials: credentials,
      descriptors: DescriptorTable(thread: thread), space: MappedFiles(state.store.budget))
    task.insideThread = insideThread
    return task
  }

  /// What the call is answered with; nil for another outcome than a value.
  @discardableResult
  func call(_ number: CInt, _ arguments: [Int]) -> Int? {
    let registers = (arguments + [Int](repeating: 0, count: 6 - arguments.count)).map { UInt64(bitPattern: Int64($0)) }
    let call = SystemCall(
      number: Int(number),
      arguments: (registers[0], registers[1], registers[2], registers[3], registers[4], registers[5]))
    guard case .value(let value) = state.serve(call, from: task.thread, by: .trace) else { return nil }
    return value
  }
}
