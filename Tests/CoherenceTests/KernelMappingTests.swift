// What the kernel says of mappings and pages, asked in the new way and in the old one.

import CLinux
import Gate
import Kernel
import LinuxABI
import TestSupport
import Testing

@testable import Coherence

/// A file of `pages` pages, mapped privately in this process.
private final class PrivateMapping {
  let file: OwnedDescriptor
  let memory: UnsafeMutableRawPointer
  let count: Int
  var addresses: Range<UInt64> { UInt64(UInt(bitPattern: memory))..<UInt64(UInt(bitPattern: memory) + UInt(count)) }

  init(pages: Int, in directory: String) throws {
    count = pages * 4096
    file = try Host.openTrusted(directory, [.temporaryBit, .directory, .readWrite], mode: 0o600)
    try Host.callForGuest(.ftruncate, Int(file.rawValue), count)
    memory = try #require(
      UnsafeMutableRawPointer(
        bitPattern: try Host.callForGuest(
          .mmap, 0, count, Int(PROT_READ | PROT_WRITE), Int(MAP_PRIVATE), Int(file.rawValue), 0)))
  }

  deinit { munmap(memory, count) }

  func page(_ number: Int) -> UnsafeMutableRawPointer { memory + number * 4096 }
}

@Suite struct KernelMappingTests {
  private let own = ThreadID(getpid())

  @Test(arguments: ["/tmp", "/dev/shm"]) func copiedPagesAreFound(directory: String) throws {
    let mapping = try PrivateMapping(pages: 2048, in: directory)
    let written = [3, 4, 5, 700] + stride(from: 1000, to: 2000, by: 2)
    for number in written { mapping.page(number).storeBytes(of: 1, as: UInt8.self) }
    // Read only: the file's.
    for number in [8, 701, 2046] { #expect(mapping.page(number).load(as: UInt8.self) == 0) }
    let start = mapping.addresses.lowerBound
    func pages(_ range: Range<Int>) -> Range<UInt64> {
      (start + UInt64(range.lowerBound * 4096))..<(start + UInt64(range.upperBound * 4096))
    }
    let expected =
      [pages(3..<6), pages(700..<701)] + stride(from: 1000, to: 2000, by: 2).map { pages($0..<($0 + 1)) }
    #expect(try KernelMapping.copiedRanges(of: mapping.addresses, in: own) == expected)
    let pagemap = try Host.openTrusted("/proc/self/pagemap", [])
    #expect(try KernelMapping.read(pagemap.rawValue, mapping.addresses) == expected)
    #expect(try KernelMapping.read(pagemap.rawValue, pages(4..<700)) == [pages(4..<6)])
    #expect(try KernelMapping.copiedRanges(of: pages(4..<700), in: own) == [pages(4..<6)])
  }

  @Test(arguments: ["/tmp", "/dev/shm"]) func filesAreNamedAsInTheList(directory: String) throws {
    let mapping = try PrivateMapping(pages: 3, in: directory)
    let file = try ListedFile(of: mapping.file.rawValue)
    let text = KernelMapping.list(try Host.readFile("/proc/self/maps")).filter { $0.file == file }
    #expect(text.map(\.range) == [mapping.addresses])
    #expect(text.map(\.access) == [[.read, .write]])
    #expect(try KernelMapping.list(of: own).filter { $0.file == file } == text)
  }

  @Test func numbersOfAProcessStatus() throws {
    let status = try ProcessStatus(of: own)
    #expect(status.number("Pid:") == Int(getpid()))
    #expect(status.number("VmLck:") == 0)
    #expect(status.number("Nothing:") == 0)
  }

  /// Numbers that no kernel prints are refused or clamped, and nothing traps.
  @Test func extremeTexts() {
    for first in Extreme.texts {
      for second in Extreme.texts {
        let number = [first, second].map { UInt64($0) ?? 0 }
        let line =
          "\(String(number[0], radix: 16))-\(String(number[1], radix: 16)) r-xp \(String(number[1], radix: 16)) "
          + "\(first):\(second) \(first) /x"
        for mapping in KernelMapping.list(Array(line.utf8)) {
          let call = MappingRemap.mapCall(mapping.range, of: mapping, 3)
          #expect(call.arguments.1 == mapping.length && call.arguments.5 == mapping.offset)
        }
      }
    }
  }
}
