// The file that the kernel executes in place of every guest program: a static ELF of one page, with the code of
// CLinux's Trampoline.S, in two variants that differ in the executable-stack mark.
//
// Its contract with the sentry's loader, which writes the table:
//  1. `SystemCallHandler.handle` answers `.exec(executableStack:)` to an execve. The kernel runs the trampoline with the
//     guest's own argv and envp; all other threads of the group end.
//  2. `imageReplaced(thread, former, stackPointer)` is called while the new image has not run one instruction. The stack is
//     the kernel's (argc at `stackPointer`, argv, envp, auxv naming the trampoline). The handler writes the table of
//     `TrampolineCall` entries and the corrected stack block anywhere into the stack's pages below or above, and returns
//     both addresses. The table must be writable, and must lie above the returned stack pointer's red zone or anywhere
//     that no signal frame can reach: signal handlers are reset by exec, so in practice anywhere.
//  3. The trampoline runs entry after entry: argument one is incremented by the int64 at (table + base) if `base` is not 0
//     (entry i's result lies at byte offset 72 * i + 56); the result is stored in the entry.
//  4. An `openat` entry arrives at the notify gate and is answered with `.install`, which puts the program's descriptor and
//     the interpreter's at numbers of the handler's choice (not close-on-exec; the table closes them).
//  5. An `mmap` entry carries the layout's secrets: flags | flagsSecret, descriptor | descriptorSecret (the kernel looks at
//     the low halves). The secrets lie in guest memory then: the handler must overwrite or unmap the table before it
//     answers `.start`, or the program could read them.
//  6. The last entry is an `execve` (any arguments), which arrives at the trace gate from a thread that the handler knows to
//     be loading. It checks the results and answers `.start`, or `.kill(signal: SIGSEGV)`.
//  7. The kernel set the break behind the trampoline: correct it with prctl(PR_SET_MM, PR_SET_MM_MAP) in the table.

import CLinux
import Gate

/// The trampoline's two files.
package enum Trampoline {
  /// Bytes of the ELF file.
  package static func image(executableStack: Bool) -> [UInt8] {
    var size = 0
    let code = vd_trampoline_code(&size)
    let headers = 64 + 2 * 56
    let base = TrampolineLayout.range.lowerBound

    var header = Elf64_Ehdr()
    withUnsafeMutableBytes(of: &header.e_ident) { $0.copyBytes(from: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]) }
    header.e_type = UInt16(ET_EXEC)
    header.e_machine = UInt16(EM_X86_64)
    header.e_version = 1
    header.e_entry = base + UInt64(headers)
    header.e_phoff = 64
    header.e_ehsize = 64
    header.e_phentsize = 56
    header.e_phnum = 2

    var text = Elf64_Phdr()
    text.p_type = UInt32(PT_LOAD)
    text.p_flags = UInt32(PF_R | PF_X)
    text.p_vaddr = base
    text.p_paddr = base
    text.p_filesz = UInt64(headers + size)
    text.p_memsz = text.p_filesz
    text.p_align = 4096

    var stack = Elf64_Phdr()
    stack.p_type = UInt32(PT_GNU_STACK)
    stack.p_flags = UInt32(executableStack ? PF_R | PF_W | PF_X : PF_R | PF_W)
    stack.p_align = 16

    var image: [UInt8] = []
    withUnsafeBytes(of: header) { image += $0 }
    withUnsafeBytes(of: text) { image += $0 }
    withUnsafeBytes(of: stack) { image += $0 }
    image += UnsafeBufferPointer(start: code, count: size)
    return image
  }

  /// The names of the two files: strings that the vdso of every guest holds, so that pointing execve at the trampoline
  /// writes nothing into guest memory. `Vdso` knows where they lie; if it does not, the names are pushed on the stack.
  package static func name(executableStack: Bool) -> StaticString {
    executableStack ? "__vdso_getcpu" : "LINUX_2.6"
  }
}
