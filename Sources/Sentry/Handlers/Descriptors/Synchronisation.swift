// fsync and its like. What no guest can have changed needs no writing back, and is the host's business; so is the host's
// whole file system (syncfs).

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addSynchronisation() {
    served(74, "fsync", .fd, as: .trace) { (call, descriptor) throws(Errno) in try call.synchronise(descriptor) }
    served(75, "fdatasync", .fd, as: .trace) { (call, descriptor) throws(Errno) in try call.synchronise(descriptor) }
    served(277, "sync_file_range", .fd, .offset("offset"), .offset("nbytes"), .syncFileRangeFlags, as: .trace) {
      (call, descriptor, offset, length, flags) throws(Errno) in
      guard flags.isSubset(of: .known), offset >= 0, length >= 0, Range(from: offset, count: length) != nil
      else { throw .invalidArgument }
      return try call.synchronise(descriptor)
    }
    // POSIX_FADV_DONTNEED alone acts on more than the descriptor: on the host's page cache.
    served(
      221, "fadvise64", .fd, .offset("offset"), .offset("len"), .fileAdvice,
      as: .when(ArgumentRule(.trace, when: .int(3, 4)), otherwise: .native)
    ) { (call, descriptor, _, length, _) throws(Errno) in
      if length < 0 { throw .invalidArgument }
      return try call.synchronise(descriptor)
    }
    served(306, "syncfs", .fd, as: .trace) { (call, descriptor) throws(Errno) in
      try call.synchroniseFileSystem(descriptor)
    }
    filtered(
      162, "sync", "success without effect: what is to be written back is the host's", treatment: .withoutEffect)
    native(26, "msync", .word("addr"), .size("length"), .int("flags"))
  }
}

extension CallContext {
  /// The call as it is for what guests can write to; success for a file or directory that only the host does.
  fileprivate func synchronise(_ descriptor: Descriptor) throws(Errno) -> Outcome {
    let status = try status(descriptor)
    if let node = files.node(status, descriptor.number, of: task.descriptors), node.isPath { throw .badFileDescriptor }
    switch status.type {
    case .regular, .directory, .blockDevice:
      guard case .guests = files.lockDomain(status, descriptor, of: task.descriptors) else { return .value(0) }
    default: break
    }
    return .native
  }

  /// `syncfs(2)`. The one file takes the place of all: the file system is the host's.
  fileprivate func synchroniseFileSystem(_ descriptor: Descriptor) throws(Errno) -> Outcome {
    guard case .native = try synchronise(descriptor) else { return .value(0) }
    let status = try status(descriptor)
    guard status.type == .regular, status.device != state.storeDevice else {
      return .value(0)
    }
    return .substitute(SystemCall(.fsync, descriptor))
  }
}
