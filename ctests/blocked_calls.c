// Threads that wait in the kernel while a file that their process maps is copied up notice nothing: no call ends early, none
// says EINTR, and each waits for as long as it was asked to.
#include "harness.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/ipc.h>

#define PAGE 4096
#define FILES 12
// Milliseconds: how long each waits, and how much longer is too long. What begins anew at each remap waits for twice as long.
#define WAIT 1500
#define SLACK 900

static void prepare(void) {
    char name[16];
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "f%d", f);
        writeFile(name, "old");
    }
}

static const struct timespec duration = {WAIT / 1000, WAIT % 1000 * 1000000L};
static int pipes[4][2], sockets[2][2];
static int word = 7;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void *sleeps(void *a) {
    (void)a;
    CHECK_EQ(nanosleep(&duration, NULL), 0);
    return NULL;
}
static void *sleepsUntil(void *a) {
    (void)a;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT / 1000;
    until.tv_nsec += WAIT % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
    return NULL;
}
static void *polls(void *a) {
    (void)a;
    struct pollfd one = {.fd = pipes[0][0], .events = POLLIN};
    CHECK_EQ(poll(&one, 1, WAIT), 0);
    return NULL;
}
static void *ppolls(void *a) {
    (void)a;
    struct pollfd one = {.fd = pipes[0][0], .events = POLLIN};
    CHECK_EQ(ppoll(&one, 1, &duration, NULL), 0);
    return NULL;
}
static void *selects(void *a) {
    (void)a;
    struct timeval time = {WAIT / 1000, WAIT % 1000 * 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[0][0], &set);
    CHECK_EQ(select(pipes[0][0] + 1, &set, NULL, NULL, &time), 0);
    return NULL;
}
static void *waitsForWord(void *a) {
    (void)a;
    CHECK_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 7, &duration, NULL, 0), ETIMEDOUT);
    return NULL;
}
static void *waitsForCondition(void *a) {
    (void)a;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (until.tv_nsec + duration.tv_nsec) / 1000000000L + duration.tv_sec;
    until.tv_nsec = (until.tv_nsec + duration.tv_nsec) % 1000000000L;
    pthread_mutex_lock(&mutex);
    CHECK_EQ(pthread_cond_timedwait(&condition, &mutex, &until), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    return NULL;
}
static void *waitsForSignal(void *a) {
    (void)a;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK_ERRNO(sigtimedwait(&set, NULL, &duration), EAGAIN);
    return NULL;
}
static void *epolls(void *a) {
    (void)a;
    struct epoll_event event = {.events = EPOLLIN};
    int set = (int)CHECK_OK(epoll_create1(0));
    CHECK_OK(epoll_ctl(set, EPOLL_CTL_ADD, pipes[0][0], &event));
    CHECK_EQ(epoll_wait(set, &event, 1, WAIT), 0);
    close(set);
    return NULL;
}
static void *receives(void *a) {
    (void)a;
    char byte;
    struct timeval time = {WAIT / 1000, WAIT % 1000 * 1000};
    CHECK_OK(setsockopt(sockets[0][0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
    CHECK_ERRNO(recv(sockets[0][0], &byte, 1, 0), EAGAIN);
    return NULL;
}
static void *waitsForSemaphore(void *a) {
    (void)a;
    int set = semget(IPC_PRIVATE, 1, 0600);
    if (set < 0) return NULL;  // without namespaces there are none
    struct sembuf take = {0, -1, 0};
    CHECK_ERRNO(semtimedop(set, &take, 1, &duration), EAGAIN);
    semctl(set, 0, IPC_RMID);
    return NULL;
}

// Woken by data, which comes once the remaps are over.
static void *reads(void *a) {
    (void)a;
    char byte = 0;
    CHECK_EQ(read(pipes[1][0], &byte, 1), 1);
    CHECK_EQ(byte, 'p');
    return NULL;
}
static void *receivesData(void *a) {
    (void)a;
    char byte = 0;
    CHECK_EQ(recv(sockets[1][0], &byte, 1, 0), 1);
    return NULL;
}
static void *polled(void *a) {
    (void)a;
    struct pollfd one = {.fd = pipes[2][0], .events = POLLIN};
    CHECK_EQ(poll(&one, 1, -1), 1);
    return NULL;
}
static void *epolled(void *a) {
    (void)a;
    struct epoll_event event = {.events = EPOLLIN};
    int set = (int)CHECK_OK(epoll_create1(0));
    CHECK_OK(epoll_ctl(set, EPOLL_CTL_ADD, pipes[2][0], &event));
    CHECK_EQ(epoll_wait(set, &event, 1, -1), 1);
    close(set);
    return NULL;
}
static void *locks(void *a) {
    (void)a;
    int fd = (int)CHECK_OK(open("lock", O_RDWR));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK_OK(fcntl(fd, F_OFD_SETLKW, &lock));
    close(fd);
    return NULL;
}
static void *waits(void *a) {
    (void)a;
    pid_t child = fork();
    if (child == 0) {
        sleepMilliseconds(WAIT);
        _exit(3);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), 3);
    return NULL;
}

static const struct Waiter {
    const char *name;
    void *(*body)(void *);
    bool isTimed;
} waiters[] = {
    {"nanosleep", sleeps, true},
    {"clock_nanosleep", sleepsUntil, true},
    {"poll", polls, true},
    {"ppoll", ppolls, true},
    {"select", selects, true},
    {"futex", waitsForWord, true},
    {"pthread_cond_timedwait", waitsForCondition, true},
    {"sigtimedwait", waitsForSignal, true},
    {"epoll_wait", epolls, true},
    {"recv-timeout", receives, true},
    {"semtimedop", waitsForSemaphore, true},
    {"read", reads, false},
    {"recv", receivesData, false},
    {"poll for data", polled, false},
    {"epoll_wait for data", epolled, false},
    {"fcntl lock", locks, false},
    {"waitpid", waits, true},
};
#define WAITERS (sizeof waiters / sizeof *waiters)
static double took[WAITERS];

static void *run(void *argument) {
    const struct Waiter *waiter = argument;
    double began = seconds();
    waiter->body(NULL);
    took[waiter - waiters] = seconds() - began;
    return NULL;
}

static void scenario(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &set, NULL);
    volatile char *at[FILES];
    char name[16];
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "f%d", f);
        int fd = (int)CHECK_OK(open(name, O_RDONLY));
        at[f] = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
        CHECK(at[f] != MAP_FAILED && at[f][0] == 'o');
    }
    writeFile("lock", "");
    int held = (int)CHECK_OK(open("lock", O_RDWR));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK_OK(fcntl(held, F_OFD_SETLK, &lock));
    for (int i = 0; i < 4; i++) MUST(pipe(pipes[i]));
    for (int i = 0; i < 2; i++) MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets[i]));
    pthread_t threads[WAITERS];
    for (size_t i = 0; i < WAITERS; i++) MUST(pthread_create(&threads[i], NULL, run, (void *)&waiters[i]));
    sleepMilliseconds(100);
    // The files are copied up one after the other, over most of the time that the others wait.
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "f%d", f);
        IN_CHILD(int fd = (int)CHECK_OK(open(name, O_WRONLY)); CHECK_EQ(write(fd, "n", 1), 1));
        CHECK_EQ(at[f][0], 'n');
        sleepMilliseconds(80);
    }
    CHECK_EQ(write(pipes[1][1], "p", 1), 1);
    CHECK_EQ(write(pipes[2][1], "p", 1), 1);
    CHECK_EQ(send(sockets[1][1], "s", 1, 0), 1);
    close(held);
    for (size_t i = 0; i < WAITERS; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < WAITERS; i++) {
        if (!waiters[i].isTimed) continue;
        if (strcmp(waiters[i].name, "semtimedop") == 0 && took[i] < 0.1) continue;
        CHECK(took[i] * 1000 > WAIT - 20);
        harnessCheck(__LINE__, waiters[i].name, took[i] * 1000 < WAIT + SLACK, "%s waited for %.0f ms, not for %d", waiters[i].name, took[i] * 1000, WAIT);
    }
}

SCENARIO("blocked_calls", prepare, scenario)
