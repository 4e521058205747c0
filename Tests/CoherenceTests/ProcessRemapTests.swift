// The remap of a file in a process: this one, whose calls are made in place of a stopped guest's.

import CLinux
import Gate
import Kernel
import LinuxABI
import Testing
import VFS

@testable import Coherence

private final class Owner: CoherenceOwner {
  func withCoherence<Result: Sendable>(_ body: (Coherence) -> Result) -> Result { body(Coherence(nil)) }
}

/// Makes the calls in this process. A number that is not one of the lower file's is left alone: other tests use it, or are about to.
private struct OwnThread: ~Copyable, StoppedThread {
  let thread = ThreadID(getpid())
  let lower: FileIdentity
  var instructionPointer: UInt64 { 0 }
  /// What stands for a number that is not the lower file's.
  var injected: [CInt: CInt] = [:]
  init(_ lower: FileIdentity) { self.lower = lower }

  deinit { for file in injected.values { close(file) } }

  /// Calls and replacements, made or refused.
  var count = 0
  /// At this one the thread is gone.
  var end = Int.max
  /// Addresses at which nothing can be mapped.
  var sealed: Range<UInt64> = 0..<0

  private mutating func begin() throws(RemoteCallError) {
    count += 1
    if count >= end { throw .threadGone }
  }

  mutating func call(_ call: SystemCall) throws(RemoteCallError) -> Int {
    try begin()
    var arguments = call.arguments
    if call.number == Int(SYS_mmap) {
      if sealed.contains(arguments.0) { throw .refused(.notPermitted) }
      arguments.4 = injected[CInt(arguments.4)].map { UInt64($0) } ?? arguments.4
    }
    if call.number == Int(SYS_close), let file = injected.removeValue(forKey: CInt(arguments.0)) {
      arguments.0 = UInt64(file)
    }
    let result = vd_syscall(
      call.number, Int(bitPattern: UInt(arguments.0)), Int(arguments.1), Int(arguments.2), Int(arguments.3),
      Int(bitPattern: UInt(arguments.4)), Int(arguments.5))
    if result < 0 { throw .refused(Errno(rawValue: CInt(-result))) }
    return result
  }

  mutating func replaceDescriptor(_ number: CInt, by file: CInt, closeOnExec: Bool) throws(RemoteCallError) {
    try begin()
    if let status = try? Host.stat(number), FileIdentity(status) == lower {
      _ = vd_syscall(Int(SYS_dup3), Int(file), Int(number), closeOnExec ? Int(O_CLOEXEC) : 0, 0, 0, 0)
    } else {
      injected[number] = CInt(vd_syscall(Int(SYS_fcntl), Int(file), Int(F_DUPFD_CLOEXEC), 500, 0, 0, 0))
    }
  }

  mutating func sendDescriptor(_ number: CInt) throws(RemoteCallError) -> OwnedDescriptor {
    try begin()
    return OwnedDescriptor(dup(number))
  }
}

@Suite struct ProcessRemapTests {
  private let filesystem = HostFiles()
  private let (lower, upper): (HostFile, HostFile)

  init() throws {
    lower = try HostFile(filesystem, pages: 4, of: "l")
    upper = try HostFile(filesystem, pages: 4, of: "u")
  }

  private func remap(mayMap: Bool = true) throws -> ProcessRemap {
    let remap = Remap(
      of: lower.identity, from: try lower.hostIdentity, lowerFile: try lower.open([]), upperFile: try upper.open([]),
      initialFilters: .max)
    return ProcessRemap(remap: remap, mayMap: mayMap, owner: Owner())
  }

  /// A mapping of the lower file, as a guest has it.
  private func map(_ protection: CInt, _ flags: CInt) throws -> UnsafeMutablePointer<UInt8> {
    let file = try lower.open([])
    let address = mmap(nil, 4 * 4096, protection, flags, file.rawValue, 0)
    return try #require(address).assumingMemoryBound(to: UInt8.self)
  }

  private func text(_ memory: UnsafePointer<UInt8>) -> String {
    String(decoding: (0..<4).map { memory[$0 * 4096] }, as: UTF8.self)
  }

  private func files(at memory: UnsafePointer<UInt8>) throws -> [KernelMapping] {
    let start = UInt64(UInt(bitPattern: memory))
    return try KernelMapping.list(of: getpid()).filter { $0.range.overlaps(start..<(start + 4 * 4096)) }
  }

  @Test func mappingsShowTheUpperFile() throws {
    let (shared, own) = (try map(PROT_READ, MAP_SHARED), try map(PROT_READ | PROT_WRITE, MAP_PRIVATE))
    defer { for memory in [shared, own] { munmap(memory, 4 * 4096) } }
    own[4096] = UInt8(ascii: "p")
    #expect(text(shared) == "llll" && text(own) == "lpll")
    var guest = OwnThread(try lower.hostIdentity)
    try remap().run(in: &guest)
    // What the process has written stays its own, in one mapping with the rest.
    #expect(text(shared) == "uuuu" && text(own) == "upuu")
    #expect(try files(at: own).count == 1)
    let left = guest.injected.count
    #expect(left == 0)
    // Nothing is left to be done.
    let count = guest.count
    try remap(mayMap: true).run(in: &guest)
    #expect(text(own) == "upuu")
    // The descriptors that `remap` itself holds of the lower file are replaced again, and no mapping.
    #expect(guest.count - count <= 2)
  }

  @Test func protectedPagesKeepWhatWasWritten() throws {
    let own = try map(PROT_READ | PROT_WRITE, MAP_PRIVATE)
    defer { munmap(own, 4 * 4096) }
    own[2 * 4096] = UInt8(ascii: "p")
    mprotect(own, 4 * 4096, PROT_NONE)
    var guest = OwnThread(try lower.hostIdentity)
    try remap().run(in: &guest)
    let listed = try files(at: own)
    #expect(listed.allSatisfy { $0.access == [] }, "\(listed)")
    mprotect(own, 4 * 4096, PROT_READ)
    #expect(text(own) == "uupu")
  }

  @Test func descriptorsKeepTheirOffsetAndWhatTheyShare() throws {
    let file = try lower.open([.nonBlocking])
    let twin = OwnedDescriptor(dup(file.rawValue))
    lseek(file.rawValue, 5000, SEEK_SET)
    var guest = OwnThread(try lower.hostIdentity)
    try remap(mayMap: false).run(in: &guest)
    let identity = try upper.hostIdentity
    #expect(try FileIdentity(Host.stat(file.rawValue)) == identity)
    #expect(try FileIdentity(Host.stat(twin.rawValue)) == identity)
    #expect(lseek(twin.rawValue, 0, SEEK_CUR) == 5000)
    lseek(twin.rawValue, 6000, SEEK_SET)
    #expect(lseek(file.rawValue, 0, SEEK_CUR) == 6000)
    let flags = vd_syscall(Int(SYS_fcntl), Int(file.rawValue), Int(F_GETFL), 0, 0, 0, 0)
    #expect(flags & Int(O_NONBLOCK) != 0)
  }

  @Test func oneRefusedMappingDoesNotKeepTheOthers() throws {
    let (first, second) = (try map(PROT_READ, MAP_SHARED), try map(PROT_READ, MAP_SHARED))
    defer { for memory in [first, second] { munmap(memory, 4 * 4096) } }
    var guest = OwnThread(try lower.hostIdentity)
    let start = UInt64(UInt(bitPattern: first))
    guest.sealed = start..<(start + 4 * 4096)
    try remap().run(in: &guest)
    #expect(text(first) == "llll" && text(second) == "uuuu")
  }

  /// Whenever the thread dies, no other call is made in it.
  @Test func inADeadThreadNoFurtherCallIsMade() throws {
    let mappings = try (0..<3).map { _ in try map(PROT_READ | PROT_WRITE, MAP_PRIVATE) }
    defer { for memory in mappings { munmap(memory, 4 * 4096) } }
    for memory in mappings { memory[4096] = UInt8(ascii: "p") }
    for end in 1...6 {
      var guest = OwnThread(try lower.hostIdentity)
      guest.end = end
      try remap().run(in: &guest)
      let count = guest.count
      #expect(count == end)
    }
  }
}
