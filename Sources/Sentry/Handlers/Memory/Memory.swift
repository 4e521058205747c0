// Memory. Only a file mapping is looked at: what is mapped of a lower file has to be remapped when the file is copied up.

import Coherence
import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addMemory() {
    served(
      9, "mmap", .word("addr"), .size("length"), .protection, .mapFlags, .fd, .offset("offset"),
      as: .depends(Self.mapping), note: "a file mapping is recorded, and made by the kernel"
    ) { (call, address, length, _, flags, descriptor, offset) throws(Errno) in
      try call.map(address, length, flags, descriptor, offset)
    }
    native(10, "mprotect", .word("addr"), .size("len"), .protection)
    native(11, "munmap", .word("addr"), .size("length"))
    native(12, "brk", .word("addr"))
    native(25, "mremap", .word("old_address"), .size("old_size"), .size("new_size"), .int("flags"))
    native(27, "mincore", .word("addr"), .size("length"), .bytes("vec"))
    native(28, "madvise", .word("addr"), .size("length"), .int("advice"))
    native(149, "mlock", .word("addr"), .size("len"))
    native(150, "munlock", .word("addr"), .size("len"))
    native(151, "mlockall", .int("flags"))
    native(152, "munlockall")
    native(216, "remap_file_pages", .word("addr"), .size, .int("prot"), .size("pgoff"), .int("flags"))
    native(237, "mbind", .word("addr"), .size("len"), .int("mode"), .bytes("nodemask"))
    native(238, "set_mempolicy", .int("mode"), .bytes("nodemask"))
    native(239, "get_mempolicy", .bytes("mode"), .bytes("nodemask"))
    native(319, "memfd_create", .string("name"), .int("flags"))
    native(324, "membarrier", .int("cmd"), .int("flags"))
    native(325, "mlock2", .word("addr"), .size("len"), .int("flags"))
    native(329, "pkey_mprotect", .word("addr"), .size("len"), .protection, .int("pkey"))
    native(330, "pkey_alloc", .int("flags"), .int("access_rights"))
    native(331, "pkey_free", .int("pkey"))
    native(450, "set_mempolicy_home_node", .word("start"), .size("len"), .size("home_node"))
    native(453, "map_shadow_stack", .word("addr"), .size, .int("flags"))
    native(462, "mseal", .word("addr"), .size("len"), .word("flags"))
    // Of another process only what ptrace access allows; of oneself, NUMA libraries ask.
    let ownOnly = Treatment.when(ArgumentRule(.native, when: .int(0, 0)), otherwise: .errno(.notPermitted))
    filtered(279, "move_pages", "of the caller alone", .pid, .size("count"), .bytes("pages"), treatment: ownOnly)
    filtered(256, "migrate_pages", "of the caller alone", .pid, .size("maxnode"), treatment: ownOnly)
    refused(310, "process_vm_readv", .notPermitted, "another process's memory", .pid, .buffer)
    refused(311, "process_vm_writev", .notPermitted, "another process's memory", .pid, .buffer)
    refused(440, "process_madvise", .notPermitted, "another process's memory", .descriptor("pidfd"), .buffer)
    refused(448, "process_mrelease", .notPermitted, "another process's memory", .descriptor("pidfd"), .int("flags"))
    refused(
      323, "userfaultfd", .notPermitted, "a page fault that never ends would stop the supervisor's copies",
      .int("flags"))
  }

  /// An anonymous mapping is the kernel's own affair, and so are the mappings of the trampoline's table, which carry both
  /// secrets.
  private static let mapping: @Sendable (GatePolicy) -> CallPolicy = { policy in
    let upper: UInt64 = 0xffff_ffff_0000_0000
    return CallPolicy(
      [
        ArgumentRule(.native, when: .anyBit(3, UInt32(MapFlags.anonymous.rawValue))),
        ArgumentRule(
          .native,
          when: .equal(argument: 3, mask: upper, value: policy.layout.flagsSecret & upper),
          .equal(argument: 4, mask: upper, value: policy.layout.descriptorSecret & upper)),
      ], otherwise: .trace)
  }
}

extension CallContext {
  /// `mmap(2)` of a file: the kernel does it, and that the file may be mapped is recorded before.
  fileprivate func map(
    _ hint: Word, _ size: ByteCount, _ flags: MapFlags, _ descriptor: Descriptor, _ place: Int64
  ) throws(Errno) -> Outcome {
    let status = try status(descriptor)
    coherence.checkMappings(of: task.space, task.thread)
    guard let node = files.node(status, descriptor.number, of: task.descriptors) else { return .native }
    // The placeholder for an O_PATH descriptor is one that the kernel would answer with EACCES.
    if node.isPath { throw .badFileDescriptor }
    guard node.inode.type == .regular else { return .native }
    // What the kernel refuses need not be recorded: a length or an end that there is not (mm/mmap.c, `get_unmapped_area`).
    let (address, length, offset) = (hint.value, size.value, UInt64(bitPattern: place))
    guard length > 0, let end = offset.addingExactly(length)?.pageAligned, end <= UInt64(Int64.max) else {
      return .native
    }
    if flags.contains(.fixed), Range(from: address, count: end &- offset) == nil { return .native }
    try coherence.willMap(node.inode, task.space, hostDevice: status.device)
    return .native
  }
}
