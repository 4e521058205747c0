// fallocate(2) without namespaces, where the store is a directory of a host file system that has no bound for it: a guest
// could take all of the host's disk by one call, before the store is measured again (StoreWatch). What exceeds the room is
// refused here. With namespaces the call is native: the store is a tmpfs of its own, and its size the bound.
//
// Where another thread may change the descriptor table, the call is made by us on a duplicate: the number could stand for a
// file of the store by the time that the kernel looks at it.

import Gate
import Kernel
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addAllocation() {
    // The store is bounded by measuring it, and one call could take all of the disk before that.
    served(
      285, "fallocate", .fd, .allocationMode, .offset("offset"), .offset("len"), as: .bounded,
      note: "without namespaces what the store has no room for is refused"
    ) { (call, descriptor, mode, offset, length) throws(Errno) in
      try call.allocate(descriptor, mode, offset, length)
    }
  }
}

extension AllocationMode: FlagArgument {
  static var names: [(UInt32, StaticString)] {
    [
      (1, "FALLOC_FL_KEEP_SIZE"), (2, "FALLOC_FL_PUNCH_HOLE"), (8, "FALLOC_FL_COLLAPSE_RANGE"),
      (16, "FALLOC_FL_ZERO_RANGE"), (32, "FALLOC_FL_INSERT_RANGE"), (64, "FALLOC_FL_UNSHARE_RANGE"),
    ]
  }
}

extension Arg where Value == AllocationMode {
  fileprivate static var allocationMode: Arg { Arg("mode") }
}

extension CallContext {
  fileprivate func allocate(_ descriptor: Descriptor, _ mode: AllocationMode, _ offset: Int64, _ length: Int64)
    throws(Errno) -> Outcome
  {
    let (status, duplicate) = try look(at: descriptor)
    let copy = duplicate >= 0 ? OwnedDescriptor(duplicate) : nil
    let node = files.node(status, descriptor.number, of: task.descriptors)
    if let node, node.isPath { throw .badFileDescriptor }
    let range = Range(from: offset, count: length)
    // A hole and a collapsed range only give back. A range that is none the kernel refuses.
    if let range, range.lowerBound >= 0, mode.isDisjoint(with: [.punchHole, .collapseRange]),
      node?.inode.isStored ?? false
    {
      guard store.reserve(Self.growth(of: status, allocating: range)) else { return try measureOnce() }
    }
    task.measureRequest = nil
    guard let copy else { return .native }
    if let range, !mode.contains(.keepSize), range.upperBound > status.size {
      try checkNewSize(range.upperBound)
    }
    return .answer { () throws(Errno) in
      try Host.allocate(copy.rawValue, mode, at: offset, count: length)
      return 0
    }
  }

  /// The room was counted from a measure that may be old, with what has been allowed since: before the guest is refused the
  /// store is measured, and the call comes again.
  private func measureOnce() throws(Errno) -> Outcome {
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
  static func growth(of status: FileStatus, allocating range: Range<Int64>) -> UInt64 {
    let size = status.size
    let hasHoles = status.blocks.multipliedClamped(by: 512) < size
    let first = hasHoles ? range.lowerBound : max(range.lowerBound, min(size, range.upperBound))
    return UInt64(clamping: range.upperBound.subtractingClamped(first))
  }

  /// What `inode_newsize_ok` (fs/attr.c) does about a file that a call of ours makes larger.
  ///
  /// - Throws: `.fileTooLarge`, with SIGXFSZ for the caller, above its soft RLIMIT_FSIZE.
  func checkNewSize(_ size: Int64) throws(Errno) {
    guard UInt64(clamping: size) > (try Host.limit(.fileSize, of: task.thread).soft) else { return }
    Host.signalThread(task.thread, Signal.fileSizeExceeded.rawValue)
    throw .fileTooLarge
  }
}
