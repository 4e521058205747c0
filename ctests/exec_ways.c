// Every way to start a program: execveat by directory and descriptor, fexecve of a memfd, from a thread, after vfork, by
// posix_spawn; who it is afterwards, what it holds.
#include "harness.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/auxv.h>

extern char **environ;

static void copyTo(int out) {
    char buffer[65536];
    int in = (int)MUST(open(selfPath, O_RDONLY));
    ssize_t got;
    while ((got = read(in, buffer, sizeof buffer)) > 0) MUST(write(out, buffer, (size_t)got) == got ? 0 : -1);
    close(in);
}

static void prepare(void) {
    MUST(mkdir("dir", 0755));
    int out = (int)MUST(open("dir/program", O_CREAT | O_WRONLY, 0755));
    copyTo(out);
    close(out);
    MUST(symlink("program", "dir/link"));
    writeFile("dir/script", "#!/bin/sh\nexit 9\n");
    MUST(chmod("dir/script", 0755));
}

static int exited(pid_t child) {
    int status = statusOf(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int executeAt(int at, const char *path, int flags, char *const argv[]) {
    pid_t child = fork();
    if (child == 0) {
        syscall(SYS_execveat, at, path, argv, environ, flags);
        _exit(errno);
    }
    return exited(child);
}

static char *status7[] = {"p", "--exit", "7", NULL};

static void byDescriptor(void) {
    int dir = (int)CHECK_OK(open("dir", O_RDONLY | O_DIRECTORY)), file = (int)CHECK_OK(open("dir/program", O_RDONLY));
    int path = (int)CHECK_OK(open("dir/program", O_PATH | O_CLOEXEC)), script = (int)CHECK_OK(open("dir/script", O_RDONLY));
    int hidden = (int)CHECK_OK(open("dir/script", O_RDONLY | O_CLOEXEC));
    CHECK_EQ(executeAt(dir, "program", 0, status7), 7);
    CHECK_EQ(executeAt(dir, "link", 0, status7), 7);
    CHECK_EQ(executeAt(dir, "link", AT_SYMLINK_NOFOLLOW, status7), ELOOP);
    CHECK_EQ(executeAt(dir, "script", 0, status7), 9);
    CHECK_EQ(executeAt(file, "", AT_EMPTY_PATH, status7), 7);
    CHECK_EQ(executeAt(path, "", AT_EMPTY_PATH, status7), 7);
    CHECK_EQ(executeAt(file, "", 0, status7), ENOENT);
    CHECK_EQ(executeAt(script, "", AT_EMPTY_PATH, status7), 9);
    // The interpreter could not open a script behind a close-on-exec descriptor (man 2 execveat, BUGS).
    CHECK_EQ(executeAt(hidden, "", AT_EMPTY_PATH, status7), ENOENT);
    CHECK_EQ(executeAt(dir, "", AT_EMPTY_PATH, status7), EACCES);
    CHECK_EQ(executeAt(99, "program", 0, status7), EBADF);
    CHECK_EQ(executeAt(dir, "program", 0x40000000, status7), EINVAL);
    CHECK_EQ(executeAt(file, "x", 0, status7), ENOTDIR);
    char *execfn[] = {"p", "--execfn-is-fd", NULL};
    CHECK_EQ(executeAt(file, "", AT_EMPTY_PATH, execfn), 0);
    // The running file without a name.
    CHECK_OK(rename("dir/program", "program"));
    CHECK_EQ(executeAt(file, "", AT_EMPTY_PATH, status7), 7);
    CHECK_OK(link("program", "dir/program"));
    CHECK_OK(unlink("program"));

    int memory = (int)CHECK_OK(syscall(SYS_memfd_create, "program", 1u /* MFD_CLOEXEC */));
    copyTo(memory);
    pid_t child = fork();
    if (child == 0) {
        fexecve(memory, status7, environ);
        _exit(errno);
    }
    int status = exited(child);
    // Open for writing, and so busy, as any file is.
    CHECK(status == ETXTBSY || status == 7);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", memory);
    int again = (int)CHECK_OK(open(name, O_RDONLY | O_CLOEXEC));
    close(memory);
    child = fork();
    if (child == 0) {
        fexecve(again, status7, environ);
        _exit(errno);
    }
    CHECK_EQ(exited(child), 7);
    close(dir);
    close(file);
    close(path);
    close(script);
    close(hidden);
    close(again);
}

static pid_t leader;
static void *idle(void *argument) {
    while (pause() == -1) {}
    return argument;
}

static void *execFromThread(void *argument) {
    (void)argument;
    char number[16];
    snprintf(number, sizeof number, "%d", leader);
    execl("dir/program", "p", "--pid-is", number, (char *)NULL);
    _exit(errno);
    return NULL;
}

static void fromThread(void) {
    // The thread that calls exec takes over the leader's id; the others are gone.
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            leader = getpid();
            for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, idle, NULL);
            pthread_create(&thread, NULL, execFromThread, NULL);
            for (;;) pause();
        }
        CHECK_EQ(exited(child), 0);
    }
}

static void byVfork(void) {
    volatile int mark = 0;
    pid_t child = vfork();
    if (child == 0) {
        mark = 1;
        execl("dir/program", "p", "--exit", "11", (char *)NULL);
        _exit(99);
    }
    CHECK_EQ(mark, 1);  // the child ran first, and in this memory
    CHECK_EQ(exited(child), 11);
    child = vfork();
    if (child == 0) {
        execl("missing", "p", (char *)NULL);
        mark = errno;
        _exit(0);
    }
    CHECK_EQ(mark, ENOENT);
    CHECK_EQ(exited(child), 0);
}

static void bySpawn(void) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 60, "dir/program", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 60, 61);
    posix_spawn_file_actions_addclose(&actions, 60);
    posix_spawn_file_actions_addchdir_np(&actions, "dir");
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    char *argv[] = {"p", "--spawned", NULL};
    pid_t child = -1;
    CHECK_EQ(posix_spawn(&child, "./program", &actions, &attributes, argv, environ), 0);
    CHECK_EQ(exited(child), 0);
    CHECK_EQ(posix_spawn(&child, "./missing", NULL, NULL, argv, environ), ENOENT);
    CHECK_EQ(posix_spawnp(&child, "sh", NULL, NULL, (char *[]){"sh", "-c", "exit 5", NULL}, environ), 0);
    CHECK_EQ(exited(child), 5);
    FILE *pipe = popen("echo $$; exit 3", "r");
    char line[32] = "";
    CHECK(pipe && fgets(line, sizeof line, pipe) && atoi(line) > 1);
    CHECK_EQ(pclose(pipe), 3 << 8);
    CHECK_EQ(system("exit 6"), 6 << 8);
}

static void scenario(void) {
    byDescriptor();
    fromThread();
    byVfork();
    bySpawn();
}

static int threadCount(void) {
    const char *line = strstr(readFile("/proc/self/status"), "\nThreads:");
    return line ? atoi(line + 9) : -1;
}

static int afterThread(const char *expected) {
    if (getpid() != atoi(expected)) return 1;
    if (syscall(SYS_gettid) != getpid()) return 2;
    return threadCount() == 1 ? 0 : 3;
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "--exit") == 0) return atoi(argv[2]);
    if (argc > 2 && strcmp(argv[1], "--pid-is") == 0) return afterThread(argv[2]);
    if (argc > 1 && strcmp(argv[1], "--execfn-is-fd") == 0) { return strncmp((const char *)getauxval(AT_EXECFN), "/dev/fd/", 8) == 0 ? 0 : 1; }
    if (argc > 1 && strcmp(argv[1], "--spawned") == 0)
        return fcntl(61, F_GETFD) != 0 ? 1 : fcntl(60, F_GETFD) != -1 ? 2 : getpgrp() != getpid() ? 3 : access("program", F_OK) ? 4 : 0;
    return harnessMain(argc, argv, "exec_ways", prepare, scenario, false);
}
