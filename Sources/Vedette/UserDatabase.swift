// `--user NAME`: who that is, by the /etc/passwd and /etc/group that the guest will see. The kernel is told who the guest is
// when its namespaces are made, before the tree exists that it will see; so the two files are looked up in a view of the
// same layers that nothing is written through.

import HostFS
import Kernel
import Layers
import LinuxABI

/// A user and perhaps a group, each by a name or a number, as `--user` has them.
public struct UserName: Sendable, Hashable {
  public var user: ByteString
  /// Nil for the user's own group.
  public var group: ByteString?

  public init(user: ByteString, group: ByteString? = nil) {
    self.user = user
    self.group = group
  }
}

/// Who the guest is: ids, and the groups that its user is a member of.
struct GuestUser: Equatable {
  var ids: UserAndGroup
  var groups: [UInt32] = []
}

/// The users and groups of the guest's tree.
struct UserDatabase {
  let configuration: SandboxConfiguration

  /// Larger ones are no lists of users.
  private static let limit = 16 << 20

  /// - Throws: one line that names what is missing.
  func find(_ name: UserName) throws(SandboxError) -> GuestUser {
    let users = try file("/etc/passwd", orNilIf: Self.number(name.user.bytes) != nil)
    let fields = users.flatMap { Self.entry(name.user.bytes, in: $0, keyedBy: [0, 2], count: 7) }
    guard let user = Self.number(name.user.bytes) ?? fields.flatMap({ Self.number($0[2]) }) else {
      throw SandboxError("--user: there is no user '\(name.user)' in /etc/passwd inside (or say UID[:GID] in numbers)")
    }
    var result = GuestUser(ids: UserAndGroup(uid: user, gid: fields.flatMap { Self.number($0[3]) } ?? user))
    let groups = try file("/etc/group", orNilIf: name.group.map { Self.number($0.bytes) != nil } ?? true)
    if let group = name.group {
      let entry = groups.flatMap { Self.entry(group.bytes, in: $0, keyedBy: [0], count: 3) }
      guard let number = Self.number(group.bytes) ?? entry.flatMap({ Self.number($0[2]) }) else {
        throw SandboxError("--user: there is no group '\(group)' in /etc/group inside (or say its number)")
      }
      result.ids.gid = number
    } else if let groups, let fields {
      result.groups = Self.memberships(of: fields[0], in: groups)
    }
    return result
  }

  // MARK: - The two files (`man 5 passwd`, `man 5 group`)

  /// The first line whose name, or number, is `key`; its fields, `count` at least.
  static func entry(_ key: [UInt8], in text: [UInt8], keyedBy columns: [Int], count: Int) -> [[UInt8]]? {
    for line in text.split(separator: 0x0a) where line.first != 0x23 {
      let fields = line.split(separator: 0x3a, omittingEmptySubsequences: false)
      if fields.count >= count, columns.contains(where: { fields[$0].elementsEqual(key) }) {
        return fields.map { [UInt8]($0) }
      }
    }
    return nil
  }

  /// The groups that name `user` as a member, as `initgroups(3)` finds them; at most 65536, as the kernel takes.
  static func memberships(of user: [UInt8], in text: [UInt8]) -> [UInt32] {
    var found: [UInt32] = []
    for line in text.split(separator: 0x0a) where line.first != 0x23 && found.count < 65536 {
      let fields = line.split(separator: 0x3a, omittingEmptySubsequences: false)
      guard fields.count >= 4, let group = number([UInt8](fields[2])) else { continue }
      let isMember = fields[3].split(separator: 0x2c).contains { $0.elementsEqual(user) }
      if isMember, !found.contains(group) { found.append(group) }
    }
    return found
  }

  /// A decimal id; nil for anything else, and for (uid_t)-1, which is none.
  static func number(_ text: [UInt8]) -> UInt32? {
    if text.isEmpty || text.count > 10 || !text.allSatisfy({ (0x30...0x39).contains($0) }) { return nil }
    let value = text.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - 0x30) }
    return value < UInt64(UInt32.max) ? UInt32(value) : nil
  }

  // MARK: - The view

  /// What the guest will see at a path.
  ///
  /// - Parameter isOptional: what cannot be read is as what is not there.
  private func file(_ path: ByteString, orNilIf isOptional: Bool) throws(SandboxError) -> [UInt8]? {
    let upper: ByteString? = if case .directory(let upper) = configuration.upper { upper } else { nil }
    do throws(Errno) {
      if let mounted = try mounted(path) { return mounted.isEmpty ? nil : mounted }
      return try LayeredFile.read(
        path, upper: upper, over: configuration.rootfs, configuration.lowers, limit: Self.limit)
    } catch {
      if isOptional || error == .noSuchFileOrDirectory || error == .notDirectory { return nil }
      throw SandboxError("--user: cannot read '\(path)' inside: \(error)")
    }
  }

  /// What a bind that covers the path has there, nothing if an empty file system does; nil if none does. Which mount points
  /// cover it is seen by their names.
  private func mounted(_ path: ByteString) throws(Errno) -> [UInt8]? {
    let mounts =
      configuration.tmpfs.map { ($0, ByteString?.none) } + configuration.binds.map { ($0.destination, $0.source) }
    let components = path.bytes.split(separator: 0x2f)
    let covering = mounts.map { (point: $0.0.bytes.split(separator: 0x2f), source: $0.1) }
      .filter { components.starts(with: $0.point, by: ==) }
    guard let mount = covering.max(by: { $0.point.count <= $1.point.count }) else { return nil }
    guard let source = mount.source else { return [] }
    let rest = [UInt8](components.dropFirst(mount.point.count).joined(separator: [0x2f]))
    let file: OwnedDescriptor
    if rest.isEmpty {
      file = try source.open(.nonBlocking)
    } else {
      let directory = try source.open([.path, .directory])
      file = OwnedDescriptor(
        try ByteString(rest).withCString { name throws(Errno) in
          try Host.open(name, in: directory.rawValue, .nonBlocking, resolve: [.beneath, .noMagicLinks]).release()
        })
    }
    let status = try Host.stat(file.rawValue)
    guard status.type == .regular, status.size <= Self.limit else { throw .ioError }
    return try Host.readAll(file.rawValue)
  }
}
