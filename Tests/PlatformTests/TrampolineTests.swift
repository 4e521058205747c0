import CLinux
import Gate
import Testing

@testable import Platform

/// The kernel loads what is written here.
@Suite struct TrampolineTests {
  @Test(arguments: [false, true]) func imageIsAnELFFileOfOnePart(_ executableStack: Bool) throws {
    let image = Trampoline.image(executableStack: executableStack)
    let base = TrampolineLayout.range.lowerBound
    try image.withUnsafeBytes { bytes in
      try #require(bytes.count > 176)
      let header = bytes.loadUnaligned(as: Elf64_Ehdr.self)
      #expect(bytes[..<16].elementsEqual([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)))
      #expect(header.e_type == UInt16(ET_EXEC) && header.e_machine == UInt16(EM_X86_64) && header.e_version == 1)
      #expect(header.e_ehsize == 64 && header.e_phentsize == 56 && header.e_phnum == 2 && header.e_phoff == 64)
      #expect(header.e_entry == base + 176)
      let text = bytes.loadUnaligned(fromByteOffset: 64, as: Elf64_Phdr.self)
      #expect(text.p_type == UInt32(PT_LOAD) && text.p_flags == UInt32(PF_R | PF_X) && text.p_offset == 0)
      #expect(text.p_vaddr == base && text.p_filesz == UInt64(bytes.count) && text.p_memsz == text.p_filesz)
      let stack = bytes.loadUnaligned(fromByteOffset: 120, as: Elf64_Phdr.self)
      #expect(stack.p_type == UInt32(PT_GNU_STACK))
      #expect(stack.p_flags == UInt32(executableStack ? PF_R | PF_W | PF_X : PF_R | PF_W))
      var size = 0
      let code = vd_trampoline_code(&size)
      #expect(bytes[176...].elementsEqual(UnsafeBufferPointer(start: code, count: size)))
    }
  }
}
