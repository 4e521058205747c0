// Where the segments of one ELF file go in memory: the list of mappings that the kernel's `elf_load` would make for a
// given load bias, and the bounds it would note in the mm. Pure arithmetic on numbers a file supplied: everything is
// checked, nothing traps.

import LinuxABI

/// The page arithmetic of the loader, wrapping as the kernel's does; callers check bounds.
enum Page {
  static let size: UInt64 = 4096

  static func start(_ address: UInt64) -> UInt64 { address & ~(size - 1) }
  static func offset(_ address: UInt64) -> UInt64 { address & (size - 1) }
  static func align(_ address: UInt64) -> UInt64 { start(address &+ (size - 1)) }
}

/// The mappings of one image at one load bias.
struct ImageLayout: Sendable {
  /// TASK_SIZE of a 64-bit task with 4-level tables; guests are kept below it on every machine.
  static let addressLimit: UInt64 = 0x7fff_ffff_f000

  /// One `mmap` of the table.
  struct Mapping: Sendable, Equatable {
    var address: UInt64
    var length: UInt64
    var protection: Protection
    /// nil for anonymous memory.
    var offset: UInt64?

    var range: Range<UInt64> { address..<(address + length) }
  }

  /// What is added to every address of the file, modulo 2^64.
  let bias: UInt64
  let mappings: [Mapping]
  /// Tails of last file pages that must read as zero: the supervisor writes them once the mappings are there.
  let zeroTails: [Range<UInt64>]
  /// e_entry, biased.
  let entry: UInt64
  /// Where the program headers lie in memory, or `bias` if no segment holds them.
  let headerAddress: UInt64
  /// mm->start_code …: bounds of the executable segments and of the last data segment.
  let code: Range<UInt64>
  let data: Range<UInt64>
  /// The end of the highest segment, bss included: where the heap starts.
  let end: UInt64

  /// Lays `file` out at `bias`.
  ///
  /// - Throws: what the kernel would find only after the point of no return, where any errno ends in SIGSEGV:
  ///   `.invalidArgument`, `.noMemory`, `.execFormatError`.
  init(of file: ELFFile, bias: UInt64) throws(Errno) {
    guard file.isLoadable, !file.segments.isEmpty else { throw .invalidArgument }
    var mappings: [Mapping] = []
    var tails: [(after: Int, range: Range<UInt64>)] = []
    var headerAddress: UInt64 = 0
    var code: Range<UInt64>?
    var (dataStart, dataEnd, end): (UInt64, UInt64, UInt64) = (0, 0, 0)

    for segment in file.segments {
      let address = segment.address &+ bias
      try Self.check(segment, at: address)
      let protection = Self.protection(segment.flags)
      let pageOffset = Page.offset(segment.address)
      // Both sums fit: the sizes were checked against the address limit.
      var zeroStart = address
      if segment.fileSize > 0 {
        let length = Page.align(segment.fileSize + pageOffset)
        let offset = try segment.offset.subtracting(pageOffset, or: .invalidArgument)
        // mmap(2) takes no offset whose end is beyond the largest file (mm/util.c, `vm_mmap`; `file_mmap_ok`).
        let end = try offset.adding(length, or: .invalidArgument)
        if Page.offset(offset) != 0 || end > UInt64(Int64.max) { throw .invalidArgument }
        mappings.append(
          Mapping(address: Page.start(address), length: length, protection: protection, offset: offset))
        zeroStart = address + segment.fileSize
        // `padzero`: the kernel ignores that it cannot clear what is not writable.
        if segment.memorySize > segment.fileSize, Page.offset(zeroStart) != 0, segment.flags.contains(.write) {
          tails.append((mappings.count, zeroStart..<Page.align(zeroStart)))
        }
        zeroStart = Page.align(zeroStart)
      } else {
        zeroStart = Page.start(address)
      }
      let zeroEnd = Page.align(address + segment.memorySize)
      if segment.memorySize > segment.fileSize, zeroEnd > zeroStart {
        // `vm_brk_flags`: always readable and writable, whatever the segment says.
        mappings.append(
          Mapping(
            address: zeroStart, length: zeroEnd - zeroStart,
            protection: protection.intersection(.execute).union([.read, .write]), offset: nil))
      }

      if file.headerOffset >= segment.offset, file.headerOffset - segment.offset < segment.fileSize {
        headerAddress = file.headerOffset - segment.offset &+ segment.address
      }
      let fileEnd = address + segment.fileSize
      if segment.flags.contains(.execute) {
        code = min(code?.lowerBound ?? address, address)..<max(code?.upperBound ?? fileEnd, fileEnd)
      }
      dataStart = max(dataStart, address)
      dataEnd = max(dataEnd, fileEnd)
      end = max(end, address + segment.memorySize)
    }

    self.bias = bias
    self.mappings = mappings
    // A later mapping may have replaced the page: then its content is not ours to clear.
    self.zeroTails = tails.filter { tail in
      !mappings[tail.after...].contains { $0.range.overlaps(tail.range) }
    }.map(\.range)
    self.entry = file.entry &+ bias
    self.headerAddress = headerAddress &+ bias
    self.code = code ?? (dataStart..<dataEnd)
    self.data = dataStart..<max(dataStart, dataEnd)
    self.end = end
    guard self.entry < Self.addressLimit else { throw .invalidArgument }
  }

  /// The checks of `load_elf_binary` on one segment, and that all of it stays below the limit at its biased place.
  private static func check(_ segment: ELFFile.Segment, at address: UInt64) throws(Errno) {
    let limit = addressLimit
    guard segment.address < limit, segment.fileSize <= segment.memorySize, segment.memorySize <= limit,
      limit - segment.memorySize >= segment.address, address < limit, limit - segment.memorySize >= address
    else { throw .invalidArgument }
  }

  /// PF_R, PF_W, PF_X to PROT_READ, PROT_WRITE, PROT_EXEC.
  private static func protection(_ flags: SegmentFlags) -> Protection {
    var protection: Protection = []
    if flags.contains(.read) { protection.insert(.read) }
    if flags.contains(.write) { protection.insert(.write) }
    if flags.contains(.execute) { protection.insert(.execute) }
    return protection
  }
}

extension ELFFile {
  /// The pages that the segments span, from the lowest to the highest: `total_mapping_size`.
  ///
  /// - Throws: `.invalidArgument` if there is no segment, or none that could be placed anywhere.
  func span() throws(Errno) -> Range<UInt64> {
    var (low, high): (UInt64, UInt64) = (.max, 0)
    for segment in segments {
      let end = try segment.address.adding(segment.memorySize, or: .invalidArgument)
      guard end <= ImageLayout.addressLimit else { throw .invalidArgument }
      low = min(low, Page.start(segment.address))
      high = max(high, Page.align(end))
    }
    guard low < high else { throw .invalidArgument }
    return low..<high
  }

  /// The largest p_align that is a power of two, at least a page: `maximum_alignment`.
  var maximumAlignment: UInt64 {
    segments.lazy.map(\.alignment).filter { $0 & ($0 &- 1) == 0 }.reduce(Page.size, max)
  }
}
