// The corrected stack block, built over one such as the kernel leaves it, in memory of the test's own process.

import CLinux
import Gate
import Kernel
import LinuxABI
import Testing

@testable import Sentry

/// A stand-in for a fresh process's stack: an anonymous mapping with a block in it, made as `create_elf_tables` makes it.
final class FakeStack {
  let range: Range<UInt64>
  private(set) var stackPointer: UInt64 = 0
  let memory = GuestMemory(thread: getpid())

  static let random: [UInt8] = Array(0..<16)

  init(arguments: [String], environment: [String], size: Int = 1 << 20) throws {
    let address = try Host.call(.mmap, 0, size, Int(PROT_READ | PROT_WRITE), 0x22, -1, 0)
    range = UInt64(address)..<UInt64(address + size)
    var top = range.upperBound - 8
    func push(_ bytes: [UInt8]) throws(Errno) -> UInt64 {
      top -= UInt64(bytes.count)
      try memory.write(bytes, at: top)
      return top
    }
    func strings(_ list: [String]) throws(Errno) -> [UInt64] {
      var addresses: [UInt64] = []
      for string in list.reversed() { addresses.insert(try push(Array(string.utf8) + [0]), at: 0) }
      return addresses
    }
    let name = try push(Array("/trampoline\0".utf8))
    let environment = try strings(environment)
    let arguments = try strings(arguments)
    top = (top - 1000) & ~15
    let platform = try push(Array("x86_64\0".utf8))
    let random = try push(Self.random)
    let auxiliary: [(CInt, UInt64)] = [
      (AT_SYSINFO_EHDR, 0x7fff_1000), (AT_HWCAP, 0xbfeb), (AT_PAGESZ, 4096), (AT_PHDR, 1), (AT_PHENT, 2),
      (AT_PHNUM, 3), (AT_BASE, 4), (AT_FLAGS, 5), (AT_ENTRY, 6), (AT_UID, 7), (AT_EUID, 8), (AT_GID, 9),
      (AT_EGID, 10), (AT_SECURE, 1), (AT_RANDOM, random), (AT_EXECFN, name), (AT_PLATFORM, platform), (AT_NULL, 0),
    ]
    let words =
      [UInt64(arguments.count)] + arguments + [0] + environment + [0] + auxiliary.flatMap { [UInt64($0.0), $0.1] }
    stackPointer = (top - UInt64(words.count * 8)) & ~15
    try memory.write(words.withUnsafeBytes { [UInt8]($0) }, at: stackPointer)
  }

  deinit { _ = try? Host.call(.munmap, Int(range.lowerBound), range.count) }
}

/// The C string at `address` of the test's own process.
func string(at address: UInt64) throws(Errno) -> String {
  let bytes = try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer throws(Errno) in
    let count = try GuestMemory(thread: getpid()).readString(into: buffer, at: address)
    return [UInt8](buffer[..<count])
  }
  return String(decoding: bytes, as: UTF8.self)
}

/// All bytes of `range`, as text with `|` for NUL: what /proc/PID/cmdline would show.
func text(in range: Range<UInt64>) throws(Errno) -> String {
  let bytes = try withUnsafeTemporaryAllocation(byteCount: range.count, alignment: 1) { buffer throws(Errno) in
    try GuestMemory(thread: getpid()).read(into: buffer, at: range.lowerBound)
    return [UInt8](buffer)
  }
  return String(decoding: bytes.map { $0 == 0 ? 0x7c : $0 }, as: UTF8.self)
}

struct LoaderStackTests {
  private func image(_ stack: FakeStack, head: [String]?, gap: UInt64 = 0) throws -> StackImage {
    let block = try StackBlock(from: stack.memory, at: stack.stackPointer)
    let image = try StackImage(
      correcting: block, head: head.map { $0.map { Array($0.utf8) } }, filename: Array("/bin/prog".utf8),
      replacing: [.init(type: .entry, value: 0x1234), .init(type: .secure, value: 0)], gap: gap,
      memory: stack.memory)
    try stack.memory.write(image.bytes, at: image.address)
    return image
  }

  private func check(_ stack: FakeStack, _ image: StackImage, arguments: [String], environment: [String])
    throws
  {
    #expect(image.address % 16 == 0)
    let block = try StackBlock(from: stack.memory, at: image.address)
    #expect(try block.arguments.map { try string(at: $0) } == arguments)
    #expect(try block.environment.map { try string(at: $0) } == environment)
    #expect(try text(in: image.arguments) == arguments.map { $0 + "|" }.joined())
    #expect(try text(in: image.environment) == environment.map { $0 + "|" }.joined())
    #expect(image.auxiliaryVector.upperBound == block.end)
    #expect(image.auxiliaryVector.count == (block.auxiliary.count + 1) * 16)
    #expect(block.value(of: .executedName) == image.filename)
    #expect(try string(at: image.filename) == "/bin/prog")
    #expect(block.value(of: .entry) == 0x1234)
    #expect(block.value(of: .secure) == 0)
    #expect(block.value(of: .hardwareCapabilities) == 0xbfeb)
    #expect(block.value(of: .vdso) == 0x7fff_1000)
    let old = try StackBlock(from: stack.memory, at: image.address)
    #expect(old.auxiliary.map(\.type) == block.auxiliary.map(\.type))
    #expect(try string(at: try #require(block.value(of: .platform))) == "x86_64")
    let random = try #require(block.value(of: .random))
    #expect(try stack.memory.load(UInt64.self, at: random) == 0x0706_0504_0302_0100)
  }

  @Test func keepsArgumentsOfAProgram() throws {
    let stack = try FakeStack(arguments: ["prog", "-a", ""], environment: ["A=1", "B=2"])
    let image = try image(stack, head: nil)
    try check(stack, image, arguments: ["prog", "-a", ""], environment: ["A=1", "B=2"])
  }

  @Test(arguments: [[], ["x"], ["x", "", "long argument"]]) func replacesArgumentZeroOfAScript(_ rest: [String]) throws
  {
    for environment in [[], ["HOME=/", "B=2"]] {
      let stack = try FakeStack(arguments: ["zero"] + rest, environment: environment)
      let head = ["/bin/sh", "-e", "/usr/bin/a script that has a long name, longer than argv[0] by far"]
      let image = try image(stack, head: head, gap: 4080)
      try check(stack, image, arguments: head + rest, environment: environment)
    }
  }

  @Test func readsBlocksOfAnySize() throws {
    let arguments = (0..<20_000).map { "\($0)" }
    let stack = try FakeStack(arguments: arguments, environment: ["A=1"], size: 4 << 20)
    let image = try image(stack, head: ["/bin/sh", "s"])
    try check(stack, image, arguments: ["/bin/sh", "s"] + arguments.dropFirst(), environment: ["A=1"])
  }

  @Test func refusesWhatIsNoBlock() throws {
    let stack = try FakeStack(arguments: ["a"], environment: [])
    let memory = stack.memory
    for count in [UInt64.max, 1 << 40, 1 << 20, 5] {
      try memory.store(count, at: stack.stackPointer)
      let address = stack.stackPointer
      #expect(throws: Errno.badAddress) { try StackBlock(from: memory, at: address) }
    }
    #expect(throws: Errno.badAddress) { try StackBlock(from: memory, at: 0) }
    #expect(throws: Errno.badAddress) { try StackBlock(from: memory, at: .max - 7) }
  }

  @Test func randomBlocksNeverTrap() throws {
    let stack = try FakeStack(arguments: ["a", "b"], environment: ["c"])
    let memory = stack.memory
    let words: [UInt64] = [
      0, 1, 2, .max, 1 << 63, stack.range.lowerBound, stack.stackPointer, stack.range.upperBound - 9,
    ]
    for _ in 0..<5_000 {
      let address = stack.stackPointer + 8 * UInt64.random(in: 0..<44)
      let before = try memory.load(UInt64.self, at: address)
      try memory.store(words.randomElement() ?? 0, at: address)
      for head in [nil, [[0x61 as UInt8]]] {
        guard let block = try? StackBlock(from: memory, at: stack.stackPointer) else { continue }
        _ = try? StackImage(
          correcting: block, head: head, filename: [0x62], replacing: [], gap: 16, memory: memory)
      }
      if Bool.random() { try memory.store(before, at: address) }
    }
  }
}
