// The headers of an ELF executable: what the kernel's `load_elf_binary` reads before it gives up the old image
// (fs/binfmt_elf.c), with the errno it gives for each fault. Nothing is mapped here; where segments go is ImageLayout's.

import Kernel
import LinuxABI

/// A parsed ELF64 x86-64 executable or interpreter. A pure value: the descriptor is kept by whoever opened it.
struct ELFFile: Sendable {
  /// A PT_LOAD entry, unchecked but for its type: the kernel looks at the numbers only when it maps them.
  struct Segment: Sendable, Equatable {
    var flags: SegmentFlags
    var offset: UInt64
    var address: UInt64
    var fileSize: UInt64
    var memorySize: UInt64
    var alignment: UInt64
  }

  /// Where PT_INTERP names the interpreter: a range of the file.
  struct InterpreterName: Sendable, Equatable {
    var offset: UInt64
    var size: UInt64
  }

  /// ET_DYN: may be loaded anywhere.
  var isPositionIndependent: Bool
  /// e_entry.
  var entry: UInt64
  /// e_phoff.
  var headerOffset: UInt64
  /// e_phnum.
  var headerCount: UInt64
  /// The PT_LOAD entries in the order of the file.
  var segments: [Segment]
  /// The first PT_INTERP; later ones are ignored.
  var interpreter: InterpreterName?
  /// The last PT_GNU_STACK asks for an executable stack. Without one a 64-bit stack is not executable.
  var hasExecutableStack: Bool

  /// Parses what `execve` was asked to run.
  ///
  /// - Parameter start: the first bytes of the file; what is missing of a header counts as zero, as in `bprm->buf`.
  /// - Throws: `.execFormatError` if it is no program for this machine, or if its headers cannot be read.
  init(program descriptor: CInt, start: [UInt8]) throws(Errno) {
    let file = try? Self.parse(descriptor, start)
    guard let file else { throw .execFormatError }
    self = file
  }

  /// Parses a program interpreter.
  ///
  /// - Throws: ELIBBAD if it is no ELF file for this machine, `.ioError` if it is shorter than an ELF header.
  init(interpreter descriptor: CInt) throws(Errno) {
    let start = try Self.readExactly(MemoryLayout<ELFHeader>.size, from: descriptor, at: 0)
    // The interpreter's type is looked at after the point of no return only: ImageLayout refuses what has none.
    let file = try? Self.parse(descriptor, start, anyType: true)
    guard let file else { throw .corruptedSharedLibrary }
    self = file
  }

  /// The path of the interpreter, up to its first NUL; nil if the program needs none.
  ///
  /// - Throws: `.execFormatError` if the name is shorter than 2 bytes, longer than PATH_MAX or not terminated;
  ///   `.ioError` if the file ends before it.
  func interpreterPath(from descriptor: CInt) throws(Errno) -> [UInt8]? {
    guard let interpreter else { return nil }
    guard interpreter.size >= 2, interpreter.size <= 4096 else { throw .execFormatError }
    let bytes = try Self.readExactly(Int(interpreter.size), from: descriptor, at: interpreter.offset)
    guard bytes.last == 0 else { throw .execFormatError }
    return Array(bytes.prefix { $0 != 0 })
  }

  /// The file has a type that can be loaded: ET_EXEC or ET_DYN. Always true of a program.
  private(set) var isLoadable: Bool

  // MARK: - Parsing

  /// - Throws: `.execFormatError`, or what reading gave; the callers have an errno of their own for all of it.
  private static func parse(_ descriptor: CInt, _ start: [UInt8], anyType: Bool = false) throws(Errno) -> ELFFile {
    let header = load(ELFHeader.self, from: start, at: 0)
    // The class byte is not looked at, as in the kernel: an ELF32 file fails by its machine or by e_phentsize.
    let isLoadable = ELFType(rawValue: header.type) != nil
    guard header.hasMagic, header.machine == ELFHeader.x86_64, isLoadable || anyType,
      Int(header.programHeaderSize) == MemoryLayout<ProgramHeader>.size
    else { throw .execFormatError }
    let size = Int(header.programHeaderCount) * MemoryLayout<ProgramHeader>.size
    guard size > 0, size <= 65536 else { throw .execFormatError }

    let table = try readExactly(size, from: descriptor, at: header.programHeaderOffset)
    var file = ELFFile(header, isLoadable: isLoadable)
    for index in 0..<Int(header.programHeaderCount) {
      file.add(load(ProgramHeader.self, from: table, at: index * MemoryLayout<ProgramHeader>.size))
    }
    return file
  }

  private init(_ header: ELFHeader, isLoadable: Bool) {
    isPositionIndependent = ELFType(rawValue: header.type) == .dynamic
    entry = header.entry
    headerOffset = header.programHeaderOffset
    headerCount = UInt64(header.programHeaderCount)
    segments = []
    interpreter = nil
    hasExecutableStack = false
    self.isLoadable = isLoadable
  }

  /// Takes in one program header; types that do not matter for loading are passed over.
  private mutating func add(_ header: ProgramHeader) {
    switch SegmentType(rawValue: header.type) {
    case .load:
      segments.append(
        Segment(
          flags: header.flags, offset: header.offset, address: header.address, fileSize: header.fileSize,
          memorySize: header.memorySize, alignment: header.alignment))
    case .interpreter:
      if interpreter == nil { interpreter = InterpreterName(offset: header.offset, size: header.fileSize) }
    case .stack:
      hasExecutableStack = header.flags.contains(.execute)
    case nil:
      break
    }
  }

  /// One C structure out of `bytes`; what lies behind their end reads as zero.
  private static func load<T: BitwiseCopyable>(_ type: T.Type, from bytes: [UInt8], at offset: Int) -> T {
    withUnsafeTemporaryAllocation(byteCount: MemoryLayout<T>.size, alignment: MemoryLayout<T>.alignment) { buffer in
      for index in 0..<buffer.count {
        let position = offset + index
        buffer[index] = position < bytes.count ? bytes[position] : 0
      }
      return buffer.load(as: T.self)
    }
  }

  /// The kernel's `elf_read`: all of `count` bytes, or an errno.
  private static func readExactly(_ count: Int, from descriptor: CInt, at offset: UInt64) throws(Errno) -> [UInt8] {
    // A negative loff_t is EINVAL to `kernel_read`.
    let bytes = try readStart(count, from: descriptor, at: try Int64(offset, or: .invalidArgument))
    guard bytes.count == count else { throw .ioError }
    return bytes
  }

  /// Up to `count` bytes from `offset` on: fewer only at the end of the file.
  static func readStart(_ count: Int, from descriptor: CInt, at offset: Int64 = 0) throws(Errno) -> [UInt8] {
    try withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { buffer throws(Errno) in
      var done = 0
      while done < count {
        guard let position = offset.addingExactly(Int64(done)) else { break }
        let read = try Host.read(
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]), from: descriptor, at: position)
        if read == 0 { break }
        done += read
      }
      return [UInt8](buffer[..<done])
    }
  }
}
