import LinuxABI
import TestSupport
import Testing
import VFS

@testable import Coherence

/// A regular file that gets another backing file when the test says so.
private final class File: Inode {
  var isFinal = false
  override var hasFinalBacking: Bool { isFinal }
}

/// The record of who maps what.
@Suite struct MappedFilesTests {
  private let budget = MemoryBudget(limit: 3 * MemoryCost.mapping)
  private let filesystem = Filesystem(typeName: "test")

  private func file(_ number: UInt64) -> File {
    File(filesystem: filesystem, type: .regular, number: number, permissions: [], owner: 0, group: 0)
  }

  @Test func aForkedSpaceMayMapWhatItsParentMay() throws {
    let (first, second) = (file(1), file(2))
    var parent: MappedFiles? = MappedFiles(budget)
    try parent?.insert(first)
    let child = try #require(parent?.copy(budget))
    try parent?.insert(second)
    #expect(parent?.mayMap(second.identity) == true && !child.mayMap(second.identity))
    #expect(budget.used == 3 * MemoryCost.mapping)
    parent = nil
    #expect(child.mayMap(first.identity) && budget.used == MemoryCost.mapping)
  }

  @Test func aFileIsPaidForOnceAndARefusedOneIsNotRecorded() throws {
    let files = MappedFiles(budget)
    for _ in 0..<10 { for number in 1...3 { try files.insert(file(UInt64(number))) } }
    #expect(throws: Errno.noSpace) { try files.insert(file(4)) }
    #expect(!files.mayMap(file(4).identity) && files.mayMap(file(3).identity))
    // One that is recorded needs no room.
    try files.insert(file(1))
  }

  @Test func theRecordHoldsTheInode() throws {
    let files = MappedFiles(budget)
    weak var held: File?
    do {
      let made = file(1)
      held = made
      try files.insert(made)
    }
    #expect(held != nil)
    held?.isFinal = true
    files.removeFinal()
    #expect(held == nil)
  }

  @Test func filesWithTheirFinalBackingAreLetGo() throws {
    let (first, second) = (file(1), file(2))
    let files = MappedFiles(budget)
    try files.insert(first)
    try files.insert(second)
    first.isFinal = true
    files.removeFinal()
    #expect(!files.mayMap(first.identity) && files.mayMap(second.identity))
    #expect(budget.used == MemoryCost.mapping)
    second.isFinal = true
    files.removeFinal()
    #expect(files.isEmpty && budget.used == 0)
  }
}
