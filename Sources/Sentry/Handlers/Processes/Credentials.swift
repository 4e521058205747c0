// User and group ids. All of them are the sentry's: the kernel's own credentials of a guest never change. The rules are in
// Credentials/.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addCredentials() {
    addUsers()
    addGroups()
    addCapabilities()
  }

  private mutating func addUsers() {
    served(102, "getuid", as: .trace) { (call) in .value(Int(call.task.credentials.user.real)) }
    served(107, "geteuid", as: .trace) { (call) in .value(Int(call.task.credentials.user.effective)) }
    served(118, "getresuid", .idPointer("ruid"), .idPointer("euid"), .idPointer("suid"), as: .trace) {
      (call, real, effective, saved) throws(Errno) in
      try call.store(call.task.credentials.user, real, effective, saved)
    }
    served(105, "setuid", .id("uid"), as: .trace) { (call, id) throws(Errno) in
      try call.task.credentials.setUser(id)
      return .value(0)
    }
    served(113, "setreuid", .id("ruid"), .id("euid"), as: .trace) { (call, real, effective) throws(Errno) in
      try call.task.credentials.setUser(real: real, effective: effective)
      return .value(0)
    }
    served(117, "setresuid", .id("ruid"), .id("euid"), .id("suid"), as: .trace) {
      (call, real, effective, saved) throws(Errno) in
      try call.task.credentials.setUser(real: real, effective: effective, saved: saved)
      return .value(0)
    }
    served(122, "setfsuid", .id("fsuid"), as: .trace) { (call, id) in
      .value(Int(call.task.credentials.setFileSystemUser(id)))
    }
  }

  private mutating func addGroups() {
    served(104, "getgid", as: .trace) { (call) in .value(Int(call.task.credentials.group.real)) }
    served(108, "getegid", as: .trace) { (call) in .value(Int(call.task.credentials.group.effective)) }
    served(120, "getresgid", .idPointer("rgid"), .idPointer("egid"), .idPointer("sgid"), as: .trace) {
      (call, real, effective, saved) throws(Errno) in
      try call.store(call.task.credentials.group, real, effective, saved)
    }
    served(106, "setgid", .id("gid"), as: .trace) { (call, id) throws(Errno) in
      try call.task.credentials.setGroup(id)
      return .value(0)
    }
    served(114, "setregid", .id("rgid"), .id("egid"), as: .trace) { (call, real, effective) throws(Errno) in
      try call.task.credentials.setGroup(real: real, effective: effective)
      return .value(0)
    }
    served(119, "setresgid", .id("rgid"), .id("egid"), .id("sgid"), as: .trace) {
      (call, real, effective, saved) throws(Errno) in
      try call.task.credentials.setGroup(real: real, effective: effective, saved: saved)
      return .value(0)
    }
    served(123, "setfsgid", .id("fsgid"), as: .trace) { (call, id) in
      .value(Int(call.task.credentials.setFileSystemGroup(id)))
    }
    served(115, "getgroups", .int("size"), .idPointer("list"), as: .trace) { (call, size, list) throws(Errno) in
      try call.getGroups(list, size)
    }
    served(116, "setgroups", .int("size"), .idPointer("list"), as: .trace) { (call, size, list) throws(Errno) in
      try call.setGroups(list, size)
    }
  }
}

extension Arg where Value == Pointer<UInt32> {
  fileprivate static func idPointer(_ name: String) -> Arg { Arg(name) }
}

extension CallContext {
  fileprivate func store(
    _ identity: TaskCredentials.Identity, _ real: Pointer<UInt32>, _ effective: Pointer<UInt32>,
    _ saved: Pointer<UInt32>
  ) throws(Errno) -> Outcome {
    try memory.store(identity.real, at: real)
    try memory.store(identity.effective, at: effective)
    try memory.store(identity.saved, at: saved)
    return .value(0)
  }

  fileprivate func getGroups(_ list: Pointer<UInt32>, _ size: CInt) throws(Errno) -> Outcome {
    let groups = task.credentials.groups
    if size < 0 { throw .invalidArgument }
    if size == 0 { return .value(groups.count) }
    if groups.count > Int(size) { throw .invalidArgument }
    try memory.write(groups.withUnsafeBytes { [UInt8]($0) }, at: list.address)
    return .value(groups.count)
  }

  fileprivate func setGroups(_ list: Pointer<UInt32>, _ size: CInt) throws(Errno) -> Outcome {
    try task.credentials.checkSetGroups()
    // NGROUPS_MAX.
    guard size >= 0, size <= 65536 else { throw .invalidArgument }
    let groups = try withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Int(size)) { buffer throws(Errno) in
      try memory.read(into: UnsafeMutableRawBufferPointer(buffer), at: list.address)
      return [UInt32](buffer)
    }
    try task.credentials.setGroups(groups)
    return .value(0)
  }
}
