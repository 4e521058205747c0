// The code that every guest image is loaded by. It is copied into a static ELF of one page (Platform's `Trampoline`)
// and runs a table of `TrampolineCall` entries, 72 bytes each; rdi holds the table's address. It has no data, uses no
// stack, and trusts nothing: what it runs is what the guest could run itself.
//
//   0 number   8..48 six arguments   56 result   64 base (offset from the table of a value added to argument one)

        .section .rodata
        .globl  vd_trampoline_start
        .globl  vd_trampoline_end
        .balign 16
vd_trampoline_start:
        movq    %rdi, %rbx
        movq    %rdi, %rbp
1:      movq    0(%rbp), %rax
        movq    8(%rbp), %rdi
        movq    16(%rbp), %rsi
        movq    24(%rbp), %rdx
        movq    32(%rbp), %r10
        movq    40(%rbp), %r8
        movq    48(%rbp), %r9
        movq    64(%rbp), %rcx
        testq   %rcx, %rcx
        jz      2f
        addq    (%rbx,%rcx), %rdi
2:      syscall
        movq    %rax, 56(%rbp)
        cmpq    $59, 0(%rbp)
        je      3f
        addq    $72, %rbp
        jmp     1b
        // The end of the table came back: the supervisor refused it.
3:      ud2
vd_trampoline_end:
        .byte   0

        .section .note.GNU-stack,"",@progbits
