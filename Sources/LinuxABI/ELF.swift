// The headers of an ELF file of 64 bits (`man 5 elf`), in their layout in the file.

/// `Elf64_Ehdr`: the first bytes of the file.
public struct ELFHeader: BitwiseCopyable, Sendable {
  /// The first four bytes of `e_ident`: ELFMAG.
  public var magic: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
  /// The other twelve of `e_ident`: class, byte order, version, ABI.
  @usableFromInline var identification: (UInt32, UInt32, UInt32) = (0, 0, 0)
  /// `e_type`; see `ELFType`.
  public var type: UInt16 = 0
  /// `e_machine`.
  public var machine: UInt16 = 0
  public var version: UInt32 = 0
  public var entry: UInt64 = 0
  /// `e_phoff`: where in the file the program headers are, of `programHeaderSize` bytes each.
  public var programHeaderOffset: UInt64 = 0
  public var sectionHeaderOffset: UInt64 = 0
  public var flags: UInt32 = 0
  /// `e_ehsize`.
  public var size: UInt16 = 0
  public var programHeaderSize: UInt16 = 0
  public var programHeaderCount: UInt16 = 0
  public var sectionHeaderSize: UInt16 = 0
  public var sectionHeaderCount: UInt16 = 0
  /// `e_shstrndx`.
  public var sectionNameIndex: UInt16 = 0

  @inlinable
  public init() {}

  /// Of a file of 64 bits for this machine: ELFCLASS64, ELFDATA2LSB, EV_CURRENT.
  @inlinable
  public init(_ type: ELFType) {
    magic = (0x7f, 0x45, 0x4c, 0x46)
    identification.0 = 0x1_0102
    self.type = type.rawValue
    machine = Self.x86_64
    version = 1
    size = UInt16(MemoryLayout<ELFHeader>.size)
    programHeaderSize = UInt16(MemoryLayout<ProgramHeader>.size)
  }

  @inlinable
  public var hasMagic: Bool { magic == (0x7f, 0x45, 0x4c, 0x46) }

  /// EM_X86_64.
  public static let x86_64: UInt16 = 62
}

/// What an ELF file is for: ET_..., of those that can be loaded.
public enum ELFType: UInt16, Sendable {
  /// ET_EXEC: at the addresses that it names.
  case executable = 2
  /// ET_DYN: anywhere.
  case dynamic = 3
}

/// `Elf64_Phdr`: one part of the file that matters to running it.
public struct ProgramHeader: BitwiseCopyable, Sendable {
  /// `p_type`; see `SegmentType`.
  public var type: UInt32 = 0
  public var flags = SegmentFlags()
  public var offset: UInt64 = 0
  /// `p_vaddr`.
  public var address: UInt64 = 0
  /// `p_paddr`.
  public var physicalAddress: UInt64 = 0
  public var fileSize: UInt64 = 0
  public var memorySize: UInt64 = 0
  public var alignment: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(_ type: SegmentType, _ flags: SegmentFlags) {
    self.type = type.rawValue
    self.flags = flags
  }
}

/// PT_..., of those that the kernel looks at.
public enum SegmentType: UInt32, Sendable {
  case load = 1
  /// PT_INTERP: the name of the program's interpreter.
  case interpreter = 3
  /// PT_GNU_STACK: whether the stack is to be executable.
  case stack = 0x6474_e551
}

/// PF_...: how a segment is to be mapped.
public struct SegmentFlags: OptionSet, BitwiseCopyable, Sendable, Hashable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let execute = SegmentFlags(rawValue: 1)
  public static let write = SegmentFlags(rawValue: 2)
  public static let read = SegmentFlags(rawValue: 4)
}
