// Waiting in the kernel for one thing while another thread may have something to say. A signal that ends a wait is lost if
// it comes between the last look at what was said and the system call itself; wait4(2) has no signal mask to close that
// gap with. So the look and the call are one stretch of code, and the signal's handler, should it find the thread in there,
// moves it to the end of it (the way in which C libraries make cancellation points).
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "LaunchInternal.h"

// long vd_interruptible_syscall(const uint32_t *flag, long number, long a, long b, long c, long d)
// Neither the stack nor a register that the caller keeps is touched, so it may end at any instruction.
__asm__(
    "        .text\n"
    "        .globl  vd_interruptible_syscall\n"
    "        .type   vd_interruptible_syscall, @function\n"
    "vd_interruptible_syscall:\n"
    "        cmpl    $0, (%rdi)\n"
    "        jne     vd_interruptible_abort\n"
    "        movq    %rsi, %rax\n"
    "        movq    %rdx, %rdi\n"
    "        movq    %rcx, %rsi\n"
    "        movq    %r8, %rdx\n"
    "        movq    %r9, %r10\n"
    "        xorl    %r8d, %r8d\n"
    "        xorl    %r9d, %r9d\n"
    "        syscall\n"
    "vd_interruptible_end:\n"
    "        ret\n"
    "vd_interruptible_abort:\n"
    "        movq    $-4, %rax\n"  // EINTR
    "        ret\n"
    "        .size   vd_interruptible_syscall, . - vd_interruptible_syscall\n");

extern const char vd_interruptible_end[], vd_interruptible_abort[];

static void interrupted(int signal, siginfo_t *information, void *context) {
  (void)signal;
  (void)information;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  uint64_t address = (uint64_t)registers[REG_RIP];
  if (address >= (uint64_t)&vd_interruptible_syscall && address < (uint64_t)vd_interruptible_end)
    registers[REG_RIP] = (greg_t)(uint64_t)vd_interruptible_abort;
}

int vd_install_interrupt(int signal) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = interrupted;
  action.sa_flags = SA_SIGINFO;
  return sigaction(signal, &action, NULL) == 0 ? 0 : -errno;
}

void vd_flag_raise(uint32_t *flag) { __atomic_store_n(flag, 1, __ATOMIC_SEQ_CST); }

int vd_flag_take(uint32_t *flag) { return (int)__atomic_exchange_n(flag, 0, __ATOMIC_SEQ_CST); }

int vd_flag_is_raised(const uint32_t *flag) { return (int)__atomic_load_n(flag, __ATOMIC_ACQUIRE); }

void vd_flag_raise_for_waiters(uint32_t *flag) {
  vd_flag_raise(flag);
  // A wake that fails would leave them asleep for ever.
  for (int i = 0; i < 3; i++)
    if (VD_CALL(SYS_futex, flag, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 0x7fffffff, 0, 0, 0) >= 0) return;
}

int vd_flag_wait(const uint32_t *flag, long milliseconds) {
  struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  long result = 0;
  while (!vd_flag_is_raised(flag)) {
    if (result == -ETIMEDOUT) return 0;
    result = VD_CALL(SYS_futex, flag, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, milliseconds < 0 ? NULL : &limit, 0, 0);
  }
  return 1;
}
