// A build for tests only (-DVEDETTE_FAULTS; `make faults`): one system call of the supervisor fails, or all of a number do, in
// place of being made. A release has nothing of this.
//
// VEDETTE_FAULT=INDEX:ERRNO         the INDEXth call from the start, counted over all threads and the children of the launch
// VEDETTE_FAULT=nNUMBER/NTH:ERRNO   the NTH call of that number
// VEDETTE_FAULT=0:0                 none
//                                   ERRNO -1: the call never returns
// VEDETTE_FAULT_LOG=FILE            an existing file: a line for the call that failed, and, by the supervisor itself, one for the
//                                   count at its end, then zeros
#ifdef VEDETTE_FAULTS
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "LaunchInternal.h"

static long wanted_index, wanted_number = -1, wanted_error;
/// Shared with the children: calls made, and bytes in the log.
static long *count;
static char *log_text;
enum { log_size = 4096 };
static pid_t owner;

/// The call itself, past `vd_fault`.
static long raw(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory", "r10", "r8", "r9");
  return result;
}

/// Into the file's own memory: at the end there is no descriptor of it, and Landlock may forbid to open it.
static void note(const char *what, long index, long number, long error) {
  char line[160];
  int length = snprintf(line, sizeof line, "%s %ld call %ld errno %ld\n", what, index, number, error);
  if (log_text == NULL || length < 0) return;
  long offset = __atomic_fetch_add(&count[1], length, __ATOMIC_RELAXED);
  if (offset + length <= log_size) memcpy(log_text + offset, line, (size_t)length);
}

long vd_fault(long number) {
  if (count == NULL) return 0;
  // Who ends does not return, so its end cannot fail.
  if (number == SYS_exit_group || number == SYS_exit) return 0;
  if (wanted_number >= 0 && number != wanted_number) return 0;
  long index = __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
  if (index != wanted_index || wanted_error == 0) return 0;
  note("failed", index, number, wanted_error);
  long moment[2] = {1, 0};
  while (wanted_error == -1) raw(SYS_nanosleep, (long)moment, 0, 0);
  return -wanted_error;
}

static void finish(void) {
  if (count != NULL && raw(SYS_getpid, 0, 0, 0) == owner) note("count", *count, 0, 0);
}

__attribute__((constructor)) static void prepare(void) {
  const char *text = getenv("VEDETTE_FAULT");
  const char *log_path = getenv("VEDETTE_FAULT_LOG");
  owner = (pid_t)raw(SYS_getpid, 0, 0, 0);
  atexit(finish);
  if (text == NULL) return;
  void *page = mmap(NULL, 2 * sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  count = page;
  int file = log_path == NULL ? -1 : open(log_path, O_RDWR | O_CLOEXEC);
  if (file >= 0) {
    void *text_page =
        ftruncate(file, log_size) == 0 ? mmap(NULL, log_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
    if (text_page != MAP_FAILED) log_text = text_page;
    close(file);
  }
  long error = 0;
  if (sscanf(text, "n%ld/%ld:%ld", &wanted_number, &wanted_index, &error) != 3 &&
      sscanf(text, "%ld:%ld", &wanted_index, &error) != 2)
    return;
  wanted_error = error;
}
#endif
