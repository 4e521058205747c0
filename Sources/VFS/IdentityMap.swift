// The supervisor's own ids on the host and inside.

/// How the supervisor's ids look inside. A host id of the caller is shown as `user` and `group`; others as they are.
public struct IdentityMap: Sendable {
  public var hostUser: UInt32
  public var hostGroup: UInt32
  public var user: UInt32
  public var group: UInt32

  public init(hostUser: UInt32, hostGroup: UInt32, user: UInt32, group: UInt32) {
    self.hostUser = hostUser
    self.hostGroup = hostGroup
    self.user = user
    self.group = group
  }

  @inlinable
  public func inside(user id: UInt32) -> UInt32 { id == hostUser ? user : id }

  @inlinable
  public func inside(group id: UInt32) -> UInt32 { id == hostGroup ? group : id }

  @inlinable
  public func onHost(user id: UInt32) -> UInt32 { id == user ? hostUser : id }

  @inlinable
  public func onHost(group id: UInt32) -> UInt32 { id == group ? hostGroup : id }
}
