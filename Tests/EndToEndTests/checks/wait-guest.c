// The guest of hangs.sh that has the supervisor itself wait in a call on a guest's socket, by winning a race: between two calls
// of the supervisor the socket is made blocking again, or the supervisor's copy of the descriptor becomes the last one. Such a
// wait is interrupted after a second. Prints `interrupted` when it was, and `served` when others were answered meanwhile.
//
// wait-guest connect DIRECTORY   connect(2) to a Unix socket whose backlog is full, while another process clears O_NONBLOCK
// wait-guest linger              close(2) of a TCP socket with SO_LINGER, unsent data and a peer that does not read
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// What the processes share. Times are in milliseconds.
static struct shared {
    volatile int socket;
    /// Whether a call on the socket is being made.
    volatile int inside;
    /// The longest call on the socket, and the longest time that another call has waited for its answer.
    volatile long longest, unanswered;
} * shared;

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int fail(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    return 3;
}

/// A process with the same descriptors.
static pid_t fork_with_files(void) { return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0); }

/// Asks for something else all the time.
static pid_t observer(void) {
    pid_t other = fork();
    if (other != 0) return other;
    for (;;) {
        struct stat status;
        long before = now();
        if (stat("/etc", &status) != 0) _exit(1);
        if (now() - before > shared->unanswered) shared->unanswered = now() - before;
        usleep(1000);
    }
}

/// A second passes before the wait is seen as one, and half a second at the most until somebody looks.
static int judge(pid_t one, pid_t two) {
    kill(one, SIGKILL);
    kill(two, SIGKILL);
    while (wait(NULL) > 0) {}
    if (shared->longest < 800) printf("no call has waited: the longest took %ld ms\n", shared->longest);
    else if (shared->longest > 4000) printf("waited %ld ms\n", shared->longest);
    else puts("interrupted");
    if (shared->unanswered <= 4000) puts("served");
    else printf("another call waited %ld ms\n", shared->unanswered);
    return 0;
}

static int wait_in_connect(const char *directory) {
    if (chdir(directory) != 0) return fail("chdir");
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "listener"};
    struct sockaddr *name = (struct sockaddr *)&address;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, name, sizeof address) != 0 || listen(listener, 0) != 0) return fail("listen");
    int last;
    do { last = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); } while (last >= 0 && connect(last, name, sizeof address) == 0);
    if (errno != EAGAIN) return fail("connect");
    pid_t other = observer(), flipper = fork();
    if (flipper == 0)
        for (;;) fcntl(last, F_SETFL, 0);
    for (long end = now() + 15000; now() < end && shared->longest < 800;) {
        long before = now();
        if (connect(last, name, sizeof address) == 0) return fail("connected");
        if (now() - before > shared->longest) shared->longest = now() - before;
    }
    return judge(other, flipper);
}

static void caught(int signal) { (void)signal; }

/// A connection whose last data no one acknowledges.
static int clogged(int listener, struct sockaddr_in *address, int *peer) {
    static char data[65536];
    int small = 4096, one = socket(AF_INET, SOCK_STREAM, 0);
    struct linger linger = {1, 30};
    if (one < 0 || setsockopt(one, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) != 0) return -1;
    if (connect(one, (struct sockaddr *)address, sizeof *address) != 0) return -1;
    *peer = accept(listener, NULL, NULL);
    if (*peer < 0 || setsockopt(one, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0) return -1;
    while (send(one, data, sizeof data, MSG_DONTWAIT) > 0) {}
    return errno == EAGAIN ? one : -1;
}

static int wait_in_close(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int small = 4096, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0) return fail("socket");
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 5) != 0) return fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0) return fail("getsockname");
    struct sigaction action = {.sa_handler = caught};
    sigaction(SIGALRM, &action, NULL);
    shared->socket = -1;
    // Every call of this process has the supervisor hold a copy of the socket for a moment. So does the kernel while it makes the
    // call itself (fdget): where its reference is the last one, it is this process that lingers in __fput, and a signal ends that
    // (tcp_close waits interruptibly) before it could be taken for a wait of the supervisor, which no signal of ours reaches.
    pid_t other = observer(), asking = fork_with_files();
    if (asking == 0) {
        struct itimerval often = {{0, 200000}, {0, 200000}};
        setitimer(ITIMER_REAL, &often, NULL);
        for (;;) {
            struct sockaddr_in local;
            socklen_t size = sizeof local;
            int socket = shared->socket;
            if (socket < 0) continue;
            shared->inside = 1;
            long before = now();
            getsockname(socket, (struct sockaddr *)&local, &size);
            if (now() - before > shared->longest) shared->longest = now() - before;
            shared->inside = 0;
        }
    }
    for (long end = now() + 15000; now() < end && shared->longest < 800;) {
        int peer, one = clogged(listener, &address, &peer);
        if (one < 0) return fail("clogged");
        shared->socket = one;
        usleep(200 + rand() % 100);
        // Where the copy was not there, it is this call that lingers: not for long.
        struct itimerval soon = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
        setitimer(ITIMER_REAL, &soon, NULL);
        close(one);
        setitimer(ITIMER_REAL, &never, NULL);
        shared->socket = -1;
        for (int i = 0; i < 50000 && shared->inside; i++) usleep(200);
        close(peer);
    }
    return judge(other, asking);
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IONBF, 0);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return fail("mmap");
    if (count == 3 && strcmp(arguments[1], "connect") == 0) return wait_in_connect(arguments[2]);
    if (count == 2 && strcmp(arguments[1], "linger") == 0) return wait_in_close();
    return 2;
}
