// The kernel's own list of an address space's mappings: PROCMAP_QUERY, or the text of /proc/PID/maps before Linux 6.11.

import Gate
import Kernel
import LinuxABI

/// How a file is mapped. The bits are those of PROCMAP_QUERY's `vma_flags` (linux/fs.h).
struct MappingAccess: OptionSet, Hashable, Sendable {
  let rawValue: UInt8

  /// PROT_READ.
  static let read = MappingAccess(rawValue: 1)
  /// PROT_WRITE.
  static let write = MappingAccess(rawValue: 2)
  /// PROT_EXEC.
  static let execute = MappingAccess(rawValue: 4)
  /// MAP_SHARED.
  static let shared = MappingAccess(rawValue: 8)

  /// The protection argument of `mmap(2)`.
  var protection: Protection { Protection(rawValue: UInt64(rawValue & 7)) }
}

/// One mapping of a file as the kernel lists it.
package struct KernelMapping: Sendable, Equatable {
  /// The addresses.
  var range: Range<UInt64>
  var access: MappingAccess
  /// Where `range` begins in the file, in bytes.
  var offset: UInt64
  var file: ListedFile

  var isShared: Bool { access.contains(.shared) }

  /// Bytes.
  var length: UInt64 { range.upperBound - range.lowerBound }

  /// The file mappings in the space of `thread`, upwards.
  static func list(of thread: ThreadID) throws(Errno) -> [KernelMapping] {
    let maps = try Host.openTrusted("/proc/\(thread)/maps", [])
    do throws(Errno) {
      var list: [KernelMapping] = []
      var address: UInt64 = 0
      while let found = try query(maps.rawValue, from: address) {
        list.append(found)
        address = found.range.upperBound
      }
      return list
    } catch {
      guard error == .inappropriateIOCTLForDevice || error == .invalidArgument else { throw error }
      return KernelMapping.list(try Host.readAll(maps.rawValue))
    }
  }

  /// The first file mapping that ends behind `address`; nil if there is none.
  private static func query(_ maps: CInt, from address: UInt64) throws(Errno) -> KernelMapping? {
    var query = MappingQuery(fileMappingFrom: address)
    guard try Host.fill(&query, from: maps) else { return nil }
    guard let range = query.range else { throw .ioError }
    return KernelMapping(
      range: range, access: MappingAccess(rawValue: UInt8(truncatingIfNeeded: query.flags & 15)),
      offset: query.offset, file: ListedFile(device: query.device, number: query.inode))
  }

  /// The file mappings of a text (`man 5 proc_pid_maps`); a line that cannot be read is passed over.
  static func list(_ text: [UInt8]) -> [KernelMapping] {
    text.split(separator: 0x0a).compactMap { KernelMapping(line: $0) }
  }

  /// The addresses with which a line of /proc/PID/maps, or the head of one in /proc/PID/smaps, begins.
  package static func range(line: ArraySlice<UInt8>) -> Range<UInt64>? {
    guard let span = line.split(separator: 0x20, maxSplits: 1).first, let dash = span.firstIndex(of: 0x2d),
      let start = Digits.parse(span[..<dash], radix: 16), let end = Digits.parse(span[(dash + 1)...], radix: 16),
      start < end
    else { return nil }
    return start..<end
  }

  private init?(line: ArraySlice<UInt8>) {
    var fields = line.split(separator: 0x20, maxSplits: 5, omittingEmptySubsequences: true)[...]
    guard let range = Self.range(line: line), fields.count >= 5, fields.popFirst() != nil,
      let letters = fields.popFirst(), letters.count == 4,
      let offset = fields.popFirst().flatMap({ Digits.parse($0, radix: 16) }),
      let device = fields.popFirst(), let colon = device.firstIndex(of: 0x3a),
      let major = Digits.parse(device[..<colon], radix: 16),
      let minor = Digits.parse(device[(colon + 1)...], radix: 16),
      let number = fields.popFirst().flatMap({ Digits.parse($0) }), number != 0
    else { return nil }
    let bits = [UInt8](letters)
    access = []
    if bits[0] == 0x72 { access.insert(.read) }
    if bits[1] == 0x77 { access.insert(.write) }
    if bits[2] == 0x78 { access.insert(.execute) }
    if bits[3] == 0x73 { access.insert(.shared) }
    self.range = range
    self.offset = offset
    file = ListedFile(device: major << 32 | minor, number: number)
  }

  private init(range: Range<UInt64>, access: MappingAccess, offset: UInt64, file: ListedFile) {
    self.range = range
    self.access = access
    self.offset = offset
    self.file = file
  }
}

extension KernelMapping {
  /// The mapping of ours at `address`.
  static func find(_ address: UInt64) throws(Errno) -> KernelMapping? {
    let maps = try Host.openTrusted("/proc/self/maps", [])
    do throws(Errno) {
      return try query(maps.rawValue, from: address)
    } catch {
      guard error == .inappropriateIOCTLForDevice || error == .invalidArgument else { throw error }
      return list(try Host.readAll(maps.rawValue)).first { $0.range.contains(address) }
    }
  }

  /// The mappings with `lo` among their VmFlags in /proc/PID/smaps: locked memory.
  static func lockedRanges(of thread: ThreadID) -> [Range<UInt64>] {
    guard let text = try? Host.readFile("/proc/\(thread)/smaps") else { return [] }
    var ranges: [Range<UInt64>] = []
    var current: Range<UInt64>?
    for line in text.split(separator: 0x0a) {
      if line.starts(with: "VmFlags:".utf8) {
        let isLocked = line.split(separator: 0x20).contains { $0.elementsEqual("lo".utf8) }
        if isLocked, let current { ranges.append(current) }
      } else if let range = range(line: line) {
        current = range
      }
    }
    return ranges
  }
}
