// A descriptor table that two tasks share, until one of them gets its own: by unshare, close_range, an exec of the process or of
// one of its threads, or its end. From then on the same number is another file in each, and each is served by its own.
#include "harness.h"
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>

#define NUMBER 5
#define LEFT 6
#define GO 7

static const char *const ways[] = {"unshare", "close_range", "exec", "thread-exec", "exit", "failed-exec", "failed-close_range"};
#define EXIT 4
#define WAYS (int)(sizeof ways / sizeof *ways)

static void prepare(void) {
    char name[64];
    for (int way = 0; way < WAYS; way++)
        for (int stays = 0; stays < 2; stays++) {
            snprintf(name, sizeof name, "leaver-%s-%d", ways[way], stays);
            writeFile(name, "left");
            snprintf(name, sizeof name, "stayer-%s-%d", ways[way], stays);
            writeFile(name, "stays here");
        }
    writeFile("thread-main", "of the leader");
    writeFile("thread-other", "thread's");
}

// NUMBER is the file `name`, whatever the system is asked about it, and stays it when the file is changed.
static void isFile(const char *name, const char *text, const char *links) {
    char path[PATH_MAX + 80], link[32], buffer[64] = "";
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    snprintf(link, sizeof link, "/proc/%s/fd/%d", links, NUMBER);
    CHECK_EQ(fstatOf(NUMBER).st_size, strlen(text));
    CHECK_EQ(fstatOf(NUMBER).st_ino, statOf(name).st_ino);
    CHECK_STR(linkTarget(link), path);
    struct stat followed;
    CHECK_OK(stat(link, &followed));
    CHECK_EQ(followed.st_ino, statOf(name).st_ino);
    int writer = (int)CHECK_OK(open(name, O_WRONLY | O_APPEND | O_CLOEXEC));
    CHECK_EQ(write(writer, "+", 1), 1);
    close(writer);
    CHECK_EQ(fstatOf(NUMBER).st_size, strlen(text) + 1);
    CHECK_EQ(pread(NUMBER, buffer, sizeof buffer - 1, 0), strlen(text) + 1);
    CHECK_EQ(strncmp(buffer, text, strlen(text)), 0);
    int again = (int)CHECK_OK(open(link, O_RDONLY | O_TRUNC | O_CLOEXEC));
    CHECK_EQ(fstatOf(again).st_size, 0);
    close(again);
    CHECK_EQ(statOf(name).st_size, 0);
    CHECK_EQ(fstatOf(NUMBER).st_size, 0);
}

static void *executes(void *unused) {
    (void)unused;
    execl("/bin/sh", "sh", "-c", "echo l >&6; read -r go <&7; test \"$(cat <&5)\" = left", NULL);
    _exit(9);
}

static void leaves(int way, const char *name) {
    switch (way) {
        case 0:
            CHECK_OK(unshare(CLONE_FILES));
            break;
        case 1:
            CHECK_OK(close_range(400, 500, CLOSE_RANGE_UNSHARE));
            break;
        case 2:
            executes(NULL);
            break;
        case 3: {
            pthread_t thread;
            pthread_create(&thread, NULL, executes, NULL);
            for (;;) pause();
        }
        case 4:
            CHECK_EQ(write(LEFT, "l\n", 2), 2);
            _exit(0);
    }
    char byte[2];
    int file = (int)CHECK_OK(open(name, O_RDONLY));
    CHECK_EQ(dup2(file, NUMBER), NUMBER);
    CHECK_EQ(write(LEFT, "l\n", 2), 2);
    CHECK_EQ(read(GO, byte, 2), 2);
    isFile(name, "left", "self");
    _exit(0);
}

// One that leaves and one that stays; the table is known from the parent or from the child of the clone.
static void parting(int way, bool parentStays) {
    char leaver[64], stayer[64], byte[2];
    snprintf(leaver, sizeof leaver, "leaver-%s-%d", ways[way], parentStays);
    snprintf(stayer, sizeof stayer, "stayer-%s-%d", ways[way], parentStays);
    int left[2], go[2];
    MUST(pipe(left));
    MUST(pipe(go));
    for (int end = 0; end < 2; end++) {
        // Out of the way of the numbers that a shell can name.
        left[end] = (int)MUST(fcntl(left[end], F_DUPFD, 20));
        go[end] = (int)MUST(fcntl(go[end], F_DUPFD, 20));
    }
    MUST(dup2(left[1], LEFT));
    MUST(dup2(go[0], GO));
    int before = (int)CHECK_OK(open(leaver, O_RDONLY));
    CHECK_EQ(dup2(before, NUMBER), NUMBER);
    close(before);
    pid_t child = (pid_t)CHECK_OK(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
    if ((child == 0) == parentStays) { leaves(way, leaver); }
    CHECK_EQ(read(left[0], byte, 2), 2);
    int file = (int)CHECK_OK(open(stayer, O_RDONLY));
    CHECK_EQ(dup2(file, NUMBER), NUMBER);
    isFile(stayer, "stays here", "self");
    if (way != EXIT) CHECK_EQ(write(go[1], "g\n", 2), 2);
    if (parentStays) CHECK_EXITS_OK(child);
}

// What fails leaves the table shared.
static void failing(bool byRange) {
    int way = byRange ? 6 : 5;
    char leaver[64];
    snprintf(leaver, sizeof leaver, "leaver-%s-0", ways[way]);
    pid_t child = (pid_t)CHECK_OK(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
    if (child == 0) {
        if (byRange) CHECK_ERRNO(close_range(500, 400, CLOSE_RANGE_UNSHARE), EINVAL);
        else CHECK_ERRNO(execl("/bin/sh", "sh", (char *)(intptr_t)-4096, NULL), EFAULT);
        int file = (int)CHECK_OK(open(leaver, O_RDONLY));
        CHECK_EQ(dup2(file, NUMBER), NUMBER);
        _exit(0);
    }
    CHECK_EXITS_OK(child);
    isFile(leaver, "left", "self");
}

static void *unshares(void *unused) {
    (void)unused;
    CHECK_OK(unshare(CLONE_FILES));
    int file = (int)CHECK_OK(open("thread-other", O_RDONLY));
    CHECK_EQ(dup2(file, NUMBER), NUMBER);
    isFile("thread-other", "thread's", "thread-self");
    return NULL;
}

// In a child of its own each time, so that it begins with a table of its own.
#define ALONE(...)                    \
    do {                              \
        pid_t alone = (pid_t)fork();  \
        if (alone == 0) {             \
            __VA_ARGS__;              \
            while (wait(NULL) > 0) {} \
            _exit(0);                 \
        }                             \
        CHECK_EXITS_OK(alone);        \
    } while (0)

static void scenario(void) {
    for (int way = 0; way < 5; way++) {
        ALONE(parting(way, true));
        if (way != EXIT) {
            // The parent is the one that goes: the child's end is seen by its checks, which are counted.
            pid_t grandparent = fork();
            if (grandparent == 0) {
                MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
                pid_t parent = fork();
                if (parent == 0) {
                    parting(way, false);
                    _exit(0);
                }
                CHECK_EXITS_OK(parent);
                int status;
                while (wait(&status) > 0) CHECK_EQ(status, 0);
                _exit(0);
            }
            CHECK_EXITS_OK(grandparent);
        }
    }
    ALONE(failing(false));
    ALONE(failing(true));
    int file = (int)CHECK_OK(open("thread-main", O_RDONLY));
    CHECK_EQ(dup2(file, NUMBER), NUMBER);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, unshares, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    isFile("thread-main", "of the leader", "self");
}

SCENARIO("unshare_files", prepare, scenario)
