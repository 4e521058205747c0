// A guest's address space, as far as files go: which mappables it may show. What exactly shows where is each mappable's own
// record; the kernel's list is the truth, and the record says where that list is worth reading.

public import LinuxABI
import Synchronization

/// The identity of a file: device and inode number as `stat(2)` gives them.
public struct FileIdentity: Hashable, Sendable {
  public var device: UInt64
  public var number: UInt64

  public init(device: UInt64, number: UInt64) {
    self.device = device
    self.number = number
  }
}

/// A guest's address space, shared by the tasks that CLONE_VM ties together. Used under the tree lock.
///
/// Invariant: every mappable that is not settled and of which the kernel may have a mapping in the space is in
/// `mappables`, and is held by it: as the kernel's mapping holds its file. A space that goes (its last task exits or
/// executes) takes its records with it.
public final class MappingSpace {
  /// Unique in the process, and growing: a child's is larger than its parent's.
  public let number: Int
  public private(set) var mappables: [FileIdentity: any Mappable]
  /// Those whose bytes have moved to another host file, while the kernel's mappings here have not followed yet.
  private var invalid: Set<FileIdentity> = []

  private static let last = Atomic<Int>(0)

  public init() {
    number = Self.last.add(1, ordering: .relaxed).newValue
    mappables = [:]
  }

  private init(copying parent: MappingSpace) {
    number = Self.last.add(1, ordering: .relaxed).newValue
    mappables = parent.mappables
    invalid = parent.invalid
    for mappable in mappables.values { mappable.copyMapping(from: parent.number, to: number) }
  }

  deinit {
    for mappable in mappables.values { mappable.removeMapping(nil, in: number) }
  }

  /// A mapping is about to be made: see `Mappable.addMapping`.
  public func map(
    _ mappable: any Mappable, _ range: Range<UInt64>, at address: UInt64?, access: MappingAccess
  ) throws(Errno) {
    try mappable.addMapping(range, at: address, in: number, access: access)
    let identity = mappable.mappableIdentity
    if mappables[identity] == nil { mappables[identity] = mappable }
  }

  /// The bytes of a mappable are in another host file now: the record is kept until `reconcile`.
  public func invalidate(_ identity: FileIdentity) {
    if mayMap(identity) { invalid.insert(identity) }
  }

  /// The kernel says where the file is mapped in this space, and the mappings are about to follow it if they have not. A
  /// mappable that is mapped nowhere is let go.
  public func reconcile(_ identity: FileIdentity, with list: [Mapping]) {
    invalid.remove(identity)
    guard let mappable = mappables[identity] else { return }
    mappable.reconcileMappings(of: number, with: list)
    if list.isEmpty {
      mappable.removeMapping(nil, in: number)
      mappables[identity] = nil
    }
  }

  /// Lets go of what will never move, and need not follow.
  public func forgetSettled() {
    for (identity, mappable) in mappables where mappable.isSettled && !invalid.contains(identity) {
      mappable.removeMapping(nil, in: number)
      mappables[identity] = nil
    }
  }

  public func mayMap(_ identity: FileIdentity) -> Bool { mappables[identity] != nil }

  /// The space of a forked child.
  public func copy() -> MappingSpace { MappingSpace(copying: self) }
}
