import LinuxABI
import Testing

@testable import MemoryMap

/// A mappable that does nothing but record.
private final class Record: Mappable {
  let mappableIdentity: FileIdentity
  var recordedMappings = MappingSet()
  var isSettled = false

  init(_ number: UInt64) { mappableIdentity = FileIdentity(device: 1, number: number) }

  func addMapping(_ range: Range<UInt64>, at address: UInt64?, in space: Int, access: MappingAccess) throws(Errno) {
    if range.upperBound > 1 << 40 { throw .noMemory }
    recordedMappings.add(range, at: address, in: space, access: access)
  }

  func removeMapping(_ addresses: Range<UInt64>?, in space: Int) {
    if let addresses {
      recordedMappings.remove(addresses, in: space)
    } else {
      recordedMappings.remove(space: space)
    }
  }

  func copyMapping(from space: Int, to child: Int) { recordedMappings.copy(from: space, to: child) }

  func reconcileMappings(of space: Int, with list: [Mapping]) { recordedMappings.reconcile(space, with: list) }

  func translate(required: Range<UInt64>, optional: Range<UInt64>, access: MappingAccess) throws(Errno) -> Translation {
    Translation(file: OwnedDescriptor(-1), range: optional, offset: optional.lowerBound, access: access)
  }

  func invalidateUnsavable() {}
}

@Suite struct MappingSpaceTests {
  @Test func aSpaceTakesItsRecordsWithIt() throws {
    let file = Record(1)
    var parent: MappingSpace? = MappingSpace()
    try parent?.map(file, 0..<4096, at: nil, access: .read)
    let child = parent?.copy()
    #expect(file.recordedMappings.spaces.count == 2)
    try parent?.map(file, 4096..<8192, at: nil, access: [.read, .shared])
    parent = nil
    #expect(file.recordedMappings.spaces == [child?.number ?? 0])
    #expect(file.recordedMappings.requests.count == 1)
    #expect(child?.mayMap(file.mappableIdentity) == true)
  }

  @Test func aRefusedMappingIsNotRemembered() {
    let file = Record(1)
    let space = MappingSpace()
    #expect(throws: Errno.noMemory) { try space.map(file, 0..<1 << 41, at: nil, access: .read) }
    #expect(!space.mayMap(file.mappableIdentity) && file.recordedMappings.isEmpty)
  }

  @Test func whatIsMappedNowhereIsLetGo() throws {
    let (file, other) = (Record(1), Record(2))
    let space = MappingSpace()
    try space.map(file, 0..<4096, at: nil, access: .read)
    try space.map(other, 0..<4096, at: nil, access: .read)
    space.reconcile(file.mappableIdentity, with: [])
    #expect(!space.mayMap(file.mappableIdentity) && file.recordedMappings.isEmpty)
    other.isSettled = true
    // Its mappings have not followed yet.
    space.invalidate(other.mappableIdentity)
    space.forgetSettled()
    #expect(space.mayMap(other.mappableIdentity))
    space.reconcile(other.mappableIdentity, with: [])
    try space.map(other, 0..<4096, at: nil, access: .read)
    space.forgetSettled()
    #expect(space.mappables.isEmpty && other.recordedMappings.isEmpty)
  }

  @Test func aWrongTranslationIsSeen() throws {
    let page: Range<UInt64> = 4096..<8192
    func violates(_ file: CInt, _ range: Range<UInt64>, at offset: UInt64, _ access: MappingAccess) -> Bool {
      let translation = Translation(file: OwnedDescriptor(file), range: range, offset: offset, access: access)
      return translation.violation(required: page, optional: 0..<16384, access: .read) != nil
    }
    #expect(violates(-1, page, at: 4096, .read))
    #expect(violates(-1, 0..<4096, at: 0, .read))
    #expect(violates(-1, 0..<32768, at: 0, .read))
    #expect(violates(-1, page, at: 100, .read))
    #expect(violates(-1, page, at: 4096, .execute))
    let null = try Host.openTrusted("/dev/null", []).release()
    #expect(!violates(null, 0..<8192, at: 0, [.read, .write]))
  }
}
