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

import Gate
import Kernel
import LinuxABI

/// The trampoline's two files.
package enum Trampoline {
  /// Bytes of the ELF file.
  package static func image(executableStack: Bool) -> [UInt8] {
    let code = LaunchTrampolines.code
    let base = TrampolineLayout.range.lowerBound
    let headers = MemoryLayout<ELFHeader>.size + 2 * MemoryLayout<ProgramHeader>.size

    var header = ELFHeader(.executable)
    header.entry = base + UInt64(headers)
    header.programHeaderOffset = UInt64(MemoryLayout<ELFHeader>.size)
    header.programHeaderCount = 2

    var text = ProgramHeader(.load, [.read, .execute])
    text.address = base
    text.physicalAddress = base
    text.fileSize = UInt64(headers + code.count)
    text.memorySize = text.fileSize
    text.alignment = 4096

    var stack = ProgramHeader(.stack, executableStack ? [.read, .write, .execute] : [.read, .write])
    stack.alignment = 16

    var image: [UInt8] = []
    withUnsafeBytes(of: header) { image += $0 }
    withUnsafeBytes(of: text) { image += $0 }
    withUnsafeBytes(of: stack) { image += $0 }
    return image + code
  }

  /// The names of the two files: strings that the vdso of every guest holds, so that pointing execve at the trampoline
  /// writes nothing into guest memory. `Vdso` knows where they lie; if it does not, the names are pushed on the stack.
  package static func name(executableStack: Bool) -> StaticString {
    executableStack ? "__vdso_getcpu" : "LINUX_2.6"
  }
}
