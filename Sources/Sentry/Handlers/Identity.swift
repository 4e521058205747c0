// Credentials: the rules are in Credentials/, the way to them is here.

import CLinux
import Gate
import LinuxABI

let credentialHandlers: [(CInt, Handler)] = [
  SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_setuid, SYS_setgid,
  SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid, SYS_getgroups, SYS_setgroups,
  SYS_capget, SYS_capset,
].map { number in (number, { (state, task, call) throws(Errno) in try state.credentials(task, call) }) }

extension SentryState {
  /// A call of `credentialHandlers`, or an option of prctl(2) that is about credentials.
  func credentials(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let context = CredentialContext(thread: insideID(of: task)) { id in self.task(insideID: id)?.credentials }
    guard let result = handleCredentialCall(call, memory: task.memory, credentials: &task.credentials, context: context)
    else { throw .invalidArgument }
    return .value(result)
  }

  /// The number of a thread as guests see it: in the innermost pid namespace of its own.
  func insideID(of task: Task) -> Int32 {
    if let known = task.insideThread { return known }
    let id = hasPidNamespace ? insideID(ofHost: task.thread) : task.thread
    task.insideThread = id
    hostThreads[id] = task.thread
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
    if let known = hostThreads[id], let task = tasks[known], task.insideThread == id { return task }
    // Not asked about before: learn the numbers of the tasks that are new.
    for task in tasks.values where task.insideThread == nil { _ = insideID(of: task) }
    return hostThreads[id].flatMap { tasks[$0] }.flatMap { $0.insideThread == id ? $0 : nil }
  }
}
