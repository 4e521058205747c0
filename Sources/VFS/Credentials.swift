// Who acts: the identity that permission checks use. The guest's own, kept by the sentry; the kernel never sees it.

/// The identity of a thread for file access (`man 7 credentials`, `man 7 capabilities`). Ids are those seen inside.
public struct Credentials: Sendable {
  /// The file-system ids.
  public var user: UInt32
  public var group: UInt32
  public var groups: [UInt32]
  /// The effective capability set, bits as in linux/capability.h. It reaches the virtual tree and nothing else.
  public var capabilities: UInt64

  public init(user: UInt32, group: UInt32, groups: [UInt32] = [], capabilities: UInt64) {
    self.user = user
    self.group = group
    self.groups = groups
    self.capabilities = capabilities
  }

  /// Capability numbers of linux/capability.h that file access asks for.
  public enum Capability: UInt8, Sendable {
    case chown = 0
    case dacOverride = 1
    case dacReadSearch = 2
    case fileOwner = 3
    case setID = 4
    case linuxImmutable = 9
    case systemChroot = 18
    case systemAdministrator = 21
    case makeNode = 27
    case setFileCapability = 31
  }

  @inlinable
  public func has(_ capability: Capability) -> Bool { capabilities & (1 << UInt64(capability.rawValue)) != 0 }

  @inlinable
  public func isMember(of group: UInt32) -> Bool { group == self.group || groups.contains(group) }

  /// Every capability that Linux defines (0 ... 40).
  public static let allCapabilities: UInt64 = (1 << 41) - 1
}
