// The kernel's own list of an address space's mappings: PROCMAP_QUERY, or the text of /proc/PID/maps before Linux 6.11; and
// /proc/PID/pagemap for what a private mapping has made its own.

import CLinux
import Gate
import LinuxABI
import MemoryMap

/// One mapping of a file as the kernel lists it.
struct KernelMapping: Sendable, Equatable {
  var range: Range<UInt64>
  var access: MappingAccess
  var offset: UInt64
  var file: ListedFile

  func mapping(in space: Int) -> Mapping {
    // What is no regular file may have offsets that do not count bytes, and wrap: those are never of a file of ours.
    let part = Range(from: offset, count: range.upperBound - range.lowerBound) ?? offset..<offset
    return Mapping(space: space, range: part, address: range.lowerBound, access: access)
  }

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

  /// `struct procmap_query` (linux/fs.h, Linux 6.11): size, query_flags, query_addr, vma_start, vma_end, vma_flags,
  /// vma_page_size, vma_offset, inode, dev_major and dev_minor, the sizes and addresses of name and build id.
  private typealias Query = (
    UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
  )

  /// The first file mapping that ends behind `address`; nil if there is none.
  private static func query(_ maps: CInt, from address: UInt64) throws(Errno) -> KernelMapping? {
    // PROCMAP_QUERY_COVERING_OR_NEXT_VMA | PROCMAP_QUERY_FILE_BACKED_VMA
    var query: Query = (UInt64(MemoryLayout<Query>.size), 0x30, address, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    let result = withUnsafeMutablePointer(to: &query) {
      vd_syscall(Int(SYS_ioctl), Int(maps), 0xc068_6611, Int(bitPattern: $0), 0, 0, 0)
    }
    if result == -Int(ENOENT) { return nil }
    _ = try Errno.check(result)
    // dev_major is the lower half of its word.
    let device = query.9 << 32 | query.9 >> 32
    return KernelMapping(
      range: query.3..<query.4, access: MappingAccess(rawValue: UInt8(truncatingIfNeeded: query.5 & 15)),
      offset: query.7, file: ListedFile(device: device, number: query.8))
  }

  /// The file mappings of a text (`man 5 proc_pid_maps`); a line that cannot be read is passed over.
  static func list(_ text: [UInt8]) -> [KernelMapping] {
    text.split(separator: 0x0a).compactMap { KernelMapping(line: $0) }
  }

  /// The addresses with which a line of /proc/PID/maps, or the head of one in /proc/PID/smaps, begins.
  static func range(line: ArraySlice<UInt8>) -> Range<UInt64>? {
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

/// A file as the kernel's lists of mappings name it: device (major number in the upper half) and inode number. Some file
/// systems show another device there than stat(2) does (btrfs, overlayfs).
struct ListedFile: Sendable, Hashable {
  var device: UInt64
  var number: UInt64

  init(device: UInt64, number: UInt64) {
    self.device = device
    self.number = number
  }

  /// tmpfs, ext2 to ext4, XFS (linux/magic.h): there it is what stat(2) says.
  private static let plainFilesystems: [Int] = [0x0102_1994, 0xef53, 0x5846_5342]

  /// The file of a descriptor of ours; on file systems that we do not know the kernel is asked with a mapping of our own.
  ///
  /// - Throws: `.noDevice` and what else `mmap(2)` says.
  init(of descriptor: CInt) throws(Errno) {
    var filesystem = statfs()
    _ = try withUnsafeMutablePointer(to: &filesystem) { filesystem throws(Errno) in
      try Host.call(SYS_fstatfs, Int(descriptor), Int(bitPattern: filesystem))
    }
    if Self.plainFilesystems.contains(Int(filesystem.f_type)) {
      let status = try Host.stat(descriptor)
      let device = UInt64(status.st_dev)
      self.init(
        device: UInt64(DeviceNumber.major(device)) << 32 | UInt64(DeviceNumber.minor(device)),
        number: UInt64(status.st_ino))
      return
    }
    let address = UInt64(
      UInt(bitPattern: try Host.call(SYS_mmap, 0, 4096, Int(PROT_READ), Int(MAP_PRIVATE), Int(descriptor), 0)))
    defer { _ = vd_syscall(Int(SYS_munmap), Int(address), 4096, 0, 0, 0, 0) }
    guard let entry = try KernelMapping.find(address) else { throw .ioError }
    self = entry.file
  }
}

extension KernelMapping {
  /// The mapping of ours at `address`.
  fileprivate static func find(_ address: UInt64) throws(Errno) -> KernelMapping? {
    let maps = try Host.openTrusted("/proc/self/maps", [])
    do throws(Errno) {
      return try query(maps.rawValue, from: address)
    } catch {
      guard error == .inappropriateIOCTLForDevice || error == .invalidArgument else { throw error }
      return list(try Host.readAll(maps.rawValue)).first { $0.range.contains(address) }
    }
  }

  /// The parts of `part`, of a private mapping, whose pages are the space's own: written, and not the file's any more.
  static func ownRanges(of part: Range<UInt64>, in thread: ThreadID) throws(Errno) -> [Range<UInt64>] {
    let pagemap = try Host.openTrusted("/proc/\(thread)/pagemap", [])
    do throws(Errno) {
      return try scan(pagemap.rawValue, part)
    } catch {
      guard error == .inappropriateIOCTLForDevice || error == .invalidArgument else { throw error }
      return try read(pagemap.rawValue, part)
    }
  }

  /// `struct pm_scan_arg` (linux/fs.h, Linux 6.7): size, flags, start, end, walk_end, vec, vec_len, max_pages,
  /// category_inverted, category_mask, category_anyof_mask, return_mask.
  private typealias Scan = (
    UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
  )

  /// PAGEMAP_SCAN, which passes over what is not there without looking at each page.
  static func scan(_ pagemap: CInt, _ part: Range<UInt64>) throws(Errno) -> [Range<UInt64>] {
    // PAGE_IS_FILE, PAGE_IS_PRESENT, PAGE_IS_SWAPPED
    let (file, present, swapped): (UInt64, UInt64, UInt64) = (4, 8, 16)
    var ranges: [Range<UInt64>] = []
    var address = part.lowerBound
    // `struct page_region`: start, end, categories.
    return try withUnsafeTemporaryAllocation(of: (UInt64, UInt64, UInt64).self, capacity: 256) {
      regions throws(Errno) in
      while address < part.upperBound {
        var scan: Scan = (
          UInt64(MemoryLayout<Scan>.size), 0, address, part.upperBound, 0,
          UInt64(UInt(bitPattern: regions.baseAddress)), UInt64(regions.count), 0, file, file, present | swapped, 0
        )
        let count = try withUnsafeMutablePointer(to: &scan) { scan throws(Errno) in
          try Host.call(SYS_ioctl, Int(pagemap), 0xc060_6610, Int(bitPattern: scan))
        }
        for (start, end, _) in regions[..<count] { join(start..<end, to: &ranges) }
        if scan.4 <= address { break }
        address = scan.4
      }
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
          if isOwn(entry) { join(address..<(address + 4096), to: &ranges) }
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
  private static func isOwn(_ entry: UInt64) -> Bool {
    let isThere = entry >> 62 & 3 != 0
    let isFilePage = entry >> 61 & 1 == 1
    return isThere && !isFilePage
  }
}
