// Operations on mappings of the files.
#include "operations.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define MAPS 6

static struct {
    char *at;
    size_t length;
    off_t offset;
    bool writable;
    int fd;
} maps[MAPS];

static sigjmp_buf faulted;
static void onBus(int number) { siglongjmp(faulted, number); }

void prepareOperations(void) {
    struct sigaction action = {.sa_handler = onBus};
    sigaction(SIGBUS, &action, NULL);
}

static void dropMap(int m) {
    if (!maps[m].at) return;
    munmap(maps[m].at, maps[m].length);
    if (maps[m].fd >= 0) close(maps[m].fd);
    maps[m].at = NULL;
}
void op_map_(void) {
    int i = slot(), m = (int)below(MAPS);
    int flags = chance(60) ? MAP_SHARED : MAP_PRIVATE, protection = chance(50) ? PROT_READ : PROT_READ | PROT_WRITE;
    off_t from = chance(70) ? 0 : PAGE;
    say(" -> %d %d %d %lld", m, flags, protection, (long long)from);
    char *at = mmap(NULL, 3 * PAGE, protection, flags, slots[i], from);
    if (result(at == MAP_FAILED ? -1 : 0) != 0) return;
    dropMap(m);
    maps[m].at = at;
    maps[m].length = 3 * PAGE;
    maps[m].offset = from;
    maps[m].writable = protection & PROT_WRITE;
    // A writer needs the size; a reader does without, so that mappings outlive their last descriptor.
    maps[m].fd = maps[m].writable ? fcntl(slots[i], F_DUPFD_CLOEXEC, 0) : -1;
}
void op_mapRead(void) {
    int m = (int)below(MAPS);
    unsigned at = below(3) * PAGE + below(2) * 2048;
    say(" %d %u", m, at);
    if (!maps[m].at) {
        say(" none");
        return;
    }
    if (sigsetjmp(faulted, 1)) {
        say(" = SIGBUS");
        return;
    }
    say(" = %llx", (unsigned long long)hash(maps[m].at + at, 256));
}
void op_mapWrite(void) {
    int m = (int)below(MAPS);
    unsigned at = below(3) * PAGE + below(4000), size = 1 + below(90);
    say(" %d %u %u", m, at, size);
    const char *bytes = fill(90);
    struct stat s;
    if (!maps[m].at || !maps[m].writable || fstat(maps[m].fd, &s) != 0) {
        say(" none");
        return;
    }
    // Bytes beyond the end of the file in its last page are not the file's; what becomes of them is not defined.
    if (maps[m].offset + at + size > s.st_size) {
        say(" beyond");
        return;
    }
    if (sigsetjmp(faulted, 1)) {
        say(" = SIGBUS");
        return;
    }
    memcpy(maps[m].at + at, bytes, size);
    // When a write to a mapping moves the times is the file system's own affair (tmpfs: never).
    futimens(maps[m].fd, NULL);
    say(" = ok");
}
void op_msync_(void) {
    int m = (int)below(MAPS);
    say(" %d", m);
    if (maps[m].at) result(msync(maps[m].at, maps[m].length, MS_SYNC));
}
void op_munmap_(void) {
    int m = (int)below(MAPS);
    say(" %d", m);
    dropMap(m);
}
