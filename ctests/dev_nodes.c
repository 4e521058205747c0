// The device nodes every program expects in /dev: what they are by stat and what they do.
#include "harness.h"
#include <poll.h>
#include <sys/random.h>
#include <sys/sysmacros.h>

static void node(const char *path, unsigned major_, unsigned minor_) {
    struct stat s;
    if (CHECK_OK(stat(path, &s)) != 0) return;
    CHECK(S_ISCHR(s.st_mode));
    CHECK_EQ(major(s.st_rdev), major_);
    CHECK_EQ(minor(s.st_rdev), minor_);
    CHECK_EQ(s.st_mode & 0666, 0666);
    int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return;
    CHECK_EQ(fstatOf(fd).st_rdev, s.st_rdev);
    CHECK_EQ(fstatOf(fd).st_ino, s.st_ino);
    close(fd);
}

static void scenario(void) {
    char buffer[4096], other[4096];
    node("/dev/null", 1, 3);
    node("/dev/zero", 1, 5);
    node("/dev/full", 1, 7);
    node("/dev/random", 1, 8);
    node("/dev/urandom", 1, 9);
    node("/dev/tty", 5, 0);

    int fd = (int)CHECK_OK(open("/dev/null", O_RDWR | O_CREAT | O_TRUNC, 0666));
    CHECK_EQ(read(fd, buffer, 10), 0);
    CHECK_EQ(write(fd, buffer, 4096), 4096);
    CHECK_EQ(lseek(fd, 100, SEEK_SET), 0);
    CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
    close(fd);

    fd = (int)CHECK_OK(open("/dev/zero", O_RDWR));
    memset(buffer, 'x', sizeof buffer);
    CHECK_EQ(read(fd, buffer, sizeof buffer), sizeof buffer);
    int set = 0;
    for (size_t i = 0; i < sizeof buffer; i++) set += buffer[i] != 0;
    CHECK_EQ(set, 0);
    CHECK_EQ(write(fd, buffer, 100), 100);
    char *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(private != MAP_FAILED && private[5] == 0);
    CHECK(shared != MAP_FAILED);
    // A shared mapping of /dev/zero is memory shared with children.
    if (shared != MAP_FAILED) {
        IN_CHILD(shared[0] = 'c');
        CHECK_EQ(shared[0], 'c');
    }
    close(fd);

    fd = (int)CHECK_OK(open("/dev/full", O_RDWR));
    CHECK_ERRNO(write(fd, "x", 1), ENOSPC);
    CHECK_EQ(read(fd, buffer, 8), 8);
    CHECK_EQ(buffer[0], 0);
    close(fd);

    static const char *const sources[] = {"/dev/random", "/dev/urandom"};
    for (int i = 0; i < 2; i++) {
        fd = (int)CHECK_OK(open(sources[i], O_RDONLY));
        CHECK_EQ(read(fd, buffer, 64), 64);
        CHECK_EQ(read(fd, other, 64), 64);
        CHECK(memcmp(buffer, other, 64) != 0);
        struct pollfd p = {fd, POLLIN, 0};
        CHECK_EQ(poll(&p, 1, 1000), 1);
        close(fd);
    }
    CHECK_EQ(getrandom(buffer, 32, 0), 32);

    int ends[2];
    MUST(pipe(ends));
    IN_CHILD({
        // /dev/stdin and /dev/fd/N open again what the descriptor is.
        char text[8] = "";
        CHECK_EQ(dup2(ends[0], 0), 0);
        CHECK_EQ(write(ends[1], "in", 2), 2);
        int in = (int)CHECK_OK(open("/dev/stdin", O_RDONLY | O_NONBLOCK));
        CHECK_EQ(read(in, text, 8), 2);
        CHECK(memcmp(text, "in", 2) == 0);
        snprintf(buffer, sizeof buffer, "/dev/fd/%d", ends[1]);
        int out = (int)CHECK_OK(open(buffer, O_WRONLY));
        CHECK_EQ(write(out, "again", 5), 5);
        CHECK_EQ(read(0, text, 8), 5);
    });
    CHECK_STR(linkTarget("/dev/fd"), "/proc/self/fd");
    CHECK_STR(linkTarget("/dev/stdin"), "/proc/self/fd/0");
    CHECK_STR(linkTarget("/dev/stdout"), "/proc/self/fd/1");
    CHECK_STR(linkTarget("/dev/stderr"), "/proc/self/fd/2");

    // /dev/shm is a directory anyone may use; shm_open stands on it.
    struct stat s = statOf("/dev/shm");
    CHECK(S_ISDIR(s.st_mode));
    CHECK_EQ(s.st_mode & 07777, 01777);
    char name[64];
    snprintf(name, sizeof name, "/vedette-ctests-%d", getpid());
    fd = (int)CHECK_OK(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    CHECK_OK(ftruncate(fd, 8192));
    char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    memory[8191] = 'm';
    IN_CHILD({
        int second = (int)CHECK_OK(shm_open(name, O_RDWR, 0));
        CHECK_EQ(pread(second, buffer, 1, 8191), 1);
        CHECK_EQ(buffer[0], 'm');
    });
    CHECK_OK(shm_unlink(name));
    CHECK_ERRNO(shm_open(name, O_RDWR, 0), ENOENT);
    CHECK_ERRNO(open("/dev/missing", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/dev/null/x", O_RDONLY), ENOTDIR);
    struct stat ptmx;
    CHECK_OK(stat("/dev/ptmx", &ptmx));
    CHECK(S_ISCHR(ptmx.st_mode));
    CHECK_EQ(ptmx.st_rdev, makedev(5, 2));
    CHECK(S_ISDIR(statOf("/dev/pts").st_mode));
}

SCENARIO("dev_nodes", NULL, scenario)
