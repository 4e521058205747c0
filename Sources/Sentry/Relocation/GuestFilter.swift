// Filters that guests add to their own threads (seccomp(2), prctl(2)). They apply to the calls of a move too, and may kill
// for a call that the guest did not make; so each filter is copied as it is added, and asked before a move begins.
//
// The copy is a hint. It is read from guest memory, and what the kernel reads a moment later may be something else: a
// guest that changes it meanwhile has its own move refused, or is killed by its own filter. Nobody else is touched: a
// refused call is an error like any other, nothing that a filter says lets a call past ours, and the strictest of all
// filters decides in the kernel, whatever is thought here.

import CLinux
import Gate
import LinuxABI
import VFS

/// A filter and those that were added before it; shared by the threads that inherit it.
final class GuestFilter: Sendable {
  let program: FilterProgram
  let former: GuestFilter?
  /// How many filters there are from here on.
  let count: Int
  /// Instructions in all of them, and four for each as the kernel counts (`seccomp_attach_filter`): so the chain is short.
  let size: Int
  private let charge: MemoryCharge

  /// So many instructions are kept for a thread. One with more is not moved.
  static let sizeLimit = 8192

  /// - Throws: `.noSpace` if the budget has no room.
  init(_ program: FilterProgram, after former: GuestFilter?, _ budget: MemoryBudget) throws(Errno) {
    charge = try MemoryCharge(256 + program.instructions.count * MemoryLayout<sock_filter>.size, of: budget)
    self.program = program
    self.former = former
    count = (former?.count ?? 0) + 1
    size = (former?.size ?? 0) + program.instructions.count + 4
  }

  /// All of them let the call through: SECCOMP_RET_ALLOW or SECCOMP_RET_LOG.
  func allows(_ call: SystemCall, instructionPointer: UInt64) -> Bool {
    var filter: GuestFilter? = self
    while let one = filter {
      guard let result = one.program.run(call, instructionPointer: instructionPointer),
        [0x7fff_0000, 0x7ffc_0000].contains(result & 0xffff_0000)
      else { return false }
      filter = one.former
    }
    return true
  }
}

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

/// A thread whose filters are asked before each call.
final class FilteredThread: StoppedThread {
  private let guest: any StoppedThread
  private let filter: GuestFilter

  init(_ guest: any StoppedThread, _ filter: GuestFilter) {
    self.guest = guest
    self.filter = filter
  }

  func allows(_ call: SystemCall) -> Bool { filter.allows(call, instructionPointer: guest.instructionPointer) }

  var thread: ThreadID { guest.thread }
  var stackPointer: UInt64? { guest.stackPointer }
  var instructionPointer: UInt64 { guest.instructionPointer }

  func call(_ call: SystemCall) throws(Errno) -> Int {
    guard allows(call) else { throw .notPermitted }
    return try guest.call(call)
  }

  func replaceDescriptor(_ number: CInt, by file: CInt, closeOnExec: Bool) throws(Errno) {
    guard allows(.descriptorCarrier) else { throw .notPermitted }
    try guest.replaceDescriptor(number, by: file, closeOnExec: closeOnExec)
  }
}
