// FIFOs, lower and new: opens meet each other, a signal interrupts a waiting open, O_NONBLOCK, data, end of file, SIGPIPE.
#include "harness.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/time.h>

static void prepare(void) { MUST(mkfifo("lower", 0644)); }

static volatile sig_atomic_t alarms;
static void onAlarm(int number) {
    (void)number;
    alarms++;
}

static void interrupted(const char *path) {
    struct sigaction action = {.sa_handler = onAlarm}, restart = {.sa_handler = onAlarm, .sa_flags = SA_RESTART};
    struct itimerval soon = {.it_value = {0, 50000}}, off = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    double began = seconds();
    setitimer(ITIMER_REAL, &soon, NULL);
    CHECK_ERRNO(open(path, O_RDONLY), EINTR);
    CHECK(seconds() - began >= 0.04);
    setitimer(ITIMER_REAL, &soon, NULL);
    CHECK_ERRNO(open(path, O_WRONLY), EINTR);
    CHECK_EQ(alarms, 2);
    // With SA_RESTART the open goes on waiting, and succeeds when the other end comes.
    sigaction(SIGALRM, &restart, NULL);
    pid_t child = fork();
    if (child == 0) {
        sleepMilliseconds(150);
        int fd = (int)CHECK_OK(open(path, O_WRONLY));
        CHECK_EQ(write(fd, "z", 1), 1);
        _exit(0);
    }
    setitimer(ITIMER_REAL, &soon, NULL);
    int fd = (int)CHECK_OK(open(path, O_RDONLY));
    setitimer(ITIMER_REAL, &off, NULL);
    CHECK_EQ(alarms, 3);
    char byte = 0;
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'z');
    CHECK_EQ(read(fd, &byte, 1), 0);
    close(fd);
    CHECK_EXITS_OK(child);
    alarms = 0;
    // A waiting open dies by SIGKILL like anything else.
    child = fork();
    if (child == 0) _exit(open(path, O_RDONLY) >= 0);
    sleepMilliseconds(40);
    kill(child, SIGKILL);
    CHECK_EQ(statusOf(child), SIGKILL);
}

static sigjmp_buf place;
static void jumps(int number) {
    (void)number;
    siglongjmp(place, 1);
}

// Until the parent sleeps in a call of its own.
static void awaitParentAsleep(void) {
    char name[64], text[512];
    snprintf(name, sizeof name, "/proc/%d/stat", (int)getppid());
    for (int tries = 0; tries < 3000; tries++) {
        int fd = (int)MUST(open(name, O_RDONLY));
        ssize_t count = read(fd, text, sizeof text - 1);
        close(fd);
        text[count < 0 ? 0 : count] = 0;
        const char *end = strrchr(text, ')');
        if (end && !strncmp(end, ") S", 3)) return;
        sleepMilliseconds(10);
    }
    CHECK(false);
}

// A handler jumps out of an open that waits: it waits no more for any opener, though the thread has made no other call.
static void left(const char *path, int access) {
    int gone[2];
    MUST(pipe(gone));
    pid_t child = fork();
    if (child == 0) {
        char byte;
        CHECK_EQ(read(gone[0], &byte, 1), 1);
        awaitParentAsleep();
        if (access == O_RDONLY) {
            CHECK_ERRNO(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
        } else {
            // Without a writer there is nothing to wait for.
            int fd = (int)CHECK_OK(open(path, O_RDONLY | O_NONBLOCK));
            CHECK_EQ(read(fd, &byte, 1), 0);
            close(fd);
        }
        _exit(0);
    }
    struct sigaction action = {.sa_handler = jumps};
    struct itimerval soon = {.it_value = {0, 50000}};
    sigaction(SIGALRM, &action, NULL);
    if (sigsetjmp(place, 1) == 0) {
        setitimer(ITIMER_REAL, &soon, NULL);
        open(path, access);
        CHECK(false);
    }
    MUST(write(gone[1], "g", 1));
    CHECK_EXITS_OK(child);
    close(gone[0]);
    close(gone[1]);
    // Nor does the thread itself.
    if (sigsetjmp(place, 1) == 0) {
        setitimer(ITIMER_REAL, &soon, NULL);
        open(path, access);
        CHECK(false);
    }
    CHECK_ERRNO(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
}

static void rendezvous(const char *path) {
    CHECK_ERRNO(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
    int started[2];
    MUST(pipe(started));
    pid_t child = fork();
    if (child == 0) {
        double began = seconds();
        MUST(write(started[1], "s", 1));
        int fd = (int)CHECK_OK(open(path, O_WRONLY));
        CHECK(seconds() - began >= 0.03);
        CHECK_EQ(write(fd, "hello", 5), 5);
        _exit(0);
    }
    char buffer[16] = "";
    CHECK_EQ(read(started[0], buffer, 1), 1);
    close(started[0]);
    close(started[1]);
    sleepMilliseconds(60);
    int fd = (int)CHECK_OK(open(path, O_RDONLY));
    CHECK_EQ(read(fd, buffer, sizeof buffer), 5);
    CHECK_STR(buffer, "hello");
    CHECK_EQ(read(fd, buffer, sizeof buffer), 0);
    CHECK_EXITS_OK(child);
    struct stat s = fstatOf(fd), named = statOf(path);
    CHECK(S_ISFIFO(s.st_mode));
    CHECK_EQ(s.st_ino, named.st_ino);
    CHECK_EQ(s.st_dev, named.st_dev);
    close(fd);

    int reader = (int)CHECK_OK(open(path, O_RDONLY | O_NONBLOCK)), writer = (int)CHECK_OK(open(path, O_WRONLY));
    CHECK_ERRNO(read(reader, buffer, 1), EAGAIN);
    CHECK_EQ(write(writer, "ab", 2), 2);
    struct pollfd p = {reader, POLLIN, 0};
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK_EQ(read(reader, buffer, 16), 2);
    // The name may go or move; the pipe stays.
    CHECK_OK(rename(path, "moved"));
    int second = (int)CHECK_OK(open("moved", O_WRONLY | O_NONBLOCK));
    CHECK_EQ(write(second, "c", 1), 1);
    CHECK_EQ(read(reader, buffer, 16), 1);
    CHECK_OK(rename("moved", path));
    close(reader);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERRNO(write(writer, "x", 1), EPIPE);
    close(writer);
    close(second);
    int both = (int)CHECK_OK(open(path, O_RDWR));
    CHECK_EQ(write(both, "self", 4), 4);
    CHECK_EQ(read(both, buffer, 16), 4);
    CHECK_ERRNO(lseek(both, 0, SEEK_SET), ESPIPE);
    close(both);
}

static void scenario(void) {
    rendezvous("lower");
    interrupted("lower");
    CHECK_OK(mkfifo("upper", 0600));
    rendezvous("upper");
    left("upper", O_RDONLY);
    left("upper", O_WRONLY);
    interrupted("upper");
    CHECK_OK(chmod("lower", 0600));
    rendezvous("lower");
    CHECK_OK(unlink("lower"));
    CHECK(!exists("lower"));
}

SCENARIO("fifo_rendezvous", prepare, scenario)
