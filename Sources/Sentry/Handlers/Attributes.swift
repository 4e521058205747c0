// chmod, chown, utimes, truncate: changes of what a file is.

import CLinux
import Gate
import LinuxABI
import VFS

private let here = UInt64(bitPattern: Int64(AtFlags.currentDirectory))

/// UTIME_NOW and UTIME_OMIT of sys/stat.h.
private let utimeNow: Int64 = 0x3fff_ffff
private let utimeOmit: Int64 = 0x3fff_fffe

let attributeHandlers: [(CInt, Handler)] = [
  (
    SYS_chmod,
    { (state, task, call) throws(Errno) in
      try state.changeMode(task, try state.target(task, at: here, call.arguments.0, [], follow: true), call.arguments.1)
    }
  ),
  (
    SYS_fchmod,
    { (state, task, call) throws(Errno) in
      try state.changeMode(task, try state.openTarget(task, call.arguments.0), call.arguments.1)
    }
  ),
  (
    SYS_fchmodat,
    { (state, task, call) throws(Errno) in
      try state.changeMode(
        task, try state.target(task, at: call.arguments.0, call.arguments.1, [], follow: true), call.arguments.2)
    }
  ),
  (
    452 /* fchmodat2 */,
    { (state, task, call) throws(Errno) in
      let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.3))
      guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
      let target = try state.target(
        task, at: call.arguments.0, call.arguments.1, flags, follow: !flags.contains(.symlinkNoFollow))
      return try state.changeMode(task, target, call.arguments.2)
    }
  ),
  (
    SYS_chown,
    { (state, task, call) throws(Errno) in
      let target = try state.target(task, at: here, call.arguments.0, [], follow: true)
      return try state.changeOwner(task, target, call.arguments.1, call.arguments.2)
    }
  ),
  (
    SYS_lchown,
    { (state, task, call) throws(Errno) in
      let target = try state.target(task, at: here, call.arguments.0, [], follow: false)
      return try state.changeOwner(task, target, call.arguments.1, call.arguments.2)
    }
  ),
  (
    SYS_fchown,
    { (state, task, call) throws(Errno) in
      try state.changeOwner(task, try state.openTarget(task, call.arguments.0), call.arguments.1, call.arguments.2)
    }
  ),
  (
    SYS_fchownat,
    { (state, task, call) throws(Errno) in
      let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.4))
      guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
      let target = try state.target(
        task, at: call.arguments.0, call.arguments.1, flags, follow: !flags.contains(.symlinkNoFollow))
      return try state.changeOwner(task, target, call.arguments.2, call.arguments.3)
    }
  ),
  (
    SYS_utime,
    { (state, task, call) throws(Errno) in
      // struct utimbuf: two time_t.
      let times = try state.twoTimes(task, call.arguments.1) { (memory, address) throws(Errno) in
        let pair = try memory.load((Int64, Int64).self, at: address)
        return (
          .set(Timestamp(seconds: pair.0, nanoseconds: 0)), .set(Timestamp(seconds: pair.1, nanoseconds: 0))
        )
      }
      return try state.changeTimes(task, here, call.arguments.0, times, [])
    }
  ),
  (
    SYS_utimes,
    { (state, task, call) throws(Errno) in
      let times = try state.timevals(task, call.arguments.1)
      return try state.changeTimes(task, here, call.arguments.0, times, [])
    }
  ),
  (
    SYS_futimesat,
    { (state, task, call) throws(Errno) in
      let times = try state.timevals(task, call.arguments.2)
      return try state.changeTimes(task, call.arguments.0, call.arguments.1, times, [])
    }
  ),
  (
    SYS_utimensat,
    { (state, task, call) throws(Errno) in
      let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.3))
      let times = try state.twoTimes(task, call.arguments.2) { (memory, address) throws(Errno) in
        let pair = try memory.load((Int64, Int64, Int64, Int64).self, at: address)
        // Nothing is looked up if both are UTIME_OMIT.
        if pair.1 == utimeOmit && pair.3 == utimeOmit { return (.keep, .keep) }
        if !SentryState.isTime(pair.1) || !SentryState.isTime(pair.3) {
          // The path's own error comes first (`vfs_utimes` checks the times).
          _ = try state.timesTarget(task, call.arguments.0, call.arguments.1, flags)
          throw .invalidArgument
        }
        return (SentryState.timeChange(pair.0, pair.1), SentryState.timeChange(pair.2, pair.3))
      }
      if times.0 == .keep && times.1 == .keep { return .value(0) }
      guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
      return try state.changeTimes(task, call.arguments.0, call.arguments.1, times, flags)
    }
  ),
  (
    SYS_truncate,
    { (state, task, call) throws(Errno) in
      let size = Int64(bitPattern: call.arguments.1)
      if size < 0 { throw .invalidArgument }
      let path = try state.path(task, at: here, call.arguments.0)
      let position = try state.vfs.resolve(path, task.caller)
      if let inode = position.dentry.inode {
        if state.isExecuting(inode) { throw .textFileBusy }
        // The backing file is opened for it.
        state.notifier?.willDo([.modify, .closeWrite], to: inode)
      }
      try state.vfs.truncate(position, to: size, task.caller)
      return .value(0)
    }
  ),
]

extension SentryState {
  /// What a descriptor that was opened for use stands for: an O_PATH descriptor is EBADF.
  func openTarget(_ task: Task, _ descriptor: UInt64) throws(Errno) -> Target {
    let number = CInt(truncatingIfNeeded: try descriptorOnly(descriptor))
    let status = try task.descriptors.stat(number)
    guard let node = node(status, number, of: task.descriptors) else { return .foreign(number, status) }
    if node.isPath { throw .badFileDescriptor }
    return .position(node.position)
  }

  /// A host file that the caller handed in is not the guest's to change; pipes and sockets are the kernel's business.
  private func ours(_ target: Target) throws(Errno) -> Position? {
    switch target {
    case .position(let position): return position
    case .foreign(_, let status):
      if [.regular, .directory].contains(FileType(mode: status.st_mode)) { throw .notPermitted }
      return nil
    }
  }

  fileprivate func changeMode(_ task: Task, _ target: Target, _ mode: UInt64) throws(Errno) -> Outcome {
    guard let position = try ours(target) else { return .value(0) }
    try vfs.changeMode(position, to: Permissions(mode: mode), task.caller)
    return .value(0)
  }

  fileprivate func changeOwner(_ task: Task, _ target: Target, _ user: UInt64, _ group: UInt64) throws(Errno) -> Outcome
  {
    guard let position = try ours(target) else { return .value(0) }
    let user = UInt32(truncatingIfNeeded: user)
    let group = UInt32(truncatingIfNeeded: group)
    try vfs.changeOwner(
      position, user: user == .max ? nil : user, group: group == .max ? nil : group, task.caller)
    return .value(0)
  }

  fileprivate func changeTimes(
    _ task: Task, _ directory: UInt64, _ address: UInt64, _ times: (TimeChange, TimeChange), _ flags: AtFlags
  ) throws(Errno) -> Outcome {
    guard let position = try ours(try timesTarget(task, directory, address, flags)) else { return .value(0) }
    if let notifier, let inode = position.dentry.inode { notifier.willDo([.access, .modify], to: inode) }
    try vfs.changeTimes(position, access: times.0, modification: times.1, task.caller)
    return .value(0)
  }

  /// What `utimensat` names; with a null path the descriptor itself: futimens.
  fileprivate func timesTarget(_ task: Task, _ directory: UInt64, _ address: UInt64, _ flags: AtFlags) throws(Errno)
    -> Target
  {
    if address == 0 && CInt(truncatingIfNeeded: directory) != AtFlags.currentDirectory {
      if !flags.isEmpty { throw .invalidArgument }
      return try openTarget(task, directory)
    }
    return try target(task, at: directory, address, flags, follow: !flags.contains(.symlinkNoFollow))
  }

  /// Both times of a call; a null pointer means now.
  fileprivate func twoTimes(
    _ task: Task, _ address: UInt64,
    _ load: (GuestMemory, UInt64) throws(Errno) -> (TimeChange, TimeChange)
  ) throws(Errno) -> (TimeChange, TimeChange) {
    address == 0 ? (.now, .now) : try load(task.memory, address)
  }

  fileprivate func timevals(_ task: Task, _ address: UInt64) throws(Errno) -> (TimeChange, TimeChange) {
    try twoTimes(task, address) { (memory, address) throws(Errno) in
      let pair = try memory.load((Int64, Int64, Int64, Int64).self, at: address)
      guard (0..<1_000_000).contains(pair.1), (0..<1_000_000).contains(pair.3) else { throw .invalidArgument }
      return (
        .set(Timestamp(seconds: pair.0, nanoseconds: UInt32(pair.1 * 1000))),
        .set(Timestamp(seconds: pair.2, nanoseconds: UInt32(pair.3 * 1000)))
      )
    }
  }

  /// UTIME_NOW, UTIME_OMIT or a time (`man 2 utimensat`).
  fileprivate static func timeChange(_ seconds: Int64, _ nanoseconds: Int64) -> TimeChange {
    switch nanoseconds {
    case utimeNow: .now
    case utimeOmit: .keep
    default: .set(Timestamp(seconds: seconds, nanoseconds: UInt32(truncatingIfNeeded: nanoseconds)))
    }
  }

  fileprivate static func isTime(_ nanoseconds: Int64) -> Bool {
    nanoseconds == utimeNow || nanoseconds == utimeOmit || (0..<1_000_000_000).contains(nanoseconds)
  }
}
