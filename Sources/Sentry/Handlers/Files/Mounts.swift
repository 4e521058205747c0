// Mounts. The tree's are made before the first guest runs, and stay.

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addMounts() {
    let fixed = "the tree's mounts are fixed at the start"
    refused(155, "pivot_root", .notPermitted, fixed, .string("new_root"), .string("put_old"))
    refused(165, "mount", .notPermitted, fixed, .string("source"), .string("target"), .string("filesystemtype"))
    refused(166, "umount2", .notPermitted, fixed, .string("target"), .int("flags"))
    refused(428, "open_tree", .notPermitted, fixed, .dirfd, .path, .int("flags"))
    refused(429, "move_mount", .notPermitted, fixed, .directory("from_dirfd"), .string("from_path"))
    refused(430, "fsopen", .notPermitted, fixed, .string("fsname"), .int("flags"))
    refused(431, "fsconfig", .notPermitted, fixed, .fd, .int("cmd"), .string("key"))
    refused(432, "fsmount", .notPermitted, fixed, .fd, .int("flags"), .int("attr_flags"))
    refused(433, "fspick", .notPermitted, fixed, .dirfd, .path, .int("flags"))
    refused(442, "mount_setattr", .notPermitted, fixed, .dirfd, .path, .int("flags"))
    refused(467, "open_tree_attr", .notPermitted, fixed, .dirfd, .path, .int("flags"))
    served(457, "statmount", .mountRequest("req"), .buffer, .size("bufsize"), .int("flags"), as: .trace) {
      (call, request, buffer, size, flags) throws(Errno) in
      try call.statmount(request, into: buffer, size, flags)
    }
    served(458, "listmount", .mountRequest("req"), .mountIDs("mnt_ids"), .size("nr_mnt_ids"), .int("flags"), as: .trace)
    {
      (call, request, list, count, flags) throws(Errno) in
      try call.listmount(request, into: list, count, flags)
    }
  }
}

/// `struct mnt_id_req` (linux/mount.h, Linux 6.8), of its first size.
struct MountRequest: BitwiseCopyable {
  var size: UInt32
  var spare: UInt32
  var mount: UInt64
  /// Of statmount(2) what is asked for, of listmount(2) the last number that was given.
  var parameter: UInt64
}

extension Arg where Value == Pointer<MountRequest> {
  fileprivate static func mountRequest(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == Pointer<UInt64> {
  fileprivate static func mountIDs(_ name: String) -> Arg { Arg(name) }
}

extension Mount {
  /// MNT_UNIQUE_ID_OFFSET of the kernel (fs/namespace.c): up to it the numbers of mounts are those that are used again.
  fileprivate static let uniqueOffset: UInt64 = 1 << 31

  /// The number that no other mount ever has: STATX_MNT_ID_UNIQUE.
  var uniqueID: UInt64 { Self.uniqueOffset + UInt64(id) }
}

extension CallContext {
  /// LSMT_ROOT: the root of the caller's tree.
  private static var rootMount: UInt64 { .max }

  /// `copy_mnt_id_req`: read once. Its size is its first word; namespaces other than the caller's are not known.
  private func mountRequest(_ pointer: Pointer<MountRequest>) throws(Errno) -> MountRequest {
    let size = try memory.load(pointer.cast(to: UInt32.self))
    let request = try structure(pointer, size: ByteCount(UInt64(size)))
    guard request.spare == 0, request.mount > Mount.uniqueOffset else { throw .invalidArgument }
    return request
  }

  /// `statmount(2)`: what /proc/self/mountinfo shows of a mount.
  ///
  /// - Throws: `.noSuchFileOrDirectory`; `.notPermitted` for a mount outside of the caller's root; EOVERFLOW if the strings
  ///   do not fit.
  fileprivate func statmount(
    _ pointer: Pointer<MountRequest>, into buffer: Buffer, _ size: ByteCount, _ flags: CInt
  ) throws(Errno) -> Outcome {
    if flags != 0 { throw .invalidArgument }
    let request = try mountRequest(pointer)
    guard let mount = vfs.mountList.first(where: { $0.uniqueID == request.mount }) else { throw .noSuchFileOrDirectory }
    guard isReachable(mount, from: task.context.root) else { throw .notPermitted }
    let strings = !MountReport.Mask(rawValue: request.parameter).isDisjoint(with: .strings)
    if strings, size.value == MountReport.headerSize { throw .overflow }
    let report = try MountReport(mount, of: vfs, from: task.context.root, MountReport.Mask(rawValue: request.parameter))
    let header = min(Int(clamping: size.value), MountReport.headerSize)
    if !report.strings.isEmpty, UInt64(MountReport.headerSize + report.strings.count) > size.value {
      throw .overflow
    }
    let bytes = report.bytes(header: header)
    try memory.write(bytes, at: buffer)
    return .value(0)
  }

  /// `listmount(2)`: the numbers of the mounts below one, upwards, or downwards with LISTMOUNT_REVERSE.
  fileprivate func listmount(
    _ pointer: Pointer<MountRequest>, into list: Pointer<UInt64>, _ count: ByteCount, _ flags: CInt
  ) throws(Errno) -> Outcome {
    if flags & ~1 != 0 { throw .invalidArgument }
    // `SYSCALL_DEFINE4(listmount`: an upper bound against overflow.
    if count.value > 1_000_000 { throw .overflow }
    let request = try mountRequest(pointer)
    let last = request.parameter
    if last != 0, last <= Mount.uniqueOffset { throw .invalidArgument }
    var top = task.context.root
    if request.mount != Self.rootMount {
      guard let mount = vfs.mountList.first(where: { $0.uniqueID == request.mount }) else {
        throw .noSuchFileOrDirectory
      }
      guard isReachable(mount, from: top) else { throw .notPermitted }
      top = Position(mount: mount, dentry: mount.root)
    }
    var numbers = vfs.mountList.filter { $0.uniqueID != request.mount && isReachable($0, from: top) }.map(\.uniqueID)
    numbers.sort()
    if flags & 1 != 0 { numbers.reverse() }
    if last != 0 { numbers.removeAll { flags & 1 != 0 ? $0 >= last : $0 <= last } }
    let found = Array(numbers.prefix(Int(count.value)))
    try memory.write(found.withUnsafeBytes { [UInt8]($0) }, at: list.address)
    return .value(found.count)
  }

  /// `is_path_reachable`: the mount's root is `top`, or below it.
  private func isReachable(_ mount: Mount, from top: Position) -> Bool {
    vfs.path(of: Position(mount: mount, dentry: mount.root), from: top) != nil
  }
}
