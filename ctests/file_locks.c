// flock, POSIX and open-file-description locks hold while the file they are on is copied up, and follow its inode.
#include "harness.h"
#include <sys/file.h>

static void prepare(void) {
    writeFile("flocked", "0123456789");
    writeFile("ranged", "0123456789");
    writeFile("described", "0123456789");
    MUST(link("flocked", "flocked-too"));
}

static long setLock(int fd, int command, short type, off_t start, off_t length) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &lock);
}

// The type of the lock that stands in another process's way, and who holds it.
static short blocker(int fd, off_t start, off_t length, pid_t *holder) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    CHECK_OK(fcntl(fd, F_GETLK, &lock));
    *holder = lock.l_pid;
    return lock.l_type;
}

static void whole(void) {
    int reader = (int)CHECK_OK(open("flocked", O_RDONLY));
    CHECK_OK(flock(reader, LOCK_EX));
    IN_CHILD(int fd = (int)CHECK_OK(open("flocked", O_RDONLY)); CHECK_ERRNO(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK));
    // This open copies the file up; the lock taken on the lower file must stand in the new descriptor's way.
    int writer = (int)CHECK_OK(open("flocked", O_RDWR));
    CHECK_ERRNO(flock(writer, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK_EQ(write(writer, "x", 1), 1);
    IN_CHILD(int fd = (int)CHECK_OK(open("flocked-too", O_RDWR)); CHECK_ERRNO(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK));
    // A forked child shares the description, and so the lock.
    IN_CHILD(CHECK_OK(flock(reader, LOCK_EX | LOCK_NB)));
    CHECK_OK(flock(reader, LOCK_SH));
    CHECK_OK(flock(writer, LOCK_SH | LOCK_NB));
    CHECK_ERRNO(flock(writer, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK_OK(flock(reader, LOCK_UN));
    CHECK_OK(flock(writer, LOCK_EX | LOCK_NB));
    close(reader);
    close(writer);
    IN_CHILD(int fd = (int)CHECK_OK(open("flocked", O_RDONLY)); CHECK_OK(flock(fd, LOCK_EX | LOCK_NB)));
}

static void ranges(void) {
    pid_t holder, self = getpid();
    int reader = (int)CHECK_OK(open("ranged", O_RDONLY));
    CHECK_OK(setLock(reader, F_SETLK, F_RDLCK, 0, 5));
    CHECK_ERRNO(setLock(reader, F_SETLK, F_WRLCK, 0, 5), EBADF);
    pid_t child = fork();
    if (child == 0) {
        int fd = (int)CHECK_OK(open("ranged", O_RDWR));
        CHECK_EQ(blocker(fd, 0, 1, &holder), F_RDLCK);
        CHECK_EQ(holder, self);
        CHECK_ERRNO(setLock(fd, F_SETLK, F_WRLCK, 4, 1), EAGAIN);
        CHECK_OK(setLock(fd, F_SETLK, F_WRLCK, 5, 1));
        CHECK_EQ(pwrite(fd, "X", 1, 9), 1);
        CHECK_ERRNO(setLock(fd, F_SETLK, F_WRLCK, 0, 1), EAGAIN);
        _exit(0);
    }
    CHECK_EXITS_OK(child);
    int writer = (int)CHECK_OK(open("ranged", O_RDWR));
    CHECK_OK(setLock(writer, F_SETLK, F_WRLCK, 0, 10));
    IN_CHILD(int fd = (int)CHECK_OK(open("ranged", O_RDWR)); CHECK_EQ(blocker(fd, 9, 1, &holder), F_WRLCK); CHECK_EQ(holder, self));
    // Closing any descriptor of the file lets go of this process's locks: POSIX, and what programs guard against.
    close(reader);
    IN_CHILD(int fd = (int)CHECK_OK(open("ranged", O_RDWR)); CHECK_EQ(blocker(fd, 0, 10, &holder), F_UNLCK));
    // A waiting lock is granted when the holder goes.
    int ends[2];
    MUST(pipe(ends));
    child = fork();
    if (child == 0) {
        int fd = (int)CHECK_OK(open("ranged", O_RDWR));
        CHECK_OK(setLock(fd, F_SETLK, F_WRLCK, 0, 0));
        CHECK_EQ(write(ends[1], "l", 1), 1);
        sleepMilliseconds(60);
        _exit(0);
    }
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_ERRNO(setLock(writer, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
    CHECK_OK(setLock(writer, F_SETLKW, F_WRLCK, 0, 0));
    CHECK_EXITS_OK(child);
    close(writer);
}

static void descriptions(void) {
    int first = (int)CHECK_OK(open("described", O_RDONLY));
    CHECK_OK(setLock(first, F_OFD_SETLK, F_RDLCK, 0, 0));
    int second = (int)CHECK_OK(open("described", O_RDWR));
    CHECK_ERRNO(setLock(second, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
    CHECK_EQ(write(second, "x", 1), 1);
    CHECK_ERRNO(setLock(second, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
    // Another descriptor's close does not touch it.
    close((int)CHECK_OK(open("described", O_RDONLY)));
    CHECK_ERRNO(setLock(second, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
    close(first);
    CHECK_OK(setLock(second, F_OFD_SETLK, F_WRLCK, 0, 0));
    close(second);
}

// A lock goes with the last close of its description, and a new descriptor's only owner is the one who opened it.
static void lastClose(void) {
    int other = (int)CHECK_OK(open("flocked", O_RDWR)), refused = 0;
    for (int i = 0; i < 500; i++) {
        int fd = (int)CHECK_OK(open("flocked", O_RDWR));
        CHECK_OK(flock(fd, LOCK_EX | LOCK_NB));
        close(fd);
        if (flock(other, LOCK_EX | LOCK_NB) != 0) refused++;
        flock(other, LOCK_UN);
    }
    CHECK_EQ(refused, 0);
    close(other);
}

static void scenario(void) {
    whole();
    ranges();
    descriptions();
    lastClose();
}

SCENARIO("file_locks", prepare, scenario)
