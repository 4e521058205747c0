// Calls that wait for a limited time and that the kernel never restarts, while a file that their process maps is copied up:
// none ends early, none begins anew, the arguments in the registers stay the caller's, and a signal still ends them.
#include "harness.h"
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PAGE 4096
#define FILES 160
// Milliseconds. The files of the first part are copied up at 0.5, 1.0 ... 2.5 s: what began anew each time would end after 5.5 s.
#define WAIT 3000
#define CHANGES 5
#define LATEST 4400
#define SIGNAL_AT 1700

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

static volatile char *at[FILES];
static int changed;
static int orders[2], answers[2];
static struct timespec duration = {WAIT / 1000, WAIT % 1000 * 1000000L};
static int quiet, loud[2], semaphores = -1;
static aio_context_t queue;
// Pairs with SO_RCVTIMEO and SO_SNDTIMEO, whose buffers are full in one direction and empty in the other, and a listener.
static struct Sockets { int pair[2], listener; } slow, fast;
static const struct timespec brief = {0, 45000000};

static struct Sockets makeSockets(struct timespec time) {
    struct Sockets s;
    struct timeval limit = {time.tv_sec, time.tv_nsec / 1000};
    static char block[4096];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s.pair));
    s.listener = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST(bind(s.listener, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)));
    MUST(listen(s.listener, 1));
    while (send(s.pair[0], block, sizeof block, MSG_DONTWAIT) > 0) {}
    MUST(setsockopt(s.pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    MUST(setsockopt(s.pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    MUST(setsockopt(s.listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    return s;
}

static void prepare(void) {
    char name[16];
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "f%d", f);
        writeFile(name, "old");
    }
}

// Another process changes one more of the files; our mapping of it shows that.
static void changeNext(void) {
    int f = changed++;
    char done = 0;
    MUST(write(orders[1], &f, sizeof f));
    CHECK_EQ(read(answers[0], &done, 1), 1);
    CHECK_EQ(at[f][0], 'n');
}

static void changeFiles(void) {
    int f;
    char name[16];
    while (read(orders[0], &f, sizeof f) == sizeof f) {
        snprintf(name, sizeof name, "f%d", f);
        int fd = open(name, O_WRONLY);
        if (fd < 0 || write(fd, "n", 1) != 1 || write(answers[1], "", 1) != 1) _exit(1);
        close(fd);
    }
    _exit(0);
}

// The call, and whether every register that holds an argument is afterwards what it was.
static long call(long number, const long *arguments, bool *isKept) {
    register long r10 __asm__("r10") = arguments[3], r8 __asm__("r8") = arguments[4], r9 __asm__("r9") = arguments[5];
    long rdi = arguments[0], rsi = arguments[1], rdx = arguments[2], result = number;
    __asm__ volatile("syscall" : "+a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9) : : "rcx", "r11", "memory");
    *isKept = rdi == arguments[0] && rsi == arguments[1] && rdx == arguments[2] && r10 == arguments[3] && r8 == arguments[4] && r9 == arguments[5];
    return result;
}

enum Call { EPOLL_WAIT, EPOLL_PWAIT, EPOLL_PWAIT2, SIGTIMEDWAIT, SEMTIMEDOP, IO_GETEVENTS, RECVFROM, READ, RECVMSG, SENDTO, WRITEV, ACCEPT, CALLS };
static const char *const names[] = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "rt_sigtimedwait", "semtimedop", "io_getevents",
                                    "recvfrom",   "read",        "recvmsg",      "sendto",          "writev",     "accept4"};

static long wait_(enum Call which, int set, const struct timespec *time, bool *isKept) {
    struct epoll_event event;
    struct io_event completion;
    struct sembuf take = {0, -1, 0};
    uint64_t signals = 1ull << (SIGRTMIN + 3 - 1);
    long milliseconds = time->tv_sec * 1000 + time->tv_nsec / 1000000;
    struct Sockets sockets = time->tv_sec ? slow : fast;
    char block[4096] = {0};
    struct iovec vector = {block, sizeof block};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    long arguments[CALLS][6] = {
        // The upper half of an int argument is not looked at, and stays too.
        {set, (long)&event, 1, milliseconds | 0x77L << 32, 0x15, 0x16},
        {set, (long)&event, 1, milliseconds, 0, 8},
        {set, (long)&event, 1, (long)time, 0, 8},
        {(long)&signals, 0, (long)time, 8, 0x15, 0x16},
        {semaphores, (long)&take, 1, (long)time, 0x15, 0x16},
        {(long)queue, 1, 1, (long)&completion, (long)time, 0x16},
        {sockets.pair[0], (long)block, sizeof block, 0, 0, 0},
        {sockets.pair[0], (long)block, sizeof block, 0x14, 0x15, 0x16},
        {sockets.pair[0], (long)&message, 0, 0x14, 0x15, 0x16},
        {sockets.pair[0], (long)block, sizeof block, 0, 0, 0},
        {sockets.pair[0], (long)&vector, 1, 0x14, 0x15, 0x16},
        {sockets.listener, 0, 0, 0, 0x15, 0x16},
    };
    static const long numbers[] = {SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_rt_sigtimedwait, SYS_semtimedop, SYS_io_getevents,
                                   SYS_recvfrom,   SYS_read,        SYS_recvmsg,      SYS_sendto,          SYS_writev,     SYS_accept4};
    return call(numbers[which], arguments[which], isKept);
}

static bool isThere(enum Call which) { return which != SEMTIMEDOP || semaphores >= 0; }

static long timedOut(enum Call which) { return which == SIGTIMEDWAIT || which == SEMTIMEDOP || which >= RECVFROM ? -EAGAIN : 0; }

// How a wait ends.
enum End { TIMEOUT, HANDLER, STOPPED, DATA };

static struct Waiter {
    enum Call call;
    enum End end;
    pthread_t thread;
    long result;
    bool isKept;
    double took;
} waiters[CALLS * 2 + 3];

static atomic_int handled;
static void handle(int signal) {
    (void)signal;
    // Calls of its own, in the middle of what the interrupted one left behind.
    if (getppid() > 0 && access("f0", F_OK) == 0) handled++;
}

static void *run(void *argument) {
    struct Waiter *waiter = argument;
    double began = seconds();
    waiter->result = wait_(waiter->call, waiter->end == DATA ? loud[0] : quiet, &duration, &waiter->isKept);
    waiter->took = seconds() - began;
    return NULL;
}

// One of each kind waits to the end, one of each gets a signal, one gets data.
static void oneDeadline(void) {
    size_t count = 0;
    for (enum Call c = 0; c < CALLS; c++) {
        if (!isThere(c)) continue;
        waiters[count++] = (struct Waiter){.call = c, .end = TIMEOUT};
        waiters[count++] = (struct Waiter){.call = c, .end = HANDLER};
    }
    waiters[count++] = (struct Waiter){.call = EPOLL_WAIT, .end = DATA};
    double began = seconds();
    for (size_t i = 0; i < count; i++) MUST(pthread_create(&waiters[i].thread, NULL, run, &waiters[i]));
    size_t signalled = 0;
    for (int m = 1; m <= CHANGES; m++) {
        if (m * WAIT / (CHANGES + 1) > SIGNAL_AT && !signalled) {
            sleepMilliseconds(SIGNAL_AT - (long)((seconds() - began) * 1000));
            for (size_t i = 0; i < count; i++)
                if (waiters[i].end == HANDLER) MUST(-pthread_kill(waiters[i].thread, SIGUSR1)), signalled++;
            MUST(write(loud[1], "d", 1));
        }
        long rest = m * WAIT / (CHANGES + 1) - (long)((seconds() - began) * 1000);
        if (rest > 0) sleepMilliseconds(rest);
        changeNext();
    }
    for (size_t i = 0; i < count; i++) {
        struct Waiter *w = &waiters[i];
        pthread_join(w->thread, NULL);
        const char *name = names[w->call];
        long wanted = w->end == TIMEOUT ? timedOut(w->call) : w->end == HANDLER ? -EINTR : 1;
        double least = w->end == TIMEOUT ? WAIT : SIGNAL_AT - 100;
        harnessCheck(__LINE__, name, w->result == wanted, "%s (%d) gave %ld, not %ld", name, w->end, w->result, wanted);
        harnessCheck(__LINE__, name, w->isKept, "%s (%d) changed its arguments' registers", name, w->end);
        harnessCheck(__LINE__, name, w->took * 1000 >= least, "%s (%d) ended early, after %.1f ms", name, w->end, w->took * 1000);
        harnessCheck(__LINE__, name, w->took * 1000 < (w->end == TIMEOUT ? LATEST : LATEST - 1000), "%s (%d) waited for %.0f ms", name, w->end, w->took * 1000);
    }
    CHECK_EQ(handled, (int)signalled);
}

// Short waits on a busy machine, one after the other, of threads that are sent from CPU to CPU: a remap at any moment makes
// none of them end early.
static atomic_bool isOver;
static atomic_int waits;
static pid_t sleepers[CALLS];

static void *waitAgain(void *argument) {
    enum Call which = (enum Call)(long)argument;
    sleepers[which] = gettid();
    while (!isOver) {
        bool isKept = false;
        double began = seconds();
        long result = wait_(which, quiet, &brief, &isKept);
        double took = (seconds() - began) * 1000;
        waits++;
        if (result != timedOut(which) || !isKept || took < 45)
            harnessCheck(__LINE__, names[which], false, "%s gave %ld after %.2f ms%s", names[which], result, took, isKept ? "" : ", and changed a register");
    }
    return NULL;
}

static void *spin(void *unused) {
    while (!isOver) {}
    return unused;
}

static void neverEarly(void) {
    pthread_t threads[CALLS], busy[3];
    cpu_set_t all, one;
    MUST(sched_getaffinity(0, sizeof all, &all));
    for (enum Call c = 0; c < CALLS; c++)
        if (isThere(c)) MUST(pthread_create(&threads[c], NULL, waitAgain, (void *)(long)c));
    for (int i = 0; i < 3; i++) MUST(pthread_create(&busy[i], NULL, spin, NULL));
    sleepMilliseconds(100);
    int cpu = 0;
    for (int m = 0; m < 100; m++) {
        for (enum Call c = 0; c < CALLS; c++) {
            do cpu = (cpu + 1) % CPU_SETSIZE;
            while (!CPU_ISSET(cpu, &all));
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            if (isThere(c) && m % 3 == 0) CHECK_OK(sched_setaffinity(sleepers[c], sizeof one, &one));
            if (isThere(c) && m % 3 == 1) CHECK_OK(sched_setaffinity(sleepers[c], sizeof all, &all));
        }
        sleepMilliseconds(m % 7 * 4);
        changeNext();
    }
    isOver = true;
    for (enum Call c = 0; c < CALLS; c++)
        if (isThere(c)) pthread_join(threads[c], NULL);
    for (int i = 0; i < 3; i++) pthread_join(busy[i], NULL);
    CHECK(waits > 0);
}

// A signal that is ignored wakes nobody, before or after a remap; SIGSTOP and SIGCONT end the call, the wait of a process
// that is killed, or that executes something else, just ends.
static void *waitLong(void *unused) {
    static const struct timespec minute = {60, 0};
    bool isKept;
    for (;;) wait_(EPOLL_PWAIT2, quiet, &minute, &isKept);
    return unused;
}

static pid_t startWaiting(enum End end, int *reports) {
    int pipe_[2];
    MUST(pipe(pipe_));
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        close(pipe_[0]);
        if (end == TIMEOUT) signal(SIGUSR2, SIG_IGN);
        if (end == DATA) {
            pthread_t thread;
            MUST(pthread_create(&thread, NULL, waitLong, NULL));
            sleepMilliseconds(700);
            execl("/bin/sh", "sh", "-c", "exit 7", NULL);
            _exit(1);
        }
        bool isKept = false;
        double began = seconds();
        long result = wait_(EPOLL_PWAIT2, quiet, &(struct timespec){end == HANDLER ? 60 : 2, 0}, &isKept);
        double report[3] = {(double)result, isKept, seconds() - began};
        MUST(write(pipe_[1], report, sizeof report));
        _exit(0);
    }
    close(pipe_[1]);
    *reports = pipe_[0];
    return child;
}

static void signalsAndEnds(void) {
    int ignoring, stopped, killed, replaced;
    pid_t ignores = startWaiting(TIMEOUT, &ignoring), stops = startWaiting(STOPPED, &stopped);
    pid_t dies = startWaiting(HANDLER, &killed), executes = startWaiting(DATA, &replaced);
    for (int i = 0; i < 8; i++) {
        sleepMilliseconds(60);
        if (i % 2) changeNext();
        MUST(kill(ignores, SIGUSR2));
        if (i == 3) MUST(kill(dies, SIGKILL));
        if (i == 5) MUST(kill(stops, SIGSTOP));
        if (i == 7) MUST(kill(stops, SIGCONT));
    }
    double report[3] = {0};
    CHECK_EQ(read(stopped, report, sizeof report), sizeof report);
    CHECK_EQ((long)report[0], -EINTR);
    CHECK(report[1] == 1 && report[2] < 1.9);
    CHECK_EQ(statusOf(stops), 0);
    int status = statusOf(dies);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = statusOf(executes);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK_EQ(read(ignoring, report, sizeof report), sizeof report);
    CHECK_EQ((long)report[0], 0);
    CHECK(report[1] == 1 && report[2] >= 2);
    harnessCheck(__LINE__, "ignored", report[2] < 3, "with ignored signals it waited for %.2f s", report[2]);
    CHECK_EQ(statusOf(ignores), 0);
    close(ignoring), close(stopped), close(killed), close(replaced);
}

static void scenario(void) {
    char name[16];
    sigset_t set;
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "f%d", f);
        int fd = (int)CHECK_OK(open(name, O_RDONLY));
        at[f] = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
        CHECK(at[f] != MAP_FAILED && at[f][0] == 'o');
        close(fd);
    }
    MUST(pipe(orders));
    MUST(pipe(answers));
    pid_t writer = (pid_t)MUST(fork());
    if (writer == 0) {
        close(orders[1]);
        changeFiles();
    }
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &set, NULL);
    // SA_RESTART changes nothing for these calls.
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGUSR1, &action, NULL));
    quiet = (int)MUST(epoll_create1(0));
    int data[2];
    MUST(pipe(data));
    loud[0] = (int)MUST(epoll_create1(0));
    loud[1] = data[1];
    MUST(epoll_ctl(loud[0], EPOLL_CTL_ADD, data[0], &(struct epoll_event){.events = EPOLLIN}));
    MUST(syscall(SYS_io_setup, 1, &queue));
    slow = makeSockets(duration);
    fast = makeSockets(brief);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    if (semaphores < 0) SKIP_PART("semtimedop: no semaphores");
    oneDeadline();
    signalsAndEnds();
    neverEarly();
    if (semaphores >= 0) semctl(semaphores, 0, IPC_RMID);
    close(orders[1]);
    CHECK_EXITS_OK(writer);
}

SCENARIO("timed_calls", prepare, scenario)
