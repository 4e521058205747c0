// Programs, stacks and texts of the kernel with extreme numbers in every field: refused or placed, and the process lives.

import CLinux
import Gate
import Kernel
import LinuxABI
import Testing
import TestSupport

@testable import Sentry

@Suite struct LoaderExtremesTests {
  private static func load(_ builder: ELFBuilder, _ process: FreshProcess) {
    let bytes = builder.bytes + [UInt8](repeating: 0x2f, count: 4096)
    guard let file = try? temporaryFile(bytes),
      let program = try? ELFFile(program: file.rawValue, start: Array(bytes.prefix(256)))
    else { return }
    _ = try? program.interpreterPath(from: file.rawValue)
    _ = try? program.span()
    for interpreter in [nil, program] {
      if let placement = try? ImagePlacement(program: program, interpreter: interpreter, in: process) {
        check(placement.program)
        if let interpreter = placement.interpreter { check(interpreter) }
      }
    }
    for bias in Extreme.few { if let image = try? ImageLayout(of: program, bias: bias) { check(image) } }
  }

  /// What is placed can be mapped: the ranges of addresses and of the file are ranges.
  private static func check(_ image: ImageLayout) {
    for mapping in image.mappings {
      #expect(mapping.range.upperBound <= ImageLayout.addressLimit)
      guard let offset = mapping.offset else { continue }
      let range = Range(from: offset, count: mapping.length)
      #expect(range != nil && range?.upperBound ?? .max <= UInt64(Int64.max))
    }
    #expect(image.end <= ImageLayout.addressLimit)
    _ = TrampolineTable(layout: TrampolineLayout(flagsSecret: 0, descriptorSecret: 0))
  }

  private static let process = FreshProcess(
    memory: GuestMemory(thread: getpid()),
    block: StackBlock(start: 0, arguments: [], environment: [], auxiliary: [], end: 0),
    taken: [0x7ffc_0000_0000..<0x7fff_ffff_f000], mapTop: nil, randomizes: true)

  private static let fields: [any WritableKeyPath<Elf64_Phdr, UInt64> & Sendable] = [
    \.p_offset, \.p_vaddr, \.p_filesz, \.p_memsz, \.p_align,
  ]

  /// The numbers themselves, and as far as a page's offset goes like a file that can be mapped.
  private static let values = Extreme.values + Extreme.values.map { $0 & ~4095 }

  @Test func programs() {
    for type in [ET_DYN, ET_EXEC] {
      for value in Self.values {
        for change: (inout ELFBuilder) -> Void in [
          { $0.header.e_phoff = value }, { $0.header.e_entry = value },
          { $0.header.e_phnum = UInt16(truncatingIfNeeded: value) },
          { $0.headers[0].p_flags = UInt32(truncatingIfNeeded: value) },
          { $0.add(PT_INTERP, offset: value, size: 100) }, { $0.add(PT_INTERP, offset: 176, size: value) },
        ] {
          var builder = ELFBuilder(type: type)
          change(&builder)
          Self.load(builder, Self.process)
        }
        for field in Self.fields {
          for other in Self.fields {
            for second in Extreme.few + Extreme.few.map({ $0 & ~4095 }) {
              var builder = ELFBuilder(type: type)
              builder.headers[0][keyPath: field] = value
              builder.headers[0][keyPath: other] = second
              Self.load(builder, Self.process)
            }
          }
        }
      }
    }
  }

  /// mmap(2) would refuse it: EINVAL, and nothing is recorded of it.
  @Test func aSegmentAtTheLastOffsetIsRefused() throws {
    for offset in [0xffff_ffff_ffff_f000, 0x7fff_ffff_ffff_f000] as [UInt64] {
      var builder = ELFBuilder()
      builder.headers[0].p_offset = offset
      let file = try temporaryFile(builder.bytes)
      let program = try ELFFile(program: file.rawValue, start: builder.bytes)
      #expect(throws: Errno.invalidArgument) { _ = try ImageLayout(of: program, bias: 0x1000_0000) }
    }
  }

  /// What the kernel's block would be if its guest could choose it.
  @Test func stacks() throws {
    var chance = SeededRandom(5)
    let size = 8 * 4096
    let place = try Host.call(.mmap, 0, size, Int(PROT_READ | PROT_WRITE), Int(MAP_PRIVATE | MAP_ANONYMOUS), -1, 0)
    defer { _ = vd_syscall(Int(SYS_munmap), place, size, 0, 0, 0, 0) }
    let words = UnsafeMutableBufferPointer(start: UnsafeMutablePointer<UInt64>(bitPattern: place), count: size / 8)
    let base = UInt64(place)
    let types = [AT_EXECFN, AT_PLATFORM, AT_RANDOM, AT_SYSINFO_EHDR, AT_NULL].map { UInt64($0) }
    for _ in 0..<4000 {
      let inside = (0..<8).map { _ in base + UInt64.random(in: 0..<UInt64(size), using: &chance) }
      let pool = Extreme.values + inside + inside + types
      for index in 0..<64 { words[index] = pool.randomElement(using: &chance) ?? 0 }
      let count = UInt64.random(in: 0...3, using: &chance)
      words[0] = chance.next() % 8 == 0 ? words[1] : count
      if chance.next() % 4 != 0 {
        words[1 + Int(count)] = 0
        words[2 + Int(count)] = 0
        for index in 0..<4 { words[3 + Int(count) + 2 * index] = types[index] }
      }
      guard let block = try? StackBlock(from: GuestMemory(thread: getpid()), at: base) else { continue }
      _ = try? FreshProcess(GuestMemory(thread: getpid()), block)
      for head in [nil, [[0x61], [0x62]]] as [[[UInt8]]?] {
        _ = try? StackImage(
          correcting: block, head: head, filename: [0x63], replacing: [], gap: 8192,
          memory: GuestMemory(thread: getpid()))
      }
    }
    for address in Extreme.values { _ = try? FreshProcess(getpid(), stackPointer: address) }
  }

  @Test func filtersOfGuests() {
    var chance = SeededRandom(6)
    let codes: [UInt16] = (0..<256).map { UInt16($0) }
    let constants = Extreme.values.map { UInt32(truncatingIfNeeded: $0) }
    for _ in 0..<20000 {
      let program = (0..<8).map { _ in
        FilterInstruction(
          codes.randomElement(using: &chance) ?? 0, constants.randomElement(using: &chance) ?? 0,
          jumpTrue: UInt8(truncatingIfNeeded: chance.next()), jumpFalse: UInt8(truncatingIfNeeded: chance.next()))
      }
      _ = FilterProgram(program).run(SystemCall(number: .max, arguments: (.max, 1 << 63, 0, 0, 0, 0)))
    }
  }

  @Test func timeoutsOfConnect() {
    for now in [0, 1 << 40, UInt64.max - 1] as [UInt64] {
      for seconds in Extreme.values {
        for rest in Extreme.values {
          let timeout = TimeValue(seconds: Int64(bitPattern: seconds), microseconds: Int64(bitPattern: rest))
          guard let deadline = ConnectDeadline(timeout, from: now) else {
            #expect(seconds == 0 && rest == 0)
            continue
          }
          #expect(deadline.time >= now)
          #expect(deadline.milliseconds(from: now) ?? 0 >= 0)
          #expect(deadline.milliseconds(from: .max) == nil)
        }
      }
    }
    #expect(ConnectDeadline(TimeValue(seconds: 2, microseconds: 1), from: 5)?.milliseconds(from: 5) == 2001)
    #expect(ConnectDeadline(TimeValue(seconds: .max, microseconds: 0), from: 5)?.milliseconds(from: 5) == .max)
  }
}
