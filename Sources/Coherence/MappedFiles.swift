// The record of who maps what: for each address space the files that it may map and that can get another backing file. Where in
// the space, and whether still, is not recorded: the kernel knows (KernelMapping.swift), and is asked before anything is done.
//
// A file is entered before the kernel makes the mapping. munmap, mremap and mprotect run natively and are not seen, so the
// record can be too large and is never too small.

public import LinuxABI
public import VFS

/// The files that one address space may map, shared by the tasks that CLONE_VM ties together. Used under the tree lock.
///
/// Invariant: every file without its final backing of which the kernel may have a mapping in the space is in it; and every file
/// with a pending remap of which that was so. The record holds the inodes, as the kernel's mappings hold their files, and ends
/// with the space (its last task exits or executes).
public final class MappedFiles {
  private var files: [FileIdentity: Inode]
  private var charge: MemoryCharge

  public init(_ budget: MemoryBudget) {
    files = [:]
    charge = MemoryCharge(budget)
  }

  private init(_ files: [FileIdentity: Inode], _ budget: MemoryBudget) {
    self.files = files
    charge = MemoryCharge(budget)
    charge.add(files.count * MemoryCost.mapping)
  }

  /// A mapping of the file is about to be made.
  ///
  /// - Throws: `.noSpace` if the budget has no room; nothing has changed then.
  public func insert(_ file: Inode) throws(Errno) {
    let identity = file.identity
    if files[identity] != nil { return }
    guard charge.grow(MemoryCost.mapping) else { throw .noSpace }
    files[identity] = file
  }

  public func mayMap(_ file: FileIdentity) -> Bool { files[file] != nil }

  public var isEmpty: Bool { files.isEmpty }

  var inodes: some Sequence<Inode> { files.values }

  /// Removes the files that no remap will concern any more. To be called while none is pending.
  func removeFinal() {
    let count = files.count
    files = files.filter { !$0.value.hasFinalBacking }
    charge.add((files.count - count) * MemoryCost.mapping)
  }

  /// The record of a forked child.
  public func copy(_ budget: MemoryBudget) -> MappedFiles { MappedFiles(files, budget) }
}
