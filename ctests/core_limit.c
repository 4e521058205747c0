// RLIMIT_CORE as a process under `ulimit -c 0` has it: none, soft and hard, and it cannot be raised; by every call that
// shows it or sets it.
#include "harness.h"
#include <sys/resource.h>
#include <sys/syscall.h>

static void prepare(void) {}

static bool isNone(struct rlimit limit) { return limit.rlim_cur == 0 && limit.rlim_max == 0; }

static void scenario(void) {
    // Natively the caller's may be anything: put it where it is inside.
    struct rlimit none = {0, 0}, limit = {7, 7};
    CHECK_OK(syscall(SYS_setrlimit, RLIMIT_CORE, &none));
    CHECK_OK(syscall(SYS_getrlimit, RLIMIT_CORE, &limit));
    CHECK(isNone(limit));
    limit = (struct rlimit){7, 7};
    CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit));
    CHECK(isNone(limit));
    limit = (struct rlimit){7, 7};
    CHECK_OK(syscall(SYS_prlimit64, getpid(), RLIMIT_CORE, &none, &limit));
    CHECK(isNone(limit));
    // The kernel reads the low 32 bits of the number.
    limit = (struct rlimit){7, 7};
    CHECK_OK(syscall(SYS_prlimit64, 0, 1L << 32 | RLIMIT_CORE, NULL, &limit));
    CHECK(isNone(limit));
    struct rlimit inverted = {1, 0};
    CHECK_ERRNO(syscall(SYS_setrlimit, RLIMIT_CORE, &inverted), EINVAL);
    CHECK_ERRNO(syscall(SYS_setrlimit, RLIMIT_CORE, NULL), EFAULT);
    CHECK_ERRNO(syscall(SYS_getrlimit, RLIMIT_CORE, NULL), EFAULT);
    CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_CORE, (void *)8, NULL), EFAULT);
    CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, NULL));
    FILE *file = fopen("/proc/self/limits", "r");
    CHECK(file != NULL);
    char line[256], soft[32] = "", hard[32] = "";
    while (file && fgets(line, sizeof line, file)) sscanf(line, "Max core file size %31s %31s", soft, hard);
    if (file) fclose(file);
    CHECK_STR(soft, "0");
    CHECK_STR(hard, "0");
    // Other limits are the kernel's own.
    CHECK_OK(getrlimit(RLIMIT_STACK, &limit));
    CHECK(limit.rlim_cur > 0);
    limit.rlim_cur = limit.rlim_cur / 2;
    CHECK_OK(setrlimit(RLIMIT_STACK, &limit));
    // A signal that dumps core ends the process all the same; there is no core.
    pid_t child = fork();
    if (child == 0) abort();
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && !WCOREDUMP(status));
}

SCENARIO("core_limit", prepare, scenario)
