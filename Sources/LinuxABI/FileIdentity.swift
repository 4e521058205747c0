// Which file it is: device and inode number. Of an inode of ours, as guests see it; or of a host file.

/// The identity of a file: `st_dev` and `st_ino` as `stat(2)` gives them.
public struct FileIdentity: Hashable, Sendable {
  public var device: UInt64
  public var number: UInt64

  @inlinable
  public init(device: UInt64, number: UInt64) {
    self.device = device
    self.number = number
  }

  @inlinable
  public init(_ status: FileStatus) {
    device = status.device
    number = status.inode
  }

  // Written out to be inlined in other targets: nodes are looked up by it at each call on a descriptor.

  @inlinable
  public static func == (one: FileIdentity, other: FileIdentity) -> Bool {
    one.number == other.number && one.device == other.device
  }

  @inlinable
  public func hash(into hasher: inout Hasher) {
    hasher.combine(device)
    hasher.combine(number)
  }
}
