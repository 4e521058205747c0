// The kernel's own list of an address space's mappings: /proc/PID/maps, and /proc/PID/pagemap for what a private mapping
// has made its own.

import CLinux
import Gate
import LinuxABI

/// One line of /proc/PID/maps (`man 5 proc_pid_maps`).
struct KernelMapping {
  var range: Range<UInt64>
  /// PROT_READ, PROT_WRITE, PROT_EXEC.
  var protection: CInt
  var isShared: Bool
  var offset: UInt64
  var file: ListedFile

  /// All mappings of a text; a line that cannot be read is passed over.
  static func list(_ text: [UInt8]) -> [KernelMapping] {
    text.split(separator: 0x0a).compactMap { KernelMapping(line: $0) }
  }

  /// The mappings of one file in the space of `thread`.
  static func list(_ file: ListedFile, in thread: ThreadID) throws(Errno) -> [KernelMapping] {
    list(try Host.readFile("/proc/\(thread)/maps")).filter { $0.file == file }
  }

  private init?(line: ArraySlice<UInt8>) {
    var fields = line.split(separator: 0x20, maxSplits: 5, omittingEmptySubsequences: true)[...]
    guard fields.count >= 5, let span = fields.popFirst(), let dash = span.firstIndex(of: 0x2d),
      let start = Self.hexadecimal(span[..<dash]), let end = Self.hexadecimal(span[(dash + 1)...]), start < end,
      let access = fields.popFirst(), access.count == 4, let offset = fields.popFirst().flatMap(Self.hexadecimal),
      let device = fields.popFirst(), let number = fields.popFirst().flatMap(Self.decimal)
    else { return nil }
    range = start..<end
    let bits = [UInt8](access)
    protection =
      (bits[0] == 0x72 ? CInt(PROT_READ) : 0) | (bits[1] == 0x77 ? CInt(PROT_WRITE) : 0)
      | (bits[2] == 0x78 ? CInt(PROT_EXEC) : 0)
    isShared = bits[3] == 0x73
    self.offset = offset
    file = ListedFile(device: [UInt8](device), number: number)
  }

  private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for byte in text {
      switch byte {
      case 0x30...0x39: value = value << 4 | UInt64(byte - 0x30)
      case 0x61...0x66: value = value << 4 | UInt64(byte - 0x61 + 10)
      default: return nil
      }
    }
    return value
  }

  private static func decimal(_ text: ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for byte in text {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      value = value &* 10 &+ UInt64(byte - 0x30)
    }
    return value
  }
}

extension KernelMapping {
  /// The parts of a private mapping whose pages are still the file's: not yet read, or read and never written.
  func cleanRanges(in thread: ThreadID) throws(Errno) -> [Range<UInt64>] {
    let pagemap = try Host.openTrusted("/proc/\(thread)/pagemap", [])
    var ranges: [Range<UInt64>] = []
    var start: UInt64?
    var address = range.lowerBound
    return try withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 4096) { entries throws(Errno) in
      while address < range.upperBound {
        let count = Int(min(UInt64(entries.count), (range.upperBound - address) / 4096))
        let bytes = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: entries[..<count]))
        let got = try Host.read(into: bytes, from: pagemap.rawValue, at: Int64(address / 4096 * 8)) / 8
        if got == 0 { break }
        for index in 0..<got {
          if Self.isOwn(entries[index]) {
            if let begin = start { ranges.append(begin..<address) }
            start = nil
          } else if start == nil {
            start = address
          }
          address += 4096
        }
      }
      if let start { ranges.append(start..<range.upperBound) }
      return ranges
    }
  }

  /// Swapped out, or present without bit 61, "page is file-page or shared-anon" (Documentation/admin-guide/mm/pagemap.rst).
  private static func isOwn(_ entry: UInt64) -> Bool {
    let isPresent = entry >> 63 & 1 == 1
    let isSwapped = entry >> 62 & 1 == 1
    let isFilePage = entry >> 61 & 1 == 1
    return isSwapped || isPresent && !isFilePage
  }
}
