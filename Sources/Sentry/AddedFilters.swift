// seccomp filters that guests add: copied for the remap after copy-up (Coherence/GuestFilter.swift), and counted.

import CLinux
import Coherence
import Gate
import LinuxABI

extension SentryState {
  /// SECCOMP_SET_MODE_FILTER: the kernel does it, and it counts if it succeeds. `address` is of a `struct sock_fprog`.
  func addFilter(_ task: Task, at address: UInt64) -> Outcome {
    task.addedFilter = nil
    // Before the kernel adds it, and of all threads: SECCOMP_FILTER_FLAG_TSYNC. If it fails nothing is lost but time.
    task.isFiltered = true
    for thread in task.process.threads { tasks[thread]?.isFiltered = true }
    // What cannot be read cannot be installed either, or is not known then: the count will tell.
    do throws(Errno) {
      let header = try task.memory.load((UInt16, UInt16, UInt32, UInt64).self, at: address)
      let count = Int(header.0)
      guard count > 0, count + 4 + (task.filter?.size ?? 0) <= GuestFilter.sizeLimit else { return .observed }
      let instructions = try withUnsafeTemporaryAllocation(of: sock_filter.self, capacity: count) {
        buffer throws(Errno) in
        try task.memory.read(into: UnsafeMutableRawBufferPointer(buffer), at: header.3)
        return Array(buffer)
      }
      task.addedFilter = try GuestFilter(FilterProgram(instructions), after: task.filter, store.budget)
    } catch {}
    return .observed
  }

  /// The call of `addFilter` has succeeded.
  func filterAdded(_ task: Task, _ call: SystemCall) {
    guard let added = task.addedFilter else { return }
    task.addedFilter = nil
    task.filter = added
    // SECCOMP_FILTER_FLAG_TSYNC
    guard call.number == Int(SYS_seccomp), call.arguments.1 & 1 != 0 else { return }
    for thread in task.process.threads { tasks[thread]?.filter = added }
  }
}
