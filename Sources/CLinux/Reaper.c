// Without namespaces the store is a directory that outlives a supervisor killed by SIGKILL, and so does a control group. The
// reaper waits for the supervisor's end and removes it: in every case, because the supervisor has given up what that takes
// by then. It holds nothing else of the supervisor's and belongs to the system's init.
#define _GNU_SOURCE
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "LaunchInternal.h"

struct entry {
  uint64_t inode, offset;
  unsigned short length;
  unsigned char type;
  char name[];
};

/// Removes everything below a directory, never following a link.
static void empty(long directory, int depth) {
  char buffer[4096] __attribute__((aligned(8)));
  long count;
  int removed;
  if (depth > 64) return;
  do {
    removed = 0;
    VD_CALL(SYS_lseek, directory, 0, SEEK_SET, 0, 0, 0);
    while ((count = VD_CALL(SYS_getdents64, directory, buffer, sizeof buffer, 0, 0, 0)) > 0) {
      for (long at = 0; at < count; at += ((struct entry *)(buffer + at))->length) {
        const char *name = ((struct entry *)(buffer + at))->name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (VD_CALL(SYS_unlinkat, directory, name, 0, 0, 0, 0) == 0) {
          removed = 1;
          continue;
        }
        long child = VD_CALL(SYS_openat, directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, 0, 0);
        if (child < 0) continue;
        VD_CALL(SYS_fchmod, child, 0700, 0, 0, 0, 0);
        empty(child, depth + 1);
        VD_CALL(SYS_close, child, 0, 0, 0, 0, 0);
        if (VD_CALL(SYS_unlinkat, directory, name, AT_REMOVEDIR, 0, 0, 0) == 0) removed = 1;
      }
    }
  } while (removed);
}

void vd_remove_tree(const char *path) {
  long result;
  int waits = 0;
  // A call that fails for a want of memory is not a reason to leave a directory that no other process removes.
  for (int attempt = 0; attempt < 3; attempt++) {
    long directory = VD_CALL(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, 0, 0);
    if (directory == -ENOENT) return;
    if (directory >= 0) {
      empty(directory, 0);
      VD_CALL(SYS_close, directory, 0, 0, 0, 0, 0);
    }
    // A control group has its members until they are gone for good.
    while ((result = VD_CALL(SYS_rmdir, path, 0, 0, 0, 0, 0)) == -EBUSY && waits++ < 500) {
      struct timespec moment = {0, 10000000};
      VD_CALL(SYS_nanosleep, &moment, 0, 0, 0, 0, 0);
    }
    if (result == 0) return;
  }
}

int vd_launch_reaper(const char *path) {
  int ends[2];
  long result = VD_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends, 0, 0);
  if (result < 0) return (int)result;
  long middle = VD_CALL(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
  if (middle == 0) {
    // Twice forked, so that the tracer's wait never meets it.
    long inner = VD_CALL(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
    if (inner == 0) {
      uint64_t all = ~0ull;
      VD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8, 0, 0);
      VD_CALL(SYS_setsid, 0, 0, 0, 0, 0, 0);
      // Its own copy of the other end would keep it waiting.
      VD_CALL(SYS_close, ends[1], 0, 0, 0, 0, 0);
      if (ends[0] > 0) VD_CALL(SYS_close_range, 0, ends[0] - 1, 0, 0, 0, 0);
      VD_CALL(SYS_close_range, ends[0] + 1, ~0u, 0, 0, 0, 0);
      char byte;
      long received = -EINTR;
      for (int failures = 0; received < 0 && failures < 1000;) {
        received = VD_CALL(SYS_read, ends[0], &byte, 1, 0, 0, 0);
        if (received >= 0 || received == -EINTR) continue;
        struct timespec moment = {0, 10000000};
        VD_CALL(SYS_nanosleep, &moment, 0, 0, 0, 0, 0);
        failures++;
      }
      if (received == 0) vd_remove_tree(path);
    }
    for (;;) VD_CALL(SYS_exit_group, inner < 0, 0, 0, 0, 0, 0);
  }
  VD_CALL(SYS_close, ends[0], 0, 0, 0, 0, 0);
  if (middle < 0) {
    VD_CALL(SYS_close, ends[1], 0, 0, 0, 0, 0);
    return (int)middle;
  }
  // Left behind, it would make the other one our child, for which the tracer would wait.
  int status = 0;
  do result = VD_CALL(SYS_wait4, middle, &status, 0x40000000 /* __WALL */, 0, 0, 0);
  while (result < 0 && result != -ECHILD);
  if (status != 0) {
    VD_CALL(SYS_close, ends[1], 0, 0, 0, 0, 0);
    return -EAGAIN;
  }
  return ends[1];
}
