// cachestat(2): how much of a file is in the page cache. Of a file that guests can write to the kernel answers. Of any other the
// cache is the host's, and shows what the host's processes read: EPERM, as the kernel answers for a file that the caller
// neither owns nor may write to (mm/filemap.c, `can_do_cachestat`).

import CLinux
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

/// `struct cachestat_range` (linux/mman.h): offset, length.
typealias CacheRange = (UInt64, UInt64)

/// `struct cachestat`: pages cached, dirty, under writeback, evicted, evicted recently.
typealias CacheStatistics = (UInt64, UInt64, UInt64, UInt64, UInt64)

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
    var asked = try memory.load(range)
    var answer: CacheStatistics = (0, 0, 0, 0, 0)
    let result = withUnsafeMutablePointer(to: &asked) { asked in
      withUnsafeMutablePointer(to: &answer) { answer in
        vd_syscall(451, Int(copy.rawValue), Int(bitPattern: asked), Int(bitPattern: answer), Int(flags), 0, 0)
      }
    }
    _ = try Errno.check(result)
    try memory.store(answer, at: statistics)
    return .value(0)
  }
}
