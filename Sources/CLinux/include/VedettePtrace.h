// ptrace(2), kcmp(2) and the seccomp user notification as the platform uses them. The structures are spelled out here
// under names of our own, because <sys/ptrace.h> and <linux/ptrace.h> cannot be included together.
#ifndef VEDETTE_PTRACE_H
#define VEDETTE_PTRACE_H

#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

enum {
  VD_PTRACE_PEEKUSER = 3,
  VD_PTRACE_POKEDATA = 5,
  VD_PTRACE_POKEUSER = 6,
  VD_PTRACE_CONT = 7,
  VD_PTRACE_GETREGS = 12,
  VD_PTRACE_SETREGS = 13,
  VD_PTRACE_SYSCALL = 24,
  VD_PTRACE_SETOPTIONS = 0x4200,
  VD_PTRACE_GETEVENTMSG = 0x4201,
  VD_PTRACE_GETSIGINFO = 0x4202,
  VD_PTRACE_SEIZE = 0x4206,
  VD_PTRACE_INTERRUPT = 0x4207,
  VD_PTRACE_LISTEN = 0x4208,
  VD_PTRACE_GETSIGMASK = 0x420a,
  VD_PTRACE_SETSIGMASK = 0x420b,
  VD_PTRACE_GET_SYSCALL_INFO = 0x420e,

  VD_PTRACE_EVENT_FORK = 1,
  VD_PTRACE_EVENT_VFORK = 2,
  VD_PTRACE_EVENT_CLONE = 3,
  VD_PTRACE_EVENT_EXEC = 4,
  VD_PTRACE_EVENT_SECCOMP = 7,
  VD_PTRACE_EVENT_STOP = 128,

  VD_PTRACE_O_TRACESYSGOOD = 1,
  VD_PTRACE_O_TRACEFORK = 1 << 1,
  VD_PTRACE_O_TRACEVFORK = 1 << 2,
  VD_PTRACE_O_TRACECLONE = 1 << 3,
  VD_PTRACE_O_TRACEEXEC = 1 << 4,
  VD_PTRACE_O_TRACESECCOMP = 1 << 7,
  VD_PTRACE_O_EXITKILL = 1 << 20,

  VD_SYSCALL_INFO_SECCOMP = 3,

  VD_KCMP_VM = 1,
  VD_KCMP_FILES = 2,
  VD_KCMP_FS = 3,
};

/// `struct user_regs_struct` of x86-64.
struct vd_registers {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss, fs_base,
      gs_base, ds, es, fs, gs;
};

/// `struct ptrace_syscall_info` as it is at a seccomp stop.
struct vd_syscall_info {
  uint8_t op;
  uint8_t pad[3];
  uint32_t arch;
  uint64_t instruction_pointer;
  uint64_t stack_pointer;
  uint64_t number;
  uint64_t arguments[6];
  uint32_t data;
  uint32_t reserved;
};

/// `struct seccomp_notif_addfd` (Linux 5.9).
struct vd_notify_addfd {
  uint64_t id;
  uint32_t flags;
  uint32_t source;
  uint32_t target;
  uint32_t target_flags;
};

enum {
  VD_ADDFD_SETFD = 1,
  VD_ADDFD_SEND = 2,
  VD_FILTER_SPEC_ALLOW = 1 << 2,
  VD_FILTER_NEW_LISTENER = 1 << 3,
  VD_FILTER_WAIT_KILLABLE_RECV = 1 << 5,
};

/// The ioctl numbers of the listener, which Swift cannot import as macros with `sizeof`.
static const uint64_t vd_ioctl_notify_receive = SECCOMP_IOCTL_NOTIF_RECV;
static const uint64_t vd_ioctl_notify_send = SECCOMP_IOCTL_NOTIF_SEND;
static const uint64_t vd_ioctl_notify_is_valid = SECCOMP_IOCTL_NOTIF_ID_VALID;
static const uint64_t vd_ioctl_notify_add = 0x40182103;        // SECCOMP_IOW(3, struct seccomp_notif_addfd)
static const uint64_t vd_ioctl_notify_set_flags = 0x40082104;  // SECCOMP_IOW(4, __u64), Linux 6.6

#endif
