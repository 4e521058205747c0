// chmod, chown, utimes, truncate: changes of what a file is.

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addAttributes() {
    served(90, "chmod", .path, .mode, as: .value, repeated: true) { (call, path, mode) throws(Errno) in
      try call.changeMode(.position(try call.position(path)), mode)
    }
    served(91, "fchmod", .fd, .mode, as: .trace, repeated: true) { (call, descriptor, mode) throws(Errno) in
      try call.changeMode(try call.openTarget(descriptor), mode)
    }
    served(268, "fchmodat", .dirfd, .path, .mode, as: .value, repeated: true) {
      (call, directory, path, mode) throws(Errno) in
      try call.changeMode(.position(try call.position(path, at: directory)), mode)
    }
    served(452, "fchmodat2", .dirfd, .path, .mode, .atFlags, as: .trace, repeated: true) {
      (call, directory, path, mode, flags) throws(Errno) in
      try call.changeMode(try call.target(path, at: directory, checking: flags), mode)
    }
    served(92, "chown", .path, .id("owner"), .id("group"), as: .value, repeated: true) {
      (call, path, user, group) throws(Errno) in
      try call.changeOwner(.position(try call.position(path)), user, group)
    }
    served(94, "lchown", .path, .id("owner"), .id("group"), as: .value, repeated: true) {
      (call, path, user, group) throws(Errno) in
      try call.changeOwner(.position(try call.position(path, follow: false)), user, group)
    }
    served(93, "fchown", .fd, .id("owner"), .id("group"), as: .trace, repeated: true) {
      (call, descriptor, user, group) throws(Errno) in
      try call.changeOwner(try call.openTarget(descriptor), user, group)
    }
    served(
      260, "fchownat", .dirfd, .path, .id("owner"), .id("group"), .atFlags,
      as: .value(traceIf: .anyBit(4, AtFlags.emptyPath.rawValue)), repeated: true
    ) { (call, directory, path, user, group, flags) throws(Errno) in
      try call.changeOwner(try call.target(path, at: directory, checking: flags), user, group)
    }
    addTimes()
    served(76, "truncate", .path, .offset("length"), as: .value, repeated: true) { (call, path, size) throws(Errno) in
      try call.truncate(path, size)
    }
    native(77, "ftruncate", .fd, .offset("length"))
  }

  private mutating func addTimes() {
    served(132, "utime", .path, Arg<Pointer<TimePair>>("times"), as: .value, repeated: true) {
      (call, path, times) throws(Errno) in
      try call.changeTimes(.current, path, try call.times(times), [])
    }
    served(235, "utimes", .path, .times, as: .value, repeated: true) { (call, path, times) throws(Errno) in
      try call.changeTimes(.current, path, try call.timevals(times), [])
    }
    // Without a path: of the descriptor itself.
    let noPath = ArgumentTest.equal(argument: 1, mask: ~0, value: 0)
    served(261, "futimesat", .dirfd, .path, .times, as: .value(traceIf: noPath), repeated: true) {
      (call, directory, path, times) throws(Errno) in
      try call.changeTimes(directory, path, try call.timevals(times), [])
    }
    served(280, "utimensat", .dirfd, .path, .preciseTimes, .atFlags, as: .value(traceIf: noPath), repeated: true) {
      (call, directory, path, times, flags) throws(Errno) in
      try call.changeTimes(directory, path, precisely: times, flags)
    }
  }
}

/// `struct utimbuf`: two time_t.
typealias TimePair = (access: Int64, modification: Int64)

/// Two times, of the last access and modification.
typealias TimeSpecifications = (access: TimeSpecification, modification: TimeSpecification)
typealias TimeValues = (access: TimeValue, modification: TimeValue)

extension Arg where Value == Pointer<TimeValues> {
  fileprivate static var times: Arg { Arg("times") }
}

extension Arg where Value == Pointer<TimeSpecifications> {
  fileprivate static var preciseTimes: Arg { Arg("times") }
}

extension CallContext {
  /// A host file that the caller of the sandbox handed in is not the guest's to change; pipes and sockets are the kernel's
  /// business: nil.
  private func changeable(_ target: Target) throws(Errno) -> Position? {
    switch target {
    case .position(let position): return position
    case .foreign(_, let status):
      if [.regular, .directory].contains(status.type) { throw .notPermitted }
      return nil
    }
  }

  fileprivate func changeMode(_ target: Target, _ mode: Permissions) throws(Errno) -> Outcome {
    guard let position = try changeable(target) else { return .value(0) }
    try vfs.changeMode(position, to: mode, task.caller)
    return .value(0)
  }

  fileprivate func changeOwner(_ target: Target, _ user: UInt32, _ group: UInt32) throws(Errno) -> Outcome {
    guard let position = try changeable(target) else { return .value(0) }
    try vfs.changeOwner(
      position, user: user == .max ? nil : user, group: group == .max ? nil : group, task.caller)
    return .value(0)
  }

  fileprivate func truncate(_ path: GuestString, _ size: Int64) throws(Errno) -> Outcome {
    if size < 0 { throw .invalidArgument }
    let position = try position(path)
    if let inode = position.dentry.inode {
      if isExecuting(inode) { throw .textFileBusy }
      if inode.type == .regular, size > (try inode.attributes().size) {
        try task.credentials.fileCredentials.check(.write, on: inode)
        try checkNewSize(size)
      }
      // The backing file is opened for it.
      notifier?.willDo([.modify, .closeWrite], to: inode)
    }
    try vfs.truncate(position, to: size, task.caller)
    return .value(0)
  }

  // MARK: - Times

  fileprivate func changeTimes(
    _ directory: DirectoryDescriptor, _ path: GuestString, _ times: (TimeChange, TimeChange), _ flags: AtFlags
  ) throws(Errno) -> Outcome {
    guard let position = try changeable(try timesTarget(directory, path, flags)) else { return .value(0) }
    if let notifier, let inode = position.dentry.inode { notifier.willDo([.access, .modify], to: inode) }
    try vfs.changeTimes(position, access: times.0, modification: times.1, task.caller)
    return .value(0)
  }

  /// `utimensat(2)`.
  fileprivate func changeTimes(
    _ directory: DirectoryDescriptor, _ path: GuestString, precisely times: Pointer<TimeSpecifications>,
    _ flags: AtFlags
  ) throws(Errno) -> Outcome {
    var changes: (TimeChange, TimeChange) = (.now, .now)
    if !times.isNull {
      let pair = try memory.load(times)
      // Nothing is looked up if both are UTIME_OMIT.
      let asked = (TimeChange(pair.access), TimeChange(pair.modification))
      if asked.0 == .keep && asked.1 == .keep { return .value(0) }
      guard let access = asked.0, let modification = asked.1 else {
        // The path's own error comes first (`vfs_utimes` checks the times).
        _ = try timesTarget(directory, path, flags)
        throw .invalidArgument
      }
      changes = (access, modification)
    }
    guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
    return try changeTimes(directory, path, changes, flags)
  }

  /// What `utimensat` names; with a null path the descriptor itself: futimens.
  private func timesTarget(_ directory: DirectoryDescriptor, _ path: GuestString, _ flags: AtFlags) throws(Errno)
    -> Target
  {
    if path.isNull && !directory.isCurrent {
      if !flags.isEmpty { throw .invalidArgument }
      return try openTarget(directory.descriptor)
    }
    return try target(path, at: directory, flags, follow: !flags.contains(.symlinkNoFollow))
  }

  /// Both times of `utime(2)`; a null pointer means now.
  fileprivate func times(_ times: Pointer<TimePair>) throws(Errno) -> (TimeChange, TimeChange) {
    if times.isNull { return (.now, .now) }
    let pair = try memory.load(times)
    return (
      .set(Timestamp(seconds: pair.access, nanoseconds: 0)), .set(Timestamp(seconds: pair.modification, nanoseconds: 0))
    )
  }

  fileprivate func timevals(_ times: Pointer<TimeValues>) throws(Errno) -> (TimeChange, TimeChange) {
    if times.isNull { return (.now, .now) }
    let pair = try memory.load(times)
    return (.set(try time(pair.access)), .set(try time(pair.modification)))
  }

  private func time(_ value: TimeValue) throws(Errno) -> Timestamp {
    guard (0..<1_000_000).contains(value.microseconds) else { throw .invalidArgument }
    return Timestamp(seconds: value.seconds, nanoseconds: UInt32(value.microseconds * 1000))
  }
}
