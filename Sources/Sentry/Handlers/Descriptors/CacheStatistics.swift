// cachestat(2): how much of a file is in the page cache. Of a file that guests can write to the kernel answers. Of any other the
// cache is the host's, and shows what the host's processes read: EPERM, as the kernel answers for a file that the caller
// neither owns nor may write to (mm/filemap.c, `can_do_cachestat`).

import Gate
import Kernel
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addCacheStatistics() {
    served(
      451, "cachestat", .fd, Arg<Pointer<CacheRange>>("cstat_range"), Arg<Pointer<CacheStatistics>>("cstat"),
      .int("flags"), as: .trace,
      note: "of files that guests can write to; what is cached of others is the host's to know"
    ) { (call, descriptor, range, statistics, flags) throws(Errno) in
      try call.cachestat(descriptor, range, into: statistics, flags)
    }
  }
}

extension CallContext {
  /// Where another task may put another file at the number, the question is asked by us, on the duplicate that was looked at.
  fileprivate func cachestat(
    _ descriptor: Descriptor, _ range: Pointer<CacheRange>, into statistics: Pointer<CacheStatistics>, _ flags: CInt
  ) throws(Errno) -> Outcome {
    let (status, duplicate) = try look(at: descriptor)
    let copy = duplicate >= 0 ? OwnedDescriptor(duplicate) : nil
    if let node = files.node(status, descriptor.number, of: task.descriptors), node.isPath { throw .badFileDescriptor }
    guard case .guests = files.lockDomain(status, descriptor, of: task.descriptors, copy: duplicate) else {
      throw .notPermitted
    }
    guard let copy else { return .native }
    let range = try memory.load(range)
    try memory.store(try Host.cacheStatistics(of: copy.rawValue, in: range, flags: flags), at: statistics)
    return .value(0)
  }
}
