// The file-system context: threads share working directory, umask and root; a forked process has its own copy; a thread
// after unshare(CLONE_FS) too. Credentials are a thread's own for the kernel, a process's for POSIX.
#include "harness.h"
#include <pthread.h>
#include <sched.h>

static void prepare(void) {
    MUST(mkdir("one", 0755));
    MUST(mkdir("two", 0755));
    MUST(mkdir("three", 0755));
}

static bool endsWith(const char *ending) {
    char path[PATH_MAX];
    if (!getcwd(path, sizeof path)) return false;
    size_t a = strlen(path), b = strlen(ending);
    return a >= b && strcmp(path + a - b, ending) == 0;
}

static void *changes(void *argument) {
    (void)argument;
    CHECK_OK(chdir("one"));
    CHECK_EQ(umask(077), 022);
    return NULL;
}

static void *onItsOwn(void *argument) {
    (void)argument;
    CHECK_OK(unshare(CLONE_FS));
    CHECK_OK(chdir("../two"));
    CHECK_EQ(umask(0), 077);
    CHECK(endsWith("/two"));
    int fd = (int)CHECK_OK(open("made", O_CREAT | O_WRONLY, 0666));
    CHECK_EQ(fstatOf(fd).st_mode & 07777, 0666);
    close(fd);
    return NULL;
}

static void inThread(void *(*body)(void *)) {
    pthread_t thread;
    if (CHECK(pthread_create(&thread, NULL, body, NULL) == 0)) pthread_join(thread, NULL);
}

static int cloned(void *argument) {
    (void)argument;
    return chdir("../three") != 0 || umask(027) != 077;
}

// A raw setresuid changes the one thread that calls it.
static void *rawCredentials(void *argument) {
    (void)argument;
    CHECK_OK(syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY));
    CHECK_OK(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY));
    CHECK_ERRNO(open("root-only", O_RDONLY), EACCES);
    return NULL;
}

#define THREADS 4
static atomic_int wrong;
static void *works(void *argument) {
    char name[32], other[32];
    int id = (int)(intptr_t)argument;
    struct stat s;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "t%d-%d", id, i);
        snprintf(other, sizeof other, "t%d-%d-renamed", id, i);
        int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        wrong += fd < 0 || write(fd, name, strlen(name)) != (ssize_t)strlen(name);
        wrong += rename(name, other) != 0;
        wrong += fstat(fd, &s) != 0 || s.st_nlink != 1;
        wrong += unlink(other) != 0;
        wrong += fstat(fd, &s) != 0 || s.st_nlink != 0;
        close(fd);
        wrong += !(open(name, O_RDONLY) == -1 && errno == ENOENT);
    }
    return NULL;
}

static void scenario(void) {
    inThread(changes);
    CHECK(endsWith("/one"));
    CHECK_EQ(umask(077), 077);
    inThread(onItsOwn);
    CHECK(endsWith("/one"));
    CHECK_EQ(umask(077), 077);
    CHECK(exists("../two/made"));
    IN_CHILD(CHECK_OK(chdir("../two")); umask(0));
    CHECK(endsWith("/one"));
    CHECK_EQ(umask(077), 077);

    // clone with CLONE_FS and without CLONE_VM: another process, the same context.
    static char stack[65536] __attribute__((aligned(16)));
    pid_t child = (pid_t)CHECK_OK(clone(cloned, stack + sizeof stack, CLONE_FS | SIGCHLD, NULL));
    CHECK_EXITS_OK(child);
    CHECK(endsWith("/three"));
    CHECK_EQ(umask(022), 027);
    // CLONE_FILES: a descriptor that the child opens is here too.
    CHECK_ERRNO(fcntl(90, F_GETFD), EBADF);
    child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        int fd = open(".", O_RDONLY);
        _exit(dup2(fd, 90) != 90);
    }
    CHECK_EXITS_OK(child);
    CHECK_OK(fcntl(90, F_GETFD));

    pthread_t threads[THREADS];
    CHECK_OK(chdir(".."));
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, works, (void *)(intptr_t)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(wrong, 0);

    if (!isRoot()) {
        SKIP_PART("credentials of one thread need root");
        return;
    }
    writeFile("root-only", "x");
    CHECK_OK(chmod("root-only", 0600));
    inThread(rawCredentials);
    CHECK_EQ(geteuid(), 0);
    CHECK_OK(open("root-only", O_RDONLY));
}

SCENARIO("threads_fs", prepare, scenario)
