// Children that try what Doctor wants to know; each is forked for one question and never runs Swift.
#define _GNU_SOURCE
#include <sys/prctl.h>

#include "LaunchInternal.h"

static long forked(void) { return VD_CALL(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0); }

static void wait_for(long child) {
  long result;
  do result = VD_CALL(SYS_wait4, child, 0, 0x40000000 /* __WALL */, 0, 0, 0);
  while (result == -EINTR);
}

int vd_probe_ptrace(void) {
  long child = forked();
  if (child < 0) return (int)child;
  if (child == 0) {
    VD_CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
    for (;;) VD_CALL(SYS_pause, 0, 0, 0, 0, 0, 0);
  }
  long result = VD_CALL(SYS_ptrace, PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP, 0, 0);
  VD_CALL(SYS_kill, child, SIGKILL, 0, 0, 0, 0);
  wait_for(child);
  return (int)result;
}

int vd_probe_listener(unsigned long flags) {
  long child = forked();
  if (child < 0) return (int)child;
  if (child == 0) {
    struct sock_filter allow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog program = {1, allow};
    long result = VD_CALL(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
    if (result == 0) result = VD_CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program, 0, 0, 0);
    for (;;) VD_CALL(SYS_exit_group, result < 0 ? -result : 0, 0, 0, 0, 0, 0);
  }
  int status = 0;
  long result;
  do result = VD_CALL(SYS_wait4, child, &status, 0x40000000, 0, 0, 0);
  while (result == -EINTR);
  if (result < 0) return (int)result;
  return (status & 0x7f) != 0 ? -EPERM : -((status >> 8) & 0xff);
}

int vd_probe_mapping_query(void) {
  // struct procmap_query of Linux 6.11: 104 bytes, size first, then flags, then the address.
  uint64_t query[13] = {104, 0, (uint64_t)(uintptr_t)&vd_probe_mapping_query};
  long file = VD_CALL(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0, 0, 0);
  if (file < 0) return (int)file;
  long result = VD_CALL(SYS_ioctl, file, 0xc0686611, query, 0, 0, 0);
  VD_CALL(SYS_close, file, 0, 0, 0, 0, 0);
  return (int)result;
}

int vd_probe_memory_map(void) {
  unsigned size = 0;
  return (int)VD_CALL(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0, 0);
}

int vd_probe_file_system(void) {
  long context = VD_CALL(SYS_fsopen, "tmpfs", 1, 0, 0, 0, 0);
  if (context >= 0) VD_CALL(SYS_close, context, 0, 0, 0, 0, 0);
  return context < 0 ? (int)context : 0;
}
