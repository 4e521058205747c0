// What the loader makes of ELF headers, right and wrong.

import CLinux
import Kernel
import LinuxABI
import Testing
import TestSupport

@testable import Sentry

/// A file with given content, on no path: a memfd.
func temporaryFile(_ bytes: [UInt8]) throws(Errno) -> OwnedDescriptor {
  let name: StaticString = "loader test"
  let number = try Host.call(.memfd_create, Int(bitPattern: name.utf8Start), 0)
  let file = OwnedDescriptor(CInt(truncatingIfNeeded: number))
  var offset: Int64 = 0
  while Int(offset) < bytes.count {
    let written = try bytes.withUnsafeBytes { buffer in
      Result<Int, Errno> { () throws(Errno) in
        try Host.call(
          .pwrite64, Int(file.rawValue), Int(bitPattern: buffer.baseAddress) + Int(offset),
          bytes.count - Int(offset),
          Int(offset))
      }
    }.get()
    offset += Int64(written)
  }
  return file
}

/// An ELF file put together by hand: the header and its program headers, which a test changes before it asks for bytes.
struct ELFBuilder {
  var header = Elf64_Ehdr()
  var headers: [Elf64_Phdr] = []
  var tail: [UInt8] = []

  init(type: Int32 = ET_DYN) {
    withUnsafeMutableBytes(of: &header.e_ident) { $0.copyBytes(from: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]) }
    header.e_type = UInt16(type)
    header.e_machine = UInt16(EM_X86_64)
    header.e_phoff = 64
    header.e_phentsize = 56
    header.e_entry = 0x1000
    add(PT_LOAD, flags: PF_R | PF_X, size: 0x2000)
  }

  mutating func add(
    _ type: Int32, flags: Int32 = 0, offset: UInt64 = 0, address: UInt64 = 0, fileSize: UInt64? = nil, size: UInt64 = 0,
    alignment: UInt64 = 4096
  ) {
    var entry = Elf64_Phdr()
    entry.p_type = UInt32(bitPattern: type)
    entry.p_flags = UInt32(bitPattern: flags)
    entry.p_offset = offset
    entry.p_vaddr = address
    entry.p_filesz = fileSize ?? size
    entry.p_memsz = size
    entry.p_align = alignment
    headers.append(entry)
  }

  var bytes: [UInt8] {
    var header = header
    if header.e_phnum == 0 { header.e_phnum = UInt16(headers.count) }
    return withUnsafeBytes(of: header) { [UInt8]($0) } + headers.withUnsafeBytes { [UInt8]($0) } + tail
  }
}

private func parse(_ bytes: [UInt8]) throws(Errno) -> ELFFile {
  let file = try temporaryFile(bytes)
  return try ELFFile(program: file.rawValue, start: Array(bytes.prefix(256)))
}

private func parse(path: String) throws(Errno) -> (ELFFile, [UInt8]?) {
  let file = try Host.openTrusted(path, [])
  let elf = try ELFFile(program: file.rawValue, start: try ELFFile.readStart(256, from: file.rawValue))
  return (elf, try elf.interpreterPath(from: file.rawValue))
}

struct LoaderELFTests {
  @Test func parsesADynamicProgram() throws {
    let (elf, interpreter) = try parse(path: "/bin/true")
    #expect(elf.isPositionIndependent)
    #expect(elf.segments.count >= 2)
    #expect(!elf.hasExecutableStack)
    #expect(interpreter == Array("/lib64/ld-linux-x86-64.so.2".utf8))
  }

  @Test func parsesAnInterpreter() throws {
    let file = try Host.openTrusted("/lib64/ld-linux-x86-64.so.2", [])
    let elf = try ELFFile(interpreter: file.rawValue)
    #expect(elf.isPositionIndependent)
    #expect(elf.interpreter == nil)
    #expect(try elf.span().lowerBound == 0)
  }

  @Test func parsesAStaticProgramIfThereIsOne() throws {
    guard let (elf, interpreter) = try? parse(path: "/bin/busybox") else { return }
    #expect(interpreter == nil || elf.isPositionIndependent)
    #expect(!elf.segments.isEmpty)
  }

  struct Fault: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var errno: Errno
    var bytes: @Sendable () -> [UInt8]
    init(_ what: String, _ errno: Errno = .execFormatError, _ bytes: @escaping @Sendable () -> [UInt8]) {
      testDescription = what
      self.errno = errno
      self.bytes = bytes
    }
  }

  private static func changed(_ change: (inout ELFBuilder) -> Void) -> [UInt8] {
    var builder = ELFBuilder()
    change(&builder)
    return builder.bytes
  }

  static let faults: [Fault] = [
    Fault("empty file") { [] },
    Fault("text") { Array("hello\n".utf8) },
    Fault("magic only") { [0x7f, 0x45, 0x4c, 0x46] },
    Fault("header cut short") { Array(changed { _ in }.prefix(63)) },
    Fault("program headers cut short") { Array(changed { _ in }.prefix(100)) },
    Fault("bad magic") { changed { $0.header.e_ident.1 = 0x4d } },
    Fault("relocatable object") { changed { $0.header.e_type = UInt16(ET_REL) } },
    Fault("core") { changed { $0.header.e_type = UInt16(ET_CORE) } },
    Fault("32-bit machine") { changed { $0.header.e_machine = UInt16(EM_386) } },
    Fault("AArch64") { changed { $0.header.e_machine = 183 } },
    Fault("wrong e_phentsize") { changed { $0.header.e_phentsize = 32 } },
    Fault("no program headers") { changed { $0.headers = [] } },
    Fault("too many program headers") { changed { $0.header.e_phnum = 1171 } },
    Fault("e_phoff behind the end") { changed { $0.header.e_phoff = 1 << 40 } },
    Fault("negative e_phoff") { changed { $0.header.e_phoff = .max } },
  ]

  @Test(arguments: faults) func refuses(_ fault: Fault) {
    #expect(throws: fault.errno) { try parse(fault.bytes()) }
  }

  static let interpreters: [Fault] = [
    Fault("one byte") {
      changed {
        $0.add(PT_INTERP, offset: 176, size: 1); $0.tail = [0]
      }
    },
    Fault("longer than PATH_MAX") {
      changed {
        $0.add(PT_INTERP, offset: 176, size: 4097); $0.tail = [UInt8](repeating: 0, count: 5000)
      }
    },
    Fault("not terminated") {
      changed {
        $0.add(PT_INTERP, offset: 176, size: 2); $0.tail = [0x2f, 0x61]
      }
    },
    Fault("behind the end", .ioError) { changed { $0.add(PT_INTERP, offset: 170, size: 20) } },
    Fault("negative offset", .invalidArgument) { changed { $0.add(PT_INTERP, offset: 1 << 63, size: 20) } },
  ]

  @Test(arguments: interpreters) func refusesInterpreterName(_ fault: Fault) {
    #expect(throws: fault.errno) {
      let bytes = fault.bytes()
      let file = try temporaryFile(bytes)
      _ = try ELFFile(program: file.rawValue, start: bytes).interpreterPath(from: file.rawValue)
    }
  }

  @Test func onlyTheFirstInterpreterAndTheLastStackHeaderCount() throws {
    var builder = ELFBuilder()
    builder.add(PT_GNU_STACK_, flags: PF_R | PF_W | PF_X)
    builder.add(PT_INTERP, offset: 64 + 56 * 5, size: 4)
    builder.add(PT_INTERP, offset: 1 << 40, size: 4)
    builder.add(PT_GNU_STACK_, flags: PF_R | PF_W)
    builder.tail = Array("/a/\0".utf8)
    let bytes = builder.bytes
    let file = try temporaryFile(bytes)
    let elf = try ELFFile(program: file.rawValue, start: bytes)
    #expect(try elf.interpreterPath(from: file.rawValue) == Array("/a/".utf8))
    #expect(!elf.hasExecutableStack)
  }

  @Test(arguments: [
    ([UInt8](), Errno.ioError), (Array("#!/bin/sh\n".utf8), .ioError),
    ([UInt8](repeating: 0x20, count: 200), Errno(rawValue: ELIBBAD)),
    (Array(ELFBuilder().bytes.prefix(100)), Errno(rawValue: ELIBBAD)),
  ]) func refusesInterpreterFile(_ bytes: [UInt8], _ errno: Errno) throws {
    let file = try temporaryFile(bytes)
    let descriptor = file.rawValue
    #expect(throws: errno) { try ELFFile(interpreter: descriptor) }
  }

  @Test func mutatedHeadersNeverTrap() throws {
    var generator = SeededRandom(1)
    var builder = ELFBuilder()
    builder.add(PT_LOAD, flags: PF_R | PF_W, offset: 0x2010, address: 0x3010, fileSize: 0x100, size: 0x5000)
    builder.add(PT_INTERP, offset: 64, size: 20)
    builder.add(PT_GNU_STACK_, flags: PF_R)
    let original = builder.bytes
    let interesting: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, 0x10, 0xf0]
    var (parsed, placed) = (0, 0)
    for round in 0..<10_000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        // Half of the rounds leave the file header alone, so that the program headers are reached.
        let index = Int.random(in: (round % 2 == 0 ? 0 : 64)..<bytes.count, using: &generator)
        bytes[index] = interesting.randomElement(using: &generator) ?? 0
      }
      if round % 7 == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
      let file = try temporaryFile(bytes)
      guard let elf = try? ELFFile(program: file.rawValue, start: bytes) else { continue }
      parsed += 1
      _ = try? elf.interpreterPath(from: file.rawValue)
      _ = try? ELFFile(interpreter: file.rawValue)
      _ = try? elf.span()
      let bias = Page.start(UInt64.random(in: 0...UInt64.max, using: &generator))
      for bias in [0, 0x5555_5555_4000, bias] {
        guard let layout = try? ImageLayout(of: elf, bias: bias) else { continue }
        placed += 1
        #expect(layout.mappings.allSatisfy { $0.range.upperBound <= ImageLayout.addressLimit })
      }
    }
    #expect(parsed > 1000 && placed > 1000)
  }
}

/// PT_GNU_STACK, which the C header spells as an unsigned expression.
let PT_GNU_STACK_: Int32 = 0x6474_e551

struct ImageLayoutTests {
  private func layout(_ builder: ELFBuilder, bias: UInt64 = 0x10000) throws(Errno) -> ImageLayout {
    try ImageLayout(of: try parse(builder.bytes), bias: bias)
  }

  @Test func mapsFilePagesThenZeroPages() throws {
    var builder = ELFBuilder()
    builder.add(PT_LOAD, flags: PF_R | PF_W, offset: 0x2010, address: 0x3010, fileSize: 0x100, size: 0x5000)
    let layout = try layout(builder)
    #expect(
      layout.mappings == [
        .init(address: 0x10000, length: 0x2000, protection: [.read, .execute], offset: 0),
        .init(address: 0x13000, length: 0x1000, protection: [.read, .write], offset: 0x2000),
        .init(address: 0x14000, length: 0x5000, protection: [.read, .write], offset: nil),
      ])
    #expect(layout.zeroTails == [0x13110..<0x14000])
    #expect(layout.entry == 0x11000)
    #expect(layout.headerAddress == 0x10040)
    #expect(layout.code == 0x10000..<0x12000)
    #expect(layout.data == 0x13010..<0x13110)
    #expect(layout.end == 0x18010)
  }

  @Test func readOnlyTailIsNotCleared() throws {
    var builder = ELFBuilder()
    builder.add(PT_LOAD, flags: PF_R, offset: 0x2000, address: 0x3000, fileSize: 0x10, size: 0x20)
    #expect(try layout(builder).zeroTails.isEmpty)
  }

  @Test func tailUnderALaterSegmentIsNotCleared() throws {
    var builder = ELFBuilder()
    builder.add(PT_LOAD, flags: PF_R | PF_W, offset: 0x2000, address: 0x3000, fileSize: 0x10, size: 0x20)
    builder.add(PT_LOAD, flags: PF_R | PF_W, offset: 0x2800, address: 0x3800, fileSize: 0x10, size: 0x10)
    #expect(try layout(builder).zeroTails.isEmpty)
  }

  @Test func segmentWithoutFileIsAllZeroPages() throws {
    var builder = ELFBuilder()
    builder.add(PT_LOAD, flags: PF_R | PF_X, address: 0x3008, fileSize: 0, size: 0x1000)
    #expect(
      try layout(builder).mappings.last
        == .init(
          address: 0x13000, length: 0x2000, protection: [.read, .write, .execute], offset: nil))
  }

  @Test(arguments: [
    (0x10 as UInt64, 0x3000 as UInt64, 0x10 as UInt64, 0x10 as UInt64), (0x2008, 0x3000, 0x10, 0x10),
    (0x2000, 0x3000, 0x20, 0x10), (0x2000, 0x7fff_ffff_f000, 0x10, 0x10), (0x2000, 0x3000, 0x10, .max),
    (0x2000, 0x7fff_ffff_e000, 0, 0x1001), (0, .max, 0, 0), (0, 0x1001, 0x10, 0x10),
  ]) func refusesSegment(offset: UInt64, address: UInt64, fileSize: UInt64, size: UInt64) throws {
    var builder = ELFBuilder()
    builder.add(PT_LOAD, flags: PF_R, offset: offset, address: address, fileSize: fileSize, size: size)
    let elf = try parse(builder.bytes)
    #expect(throws: Errno.invalidArgument) { try ImageLayout(of: elf, bias: 0) }
  }
}
