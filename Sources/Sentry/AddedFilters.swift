// seccomp filters that guests add: copied for the remap after copy-up (Coherence/GuestFilter.swift), and counted.

import Coherence
import Gate
import LinuxABI

extension SentryState {
  /// SECCOMP_SET_MODE_FILTER: the kernel does it, and it counts if it succeeds.
  func willAddFilter(_ task: Task, _ program: Pointer<FilterHeader>) {
    task.addedFilter = nil
    // Before the kernel adds it, and of all threads: SECCOMP_FILTER_FLAG_TSYNC. If it fails nothing is lost but time.
    task.isFiltered = true
    for thread in task.process.threads { tasks[thread]?.isFiltered = true }
    // What cannot be read cannot be installed either, or is not known then: the count will show.
    do throws(Errno) {
      let header = try task.memory.load(program)
      let count = Int(header.count)
      guard count > 0, count + 4 + (task.filter?.size ?? 0) <= GuestFilter.sizeLimit else { return }
      let instructions = try withUnsafeTemporaryAllocation(of: FilterInstruction.self, capacity: count) {
        buffer throws(Errno) in
        try task.memory.read(into: UnsafeMutableRawBufferPointer(buffer), at: header.address)
        return Array(buffer)
      }
      task.addedFilter = try GuestFilter(FilterProgram(instructions), after: task.filter, store.budget)
    } catch {}
  }

  /// The filter has been added: to the thread, or with SECCOMP_FILTER_FLAG_TSYNC to all of its group.
  func filterAdded(_ task: Task, ofAllThreads: Bool) {
    guard let added = task.addedFilter else { return }
    task.addedFilter = nil
    task.filter = added
    guard ofAllThreads else { return }
    for thread in task.process.threads { tasks[thread]?.filter = added }
  }
}

/// `struct sock_fprog` (linux/filter.h), with its padding.
struct FilterHeader: BitwiseCopyable {
  var count: UInt16
  var padding: UInt16
  var morePadding: UInt32
  var address: UInt64
}
