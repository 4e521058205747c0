// Directed fuzzing from inside a sandbox: every call that calls.h knows, every argument at its extremes while the others are
// valid, first one argument at a time, then two. Structures have each of their words at its extremes.
//
//   extreme_calls [--seconds S] [--seed N] [--only CALL,...] [--without CALL,...]
//                [--except CALL.ARGUMENT=VALUE,...] [--avoid WHAT,...] [--singles] [--print]
//                 [--case N | --pair N]
//
// The cases are numbered: `--case N` repeats one with one extreme, `--pair N` one with two. Each is made on four grounds:
// files of the upper layer, of a lower one, in memory, of a writable bind. They are walked in an order that the seed
// chooses, so that a short run sees some of every call. It judges nothing: run.sh does.
#include "pools.h"

static double limit = 10;
static uint64_t seed = 1;
static bool prints, singlesOnly;
static const struct Ground *ground = &grounds[0];

// MARK: - The values of each kind; number 0 is valid

// A part of `good` for each argument, and what a call may write to.
static char *slot(int argument) { return good + argument * 8192; }

static uint64_t text(int argument, const char *string) {
    memcpy(slot(argument), string, strlen(string) + 1);
    return (uint64_t)slot(argument);
}

static const char *const paths[] = {
    "",
    "/",
    ".",
    "..",
    "nosuch",
    "file/x",
    "loop",
    "link",
    "link/",
    "dir",
    "dir/",
    "lower/file",
    "lower/dir",
    "lower/pair",
    "fifo",
    "sock",
    "/proc/self/fd/0",
    "/proc/self/fd/3",
    "/proc/self/exe",
    "/proc/self/cwd",
    "/proc/self/mem",
    "/proc/1/mem",
    "/dev/null",
    "/dev/tty",
    "/dev/ptmx",
    "/bind/file",
    "/shown/file",
    "/shown",
    "/tmpfs",
    "lower/script",
    "lower/elf",
    "/bin/extreme",
    "/tmpfs/file",
    "file",
    "dir/file",
    "/dev/shm",
};
#define PATHS (sizeof paths / sizeof paths[0])

static const uint32_t words32[] = {0, 1, INT32_MAX, 0x80000000u, UINT32_MAX, 1000000000u, 0x40000000u};
static const uint64_t words64[] = {INT64_MAX, 1ull << 63, (uint64_t)-1, 1ull << 47, (uint64_t)-4096, INT64_MAX / 1000000000 + 1, 1ull << 32};
static const uint64_t fills[] = {(uint64_t)-1, 0x7f7f7f7f7f7f7f7f, INT64_MAX, 1ull << 63, 0x0000000100000001, 0x7fffffff7fffffff, 0x8000000080000000};
#define COUNT(array) (sizeof array / sizeof array[0])

static unsigned wordsOf(char kind) {
    char space[256];
    return fillStructure(kind, space);
}

static size_t variants(char kind) {
    switch (kind) {
        case 'p':
        case 'q':
        case 'D':
            return 1 + PATHS + 4 + 2 + oddCount;
        case 'x':
            return 1 + XATTRS + 1 + oddCount;
        case 'b':
        case 'e':
            return 2 + oddCount;
        case 'd':
        case 'f':
            return 1 + poolCount + EXTREMES + 1;
        case 'w':
        case 'C':
        case 'R':
        case 'r':
            return 1 + EXTREMES + 32;
        default:
            if (!isStructure(kind)) return 1 + EXTREMES;
            return 2 + oddCount + wordsOf(kind) * COUNT(words32) + wordsOf(kind) / 2 * COUNT(words64) + COUNT(fills);
    }
}

static uint64_t validNumber(char kind, const struct Call *call) {
    switch (kind) {
        case 'n':
        case 'L':
            return call->number == SYS_openat2 ? 24 : kind == 'L' ? 110 : strchr(call->kinds, 'X') ? 16 : 64;
        case 'V':
            return 3;
        case 'K':
            return 2 * PAGE;
        case 'r':
            return PROT_READ | PROT_WRITE;
        case 'R':
            return MAP_PRIVATE;
        case 'm':
            return 0644;
        case 'S':
            return 0;
        case 'k':
            return call->number == SYS_mmap ? 0 : (uint64_t)busy;
        case 'C':
            return call->number == SYS_fcntl ? F_GETFL : call->number == SYS_ioctl ? 0x541b : PR_GET_NAME;
        case 'u':
            return getuid();
        default:
            return 0;
    }
}

static uint64_t variant(const struct Call *call, int argument, size_t index) {
    char kind = call->kinds[argument];
    char *space = slot(argument);
    switch (kind) {
        case 'p':
        case 'q':
        case 'D':
            if (index == 0) return text(argument, kind == 'p' ? ground->file : kind == 'q' ? ground->free : ground->directory);
            if (--index < PATHS) return text(argument, paths[index]);
            if ((index -= PATHS) < 4) return text(argument, index == 0 ? name255 : index == 1 ? name256 : index == 2 ? path4095 : path4096);
            if ((index -= 4) == 0) {
                memcpy(edge - 5, "file", 5);
                return (uint64_t)edge - 5;
            }
            if (--index == 0) {
                memset(edge - 64, 'n', 64);
                return (uint64_t)edge - 64;
            }
            return oddAddresses[index - 1];
        case 'x':
            if (index == 0) return text(argument, "user.a");
            if (--index < XATTRS) return text(argument, xattrs[index]);
            if ((index -= XATTRS) == 0) return text(argument, name256);
            return oddAddresses[index - 1];
        case 'b':
            if (index == 0) return (uint64_t)space;
            return index == 1 ? (uint64_t)busy : oddAddresses[index - 2];
        case 'e': {
            uint64_t vector[3] = {text(argument, "argument"), 0, 0};
            memcpy(space + 64, vector, sizeof vector);
            if (index == 0) return (uint64_t)space + 64;
            if (index == 1) {
                memset(space + 64, 0xff, 64);
                return (uint64_t)space + 64;
            }
            return oddAddresses[index - 2];
        }
        case 'd':
        case 'f':
            if (index == 0) return kind == 'd' ? (uint64_t)(int64_t)AT_FDCWD : (uint64_t)pool[groundSlot + (size_t)(ground - grounds)];
            if (--index < poolCount) return (uint64_t)pool[index];
            if ((index -= poolCount) < EXTREMES) return extremes[index];
            return 1ull << 32 | (uint64_t)pool[1];
        default:
            break;
    }
    if (!isStructure(kind)) {
        if (index == 0) return validNumber(kind, call);
        return --index < EXTREMES ? extremes[index] : validNumber(kind, call) | 1ull << (index - EXTREMES);
    }
    unsigned words = fillStructure(kind, space);
    if (index == 0) return (uint64_t)space;
    if (index == 1) return 0;
    index -= 2;
    if (index < oddCount) return oddAddresses[index];
    index -= oddCount;
    if (index < words * COUNT(words32)) {
        ((uint32_t *)space)[index / COUNT(words32)] = words32[index % COUNT(words32)];
        return (uint64_t)space;
    }
    index -= words * COUNT(words32);
    if (index < words / 2 * COUNT(words64)) {
        ((uint64_t *)space)[index / COUNT(words64)] = words64[index % COUNT(words64)];
        return (uint64_t)space;
    }
    index -= words / 2 * COUNT(words64);
    for (int i = 0; i < 32; i++) ((uint64_t *)space)[i] = fills[index % COUNT(fills)];
    return (uint64_t)space;
}

// MARK: - Numbered cases

// Which arguments are extreme, and which of their values they have.
struct Case {
    const struct Call *call;
    int first, second;
    size_t firstIndex, secondIndex;
};

static uint64_t singlesOf(const struct Call *call) {
    uint64_t count = 1;
    for (size_t i = 0; i < strlen(call->kinds); i++) count += variants(call->kinds[i]) - 1;
    return count;
}

static uint64_t pairsOf(const struct Call *call) {
    uint64_t count = 0;
    for (size_t i = 0; call->kinds[i]; i++)
        for (size_t j = i + 1; call->kinds[j]; j++) count += (variants(call->kinds[i]) - 1) * (variants(call->kinds[j]) - 1);
    return count;
}

static struct Case singleCase(const struct Call *call, uint64_t rest) {
    struct Case made = {call, -1, -1, 0, 0};
    if (rest-- == 0) return made;
    for (int i = 0; call->kinds[i]; i++) {
        uint64_t count = variants(call->kinds[i]) - 1;
        if (rest < count) {
            made.first = i;
            made.firstIndex = rest + 1;
            return made;
        }
        rest -= count;
    }
    return made;
}

static struct Case pairCase(const struct Call *call, uint64_t rest) {
    struct Case made = {call, -1, -1, 0, 0};
    for (int i = 0; call->kinds[i]; i++)
        for (int j = i + 1; call->kinds[j]; j++) {
            uint64_t width = variants(call->kinds[j]) - 1, count = (variants(call->kinds[i]) - 1) * width;
            if (rest < count) return (struct Case){call, i, j, rest / width + 1, rest % width + 1};
            rest -= count;
        }
    return made;
}

static uint64_t counts[2][CALLS], totals[2];

static void countCases(void) {
    for (size_t i = 0; i < CALLS; i++) {
        bool isIn = !leftOut[calls[i].number];
        counts[0][i] = isIn ? singlesOf(&calls[i]) : 0;
        counts[1][i] = isIn ? pairsOf(&calls[i]) : 0;
        totals[0] += counts[0][i] * GROUNDS;
        totals[1] += counts[1][i] * GROUNDS;
    }
}

static struct Case caseOf(int phase, uint64_t number) {
    ground = &grounds[number % GROUNDS];
    number /= GROUNDS;
    for (size_t i = 0; i < CALLS; i++) {
        if (number < counts[phase][i]) return phase ? pairCase(&calls[i], number) : singleCase(&calls[i], number);
        number -= counts[phase][i];
    }
    return (struct Case){&calls[0], -1, -1, 0, 0};
}

static void nothing(int signal) { (void)signal; }

static void make(const struct Case *made, const char *kind, uint64_t number) {
    const struct Call *call = made->call;
    if (has(call, '!')) mendGround(ground);
    uint64_t a[6] = {0};
    for (int i = 0; i < 6 && call->kinds[i]; i++) a[i] = variant(call, i, i == made->first ? made->firstIndex : i == made->second ? made->secondIndex : 0);
    if (isAvoided(call->number, a)) return;
    struct RingEntry *entry = record(call->number, a);
    if (prints) {
        printf("--%s %llu ", kind, (unsigned long long)number);
        printEntry(entry, call->name);
        fflush(stdout);
    }
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    if (has(call, '~')) setitimer(ITIMER_REAL, &often, NULL);
    bool isFork = call->number == SYS_fork || call->number == SYS_vfork || call->number == SYS_clone || call->number == SYS_clone3;
    entry->result = isFork ? rawWithoutChild(call->number, a) : raw(call->number, a);
    if (has(call, '~')) setitimer(ITIMER_REAL, &never, NULL);
    atomic_fetch_add(&ring->steps, 1);
    // What was taken in must be given out again.
    struct stat found;
    if (!strpbrk(call->kinds, "tTom")) return;
    lstat(ground->file, &found);
    fstat(pool[groundSlot + (size_t)(ground - grounds)], &found);
    int fd = open(ground->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char listing[512];
    while (fd >= 0 && syscall(SYS_getdents64, fd, listing, sizeof listing) > 0) {}
    close(fd);
}

// MARK: - Workers

static _Atomic uint64_t *done;  // cases begun in this phase

static uint64_t numberOf(int phase, uint64_t place) {
    // One after another from anywhere, so that cases of one call share a worker.
    if (!phase) return (place + mix(seed, 4)) % totals[0];
    // A step that has no factor in common with the total meets every case once.
    uint64_t total = totals[phase], step = mix(seed, 5) % total | 1;
    for (;; step += 2) {
        uint64_t a = step, b = total;
        while (b) {
            uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1) break;
    }
    return (uint64_t)(((unsigned __int128)place * step + mix(seed, 6)) % total);
}

static int work(int phase, uint64_t end, int firstFree) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    if (!prints) silence();
    changeProcess();
    bound(RLIMIT_CPU, 10);
    ignoreSignals(SIG_DFL);
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 256 && *done < end; i++) {
        uint64_t place = (*done)++;
        uint64_t number = numberOf(phase, place);
        struct Case made = caseOf(phase, number);
        ring->number = number;
        ring->isPair = (uint64_t)phase;
        make(&made, phase ? "pair" : "case", number);
        if (i % 16 == 15) syscall(SYS_close_range, firstFree, ~0u, 0);
        // What took something away ends its worker.
        if (has(made.call, '#') && (!phase || i > 16)) break;
    }
    return 0;
}

static void watch(pid_t worker) {
    double moved = seconds();
    uint64_t seen = ring->steps;
    for (unsigned turn = 0;; turn++) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == worker || (ended < 0 && errno == ECHILD)) return;
        struct timespec wait = {0, turn < 50 ? 100000 : 2000000};
        nanosleep(&wait, NULL);
        if (ring->steps != seen) seen = ring->steps, moved = seconds();
        if (seconds() - moved > 0.2) {
            kill(worker, SIGKILL);
            while (waitpid(worker, &status, 0) < 0 && errno == EINTR) {}
            return;
        }
    }
}

static void report(double began) {
    struct stat found;
    stat("/", &found);
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    close(fd);
    printf("alive %.1f s, %llu calls\n", seconds() - began, (unsigned long long)ring->steps);
    fflush(stdout);
    ring->beats++;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--end") == 0) return 42;
    requireSandbox();
    const char *avoided = "", *onlyCase = NULL, *onlyPair = NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--print") == 0) {
            prints = true;
            continue;
        }
        if (strcmp(argv[i], "--singles") == 0) {
            singlesOnly = true;
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--seconds") == 0) limit = atof(value);
        else if (strcmp(argv[i - 1], "--seed") == 0) seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i - 1], "--only") == 0) keepOnly(value);
        else if (strcmp(argv[i - 1], "--without") == 0) leaveOut(value);
        else if (strcmp(argv[i - 1], "--except") == 0) except(value);
        else if (strcmp(argv[i - 1], "--avoid") == 0) avoided = value;
        else if (strcmp(argv[i - 1], "--case") == 0) onlyCase = value;
        else if (strcmp(argv[i - 1], "--pair") == 0) onlyPair = value;
        else refuse("an unknown option");
    }
    avoid(avoided);
    keeper = getpid();
    setBounds();
    ignoreSignals(SIG_IGN);
    openRing();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    done = (void *)pages(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    fillNames();
    makeMemory();
    makeFiles();
    collectAddresses();
    makeDescriptors();
    countCases();
    int firstFree = dup(2);
    close(firstFree);
    printf("extreme_calls --seed %llu: %llu cases with one extreme, %llu with two\n", (unsigned long long)seed, (unsigned long long)totals[0],
           (unsigned long long)totals[1]);
    fflush(stdout);
    if (onlyCase || onlyPair) {
        uint64_t number = strtoull(onlyCase ? onlyCase : onlyPair, NULL, 0);
        struct Case made = caseOf(onlyPair != NULL, number);
        prints = true;
        make(&made, onlyPair ? "pair" : "case", number);
        ring->isOver = 1;
        printf("extreme_calls: ended\n");
        return 0;
    }
    double began = seconds(), reported = 0;
    for (int phase = 0; phase < (singlesOnly ? 1 : 2); phase++) {
        *done = 0;
        double end = phase || singlesOnly ? limit : limit * 0.6;
        while (*done < totals[phase] && seconds() - began < end) {
            pid_t worker = fork();
            if (worker == 0) _exit(work(phase, totals[phase], firstFree));
            if (worker > 0) watch(worker);
            mendFiles();
            if (seconds() - reported > 1) reported = seconds(), report(began);
        }
        printf("%llu of %llu cases with %s\n", (unsigned long long)*done, (unsigned long long)totals[phase], phase ? "two extremes" : "one extreme");
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    report(began);
    ring->isOver = 1;
    printf("extreme_calls: ended, %llu calls\n", (unsigned long long)ring->steps);
    return 0;
}
