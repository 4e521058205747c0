// Which files an address space may have mapped. The kernel's list of mappings is the truth; this record only says where it
// is worth asking, so that a copy-up looks into the spaces concerned and no others.

/// The identity of a host file: device and inode number as `stat(2)` gives them.
public struct FileIdentity: Hashable, Sendable {
  public var device: UInt64
  public var number: UInt64

  public init(device: UInt64, number: UInt64) {
    self.device = device
    self.number = number
  }
}

/// A guest's address space, shared by the tasks that CLONE_VM ties together.
///
/// Invariant: every file that is mapped in the space is in `files`. The reverse need not hold: munmap and mremap run
/// natively, and what they take away is noticed when the kernel is asked.
public final class MappingSpace {
  public private(set) var files: Set<FileIdentity>

  public init() { files = [] }

  private init(_ files: Set<FileIdentity>) { self.files = files }

  /// A mapping of `file` is about to be made.
  public func add(_ file: FileIdentity) { files.insert(file) }

  /// The kernel says that nothing of `file` is mapped any more.
  public func remove(_ file: FileIdentity) { files.remove(file) }

  public func mayMap(_ file: FileIdentity) -> Bool { files.contains(file) }

  /// The space of a forked child: a copy that costs nothing until one of the two changes.
  public func copy() -> MappingSpace { MappingSpace(files) }
}
