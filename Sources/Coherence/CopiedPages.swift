// Private copied pages: which pages of a private mapping a process has written, so that the kernel has copied them and they are
// not the file's any more. PAGEMAP_SCAN lists them, or /proc/PID/pagemap before Linux 6.7.

import Gate
import Kernel
import LinuxABI

extension KernelMapping {
  /// The parts of `part`, of a private mapping, whose pages the kernel has copied for the space at its first write (copy on write).
  static func copiedRanges(of part: Range<UInt64>, in thread: ThreadID) throws(Errno) -> [Range<UInt64>] {
    let pagemap = try Host.openTrusted("/proc/\(thread)/pagemap", [])
    do throws(Errno) {
      return try scan(pagemap.rawValue, part)
    } catch {
      guard error == .inappropriateIOCTLForDevice || error == .invalidArgument else { throw error }
      return try read(pagemap.rawValue, part)
    }
  }

  /// PAGEMAP_SCAN, which passes over what is not there without looking at each page.
  static func scan(_ pagemap: CInt, _ part: Range<UInt64>) throws(Errno) -> [Range<UInt64>] {
    var ranges: [Range<UInt64>] = []
    if part.isEmpty { return ranges }
    var scan = PageScan(of: part, without: .file, any: [.present, .swapped])
    return try withUnsafeTemporaryAllocation(of: PageRegion.self, capacity: 256) { regions throws(Errno) in
      scan.answer(into: regions)
      repeat {
        let count = try Host.fill(&scan, from: pagemap)
        for region in regions[..<count] { join(region.start..<region.end, to: &ranges) }
      } while scan.advance()
      return ranges
    }
  }

  /// The same from an entry for each page, before Linux 6.7.
  static func read(_ pagemap: CInt, _ part: Range<UInt64>) throws(Errno) -> [Range<UInt64>] {
    var ranges: [Range<UInt64>] = []
    var address = part.lowerBound
    return try withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 4096) { entries throws(Errno) in
      while address < part.upperBound {
        let count = Int(min(UInt64(entries.count), (part.upperBound - address) / 4096))
        let bytes = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: entries[..<count]))
        let got = try Host.read(into: bytes, from: pagemap, at: Int64(address / 4096 * 8)) / 8
        if got == 0 { break }
        for entry in entries[..<got] {
          if isCopied(entry) { join(address..<(address + 4096), to: &ranges) }
          address += 4096
        }
      }
      return ranges
    }
  }

  private static func join(_ range: Range<UInt64>, to ranges: inout [Range<UInt64>]) {
    if let last = ranges.last, last.upperBound == range.lowerBound {
      ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
    } else {
      ranges.append(range)
    }
  }

  /// Present or swapped out without bit 61, "page is file-page or shared-anon" (Documentation/admin-guide/mm/pagemap.rst).
  private static func isCopied(_ entry: UInt64) -> Bool {
    let isThere = entry >> 62 & 3 != 0
    let isFilePage = entry >> 61 & 1 == 1
    return isThere && !isFilePage
  }
}
