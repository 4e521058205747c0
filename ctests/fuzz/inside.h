// What both fuzzers of system calls begin with: the proof that they are inside a sandbox, bounds on what they may use,
// seeded random numbers, and the ring of the last calls.
//
// A fuzzer that ran outside would do to the machine whatever the numbers say. So nothing starts unless all of this holds,
// which no single source can make true: the runner's variables; a filter, by the kernel's own word (prctl), that the sentry's
// /proc does not show, which is so nowhere else; no_new_privs; a file of the host that cannot be seen; a process of the
// host that cannot be signalled.
#ifndef FUZZ_INSIDE_H
#define FUZZ_INSIDE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline void refuse(const char *why) {
    fprintf(stderr, "fuzz: refused: %s; this program runs in a sandbox only, started by ctests/fuzz/run.sh\n", why);
    exit(78);
}

static inline void requireSandbox(void) {
    const char *canary = getenv("VEDETTE_FUZZ_CANARY"), *host = getenv("VEDETTE_FUZZ_HOST_PID");
    if (!canary || canary[0] != '/' || !host) refuse("the runner's variables are not set");
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2 /* SECCOMP_MODE_FILTER */) refuse("prctl shows no seccomp filter");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) refuse("no_new_privs is not set");
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    bool hidesFilter = false;
    while (status && fgets(line, sizeof line, status))
        if (strcmp(line, "Seccomp:\t0\n") == 0) hidesFilter = true;
    if (status) fclose(status);
    if (!hidesFilter) refuse("/proc/self/status is the kernel's own");
    struct stat found;
    if (lstat(canary, &found) == 0 || errno != ENOENT) refuse("a file of the host is visible");
    // The fuzzers signal at random: a supervisor that lets kill(2) through must be found by the escape tests, not here.
    if (kill(atoi(host), 0) == 0) refuse("a process of the host can be signalled");
}

// Hard limits, so that no child can lift them.
static inline void bound(int resource, rlim_t limit) {
    struct rlimit wanted = {limit, limit};
    if (setrlimit(resource, &wanted) != 0) {
        perror("fuzz: setrlimit");
        exit(2);
    }
}

// A process has at most 128 descriptors and a file at most 2 MiB, and so memfds and pipes are bounded too.
static inline void setBounds(void) {
    bound(RLIMIT_AS, 768ul << 20);
    bound(RLIMIT_FSIZE, 2ul << 20);
    bound(RLIMIT_NOFILE, 128);
    bound(RLIMIT_NPROC, 384);
    bound(RLIMIT_CORE, 0);
    bound(RLIMIT_MEMLOCK, 1ul << 20);
    bound(RLIMIT_MSGQUEUE, 1ul << 18);
    signal(SIGXFSZ, SIG_IGN);
}

// A worker may send the process that keeps the watch what it likes (F_SETOWN, timers, terminals): all but what ends it for
// certain is ignored there, and works in the workers.
static inline void ignoreSignals(void (*action)(int)) {
    for (int number = 1; number <= SIGRTMAX; number++)
        if (number != SIGCHLD && number != SIGXFSZ) signal(number, action);
}

static inline double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// MARK: - Random numbers: splitmix64, one state a thread

struct Random {
    uint64_t state;
};

static inline uint64_t next(struct Random *random) {
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static inline uint64_t below(struct Random *random, uint64_t limit) { return limit ? next(random) % limit : 0; }
static inline bool chance(struct Random *random, unsigned percent) { return next(random) % 100 < percent; }
static inline uint64_t mix(uint64_t seed, uint64_t number) {
    struct Random random = {seed ^ number * 0xd1342543de82ef95u};
    next(&random);
    return next(&random);
}

// MARK: - The ring

// The last calls, in a file of the host that the runner hands over as a descriptor (--fd) and reads when all is over: a
// sandbox that dies takes everything else with it.
struct RingEntry {
    uint64_t sequence, arguments[6];
    int64_t result;  // RUNNING until the call has returned
    int32_t number, thread;
};
#define RING_ENTRIES 4096
#define RUNNING INT64_MIN

struct Ring {
    _Atomic uint64_t next, steps, rounds;
    // The number of the case that was begun last, and whether it is one of two extremes.
    _Atomic uint64_t number, isPair;
    // How often calls that must be answered were; 1 once the fuzzer has ended by itself. run.sh reads both by their offset.
    _Atomic uint64_t beats, isOver;
    struct RingEntry entries[RING_ENTRIES];
};
static struct Ring *ring;

static inline void openRing(void) {
    const char *number = getenv("VEDETTE_FUZZ_RING_FD");
    ring = MAP_FAILED;
    if (number) {
        // Far from all buffers, so that a size too large for one of them does not reach it.
        ring = mmap((void *)0x3f0000000000, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(number), 0);
        if (ring == MAP_FAILED) perror("fuzz: the ring cannot be mapped; calls are not recorded");
        close(atoi(number));
    }
    if (ring == MAP_FAILED) ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) exit(2);
    memset(ring, 0, sizeof *ring);
}

static inline struct RingEntry *record(long number, const uint64_t *arguments) {
    uint64_t sequence = atomic_fetch_add(&ring->next, 1);
    struct RingEntry *entry = &ring->entries[sequence % RING_ENTRIES];
    entry->result = RUNNING;
    entry->number = (int32_t)number;
    entry->thread = (int32_t)syscall(SYS_gettid);
    memcpy(entry->arguments, arguments, sizeof entry->arguments);
    entry->sequence = sequence;
    return entry;
}

static inline void printEntry(const struct RingEntry *entry, const char *name) {
    printf("%10llu %5d %s(", (unsigned long long)entry->sequence, entry->thread, name);
    for (int i = 0; i < 6; i++) printf("%s0x%llx", i ? ", " : "", (unsigned long long)entry->arguments[i]);
    if (entry->result == RUNNING) printf(") has not returned\n");
    else printf(") = %lld\n", (long long)entry->result);
}

// A worker's own output goes nowhere: it has standard output among its descriptors.
static inline void silence(void) {
    int fd = open("/dev/null", O_WRONLY);
    if (fd < 0) return;
    dup2(fd, 1);
    dup2(fd, 2);
    if (fd > 2) close(fd);
}

// MARK: - The call itself

// As `syscall(2)`, without errno, for numbers of which anything may come.
static inline long raw(long number, const uint64_t *a) {
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];
    register uint64_t r9 __asm__("r9") = a[5];
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

// A call that may make a child which shares this memory, or this stack: the child ends before it touches either.
static inline long rawWithoutChild(long number, const uint64_t *a) {
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];
    register uint64_t r9 __asm__("r9") = a[5];
    long result;
    __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\tmov $60, %%eax\n\txor %%edi, %%edi\n\tsyscall\n1:"
                     : "=a"(result)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

#endif
