// Which files the registry knows, and which it never forgets.

import CLinux
import Gate
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

@testable import Sentry

@Suite struct NodeRegistryTests {
  private final class File: Inode {
    let isLower: Bool
    override var isBackedByLower: Bool { isLower }

    init(_ filesystem: Filesystem, _ number: UInt64, isLower: Bool) {
      self.isLower = isLower
      super.init(
        filesystem: filesystem, type: number == 1 ? .directory : .regular, number: number,
        permissions: Permissions(rawValue: 0o755), owner: 0, group: 0)
    }
  }
  private final class Files: Filesystem {
    private lazy var top = File(self, 1, isLower: false)
    override var root: Inode { top }
  }

  private let scratch: Scratch
  private let registry: NodeRegistry
  private let filesystem = Files(typeName: "test")
  private let tree: VirtualFileSystem

  init() throws {
    scratch = try Scratch()
    registry = NodeRegistry(store: scratch.store)
    tree = VirtualFileSystem(root: filesystem, source: [])
  }

  private func status(_ number: UInt64, device: UInt64 = 77) -> FileStatus {
    var status = FileStatus()
    status.device = device
    status.inode = number
    return status
  }

  private func register(_ number: UInt64, isLower: Bool) throws {
    try registry.register(status(number), tree.root, File(filesystem, number, isLower: isLower))
  }

  @Test func lowerFileStaysKnownAsOne() throws {
    try register(5, isLower: true)
    try register(6, isLower: false)
    try register(7, isLower: true)
    let (lower, upper, open) = (BackingIdentity(status(5)), BackingIdentity(status(6)), BackingIdentity(status(7)))
    #expect(registry.isLower(lower) && !registry.isLower(upper) && !registry.hasForgotten(lower))
    for _ in 0..<3 {
      registry.sweep([open], filesystem, cost: 3)
      #expect(registry.node(lower) == nil && registry.node(upper) == nil && registry.node(open) != nil)
      #expect(registry.hasForgotten(lower) && registry.isLower(lower))
      #expect(!registry.hasForgotten(upper) && !registry.hasForgotten(open))
      #expect(!registry.hasForgotten(BackingIdentity(status(5, device: 78))))
    }
    // Opened again it is a node again; copied up, its number may be a file's that guests write to.
    try register(5, isLower: true)
    #expect(registry.node(lower) != nil)
  }

  /// Looking at a million descriptors again costs more than 4096 nodes.
  @Test func aDearSweepIsSeldom() throws {
    func add(_ numbers: Range<UInt64>) throws { for number in numbers { try register(number, isLower: false) } }
    try add(1..<4096)
    #expect(!registry.isSweepDue(filesystem))
    try add(4096..<4097)
    #expect(registry.isSweepDue(filesystem))
    registry.sweep([], filesystem, cost: 5000 * 16)
    try add(1..<5000)
    #expect(!registry.isSweepDue(filesystem))
    try add(5000..<5001)
    #expect(registry.isSweepDue(filesystem))
    registry.sweep([], filesystem, cost: 1)
    try add(1..<4097)
    #expect(registry.isSweepDue(filesystem))
  }

  /// Hundreds of thousands of them, at the price of the numbers alone.
  @Test func forgottenFilesAreCheap() {
    func resident() -> Int {
      do throws(Errno) {
        let fields = try Host.readFile("/proc/self/statm").split(separator: 0x20)
        return (Int(String(decoding: fields[1], as: UTF8.self)) ?? 0) * 4096
      } catch {
        return -1
      }
    }
    // Just behind a growth of the table: the worst moment.
    let count = 800_000
    var forgotten = ForgottenFiles()
    var least = Int.max
    // Tests beside this one take memory as well: one attempt without them is enough. All are kept, so that none finds the
    // memory of the one before.
    var kept: [ForgottenFiles] = []
    for _ in 0..<8 where least > 32 {
      kept.append(forgotten)
      forgotten = ForgottenFiles()
      let before = resident()
      #expect(before > 0)
      for number in 0..<count { forgotten.insert(BackingIdentity(device: 5, number: UInt64(number) &* 7 &+ 1)) }
      least = min(least, (resident() - before) / count)
    }
    #expect(least <= 32, "\(least) bytes a file")
    #expect(forgotten.count == count && kept.first?.count == 0)
    #expect(forgotten.contains(BackingIdentity(device: 5, number: 8)))
    #expect(!forgotten.contains(BackingIdentity(device: 5, number: 9)))
  }

  @Test func descriptorInformationTellsOfLocksOfTheProcess() {
    func information(_ text: String) -> DescriptorInformation { DescriptorInformation(Array(text.utf8)) }
    let plain = information("pos:\t0\nflags:\t0100002\nmnt_id:\t30\n")
    #expect(plain.flags.contains(.readWrite) && !plain.hasProcessLock)
    #expect(information("flags:\t0\nlock:\t1: POSIX  ADVISORY  READ 12 fe:00:56 0 EOF\n").hasProcessLock)
    #expect(!information("flags:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 12 fe:00:56 0 EOF\n").hasProcessLock)
    #expect(!information("lock:\t1: OFDLCK  ADVISORY  READ -1 fe:00:56 0 EOF\n").hasProcessLock)
  }
}
