// The rules of `man 7 credentials` and `man 7 capabilities`, as a table of what the kernel answers.

import CLinux
import Gate
import LinuxABI
import Testing

@testable import Sentry

/// Calls on credentials, made as a guest would.
private struct Caller {
  private let guest: ServedGuest

  init(credentials: TaskCredentials) throws {
    guest = try ServedGuest(credentials)
    guest.add(1, insideThread: 8, TaskCredentials(user: 0, group: 0))
  }

  var credentials: TaskCredentials {
    get { guest.task.credentials }
    nonmutating set { guest.task.credentials = newValue }
  }

  @discardableResult
  func call(_ number: CInt, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0) -> Int? {
    guest.call(number, [a, b, c, d, e])
  }

  var users: [UInt32] {
    let user = credentials.user
    return [user.real, user.effective, user.saved, user.fileSystem]
  }

  var groups: [UInt32] {
    let group = credentials.group
    return [group.real, group.effective, group.saved, group.fileSystem]
  }
}

private let permissionRefused = -Int(EPERM)
private let invalid = -Int(EINVAL)

struct CredentialTests {
  private func root() throws -> Caller { try Caller(credentials: TaskCredentials(user: 0, group: 0)) }

  /// Real 1000, effective 1001, saved 1002, no capabilities.
  private func mixed() throws -> Caller {
    let caller = try root()
    caller.call(SYS_setresgid, 1000, 1001, 1002)
    caller.call(SYS_setresuid, 1000, 1001, 1002)
    return caller
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var number: CInt
    var arguments: [Int]
    var result: Int
    var ids: [UInt32]
    init(_ number: CInt, _ arguments: [Int], _ result: Int, _ ids: [UInt32]) {
      self.number = number
      self.arguments = arguments
      self.result = result
      self.ids = ids
    }
    var testDescription: String { "\(number) \(arguments)" }
  }

  static let unchanged: [UInt32] = [1000, 1001, 1002, 1001]
  static let unprivileged: [Row] = [
    Row(SYS_setuid, [1000], 0, [1000, 1000, 1002, 1000]),
    Row(SYS_setuid, [1002], 0, [1000, 1002, 1002, 1002]),
    Row(SYS_setuid, [1001], permissionRefused, unchanged),
    Row(SYS_setuid, [0], permissionRefused, unchanged),
    Row(SYS_setuid, [-1], invalid, unchanged),
    Row(SYS_setreuid, [-1, -1], 0, unchanged),
    Row(SYS_setreuid, [1001, 1000], 0, [1001, 1000, 1000, 1000]),
    Row(SYS_setreuid, [-1, 1000], 0, [1000, 1000, 1002, 1000]),
    Row(SYS_setreuid, [-1, 1002], 0, [1000, 1002, 1002, 1002]),
    Row(SYS_setreuid, [1002, -1], permissionRefused, unchanged),
    Row(SYS_setreuid, [1000, -1], 0, [1000, 1001, 1001, 1001]),
    Row(SYS_setreuid, [-1, 5], permissionRefused, unchanged),
    Row(SYS_setresuid, [1002, 1000, 1001], 0, [1002, 1000, 1001, 1000]),
    Row(SYS_setresuid, [-1, -1, -1], 0, unchanged),
    Row(SYS_setresuid, [-1, 5, -1], permissionRefused, unchanged),
    Row(SYS_setfsuid, [1002], 1001, [1000, 1001, 1002, 1002]),
    Row(SYS_setfsuid, [0], 1001, unchanged),
    Row(SYS_setfsuid, [-1], 1001, unchanged),
  ]

  @Test(arguments: unprivileged) func userIdsWithoutCapabilities(_ row: Row) throws {
    let caller = try mixed()
    let arguments = row.arguments + [0, 0]
    #expect(caller.call(row.number, arguments[0], arguments[1], arguments[2]) == row.result)
    #expect(caller.users == row.ids)
  }

  @Test(arguments: unprivileged) func groupIdsFollowTheSameRules(_ row: Row) throws {
    let caller = try mixed()
    let numbers = [
      SYS_setuid: SYS_setgid, SYS_setreuid: SYS_setregid, SYS_setresuid: SYS_setresgid, SYS_setfsuid: SYS_setfsgid,
    ]
    let arguments = row.arguments + [0, 0]
    #expect(caller.call(numbers[row.number] ?? 0, arguments[0], arguments[1], arguments[2]) == row.result)
    #expect(caller.groups == row.ids)
  }

  @Test func rootGivesAllUpAndCannotComeBack() throws {
    let caller = try root()
    #expect(caller.call(SYS_setgid, 5) == 0)
    #expect(caller.call(SYS_setuid, 1000) == 0)
    #expect(caller.users == [1000, 1000, 1000, 1000])
    #expect(caller.groups == [5, 5, 5, 5])
    #expect(caller.credentials.permitted == [] && caller.credentials.effective == [])
    #expect(caller.call(SYS_setuid, 0) == permissionRefused)
    #expect(caller.call(SYS_setgid, 0) == permissionRefused)
    #expect(caller.call(SYS_setgroups, 0, 0) == permissionRefused)
    #expect(caller.call(SYS_prctl, Int(PR_GET_DUMPABLE)) == 0)
  }

  @Test func effectiveRootComesAndGoes() throws {
    let caller = try root()
    #expect(caller.call(SYS_setresuid, -1, 1000, -1) == 0)
    #expect(caller.credentials.permitted == .all && caller.credentials.effective == [])
    #expect(caller.credentials.fileCredentials.capabilities == 0)
    #expect(caller.credentials.accessCredentials.capabilities == CapabilitySet.all.rawValue)
    #expect(caller.call(SYS_setuid, 0) == 0)
    #expect(caller.users == [0, 0, 0, 0])
    #expect(caller.credentials.effective == .all)
  }

  @Test func fileSystemUserTakesTheFileCapabilities() throws {
    let caller = try root()
    #expect(caller.call(SYS_setfsuid, 1000) == 0)
    #expect(caller.credentials.effective == CapabilitySet.all.subtracting(.fileSystem))
    #expect(caller.call(SYS_setfsuid, 0) == 1000)
    #expect(caller.credentials.effective == .all)
  }

  @Test func keptCapabilitiesSurviveSetuidButNotExecve() throws {
    let caller = try root()
    #expect(caller.call(SYS_prctl, Int(PR_SET_KEEPCAPS), 2) == invalid)
    #expect(caller.call(SYS_prctl, Int(PR_SET_KEEPCAPS), 1) == 0)
    #expect(caller.call(SYS_prctl, Int(PR_GET_KEEPCAPS)) == 1)
    caller.call(SYS_setuid, 1000)
    #expect(caller.credentials.permitted == .all && caller.credentials.effective == [])
    let after = caller.credentials.afterExecve()
    #expect(after.permitted == [] && after.effective == [])
    #expect(!after.secureBits.contains(.keepCapabilities))
    #expect(after.isDumpable)
  }

  @Test func groupsAreSortedAndCounted() throws {
    let caller = try root()
    var list: [UInt32] = [30, 10, 20]
    list.withUnsafeMutableBytes { bytes in
      let address = Int(bitPattern: bytes.baseAddress)
      #expect(caller.call(SYS_setgroups, 3, address) == 0)
      #expect(caller.call(SYS_getgroups, 0, 0) == 3)
      #expect(caller.call(SYS_getgroups, 2, address) == invalid)
      #expect(caller.call(SYS_getgroups, -1, address) == invalid)
      #expect(caller.call(SYS_getgroups, 3, address) == 3)
      #expect(caller.call(SYS_setgroups, 65537, address) == invalid)
      #expect(caller.call(SYS_setgroups, -1, address) == invalid)
    }
    #expect(list == [10, 20, 30])
    #expect(caller.call(SYS_setgroups, 3, 8) == -Int(EFAULT))
    #expect(caller.call(SYS_getgroups, 3, 8) == -Int(EFAULT))
    #expect(caller.credentials.fileCredentials.isMember(of: 20))
  }

  @Test func idsAreStoredForTheGuest() throws {
    let caller = try mixed()
    var ids: [UInt32] = [0, 0, 0]
    ids.withUnsafeMutableBytes { bytes in
      let address = Int(bitPattern: bytes.baseAddress)
      #expect(caller.call(SYS_getresuid, address, address + 4, address + 8) == 0)
    }
    #expect(ids == [1000, 1001, 1002])
    #expect(caller.call(SYS_getresgid, 8, 8, 8) == -Int(EFAULT))
    #expect(caller.call(SYS_getuid) == 1000 && caller.call(SYS_geteuid) == 1001)
    #expect(caller.call(SYS_getgid) == 1000 && caller.call(SYS_getegid) == 1001)
    #expect(caller.call(SYS_getpid) == -Int(ENOSYS))
    #expect(caller.call(SYS_prctl, Int(PR_SET_NAME), 8) == invalid)
  }

  @Test func capgetAndCapset() throws {
    let caller = try root()
    var buffer = [UInt32](repeating: 0, count: 8)
    buffer.withUnsafeMutableBytes { bytes in
      let header = Int(bitPattern: bytes.baseAddress)
      let data = header + 8
      func set(_ version: UInt32, _ process: Int32) {
        bytes.storeBytes(of: version, as: UInt32.self)
        bytes.storeBytes(of: process, toByteOffset: 4, as: Int32.self)
      }
      set(0, 0)
      #expect(caller.call(SYS_capget, header, 0) == 0)
      #expect(bytes.load(as: UInt32.self) == 0x2008_0522)
      set(0, 0)
      #expect(caller.call(SYS_capget, header, data) == invalid)
      #expect(caller.call(SYS_capget, 8, 0) == -Int(EFAULT))
      set(0x2008_0522, 8)
      #expect(caller.call(SYS_capget, header, data) == 0)
      #expect(bytes.load(fromByteOffset: 8, as: UInt32.self) == .max)
      #expect(bytes.load(fromByteOffset: 20, as: UInt32.self) == 0x1ff)
      #expect(caller.call(SYS_capset, header, data) == permissionRefused)
      set(0x2008_0522, 9)
      #expect(caller.call(SYS_capget, header, data) == -Int(ESRCH))
      set(0x2008_0522, -1)
      #expect(caller.call(SYS_capget, header, data) == invalid)

      // Drop all but CAP_SETUID and CAP_KILL, and only the latter effective.
      set(0x2008_0522, 7)
      let sets: [UInt32] = [1 << 5, 1 << 5 | 1 << 7, 1 << 7, 0, 0, 0]
      for (index, value) in sets.enumerated() {
        bytes.storeBytes(of: value, toByteOffset: 8 + 4 * index, as: UInt32.self)
      }
      #expect(caller.call(SYS_capset, header, data) == 0)
      bytes.storeBytes(of: UInt32(1 << 6), toByteOffset: 12, as: UInt32.self)
      #expect(caller.call(SYS_capset, header, data) == permissionRefused)
    }
    #expect(caller.credentials.permitted.rawValue == 1 << 5 | 1 << 7)
    #expect(caller.credentials.effective.rawValue == 1 << 5)
    #expect(caller.call(SYS_prctl, Int(PR_CAP_AMBIENT), Int(PR_CAP_AMBIENT_RAISE), 5) == permissionRefused)
    #expect(caller.call(SYS_prctl, Int(PR_CAP_AMBIENT), Int(PR_CAP_AMBIENT_RAISE), 7) == 0)
    #expect(caller.call(SYS_prctl, Int(PR_CAP_AMBIENT), Int(PR_CAP_AMBIENT_IS_SET), 7) == 1)
    #expect(caller.call(SYS_prctl, Int(PR_CAP_AMBIENT), Int(PR_CAP_AMBIENT_IS_SET), 41) == invalid)
    #expect(caller.call(SYS_prctl, Int(PR_CAP_AMBIENT), Int(PR_CAP_AMBIENT_CLEAR_ALL), 1) == invalid)
    #expect(caller.call(SYS_prctl, Int(PR_CAPBSET_DROP), 5) == permissionRefused)
  }

  @Test func boundingSetLimitsRootAfterExecve() throws {
    let caller = try root()
    #expect(caller.call(SYS_prctl, Int(PR_CAPBSET_READ), 41) == invalid)
    #expect(caller.call(SYS_prctl, Int(PR_CAPBSET_DROP), 41) == invalid)
    #expect(caller.call(SYS_prctl, Int(PR_CAPBSET_READ), 5) == 1)
    #expect(caller.call(SYS_prctl, Int(PR_CAPBSET_DROP), 5) == 0)
    #expect(caller.call(SYS_prctl, Int(PR_CAPBSET_READ), 5) == 0)
    #expect(caller.credentials.effective == .all)
    let after = caller.credentials.afterExecve()
    #expect(after.permitted.rawValue == CapabilitySet.all.rawValue & ~(1 << 5))
    #expect(after.effective == after.permitted)
  }

  @Test func execveOfRealRootWithoutEffectiveRoot() throws {
    let caller = try root()
    caller.call(SYS_setresuid, 0, 1000, 1000)
    let after = caller.credentials.afterExecve()
    #expect(after.permitted == .all && after.effective == [])
    #expect(!after.isDumpable)
    #expect(after.user.saved == 1000)
  }

  @Test func ambientCapabilitiesPassExecve() throws {
    var credentials = TaskCredentials(user: 1000, group: 1000)
    credentials.ambient = .setUserID
    let after = credentials.afterExecve()
    #expect(after.permitted == .setUserID && after.effective == .setUserID)
  }

  @Test func lockedSecureBitsStay() throws {
    let caller = try root()
    #expect(caller.call(SYS_prctl, Int(PR_SET_SECUREBITS), 0x1_0000) == permissionRefused)
    #expect(caller.call(SYS_prctl, Int(PR_SET_SECUREBITS), 0x3) == 0)
    #expect(caller.call(SYS_prctl, Int(PR_GET_SECUREBITS)) == 3)
    #expect(caller.call(SYS_prctl, Int(PR_SET_SECUREBITS), 0x2) == permissionRefused)
    #expect(caller.call(SYS_prctl, Int(PR_SET_SECUREBITS), 0x1) == permissionRefused)
    let after = caller.credentials.afterExecve()
    #expect(after.permitted == [])
  }
}
