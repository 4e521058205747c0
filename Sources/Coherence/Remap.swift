// One file whose content has been copied up, and what guests hold of the lower file follows. The work in one process is in
// `ProcessRemap`.
//
// The order of things: copy-up commits under the tree lock and enters the remap (`Coherence.contentCopiedUp`); the handler that
// caused it returns; before anything is answered, on either gate, `flushRemaps` has the platform stop who holds the file
// and remaps it there. So no guest can write to the upper file while another one still reads the lower one.

import Gate
import Kernel
import LinuxABI

/// One file to be remapped. Used on the tracer thread once it is made; the two descriptors never change.
final class Remap: Sendable {
  /// The file, whichever layer holds its content.
  let file: FileIdentity
  /// The lower file on the host.
  let lower: FileIdentity
  /// Open for reading: by it the kernel is asked how its lists of mappings name the lower file.
  private let lowerFile: OwnedDescriptor
  /// Open for reading: what new descriptors are opened from, and what is mapped. With O_NOATIME where the host allows it:
  /// to map a file is to read it (`man 2 mmap`), and the guest has not.
  private let upperFile: OwnedDescriptor

  /// An open file description of the lower file, which any number of descriptors may share, and its successor.
  final class Description: Sendable {
    let old: OwnedDescriptor
    let new: OwnedDescriptor

    init(old: consuming OwnedDescriptor, new: consuming OwnedDescriptor) {
      self.old = old
      self.new = new
    }
  }
  /// How many seccomp filters a guest has that has added none.
  let initialFilters: Int
  private let replaced = Lock<[Description]>(.replacedDescriptions, [])
  private let listed = Lock<(lower: ListedFile, upper: ListedFile)?>(.listedFiles, nil)

  init(
    of file: FileIdentity, from lower: FileIdentity, lowerFile: consuming OwnedDescriptor,
    upperFile: consuming OwnedDescriptor, initialFilters: Int
  ) {
    self.file = file
    self.lower = lower
    self.initialFilters = initialFilters
    self.lowerFile = lowerFile
    try? Host.setOpenFlags(of: upperFile.rawValue, to: .noAccessTime)
    self.upperFile = upperFile
  }

  var upperDescriptor: CInt { upperFile.rawValue }

  /// How the kernel's lists of mappings name the two files.
  func listedFiles() throws(Errno) -> (lower: ListedFile, upper: ListedFile) {
    if let known = listed.withLock({ $0 }) { return known }
    let found = (lower: try ListedFile(of: lowerFile.rawValue), upper: try ListedFile(of: upperFile.rawValue))
    listed.withLock { $0 = found }
    return found
  }

  /// The successor of descriptor `number` of `table`, made at the first descriptor that shares the description.
  func successor(of number: CInt, in table: DescriptorTable, of thread: ThreadID) throws(Errno) -> Description {
    if !Host.comparesProcesses { return try successor(ofOur: try table.duplicate(number)) }
    for known in replaced.withLock({ $0 })
    where (try? Host.isSameDescription(known.old.rawValue, as: number, of: thread)) == true { return known }
    return try makeSuccessor(of: try table.duplicate(number))
  }

  /// The same for a duplicate of ours.
  func successor(ofOur old: consuming OwnedDescriptor) throws(Errno) -> Description {
    for known in replaced.withLock({ $0 }) where Self.isSame(known.old.rawValue, old.rawValue) { return known }
    return try makeSuccessor(of: old)
  }

  private func makeSuccessor(of old: consuming OwnedDescriptor) throws(Errno) -> Description {
    let flags = try Host.openFlags(of: old.rawValue)
    let kept = flags.intersection([.append, .nonBlocking, .direct, .sync, .dataSync, .noAccessTime, .largeFile])
    let new = try reopen(kept)
    try Host.seek(new.rawValue, to: try Host.seek(old.rawValue, to: 0, from: .current))
    let made = Description(old: old, new: new)
    replaced.withLock { $0.append(made) }
    return made
  }

  private func reopen(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    let path = "/proc/self/fd/\(upperFile.rawValue)"
    do throws(Errno) {
      return try Host.openTrusted(path, flags)
    } catch {
      // O_NOATIME of a file that is not ours, O_DIRECT where the upper has none.
      return try Host.openTrusted(path, flags.subtracting([.noAccessTime, .direct]))
    }
  }

  /// Whether two descriptors of ours are one open file description, without kcmp(2): the signal that a description sends,
  /// which means nothing for a regular file, is seen by all who share it.
  private static func isSame(_ one: CInt, _ other: CInt) -> Bool {
    do throws(Errno) {
      let former = try Host.readinessSignal(of: one)
      guard try Host.readinessSignal(of: other) == former else { return false }
      let probe = former == .inputOutput ? Signal.urgent : .inputOutput
      try Host.setReadinessSignal(of: one, to: probe)
      defer { try? Host.setReadinessSignal(of: one, to: former) }
      return try Host.readinessSignal(of: other) == probe
    } catch {
      return false
    }
  }
}
