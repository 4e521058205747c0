// Filters that guests add to their own threads (seccomp(2), prctl(2)). They apply to the calls of a remap too, and may kill
// for a call that the guest did not make; so each filter is copied as it is added, and asked before a remap begins.
//
// The copy is a hint. It is read from guest memory, and what the kernel reads a moment later may be something else: a
// guest that changes it meanwhile has its own remap refused, or is killed by its own filter. No other process is touched: a
// refused call is an error like any other, nothing that a filter says lets a call past ours, and the strictest of all
// filters decides in the kernel, whatever is thought here.

package import Gate
package import LinuxABI
package import VFS

/// A filter and those that were added before it; shared by the threads that inherit it.
public final class GuestFilter: Sendable {
  let program: FilterProgram
  let former: GuestFilter?
  /// How many filters there are from here on.
  let count: Int
  /// Instructions in all of them, and four for each as the kernel counts (`seccomp_attach_filter`): so the chain is short.
  public let size: Int
  private let charge: MemoryCharge

  /// So many instructions are kept for a thread. One with more is not remapped.
  public static let sizeLimit = 8192

  /// - Throws: `.noSpace` if the budget has no room.
  package init(_ program: FilterProgram, after former: GuestFilter?, _ budget: MemoryBudget) throws(Errno) {
    charge = try MemoryCharge(256 + program.instructions.count * MemoryLayout<FilterInstruction>.size, of: budget)
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
