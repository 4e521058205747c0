// What can be mapped, and what is known of who maps it. The kernel makes mappings and serves their faults; a mappable says
// which host file's bytes they must show, and records who shows them, so that they can follow when that file becomes
// another one (copy-up).
//
// Locks. There is one, the tree lock (VFS/Filesystem.swift): every call of a `Mappable` and of a `MappingSpace` is made
// under it, and it is enough for all of them. Nothing here waits for a guest or asks the kernel about one. What acts on
// guests (the move, Sentry/Relocation) runs without the tree lock and takes it to read or reconcile the record; between
// two such moments guests may map and unmap, so whoever acts asks the kernel first.
//
// A switch to another host file, all under one hold of the tree lock (`OverlayRegularFile`):
//   1. all mappings are added to the new mappable: this can fail, and then nothing has changed;
//   2. `translate` answers with the new file from now on;
//   3. translations are invalidated: the move is due before any call is answered;
//   4. the mappings are removed from the old mappable.
// 2 comes before 3 because whoever is told that a translation is no longer good asks for another one; 4 comes last so that
// at every moment the mappings are recorded somewhere.

public import LinuxABI

/// Something that `mmap(2)` can map: in practice the inode of a regular file.
///
/// Invariant, unless `isSettled`: every mapping that the kernel has of the file is expected by the record
/// (`MappingSet.expects`), because it is recorded before the kernel makes it. The reverse need not hold: what munmap and mremap
/// take away is noticed at `reconcileMappings`.
public protocol Mappable: AnyObject {
  /// Constant for the life of the mappable, whichever host file holds the bytes.
  var mappableIdentity: FileIdentity { get }

  /// The bytes are in the host file where they will stay: nobody need record anything any more.
  var isSettled: Bool { get }

  /// A space is about to map `range`, at `address` if it has fixed one.
  ///
  /// - Precondition: `range` is not empty and on page boundaries. The tree lock is held.
  /// - Postcondition: `recordedMappings` expects the mapping. On failure nothing has changed.
  func addMapping(
    _ range: Range<UInt64>, at address: UInt64?, in space: Int, access: MappingAccess
  ) throws(Errno)

  /// Nothing of the file is at `addresses` of the space any more; with nil, nowhere in the space.
  ///
  /// - Postcondition: no known place in the space overlaps `addresses`; with nil, the space is not in the record.
  func removeMapping(_ addresses: Range<UInt64>?, in space: Int)

  /// `child` is a copy of `space` (fork).
  ///
  /// - Precondition: `child` is not in the record.
  /// - Postcondition: what the record has of `child` is what it has of `space`.
  func copyMapping(from space: Int, to child: Int)

  /// The kernel's own list of the space's mappings of the file.
  ///
  /// - Postcondition: what the record has of the space is `list`.
  func reconcileMappings(of space: Int, with list: [Mapping])

  /// What is recorded.
  var recordedMappings: MappingSet { get }

  /// The host file that holds the bytes of `required` now, and as much of `optional` around it as it holds too.
  ///
  /// The answer is good until the next invalidation, or until the tree lock is given up, whichever comes first; the
  /// descriptor stays good. Bytes beyond the file's end translate too: touching them is the kernel's SIGBUS.
  ///
  /// - Precondition: `required` is not empty, `optional` contains it, both are on page boundaries.
  /// - Postcondition: `Translation.violation(required:optional:access:)` is nil.
  /// - Throws: what opening the file says; with `.write` and `.shared`, `.readOnlyFileSystem` where nothing can be written.
  func translate(
    required: Range<UInt64>, optional: Range<UInt64>, access: MappingAccess
  ) throws(Errno) -> Translation

  /// Translations given so far are not kept: whoever acts on them must ask anew before a guest's next call is answered.
  ///
  /// - Precondition: `translate` gives the new answer already.
  func invalidateUnsavable()
}

/// Where the bytes of a range of a mappable are.
public struct Translation: ~Copyable {
  /// Of the host file, opened for what the access needs.
  public let file: OwnedDescriptor
  /// Of the mappable.
  public let range: Range<UInt64>
  /// Where `range` begins in the host file.
  public let offset: UInt64
  /// What the mapping may be made with.
  public let access: MappingAccess

  public init(file: consuming OwnedDescriptor, range: Range<UInt64>, offset: UInt64, access: MappingAccess) {
    self.file = file
    self.range = range
    self.offset = offset
    self.access = access
  }

  /// The host file, given away.
  public consuming func takeFile() -> OwnedDescriptor { file }

  /// What is wrong with this answer to `translate`; nil if it is a right one.
  public func violation(
    required: Range<UInt64>, optional: Range<UInt64>, access: MappingAccess
  ) -> StaticString? {
    if required.isEmpty || !optional.contains(required) { return "the question was none" }
    if !range.contains(required) { return "the required range is not covered" }
    if !optional.contains(range) { return "more was translated than was asked for" }
    if !self.access.isSuperset(of: access) { return "the access was not granted" }
    if (range.lowerBound | range.upperBound | offset) & 4095 != 0 { return "not on page boundaries" }
    return file.rawValue < 0 ? "there is no file" : nil
  }
}

extension Range<UInt64> {
  fileprivate func contains(_ other: Range<UInt64>) -> Bool {
    lowerBound <= other.lowerBound && other.upperBound <= upperBound
  }
}
