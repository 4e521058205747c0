// Random system calls from inside a sandbox: any number, any arguments, several threads over the same memory and the same
// descriptors. It judges nothing: run.sh does, by what is left of the supervisor and of the host.
//
//   random_calls [--seed N] [--steps M] [--rounds R] [--seconds S] [--threads T] [--only CALL,...] [--without CALL,...]
//                [--except CALL.ARGUMENT=VALUE,...] [--avoid WHAT,...]
//                [--print]
//   random_calls --ring FILE      shows the last calls that a run has left (the only thing it does outside)
//
// A round is a worker: a fork with a seed of its own, made of the run's seed and the round's number, that makes M calls and
// ends. Whatever it does to itself costs nothing. `--seed N --first-round K --rounds 1` repeats one round.
#include "pools.h"
#include <pthread.h>
#include <sched.h>

static uint64_t seed = 1;
static long stepsPerRound = 3000, rounds = -1, firstRound;
static double limit = 10;
static int threadLimit = 4;
static bool prints;
static volatile bool isOver;

static uint64_t oddNumber(struct Random *random) {
    switch (below(random, 6)) {
        case 0:
            return below(random, 64);
        case 1:
            return 1ull << below(random, 64);
        case 2:
            return (1ull << below(random, 64)) - 1;
        case 3:
            return next(random);
        case 4:
            return below(random, 8192);
        default:
            return extremes[below(random, EXTREMES)];
    }
}

static uint64_t oddAddress(struct Random *random) { return oddAddresses[below(random, oddCount)]; }

static uint64_t anyPool(struct Random *random) {
    uint64_t choice = below(random, 100);
    if (choice < 60) return (uint64_t)pool[below(random, poolCount)];
    if (choice < 85) return below(random, 64);
    if (choice < 93) return (uint64_t)(int64_t)AT_FDCWD;
    if (choice < 96) return next(random) << 32 | (uint64_t)pool[below(random, poolCount)];
    return oddNumber(random);
}

// Each thread has a part of `good` for what it points to.
struct Worker {
    struct Random random;
    char *space;
    size_t used;
    int depth;
};

static char *room(struct Worker *worker, size_t size) {
    if (worker->used + size > GOOD / 4) worker->used = 0;
    char *at = worker->space + worker->used;
    worker->used += (size + 15) & ~15ul;
    return at;
}

// Puts bytes where a call reads them: usually in memory that stays, sometimes where another thread writes, or so that they
// end with the last page.
static uint64_t place(struct Worker *worker, const void *bytes, size_t size) {
    struct Random *random = &worker->random;
    uint64_t choice = below(random, 100);
    char *at;
    if (choice < 8) return oddAddress(random);
    if (choice < 20 && size <= BUSY) at = busy + below(random, BUSY - size + 1);
    else if (choice < 30 && size <= PAGE) at = edge - size + (chance(random, 30) ? below(random, size + 1) : 0);
    else at = room(worker, size);
    size_t fits = at <= edge && at >= edge - PAGE ? (size_t)(edge - at) : size;
    memcpy(at, bytes, fits < size ? fits : size);
    return (uint64_t)at;
}

static const char *anyName(struct Random *random) {
    for (;;) {
        const char *name = names[below(random, NAMES)];
        if (!avoidsTerminals || strncmp(name, "/dev/pts", 8) != 0) return name;
    }
}

static uint64_t anyPath(struct Worker *worker) {
    struct Random *random = &worker->random;
    char text[1024];
    switch (below(random, 30)) {
        case 0:
            return place(worker, name255, 256);
        case 1:
            return place(worker, name256, 257);
        case 2:
            return place(worker, path4095, 4096);
        case 3:
            return place(worker, path4096, 4097);
        case 4:
            return (uint64_t)readOnly + below(random, PAGE);
        case 5:
            snprintf(text, sizeof text, "/proc/self/fd/%llu", (unsigned long long)anyPool(random));
            break;
        case 6:
            snprintf(text, sizeof text, "/proc/%llu/fd/%d", (unsigned long long)below(random, 12), pool[below(random, poolCount)]);
            break;
        case 7:
            snprintf(text, sizeof text, "%s/%s", anyName(random), anyName(random));
            break;
        case 8:
            snprintf(text, sizeof text, "dir/%llu", (unsigned long long)below(random, 400));
            break;
        default:
            snprintf(text, sizeof text, "%s", anyName(random));
    }
    return place(worker, text, strlen(text) + 1);
}

static uint64_t anyStructure(struct Worker *worker, char kind) {
    struct Random *random = &worker->random;
    char bytes[256];
    if (chance(random, 10)) return oddAddress(random);
    if (chance(random, 8)) return 0;
    unsigned words = fillStructure(kind, bytes);
    if (kind == 'v' && chance(random, 50))
        for (int i = 0; i < 3; i++) ((uint64_t *)bytes)[2 * i] = chance(random, 50) ? oddAddress(random) : (uint64_t)room(worker, 512);
    // Change none, some or all words.
    unsigned changes = chance(random, 40) ? 0 : chance(random, 70) ? 1 + (unsigned)below(random, 2) : words;
    for (unsigned i = 0; i < changes; i++) {
        unsigned word = (unsigned)below(random, words);
        if (chance(random, 50)) ((uint32_t *)bytes)[word] = (uint32_t)oddNumber(random);
        else ((uint64_t *)bytes)[word / 2] = oddNumber(random);
    }
    if (kind == 's' && chance(random, 30)) {
        uint64_t fill = oddNumber(random);
        for (int i = 0; i < 32; i++) ((uint64_t *)bytes)[i] = fill;
    }
    // Pointers inside a message point into the copy.
    char *at = (char *)place(worker, bytes, sizeof bytes);
    if (kind == 'M' && at >= good && at < good + GOOD) {
        struct msghdr *message = (struct msghdr *)at;
        if (message->msg_iov == (void *)(bytes + 128)) message->msg_iov = (void *)(at + 128);
        if (message->msg_control == (void *)(bytes + 160)) message->msg_control = at + 160;
        int sent[2] = {pool[below(random, poolCount)], pool[below(random, poolCount)]};
        memcpy(at + 176, sent, sizeof sent);
    }
    return (uint64_t)at;
}

static uint64_t anyFlags(struct Random *random) {
    static const unsigned known[] = {O_RDWR | O_CREAT,
                                     O_RDWR | O_CREAT | O_EXCL,
                                     O_RDONLY | O_TRUNC,
                                     O_RDWR | O_TRUNC,
                                     O_PATH,
                                     O_PATH | O_NOFOLLOW,
                                     O_DIRECTORY,
                                     O_TMPFILE | O_RDWR,
                                     O_WRONLY | O_APPEND,
                                     O_RDWR | O_NONBLOCK,
                                     O_NOATIME,
                                     O_RDWR | O_DIRECT,
                                     O_RDWR | O_SYNC,
                                     O_RDWR | O_NOCTTY,
                                     AT_EMPTY_PATH,
                                     AT_SYMLINK_NOFOLLOW,
                                     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
                                     AT_REMOVEDIR,
                                     AT_SYMLINK_FOLLOW,
                                     AT_EACCESS,
                                     AT_NO_AUTOMOUNT,
                                     SOCK_CLOEXEC,
                                     MSG_DONTWAIT,
                                     MSG_PEEK | MSG_DONTWAIT,
                                     MREMAP_MAYMOVE,
                                     MREMAP_MAYMOVE | MREMAP_FIXED,
                                     IN_ALL_EVENTS,
                                     IN_MASK_ADD | IN_ONLYDIR | IN_MODIFY};
    switch (below(random, 8)) {
        case 0:
            return 0;
        case 1:
            return 1ull << below(random, 33);
        case 2:
            return 1ull << below(random, 32) | 1ull << below(random, 32) | below(random, 4);
        case 3:
            return oddNumber(random);
        default:
            return known[below(random, sizeof known / sizeof known[0])];
    }
}

static uint64_t anyAddressOfPages(struct Worker *worker, long number) {
    struct Random *random = &worker->random;
    // What is unmapped or protected is mostly what random calls have mapped: a worker without its stack makes no more calls.
    if (number != SYS_mmap && chance(random, 85)) return chance(random, 20) ? (uint64_t)mapped : 0x200000000000 + below(random, 64) * PAGE;
    static const uint64_t fixed[] = {
        0, 0x10000, 0x100000000, 0x7ffff7000000, 0x7fffffffe000, 0x7ffffffff000, 0x800000000000, (uint64_t)-PAGE, (uint64_t)-2 * PAGE, 0x8000000000000000};
    switch (below(random, 6)) {
        case 0:
            return fixed[below(random, sizeof fixed / sizeof fixed[0])];
        case 1:
            return oddAddress(random);
        case 2:
            return (uint64_t)busy + below(random, 4) * PAGE;
        case 3:
            return 0x200000000000 + below(random, 64) * PAGE;
        case 4:
            return (uint64_t)mapped;
        default:
            return 0;
    }
}

static uint64_t anyCommand(struct Random *random, long number) {
    static const unsigned file[] = {
        F_DUPFD,      F_GETFD,     F_SETFD,     F_GETFL,     F_SETFL,     F_GETLK, F_SETLK,    F_SETLKW,   F_SETOWN, F_GETOWN,        10,
        11,           15,          16,          F_OFD_GETLK, F_OFD_SETLK, 38,      F_SETLEASE, F_GETLEASE, F_NOTIFY, F_DUPFD_CLOEXEC, F_SETPIPE_SZ,
        F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS, 1035,        1036,        1037,    1038};
    static const unsigned control[] = {0x5401,     0x5402,     0x5403,     0x540b, 0x540e, 0x540f, 0x5410,    0x5411,     0x5412,
                                       0x5413,     0x5414,     0x541b,     0x541c, 0x5420, 0x5421, 0x5422,    0x5423,     0x5429,
                                       0x80045430, 0x40045431, 0x5441,     0x5450, 0x5451, 0x5452, 2,         0x40049409, 0x4020940d,
                                       0x80086601, 0x40086602, 0x801c581f, 0x8910, 0x8912, 0x8927, 0xc0385800};
    static const unsigned process[] = {1,  2,  3,  4,  7,  8,  13, 15, 16, 21, 22, 23, 24, 25, 26, 27, 28, 29,         30,
                                       33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 47, 52, 53, 59, 65, 66, 78, 0x53564d41, 0x59616d61};
    if (chance(random, 8)) return oddNumber(random);
    if (number == SYS_fcntl) return file[below(random, sizeof file / sizeof file[0])];
    if (number == SYS_ioctl) return control[below(random, sizeof control / sizeof control[0])];
    return process[below(random, sizeof process / sizeof process[0])];
}

static uint64_t anyArgument(struct Worker *worker, long number, char kind) {
    struct Random *random = &worker->random;
    if (chance(random, 4)) return chance(random, 50) ? oddNumber(random) : oddAddress(random);
    switch (kind) {
        case 'd':
            return chance(random, 60) ? (uint64_t)(int64_t)AT_FDCWD : anyPool(random);
        case 'f':
            return anyPool(random);
        case 'p':
        case 'q':
        case 'D':
            return anyPath(worker);
        case 'x': {
            const char *name = chance(random, 5) ? name256 : xattrs[below(random, XATTRS)];
            return place(worker, name, strlen(name) + 1);
        }
        case 'b':
            return chance(random, 25) ? oddAddress(random) : chance(random, 20) ? (uint64_t)busy : (uint64_t)room(worker, PAGE);
        case 'n':
        case 'L':
            return chance(random, 60) ? below(random, 300) : chance(random, 50) ? below(random, 70000) : oddNumber(random);
        case 'V':
            return chance(random, 80) ? below(random, 4) : oddNumber(random);
        case 's':
        case 'v':
        case 'M':
        case 'a':
        case 'A':
        case 'X':
        case 't':
        case 'T':
        case 'h':
        case 'c':
        case 'O':
            return anyStructure(worker, kind);
        case 'e': {
            uint64_t vector[4] = {0};
            for (int i = 0; i < 3; i++) vector[i] = chance(random, 70) ? anyPath(worker) : chance(random, 50) ? 0 : oddAddress(random);
            return chance(random, 15) ? 0 : place(worker, vector, chance(random, 80) ? sizeof vector : 24);
        }
        case 'o':
            return chance(random, 40) ? below(random, 20) * PAGE : chance(random, 50) ? below(random, 100000) : oddNumber(random);
        case 'k':
            return anyAddressOfPages(worker, number);
        case 'K':
            return chance(random, 80) ? (1 + below(random, 8)) * PAGE : oddNumber(random);
        case 'r':
            return chance(random, 90) ? below(random, 8) : oddNumber(random);
        case 'R': {
            static const unsigned known[] = {MAP_SHARED,
                                             MAP_PRIVATE,
                                             MAP_SHARED,
                                             MAP_PRIVATE | MAP_FIXED,
                                             MAP_SHARED | MAP_FIXED,
                                             MAP_SHARED_VALIDATE,
                                             MAP_PRIVATE | MAP_FIXED_NOREPLACE,
                                             MAP_PRIVATE | MAP_ANONYMOUS,
                                             MAP_SHARED | MAP_POPULATE,
                                             MAP_PRIVATE | MAP_32BIT,
                                             MAP_PRIVATE | MAP_GROWSDOWN};
            return chance(random, 90) ? known[below(random, sizeof known / sizeof known[0])] : oddNumber(random);
        }
        case 'w':
            return anyFlags(random);
        case 'm':
            return chance(random, 80) ? below(random, 0200000) : oddNumber(random);
        case 'u':
            return chance(random, 60) ? below(random, 3) : chance(random, 30) ? 65534 : oddNumber(random);
        case 'P': {
            return chance(random, 70) ? (chance(random, 50) ? 0 : (uint64_t)getpid()) : oddNumber(random);
        }
        case 'S':
            return chance(random, 70) ? (chance(random, 60) ? 0 : SIGUSR1) : oddNumber(random);
        case 'C':
            return anyCommand(random, number);
        default:
            return chance(random, 50) ? below(random, 16) : oddNumber(random);
    }
}

static void *scribble(void *unused);
static void step(struct Worker *worker);

static void callOnce(struct Worker *worker, long number, uint64_t *a) {
    struct RingEntry *entry = record(number, a);
    if (prints) printEntry(entry, nameOf(number));
    bool isFork = number == SYS_fork || (number == SYS_clone && !(a[0] & 0x100 /* CLONE_VM */) && a[1] == 0);
    bool mayShareMemory = number == SYS_vfork || number == SYS_clone || number == SYS_clone3;
    long result = isFork ? raw(number, a) : mayShareMemory ? rawWithoutChild(number, a) : raw(number, a);
    if (isFork && result == 0) {
        // A child makes a few calls of its own; none outlives its parent.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (worker->depth++ < 2)
            for (int i = 0; i < 12; i++) step(worker);
        raw(SYS_exit_group, (uint64_t[6]){0});
    }
    entry->result = result;
    atomic_fetch_add(&ring->steps, 1);
}

static const struct Call *anyCall(struct Random *random) {
    static int total;
    if (!total)
        for (size_t i = 0; i < CALLS; i++) total += calls[i].weight;
    int rest = (int)below(random, (uint64_t)total);
    for (size_t i = 0; i < CALLS; i++)
        if ((rest -= calls[i].weight) < 0) return &calls[i];
    return &calls[0];
}

static void step(struct Worker *worker) {
    struct Random *random = &worker->random;
    uint64_t a[6];
    long number;
    const char *kinds = "";
    uint64_t choice = below(random, 100);
    if (choice < 92) {
        const struct Call *call = anyCall(random);
        // What ends the worker, or takes its pools away, is rarer.
        if (has(call, '#') && chance(random, 70)) return;
        number = call->number;
        kinds = call->kinds;
    } else if (choice < 97) {
        number = (long)below(random, 501);
        const struct Call *call = callOf(number);
        if (call && has(call, '#') && chance(random, 90)) return;
    } else if (choice < 98) {
        number = (long)(0x40000000 | below(random, 600));
    } else {
        number = (long)oddNumber(random);
    }
    for (size_t i = 0; i < 6; i++) a[i] = anyArgument(worker, number, i < strlen(kinds) ? kinds[i] : 'i');
    if ((number == SYS_exit || number == SYS_exit_group || number == SYS_seccomp) && chance(random, 95)) return;
    if (isAvoided(number, a)) return;
    callOnce(worker, number, a);
}

// MARK: - What single calls do not reach

// Executes a small program whose headers have been spoiled, in a child.
static void executeMutant(struct Worker *worker) {
    struct Random *random = &worker->random;
    uint64_t image[512] = {0};
    const uint64_t header[] = {
        0x00010102464c457f,
        0,
        0x00000001003e0002,
        0x401000,
        64,
        0,
        0x0038004000000000,
        0x3,
        0x0000000500000001,
        0x1000,
        0x401000,
        0x401000,
        32,
        32,
        0x1000,  // PT_LOAD, r-x
        0x0000000600000001,
        0x0,
        0x600000,
        0x600000,
        256,
        0x2000,
        0x1000,  // PT_LOAD, rw-
        0x000000066474e551,
        0,
        0,
        0,
        0,
        0,
        16,  // PT_GNU_STACK
    };
    memcpy(image, header, sizeof header);
    uint64_t changes = below(random, 4);
    for (uint64_t i = 0; i < changes; i++) {
        uint64_t place = below(random, sizeof header / 8);
        if (chance(random, 30)) ((uint16_t *)image)[below(random, sizeof header / 2)] = (uint16_t)oddNumber(random);
        else image[place] = chance(random, 50) ? oddNumber(random) : image[place] + below(random, 3) * PAGE - PAGE;
    }
    const char *path = chance(random, 50) ? "dir/mutant" : "/tmpfs/mutant";
    pid_t child = (pid_t)raw(SYS_fork, (uint64_t[6]){0});
    if (child != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (fd >= 0) {
        if (write(fd, image, sizeof image) > 0 && pwrite(fd, "\xb8\x3c\0\0\0\x31\xff\x0f\x05", 9, 0x1000) > 0) {}
        close(fd);
        char *arguments[] = {"mutant", NULL};
        execve(path, arguments, arguments + 1);
    }
    raw(SYS_exit_group, (uint64_t[6]){0});
}

// Calls behind a filter of the guest's own, in a child.
static void stepBehindFilter(struct Worker *worker) {
    struct Random *random = &worker->random;
    static const uint32_t actions[] = {0x7fff0000, 0x7ffc0000, 0x00050001, 0x00030000, 0x7ff00000, 0x7ff00100, 0x7fc00000, 0x00000000, 0x80000000};
    struct {
        uint16_t code;
        uint8_t yes, no;
        uint32_t value;
    } filter[10];
    uint16_t count = 0;
    filter[count++] = (__typeof__(filter[0])){0x20, 0, 0, 0};
    for (int i = 0; i < 4; i++) {
        filter[count++] = (__typeof__(filter[0])){0x15, 0, 1, chance(random, 70) ? (uint32_t)anyCall(random)->number : (uint32_t)oddNumber(random)};
        filter[count++] = (__typeof__(filter[0])){0x06, 0, 0, actions[below(random, 9)]};
    }
    filter[count++] = (__typeof__(filter[0])){0x06, 0, 0, 0x7fff0000};
    struct {
        uint16_t length;
        void *filter;
    } program = {count, filter};
    pid_t child = (pid_t)raw(SYS_fork, (uint64_t[6]){0});
    if (child != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    uint64_t flags = chance(random, 60) ? 0 : 1ull << below(random, 6);
    syscall(SYS_seccomp, 1u, flags, &program);
    worker->depth = 2;
    for (int i = 0; i < 30; i++) step(worker);
    raw(SYS_exit_group, (uint64_t[6]){0});
}

// MARK: - A worker's threads

static struct Worker workers[4];
static _Atomic int running;
static _Atomic long progress[4];
static int threadIDs[4];

static void *walk(void *argument) {
    struct Worker *worker = argument;
    size_t index = (size_t)(worker - workers);
    threadIDs[index] = (int)syscall(SYS_gettid);
    for (long i = 0; i < stepsPerRound && !isOver; i++) {
        uint64_t choice = below(&worker->random, 1000);
        if (choice < 4) executeMutant(worker);
        else if (choice < 6) stepBehindFilter(worker);
        else step(worker);
        progress[index]++;
    }
    running--;
    return NULL;
}

// Changes what the others point to, and wakes who sleeps in a call.
static void *scribble(void *unused) {
    (void)unused;
    struct Random random = {mix(seed, 77)};
    long seen[4] = {0};
    for (unsigned turn = 0; running > 0; turn++) {
        for (int i = 0; i < 64; i++) {
            char *at = busy + below(&random, BUSY - 16);
            if (chance(&random, 50)) memcpy(at, names[below(&random, NAMES)], 5);
            else *(uint64_t *)((uintptr_t)at & ~7ul) = chance(&random, 50) ? oddNumber(&random) : oddAddress(&random);
        }
        if (turn % 32 == 31) {
            struct timespec wait = {0, 1000000};
            nanosleep(&wait, NULL);
            for (int i = 0; i < 4; i++) {
                if (threadIDs[i] && seen[i] == progress[i]) syscall(SYS_tgkill, getpid(), threadIDs[i], SIGUSR2);
                seen[i] = progress[i];
            }
        } else sched_yield();
    }
    return NULL;
}

static void nothing(int signal) { (void)signal; }

static int work(uint64_t roundSeed) {
    struct Random random = {roundSeed};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (!prints) silence();
    changeProcess();
    bound(RLIMIT_CPU, 10);
    ignoreSignals(SIG_DFL);
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    int count = threadLimit > 1 ? 1 + (int)below(&random, (uint64_t)threadLimit) : 1;
    if (count > 4) count = 4;
    running = count;
    pthread_t threads[4], scribbler;
    for (int i = 0; i < count; i++) workers[i] = (struct Worker){{next(&random)}, good + (size_t)i * (GOOD / 4), 0, 0};
    for (int i = 1; i < count; i++)
        if (pthread_create(&threads[i], NULL, walk, &workers[i]) != 0) running--;
    pthread_create(&scribbler, NULL, scribble, NULL);
    walk(&workers[0]);
    while (running > 0) sched_yield();
    return 0;
}

// MARK: - The parent

// Strays that outlived their worker: whatever this sandbox shows, but for us, our parent and the supervisor's init.
static void endStrays(void) {
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    while (processes && (entry = readdir(processes))) {
        int process = atoi(entry->d_name);
        if (process > 1 && process != getpid() && process != getppid()) kill(process, SIGKILL);
    }
    if (processes) closedir(processes);
}

// Calls that must be answered whatever the workers did, by this process and by a new one.
static void probe(double began) {
    struct stat found;
    stat("/", &found);
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    char byte;
    if (read(fd, &byte, 1) != 1) printf("odd: /proc/self/stat cannot be read: %s\n", strerror(errno));
    close(fd);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/fuzz", "fuzz", "--end", NULL);
        _exit(43);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (child < 0) printf("odd: fork: %s\n", strerror(errno));
    printf("alive %.1f s, %llu rounds, %llu calls, probe 0x%x\n", seconds() - began, (unsigned long long)ring->rounds, (unsigned long long)ring->steps, status);
    fflush(stdout);
    ring->beats++;
}

static void watch(pid_t worker, double roundLimit) {
    double began = seconds(), moved = began;
    uint64_t seen = ring->steps;
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == worker || (ended < 0 && errno == ECHILD)) return;
        if (ended > 0) continue;
        struct timespec wait = {0, 1000000};
        nanosleep(&wait, NULL);
        double now = seconds();
        if (ring->steps != seen) seen = ring->steps, moved = now;
        if (now - moved > 0.3 || now - began > roundLimit) {
            kill(worker, SIGKILL);
            while (waitpid(worker, &status, 0) < 0 && errno == EINTR) {}
            return;
        }
    }
}

static int showRing(const char *path) {
    int fd = open(path, O_RDONLY);
    struct Ring *seen = mmap(NULL, sizeof *seen, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd < 0 || seen == MAP_FAILED) return perror(path), 1;
    printf("%llu calls in %llu rounds\n", (unsigned long long)seen->steps, (unsigned long long)seen->rounds);
    // What repeats the end of it: the round of the one fuzzer, the case of the other.
    printf("random: --first-round %llu --rounds 1\n", (unsigned long long)seen->rounds);
    printf("extreme: --%s %llu\n", seen->isPair ? "pair" : "case", (unsigned long long)seen->number);
    uint64_t last = seen->next;
    for (uint64_t i = last > 64 ? last - 64 : 0; i < last; i++) printEntry(&seen->entries[i % RING_ENTRIES], nameOf(seen->entries[i % RING_ENTRIES].number));
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--ring") == 0) return showRing(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--end") == 0) return 42;
    requireSandbox();
    const char *avoided = "";
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--print") == 0) {
            prints = true;
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--seed") == 0) seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i - 1], "--steps") == 0) stepsPerRound = atol(value);
        else if (strcmp(argv[i - 1], "--rounds") == 0) rounds = atol(value);
        else if (strcmp(argv[i - 1], "--first-round") == 0) firstRound = atol(value);
        else if (strcmp(argv[i - 1], "--seconds") == 0) limit = atof(value);
        else if (strcmp(argv[i - 1], "--threads") == 0) threadLimit = atoi(value);
        else if (strcmp(argv[i - 1], "--without") == 0) leaveOut(value);
        else if (strcmp(argv[i - 1], "--only") == 0) keepOnly(value);
        else if (strcmp(argv[i - 1], "--except") == 0) except(value);
        else if (strcmp(argv[i - 1], "--avoid") == 0) avoided = value;
        else refuse("an unknown option");
    }
    avoid(avoided);
    keeper = getpid();
    setBounds();
    ignoreSignals(SIG_IGN);
    openRing();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fillNames();
    makeMemory();
    makeFiles();
    collectAddresses();
    makeDescriptors();
    printf("random_calls --seed %llu --steps %ld: %zu descriptors, %zu addresses\n", (unsigned long long)seed, stepsPerRound, poolCount, oddCount);
    fflush(stdout);

    ring->rounds = (uint64_t)firstRound;
    double began = seconds(), probed = 0;
    for (long round = firstRound; (rounds < 0 || round < firstRound + rounds) && seconds() - began < limit; round++) {
        uint64_t roundSeed = mix(seed, (uint64_t)round);
        pid_t worker = fork();
        if (worker == 0) _exit(work(roundSeed));
        if (worker < 0) {
            printf("odd: fork: %s\n", strerror(errno));
            endStrays();
        } else watch(worker, 10);
        ring->rounds = (uint64_t)round + 1;
        if (round % 8 == 7) endStrays(), mendFiles();
        if (seconds() - probed > 1) probed = seconds(), probe(began);
    }
    endStrays();
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    probe(began);
    ring->isOver = 1;
    printf("random_calls: ended, %llu calls in %llu rounds\n", (unsigned long long)ring->steps, (unsigned long long)ring->rounds);
    return 0;
}
