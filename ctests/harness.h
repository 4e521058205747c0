// What every conformance guest shares: checks that count, a scratch directory, two phases, a summary line.
//
// A program has two phases. `prog prepare DIR` runs on the host and makes what a sandbox will see as its lower layer;
// `prog DIR` is the scenario. The kernel is the oracle: a scenario must pass natively on a real file system before what
// happens inside a sandbox means anything. Exit status: 0 all held, 1 something failed, 77 skipped as a whole.
//
// The counters live in shared memory, so a check that fails in a forked child is counted like any other.
#ifndef HARNESS_H
#define HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77
#define NOBODY 65534

struct Tally {
    atomic_int checks, failures, partsSkipped;
};

static struct Tally *tally;
static const char *testName = "?";
static char scratch[PATH_MAX];   // absolute; the scenario starts with it as working directory
static char selfPath[PATH_MAX];  // the program itself, for scenarios that execute themselves again

static inline bool isRoot(void) { return geteuid() == 0; }

// run.sh says where we are; a program cannot be expected to find out, for that would be a departure from the kernel.
static inline bool isInside(void) { return getenv("VEDETTE_INSIDE") != NULL; }

// expected-differences.txt names a check as `program/label`; run.sh hands the labels over, one a line.
static inline bool isExpectedDifference(const char *label) {
    const char *list = getenv("VEDETTE_EXPECTED");
    if (!list || !label) return false;
    char wanted[256];
    int length = snprintf(wanted, sizeof wanted, "%s/%s\n", testName, label);
    for (const char *at = list; (at = strstr(at, wanted)); at += length)
        if (at == list || at[-1] == '\n') return true;
    return false;
}

static inline bool harnessCheck(int line, const char *label, bool held, const char *format, ...) __attribute__((format(printf, 4, 5)));
static inline bool harnessCheck(int line, const char *label, bool held, const char *format, ...) {
    tally->checks++;
    if (held) {
        if (isExpectedDifference(label)) printf("  %s: %s is listed as a difference, yet it held\n", testName, label);
        return true;
    }
    bool expected = isExpectedDifference(label);
    if (!expected) tally->failures++;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    printf("  %s: %s.c:%d: %s\n", expected ? "expected difference" : "FAILED", testName, line, message);
    return false;
}

static inline const char *errnoName(int number) {
    const char *name = number ? strerrorname_np(number) : "no error";
    return name ? name : "unknown errno";
}

static inline long harnessOK(int line, const char *text, long result) {
    int number = errno;
    harnessCheck(line, NULL, result != -1, "%s gave %s", text, errnoName(number));
    errno = number;
    return result;
}

static inline void harnessErrno(int line, const char *label, const char *text, long result, int wanted) {
    int number = errno;
    if (result != -1) harnessCheck(line, label, false, "%s gave %ld, expected %s", text, result, errnoName(wanted));
    else harnessCheck(line, label, number == wanted, "%s gave %s, expected %s", text, errnoName(number), errnoName(wanted));
}

static inline bool harnessEqual(int line, const char *text, long long actual, long long wanted) {
    return harnessCheck(line, NULL, actual == wanted, "%s is %lld (0x%llx), expected %lld (0x%llx)", text, actual, actual, wanted, wanted);
}

static inline bool harnessString(int line, const char *text, const char *actual, const char *wanted) {
    return harnessCheck(line, NULL, actual && strcmp(actual, wanted) == 0, "%s is \"%s\", expected \"%s\"", text, actual ? actual : "(null)", wanted);
}

#define CHECK(expression) harnessCheck(__LINE__, NULL, (expression), "%s", #expression)
// A check that expected-differences.txt may name.
#define CHECK_LABEL(label, expression) harnessCheck(__LINE__, label, (expression), "%s [%s]", #expression, label)
#define CHECK_OK(call) harnessOK(__LINE__, #call, (errno = 0, (long)(call)))
#define CHECK_ERRNO(call, wanted) harnessErrno(__LINE__, NULL, #call, (errno = 0, (long)(call)), wanted)
#define CHECK_ERRNO_LABEL(label, call, wanted) harnessErrno(__LINE__, label, #call " [" label "]", (errno = 0, (long)(call)), wanted)
#define CHECK_EQ(actual, wanted) harnessEqual(__LINE__, #actual, (long long)(actual), (long long)(wanted))
#define CHECK_STR(actual, wanted) harnessString(__LINE__, #actual, actual, wanted)

// A part that this user or this file system cannot run. It is printed and counted: nothing is left out in silence.
#define SKIP_PART(...)                                           \
    do {                                                         \
        tally->partsSkipped++;                                   \
        printf("  part skipped: %s.c:%d: ", testName, __LINE__); \
        printf(__VA_ARGS__);                                     \
        printf("\n");                                            \
    } while (0)

#define SKIP_ALL(...)                      \
    do {                                   \
        printf("%s: skipped: ", testName); \
        printf(__VA_ARGS__);               \
        printf("\n");                      \
        exit(SKIPPED);                     \
    } while (0)

// Preparations that fail are not a verdict on anything: say so and stop.
#define MUST(call)                                                                                      \
    ({                                                                                                  \
        long result_ = (long)(call);                                                                    \
        if (result_ == -1) {                                                                            \
            printf("  FAILED: %s.c:%d: set-up: %s: %s\n", testName, __LINE__, #call, errnoName(errno)); \
            if (tally) tally->failures++;                                                               \
            exit(1);                                                                                    \
        }                                                                                               \
        result_;                                                                                        \
    })

// Runs statements in a forked child; a child that dies or exits with another status than 0 is a failure.
#define IN_CHILD(...)                      \
    harnessWait(__LINE__, ({               \
                    pid_t child_ = fork(); \
                    if (child_ == 0) {     \
                        __VA_ARGS__;       \
                        _exit(0);          \
                    }                      \
                    child_;                \
                }))
#define CHECK_EXITS_OK(pid) harnessWait(__LINE__, pid)

static inline int statusOf(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return status;
}

static inline void harnessWait(int line, pid_t child) {
    if (child < 0) {
        harnessCheck(line, NULL, false, "fork gave %s", errnoName(errno));
        return;
    }
    int status = statusOf(child);
    harnessCheck(line, NULL, status == 0, "child ended with status 0x%x", status);
}

// Only in a child: there is no way back.
static inline void become(uid_t uid) {
    CHECK_OK(setgroups(0, NULL));
    CHECK_OK(setresgid(uid, uid, uid));
    CHECK_OK(setresuid(uid, uid, uid));
}

// MARK: - Small helpers of most scenarios

static inline void writeFile(const char *path, const char *text) {
    int fd = (int)MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    size_t length = strlen(text);
    if (write(fd, text, length) != (ssize_t)length) {
        printf("  FAILED: %s: set-up: writing %s: %s\n", testName, path, errnoName(errno));
        exit(1);
    }
    close(fd);
}

static inline const char *readFile(const char *path) {
    static char buffers[4][65536];
    static int next;
    char *buffer = buffers[next++ % 4];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(buffer, sizeof buffers[0], "(open: %s)", errnoName(errno));
        return buffer;
    }
    size_t length = 0;
    ssize_t got;
    while (length < sizeof buffers[0] - 1 && (got = read(fd, buffer + length, sizeof buffers[0] - 1 - length)) > 0) length += (size_t)got;
    buffer[length] = 0;
    close(fd);
    return buffer;
}

static inline struct stat statOf(const char *path) {
    struct stat s;
    memset(&s, 0, sizeof s);
    CHECK_OK(lstat(path, &s));
    return s;
}

static inline struct stat fstatOf(int fd) {
    struct stat s;
    memset(&s, 0, sizeof s);
    CHECK_OK(fstat(fd, &s));
    return s;
}

static inline bool exists(const char *path) {
    struct stat s;
    return lstat(path, &s) == 0;
}

static inline const char *linkTarget(const char *path) {
    static char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) return NULL;
    target[length] = 0;
    return target;
}

// A child that stops half way until its parent has done something. Made before the fork.
struct Turns {
    int ready[2], go[2];
};

static inline struct Turns turns(void) {
    struct Turns made;
    MUST(pipe(made.ready));
    MUST(pipe(made.go));
    return made;
}

// In the child: it is ready, and waits until it may go on.
static inline void awaitTurn(struct Turns turns) {
    char byte;
    CHECK_EQ(write(turns.ready[1], "r", 1), 1);
    CHECK_EQ(read(turns.go[0], &byte, 1), 1);
}

// In the parent.
static inline void untilReady(struct Turns turns) {
    char byte;
    CHECK_EQ(read(turns.ready[0], &byte, 1), 1);
}
static inline void letGo(struct Turns turns) { CHECK_EQ(write(turns.go[1], "g", 1), 1); }

static inline void sleepMilliseconds(long milliseconds) {
    struct timespec wait = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&wait, &wait) < 0 && errno == EINTR) {}
}

static inline double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// MARK: - The two phases

typedef void Phase(void);

static inline void harnessBegin(const char *name) {
    testName = name;
    // Unbuffered, so that a fork never prints a parent's line twice and a crash never loses one.
    setvbuf(stdout, NULL, _IONBF, 0);
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
}

static inline int harnessEnd(void) {
    printf("%s: %d checks, %d failed", testName, tally->checks, tally->failures);
    if (tally->partsSkipped) printf(", %d parts skipped", tally->partsSkipped);
    printf("\n");
    if (tally->checks == 0) printf("  FAILED: %s: a scenario without a check proves nothing\n", testName);
    return tally->failures || !tally->checks ? 1 : 0;
}

static inline int harnessMain(int argc, char **argv, const char *name, Phase *prepare, Phase *scenario, bool insideOnly) {
    harnessBegin(name);
    bool preparing = argc > 1 && strcmp(argv[1], "prepare") == 0;
    const char *directory = argc > 1 + preparing ? argv[1 + preparing] : getenv("VEDETTE_SCRATCH");
    ssize_t length = readlink("/proc/self/exe", selfPath, sizeof selfPath - 1);
    if (length < 0) SKIP_ALL("/proc/self/exe cannot be read: %s", errnoName(errno));
    umask(022);
    MUST(chdir(directory ? directory : "."));
    if (!getcwd(scratch, sizeof scratch)) SKIP_ALL("no working directory: %s", errnoName(errno));
    if (preparing) {
        if (prepare) prepare();
        return tally->failures ? 1 : 0;
    }
    if (insideOnly && !isInside()) SKIP_ALL("has a meaning inside a sandbox only");
    // Escape attempts on a machine without a sandbox could do what they attempt: never take the environment's word.
    if (insideOnly && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
        printf("  FAILED: %s: said to be inside, yet no_new_privs is not set: this is no sandbox\n", testName);
        return 1;
    }
    scenario();
    return harnessEnd();
}

#define SCENARIO(name, prepare, scenario) \
    int main(int argc, char **argv) { return harnessMain(argc, argv, name, prepare, scenario, false); }
#define SCENARIO_INSIDE_ONLY(name, prepare, scenario) \
    int main(int argc, char **argv) { return harnessMain(argc, argv, name, prepare, scenario, true); }

#endif
