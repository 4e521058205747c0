// What Swift cannot say to the kernel by itself: raw system calls that return a negative errno (so that no code
// between the call and the reading of `errno` can disturb it), and the kernel's headers as one module.
#ifndef VEDETTE_CLINUX_H
#define VEDETTE_CLINUX_H

// No _GNU_SOURCE: Swift's own Glibc module is built without it, and two shapes of one structure are an error.
// What the C library hides without it comes from the kernel's headers, or is spelled out below.

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef O_PATH
#define O_PATH 010000000
#define O_TMPFILE (020000000 | O_DIRECTORY)
#define O_NOATIME 01000000
#define O_DIRECT 040000
#endif
/// `man 3 errno`, which Swift cannot read as the macro that it is.
static inline int vd_errno(void) { return errno; }

/// The environment this process was given (`man 7 environ`).
static inline char *const *vd_environment(void) {
  extern char **environ;
  return environ;
}

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#define AT_NO_AUTOMOUNT 0x800
#endif

#ifdef VEDETTE_FAULTS
/// A build for tests only (Faults.c): 0, or the negative errno that this call fails with in place of being made.
long vd_fault(long number);
#endif

/// The bare `syscall` instruction. Returns what the kernel returned: a value, or a negative errno.
static inline long vd_syscall(long number, long a, long b, long c, long d, long e, long f) {
  long result;
#ifdef VEDETTE_FAULTS
  long fault = vd_fault(number);
  // close(2) that fails has released the descriptor all the same (fs/open.c).
  if (fault != 0 && number != 3 /* SYS_close */) return fault;
#endif
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
#ifdef VEDETTE_FAULTS
  if (fault != 0) return fault;
#endif
  return result;
}

#include "VedetteLaunch.h"
#include "VedetteLocks.h"
#include "VedettePtrace.h"

/// `vd_interruptible_syscall`, which `ThreadFlag` makes.
static inline long vd_interruptible_call(const uint32_t *flag, long number, long a, long b, long c, long d) {
#ifdef VEDETTE_FAULTS
  long fault = vd_fault(number);
  if (fault != 0) return fault;
#endif
  return vd_interruptible_syscall(flag, number, a, b, c, d);
}

#endif
