// Where program and interpreter go: the kernel's rules for load addresses and their randomness (fs/binfmt_elf.c,
// arch/x86/mm/mmap.c), decided by the supervisor so that every address is known before the table runs.

import LinuxABI

/// The layouts of one program in one fresh process.
struct ImagePlacement {
  let program: ImageLayout
  let interpreter: ImageLayout?
  /// Where the heap starts: behind the program, or in the area of position-independent programs for a loader.
  let heap: UInt64

  /// ELF_ET_DYN_BASE: two thirds of the address space, not on a page boundary.
  private static let dynamicBase: UInt64 = 0x5555_5555_4aaa
  /// `mmap_rnd_bits` of x86-64 as every distribution has it.
  private static let randomPages: UInt64 = 1 << 28

  /// - Throws: what makes the kernel end a program with SIGSEGV: `.invalidArgument`, `.noMemory`; `.fileExists` if an
  ///   image would lie over the stack, the vdso, the trampoline or the other image.
  init(program: ELFFile, interpreter: ELFFile?, in process: borrowing FreshProcess) throws(Errno) {
    var taken = process.taken
    let programLayout: ImageLayout
    if !program.isPositionIndependent {
      programLayout = try ImageLayout(of: program, bias: 0)
    } else if interpreter != nil {
      programLayout = try Self.dynamic(program, process)
    } else {
      programLayout = try Self.inMapArea(program, taken, process)
    }
    try Self.check(programLayout, against: taken)
    taken += programLayout.mappings.map(\.range)

    var interpreterLayout: ImageLayout?
    if let interpreter {
      let layout =
        interpreter.isPositionIndependent
        ? try Self.inMapArea(interpreter, taken, process) : try ImageLayout(of: interpreter, bias: 0)
      try Self.check(layout, against: taken)
      interpreterLayout = layout
    }
    self.program = programLayout
    self.interpreter = interpreterLayout

    // A loader run by itself gets its heap where it will map a program: away from the map area ("brk" handling there).
    let isLoader = program.isPositionIndependent && interpreter == nil
    var heap = Page.align(isLoader ? Self.dynamicBase : programLayout.end)
    if process.randomizesHeap {
      if !isLoader { heap += Page.size }
      heap += UInt64.random(in: 0..<(1 << 30) / Page.size) * Page.size
    }
    self.heap = heap
  }

  /// A program with an interpreter: at ELF_ET_DYN_BASE and up to 1 TiB above, on its own alignment.
  private static func dynamic(_ file: ELFFile, _ process: borrowing FreshProcess) throws(Errno) -> ImageLayout {
    guard let first = file.segments.first else { throw .invalidArgument }
    var base = dynamicBase
    if process.randomizes { base += UInt64.random(in: 0..<randomPages) * Page.size }
    base &= ~(file.maximumAlignment - 1)
    return try ImageLayout(of: file, bias: Page.start(base &- first.address))
  }

  /// An interpreter, or a program without one: the highest free place in the map area, on its own alignment.
  private static func inMapArea(_ file: ELFFile, _ taken: [Range<UInt64>], _ process: borrowing FreshProcess)
    throws(Errno) -> ImageLayout
  {
    let span = try file.span()
    let size = span.upperBound - span.lowerBound
    let alignment = file.maximumAlignment
    var top = mapTop(process)
    while true {
      let start = try top.subtracting(size, or: .noMemory) & ~(alignment - 1)
      if start < 0x10000 { throw .noMemory }
      guard let obstacle = taken.first(where: { $0.overlaps(start..<(start + size)) }) else {
        return try ImageLayout(of: file, bias: start &- span.lowerBound)
      }
      top = obstacle.lowerBound
    }
  }

  /// Where the kernel's top-down search starts: below the vdso if that is where it went, else as `mmap_base` computes it.
  private static func mapTop(_ process: borrowing FreshProcess) -> UInt64 {
    if let top = process.mapTop { return top }
    // Stack limit, stack randomisation (16 GiB) and guard gap (1 MiB), between 128 MiB and 5/6 of the space.
    let padded = process.stackLimit.addingClamped(16 << 30 + 1 << 20)
    let gap = min(max(padded, 128 << 20), ImageLayout.addressLimit / 6 * 5)
    let random = process.randomizes ? UInt64.random(in: 0..<randomPages) * Page.size : 0
    return Page.start(ImageLayout.addressLimit &- gap &- random)
  }

  private static func check(_ image: ImageLayout, against taken: [Range<UInt64>]) throws(Errno) {
    for mapping in image.mappings where taken.contains(where: { $0.overlaps(mapping.range) }) { throw .fileExists }
  }
}
