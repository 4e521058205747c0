// Locks of files that lie in a lower layer, with and without other threads at the descriptor table; and the calls that
// write back, which have nothing to do for what was only read.
#include "harness.h"
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/time.h>

static void prepare(void) {
    writeFile("asked", "0123456789");
    writeFile("read", "0123456789");
    writeFile("contended", "0123456789");
    writeFile("described", "0123456789");
    writeFile("ranged", "0123456789");
    writeFile("synced", "0123456789");
    writeFile("empty", "");
}

static long lockRange(int fd, int command, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, command, &lock);
}

static short blocker(int fd, int command) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK_OK(fcntl(fd, command, &lock));
    return lock.l_type;
}

static void arguments(void) {
    int fd = (int)CHECK_OK(open("asked", O_RDONLY)), path = (int)CHECK_OK(open("asked", O_PATH));
    CHECK_EQ(blocker(fd, F_GETLK), F_UNLCK);
    CHECK_EQ(blocker(fd, F_OFD_GETLK), F_UNLCK);
    CHECK_OK(lockRange(fd, F_SETLK, F_UNLCK));
    CHECK_OK(flock(fd, LOCK_UN));
    CHECK_ERRNO(lockRange(fd, F_SETLK, F_WRLCK), EBADF);
    CHECK_ERRNO(lockRange(fd, F_OFD_SETLK, F_WRLCK), EBADF);
    CHECK_ERRNO(lockRange(fd, F_SETLK, 7), EINVAL);
    CHECK_ERRNO(flock(fd, 0), EINVAL);
    CHECK_ERRNO(flock(fd, LOCK_SH | LOCK_EX), EINVAL);
    CHECK_ERRNO(flock(path, LOCK_SH), EBADF);
    CHECK_ERRNO(flock(999, LOCK_SH), EBADF);
    CHECK_ERRNO(lockRange(999, F_SETLK, F_RDLCK), EBADF);
    CHECK_ERRNO(fcntl(fd, F_SETLK, (void *)8), EFAULT);
    CHECK_ERRNO(fcntl(fd, 12345, 0), EINVAL);
    // A file without a byte can be locked too.
    int empty = (int)CHECK_OK(open("empty", O_RDONLY)), other = (int)CHECK_OK(open("empty", O_RDONLY));
    CHECK_OK(flock(empty, LOCK_EX));
    CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    close(empty);
    CHECK_OK(flock(other, LOCK_SH | LOCK_NB));
    close(other);
    close(fd);
    close(path);
}

// The descriptor that is locked, its duplicate and what was read by it stay what they were.
static void position(void) {
    char buffer[8];
    int fd = (int)CHECK_OK(open("read", O_RDONLY)), copy = (int)CHECK_OK(dup(fd));
    struct stat before = fstatOf(fd);
    CHECK_EQ(read(fd, buffer, 4), 4);
    CHECK_OK(flock(fd, LOCK_SH));
    CHECK_EQ(read(copy, buffer, 2), 2);
    CHECK(memcmp(buffer, "45", 2) == 0);
    CHECK_OK(flock(copy, LOCK_EX | LOCK_NB));
    struct stat after = fstatOf(fd);
    CHECK_EQ(after.st_ino, before.st_ino);
    CHECK_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    CHECK_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
    IN_CHILD(int own = (int)CHECK_OK(open("read", O_RDWR)); CHECK_ERRNO(flock(own, LOCK_SH | LOCK_NB), EWOULDBLOCK));
    close(fd);
    IN_CHILD(int own = (int)CHECK_OK(open("read", O_RDWR)); CHECK_ERRNO(flock(own, LOCK_SH | LOCK_NB), EWOULDBLOCK));
    close(copy);
    IN_CHILD(int own = (int)CHECK_OK(open("read", O_RDWR)); CHECK_OK(flock(own, LOCK_EX | LOCK_NB)));
}

static struct Turns handOver;

static void *idle(void *unused) {
    // The timer's signal is for the thread that waits.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    char byte;
    CHECK_EQ(write(handOver.ready[1], "r", 1), 1);
    CHECK_EQ(read(handOver.go[0], &byte, 1), 1);
    return unused;
}

// Holds a lock of the kind for a while, in another process.
static pid_t holder(const char *name, int command, struct Turns taken) {
    pid_t child = fork();
    if (child != 0) return child;
    int fd = (int)CHECK_OK(open(name, O_RDWR));
    if (command) CHECK_OK(lockRange(fd, command, F_WRLCK));
    else CHECK_OK(flock(fd, LOCK_EX));
    CHECK_EQ(write(taken.ready[1], "t", 1), 1);
    sleepMilliseconds(250);
    _exit(0);
}

static void onAlarm(int signal) { (void)signal; }

static void wait_(const char *name, int take, int wait) {
    struct Turns taken = turns();
    int fd = (int)CHECK_OK(open(name, O_RDONLY));
    pid_t child = holder(name, take, taken);
    untilReady(taken);
    if (take) CHECK_ERRNO(lockRange(fd, take, F_RDLCK), EAGAIN);
    else CHECK_ERRNO(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    // A signal with a handler interrupts the wait.
    struct sigaction action = {.sa_handler = onAlarm};
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    struct itimerval soon = {.it_value = {0, 20000}};
    CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
    if (take) CHECK_ERRNO(lockRange(fd, wait, F_RDLCK), EINTR);
    else CHECK_ERRNO(flock(fd, LOCK_SH), EINTR);
    // And one with SA_RESTART does not.
    action.sa_flags = SA_RESTART;
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
    if (take) CHECK_OK(lockRange(fd, wait, F_RDLCK));
    else CHECK_OK(flock(fd, LOCK_SH));
    CHECK_EXITS_OK(child);
    IN_CHILD(int own = (int)CHECK_OK(open(name, O_RDWR)); if (take) CHECK_ERRNO(lockRange(own, take, F_WRLCK), EAGAIN);
             else CHECK_ERRNO(flock(own, LOCK_EX | LOCK_NB), EWOULDBLOCK));
    close(fd);
    IN_CHILD(int own = (int)CHECK_OK(open(name, O_RDWR)); if (take) CHECK_OK(lockRange(own, take, F_WRLCK)); else CHECK_OK(flock(own, LOCK_EX | LOCK_NB)));
}

static void waits(void) {
    wait_("contended", 0, 0);
    wait_("described", F_OFD_SETLK, F_OFD_SETLKW);
    wait_("ranged", F_SETLK, F_SETLKW);
}

static void threads(void) {
    pthread_t thread;
    handOver = turns();
    CHECK_EQ(pthread_create(&thread, NULL, idle, NULL), 0);
    untilReady(handOver);
    waits();
    arguments();
    letGo(handOver);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void writingBack(void) {
    int fd = (int)CHECK_OK(open("synced", O_RDONLY)), ends[2];
    MUST(pipe(ends));
    for (int round = 0; round < 2; round++) {
        CHECK_OK(fsync(fd));
        CHECK_OK(fdatasync(fd));
        CHECK_OK(syncfs(fd));
        CHECK_OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
        CHECK_ERRNO(sync_file_range(fd, 0, 0, 64), EINVAL);
        CHECK_ERRNO(sync_file_range(fd, -1, 0, 0), EINVAL);
        CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        // Once of a lower file, once of one that was written to.
        int writer = (int)CHECK_OK(open("synced", O_WRONLY));
        CHECK_EQ(write(writer, "x", 1), 1);
        CHECK_OK(fsync(writer));
        close(writer);
    }
    CHECK_ERRNO(fsync(999), EBADF);
    CHECK_ERRNO(syncfs(999), EBADF);
    CHECK_ERRNO(fsync(ends[1]), EINVAL);
    int path = (int)CHECK_OK(open("synced", O_PATH)), directory = (int)CHECK_OK(open(".", O_RDONLY));
    CHECK_ERRNO(fsync(path), EBADF);
    CHECK_ERRNO(syncfs(path), EBADF);
    CHECK_OK(fsync(directory));
    CHECK_OK(syncfs(directory));
    close(path);
    close(directory);
    uint64_t hint = 2;
    CHECK_LABEL("write-hint", fcntl(fd, 1036 /* F_SET_RW_HINT */, &hint) == 0);
    CHECK_LABEL("lease", fcntl(fd, F_SETLEASE, F_RDLCK) == 0);
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (CHECK(terminal >= 0)) CHECK_LABEL("exclusive-terminal", ioctl(terminal, TIOCEXCL) == 0);
    close(fd);
}

static void scenario(void) {
    arguments();
    position();
    waits();
    threads();
    writingBack();
}

SCENARIO("lower_locks", prepare, scenario)
