// The system calls on credentials: arguments decoded, `TaskCredentials` asked, the answer encoded. All of them are
// served: the kernel never runs one.

import CLinux
import Gate
import LinuxABI

/// The ids of the calling thread, and how to find another's: what capget needs beyond the caller's own credentials.
struct CredentialContext {
  /// The caller's thread id as the guest sees it.
  var thread: Int32
  /// The credentials of another thread by the id the guest uses; nil if there is none.
  var credentials: (Int32) -> TaskCredentials?
}

/// Answers a call on credentials.
///
/// - Parameter credentials: the calling thread's, changed in place.
/// - Returns: the value or negative errno for the guest; nil if the call, or the prctl option, is not about credentials.
func handleCredentialCall(
  _ call: SystemCall, memory: GuestMemory, credentials: inout TaskCredentials, context: CredentialContext
) -> Int? {
  do throws(Errno) {
    return try CredentialCalls.handle(call, memory, &credentials, context)
  } catch {
    return error.result
  }
}

private enum CredentialCalls {
  static func handle(
    _ call: SystemCall, _ memory: GuestMemory, _ credentials: inout TaskCredentials, _ context: CredentialContext
  ) throws(Errno) -> Int? {
    let (first, second, third, fourth, fifth, _) = call.arguments
    // uid_t and gid_t are the low halves of their registers.
    let (a, b, c) = (
      UInt32(truncatingIfNeeded: first), UInt32(truncatingIfNeeded: second), UInt32(truncatingIfNeeded: third)
    )
    switch CInt(truncatingIfNeeded: call.number) {
    case SYS_getuid: return Int(credentials.user.real)
    case SYS_geteuid: return Int(credentials.user.effective)
    case SYS_getgid: return Int(credentials.group.real)
    case SYS_getegid: return Int(credentials.group.effective)
    case SYS_getresuid: try store(credentials.user, memory, first, second, third)
    case SYS_getresgid: try store(credentials.group, memory, first, second, third)
    case SYS_setuid: try credentials.setUser(a)
    case SYS_setgid: try credentials.setGroup(a)
    case SYS_setreuid: try credentials.setUser(real: a, effective: b)
    case SYS_setregid: try credentials.setGroup(real: a, effective: b)
    case SYS_setresuid: try credentials.setUser(real: a, effective: b, saved: c)
    case SYS_setresgid: try credentials.setGroup(real: a, effective: b, saved: c)
    case SYS_setfsuid: return Int(credentials.setFileSystemUser(a))
    case SYS_setfsgid: return Int(credentials.setFileSystemGroup(a))
    case SYS_getgroups: return try getGroups(Int32(bitPattern: a), second, memory, credentials)
    case SYS_setgroups: try setGroups(Int32(bitPattern: a), second, memory, &credentials)
    case SYS_capget: try getCapabilities(header: first, data: second, memory, credentials, context)
    case SYS_capset: try setCapabilities(header: first, data: second, memory, &credentials, context)
    case SYS_prctl:
      return try control(Int32(bitPattern: a), (second, third, fourth, fifth), &credentials)
    default: return nil
    }
    return 0
  }

  // MARK: - Ids and groups

  private static func store(
    _ identity: TaskCredentials.Identity, _ memory: GuestMemory, _ real: UInt64, _ effective: UInt64, _ saved: UInt64
  ) throws(Errno) {
    try memory.store(identity.real, at: real)
    try memory.store(identity.effective, at: effective)
    try memory.store(identity.saved, at: saved)
  }

  private static func getGroups(
    _ size: Int32, _ address: UInt64, _ memory: GuestMemory, _ credentials: TaskCredentials
  ) throws(Errno) -> Int {
    let count = credentials.groups.count
    if size < 0 { throw .invalidArgument }
    if size == 0 { return count }
    if count > Int(size) { throw .invalidArgument }
    try memory.write(credentials.groups.withUnsafeBytes { [UInt8]($0) }, at: address)
    return count
  }

  private static func setGroups(
    _ size: Int32, _ address: UInt64, _ memory: GuestMemory, _ credentials: inout TaskCredentials
  ) throws(Errno) {
    try credentials.checkSetGroups()
    // NGROUPS_MAX.
    guard size >= 0, size <= 65536 else { throw .invalidArgument }
    let groups = try withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Int(size)) { buffer throws(Errno) in
      try memory.read(into: UnsafeMutableRawBufferPointer(buffer), at: address)
      return [UInt32](buffer)
    }
    try credentials.setGroups(groups)
  }

  // MARK: - capget, capset (kernel/capability.c)

  /// How many 32-bit triples the data has, by the header's version.
  ///
  /// - Throws: `.invalidArgument` for an unknown version, with the kernel's own written into the header.
  private static func tripleCount(header: UInt64, _ memory: GuestMemory) throws(Errno) -> Int {
    switch try memory.load(UInt32.self, at: header) {
    case 0x1998_0330: return 1
    case 0x2007_1026, 0x2008_0522: return 2
    default:
      try memory.store(UInt32(0x2008_0522), at: header)
      throw .invalidArgument
    }
  }

  private static func getCapabilities(
    header: UInt64, data: UInt64, _ memory: GuestMemory, _ credentials: TaskCredentials, _ context: CredentialContext
  ) throws(Errno) {
    let count: Int
    do throws(Errno) { count = try tripleCount(header: header, memory) } catch {
      // The way to ask for the version: a null data pointer makes it no error.
      if data == 0, error == .invalidArgument { return }
      throw error
    }
    if data == 0 { return }
    let process = try memory.load(Int32.self, at: header &+ 4)
    if process < 0 { throw .invalidArgument }
    var target = credentials
    if process != 0, process != context.thread {
      guard let other = context.credentials(process) else { throw .noSuchProcess }
      target = other
    }
    var words: [UInt32] = []
    for half in 0..<count {
      for set in [target.effective, target.permitted, target.inheritable] {
        words.append(UInt32(truncatingIfNeeded: set.rawValue >> UInt64(32 * half)))
      }
    }
    try memory.write(words.withUnsafeBytes { [UInt8]($0) }, at: data)
  }

  private static func setCapabilities(
    header: UInt64, data: UInt64, _ memory: GuestMemory, _ credentials: inout TaskCredentials,
    _ context: CredentialContext
  ) throws(Errno) {
    let count = try tripleCount(header: header, memory)
    let process = try memory.load(Int32.self, at: header &+ 4)
    if process != 0, process != context.thread { throw .notPermitted }
    let words = try withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 3 * count) { buffer throws(Errno) in
      try memory.read(into: UnsafeMutableRawBufferPointer(buffer), at: data)
      return [UInt32](buffer)
    }
    func set(_ index: Int) -> CapabilitySet {
      CapabilitySet(rawValue: UInt64(words[index]) | (count == 2 ? UInt64(words[index + 3]) << 32 : 0))
    }
    try credentials.setCapabilities(effective: set(0), permitted: set(1), inheritable: set(2))
  }

  // MARK: - prctl

  private static func control(
    _ option: Int32, _ arguments: (UInt64, UInt64, UInt64, UInt64), _ credentials: inout TaskCredentials
  ) throws(Errno) -> Int? {
    let (value, third, fourth, fifth) = arguments
    switch option {
    case PR_GET_DUMPABLE: return credentials.isDumpable ? 1 : 0
    case PR_SET_DUMPABLE: try credentials.setDumpable(value)
    case PR_GET_KEEPCAPS: return credentials.secureBits.contains(.keepCapabilities) ? 1 : 0
    case PR_SET_KEEPCAPS: try credentials.setKeepCapabilities(value)
    case PR_CAPBSET_READ: return try credentials.isBounding(value) ? 1 : 0
    case PR_CAPBSET_DROP: try credentials.dropBounding(value)
    case PR_GET_SECUREBITS: return Int(credentials.secureBits.rawValue)
    case PR_SET_SECUREBITS: try credentials.setSecureBits(value)
    case PR_CAP_AMBIENT: return try credentials.ambient(value, third, fourth, fifth)
    default: return nil
    }
    return 0
  }
}
