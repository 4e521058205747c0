// The record of mappings goes from the lower inode to the upper with the content, and not a moment before.

import HostFS
import LinuxABI
import MemoryMap
import OverlayFS
import TestSupport
import Testing
import VFS

@Suite struct MappingTests {
  private func map(_ space: MappingSpace, _ file: Inode) throws {
    try space.map(file, 0..<8192, at: nil, access: .read)
    try space.map(file, 4096..<8192, at: 1 << 20, access: [.read, .shared])
  }

  @Test(arguments: [UpperKind.memory, .store]) func theRecordMovesWithTheContent(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "printf lower > f")
    let file = try #require(try stage.client.at("f") as? OverlayRegularFile)
    let lower = try #require(file.lower)
    let space = MappingSpace()
    try map(space, file)
    let recorded = file.recordedMappings
    #expect(recorded == lower.recordedMappings && recorded.mappings.count == 1 && !file.isSettled)
    var told = 0
    stage.overlay.onCopyUp = { file, from, to in
      told += 1
      // The new answer is there before anybody is told, and both have the record.
      #expect(file.content === to && file.isSettled)
      #expect(from.recordedMappings == recorded && to.recordedMappings == recorded)
      let page: Range<UInt64> = 0..<4096
      do throws(Errno) {
        let translation = try file.translate(required: page, optional: page, access: [.read, .shared])
        let isRight = translation.violation(required: page, optional: page, access: .read) == nil
        let upper = try to.open([])
        let isUpper = try Host.stat(translation.file.rawValue).st_ino == Host.stat(upper.rawValue).st_ino
        #expect(isRight && isUpper)
      } catch {
        Issue.record("\(error)")
      }
    }
    try stage.client.chmod("f", 0o600)
    // Where attributes are copied up alone the content has stayed.
    #expect(told == (kind == .memory ? 0 : 1))
    try stage.client.append("f", "!")
    #expect(told == 1)
    #expect(lower.recordedMappings.isEmpty && file.recordedMappings == recorded)
    withExtendedLifetime(space) {}
  }

  @Test func translatingForWritingCopiesUp() throws {
    let stage = try Stage(.memory, "printf lower > f")
    let file = try #require(try stage.client.at("f") as? OverlayRegularFile)
    let page: Range<UInt64> = 0..<4096
    let own = try file.translate(required: page, optional: page, access: [.read, .write])
    let range = own.range
    #expect(file.upper == nil && range == page)
    let shared = try file.translate(required: page, optional: page, access: [.read, .write, .shared])
    let offset = shared.offset
    #expect(file.content === file.upper && offset == 0)
  }

  @Test func afterARefusedCopyUpTheLowerInodeHasTheRecord() throws {
    let tree = TemporaryTree()
    tree("printf lower > f")
    let overlay = try OverlayFilesystem(upper: nil, lowers: [try HostFilesystem.lower(tree)])
    let file = try Client(overlay).at("f")
    let space = MappingSpace()
    try map(space, file)
    let recorded = file.recordedMappings
    let page: Range<UInt64> = 0..<4096
    #expect(throws: Errno.readOnlyFileSystem) {
      _ = try file.translate(required: page, optional: page, access: [.read, .write, .shared])
    }
    #expect(file.recordedMappings == recorded && !recorded.isEmpty && !file.isSettled)
  }
}
