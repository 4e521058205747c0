// fallocate(2) without namespaces, where the store is a directory of a host file system that has no bound for it: a guest
// could take all of the host's disk by one call, before the store is measured again (StoreWatch). What exceeds the room is
// refused here. With namespaces the call is native: the store is a tmpfs of its own, and its size the bound.
//
// Where another thread may change the descriptor table, the call is made by us on a duplicate: the number could stand for a
// file of the store by the time that the kernel looks at it.

import CLinux
import Gate
import LinuxABI
import VFS

let allocationHandlers: [(CInt, Handler)] = [
  (SYS_fallocate, { (state, task, call) throws(Errno) in try state.allocate(task, call) })
]

extension SentryState {
  fileprivate func allocate(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let number = CInt(truncatingIfNeeded: call.arguments.0)
    let mode = CInt(truncatingIfNeeded: call.arguments.1)
    let (status, duplicate) = try look(task, number)
    let copy = duplicate >= 0 ? OwnedDescriptor(duplicate) : nil
    let node = node(status, number, of: task.descriptors)
    if let node, node.isPath { throw .badFileDescriptor }
    let range = Range(from: Int64(bitPattern: call.arguments.2), count: Int64(bitPattern: call.arguments.3))
    // FALLOC_FL_PUNCH_HOLE and FALLOC_FL_COLLAPSE_RANGE only give back. A range that is none the kernel refuses.
    if let range, range.lowerBound >= 0, mode & 0xa == 0, node?.inode.isStored ?? false {
      guard store.reserve(Self.growth(of: status, allocating: range)) else { return try measureOnce(task) }
    }
    task.measureRequest = nil
    guard let copy else { return .native }
    // `inode_newsize_ok`. FALLOC_FL_KEEP_SIZE makes no file larger.
    if let range, mode & 0x1 == 0, range.upperBound > Int64(status.st_size) {
      guard UInt64(clamping: range.upperBound) <= (try fileSizeLimit(of: task.thread)) else { throw .fileTooLarge }
    }
    return .value(
      vd_syscall(
        Int(SYS_fallocate), Int(copy.rawValue), Int(mode), Int(bitPattern: UInt(call.arguments.2)),
        Int(bitPattern: UInt(call.arguments.3)), 0, 0))
  }

  /// The room was counted from a measure that may be old, with what has been allowed since: before the guest is refused the
  /// store is measured, and the call comes again.
  private func measureOnce(_ task: Task) throws(Errno) -> Outcome {
    guard let usage = store.usage else { throw .noSpace }
    guard let request = task.measureRequest else {
      task.measureRequest = usage.requestMeasure()
      return repeated(after: 2_000_000)
    }
    guard usage.isAnswered(request) else { return repeated(after: 2_000_000) }
    task.measureRequest = nil
    throw .noSpace
  }

  /// Bytes that the file takes more when `range` has all its blocks. Of a file with holes it is not known which of its
  /// blocks lie in the range: none, then.
  static func growth(of status: stat, allocating range: Range<Int64>) -> UInt64 {
    let size = Int64(status.st_size)
    let hasHoles = Int64(status.st_blocks).multipliedClamped(by: 512) < size
    let first = hasHoles ? range.lowerBound : max(range.lowerBound, min(size, range.upperBound))
    return UInt64(clamping: range.upperBound.subtractingClamped(first))
  }

  /// The soft RLIMIT_FSIZE (`man 2 prlimit`).
  private func fileSizeLimit(of thread: ThreadID) throws(Errno) -> UInt64 {
    var pair = (soft: UInt64(0), hard: UInt64(0))
    try withUnsafeMutablePointer(to: &pair) { pair throws(Errno) in
      _ = try Host.call(SYS_prlimit64, Int(thread), 1, 0, Int(bitPattern: pair))
    }
    return pair.soft
  }
}
