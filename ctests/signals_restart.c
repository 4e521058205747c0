// Signals and system calls: no call that cannot be interrupted says EINTR under a storm of timers, those that can be do so
// once and with the right remainder, SA_RESTART restarts. A tracer that stops every call must not be seen through this.
#include "harness.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/time.h>

static void prepare(void) {
    writeFile("file", "bytes");
    MUST(mkdir("dir", 0755));
}

static volatile sig_atomic_t alarms;
static void onAlarm(int number) {
    (void)number;
    alarms++;
}

static void install(int flags) {
    struct sigaction action = {.sa_handler = onAlarm, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
}

static void arm(long first, long interval) {
    struct itimerval timer = {{0, interval}, {0, first}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

// One round of calls that Linux never interrupts on a local file system. Returns how many failed.
static int round_(void) {
    struct stat s;
    char buffer[PATH_MAX];
    int bad = 0, fd = open("file", O_RDWR);
    bad += fd < 0;
    bad += fstat(fd, &s) != 0;
    bad += pread(fd, buffer, 5, 0) != 5;
    bad += close(fd) != 0;
    bad += stat("file", &s) != 0;
    bad += !(stat("missing", &s) == -1 && errno == ENOENT);
    fd = open("new", O_CREAT | O_EXCL | O_WRONLY, 0600);
    bad += fd < 0;
    bad += write(fd, "x", 1) != 1;
    close(fd);
    bad += rename("new", "dir/renamed") != 0;
    bad += chmod("dir/renamed", 0640) != 0;
    bad += unlink("dir/renamed") != 0;
    bad += mkdir("sub", 0700) != 0;
    bad += rmdir("sub") != 0;
    bad += getcwd(buffer, sizeof buffer) == NULL;
    bad += readlink("/proc/self/exe", buffer, sizeof buffer) <= 0;
    return bad;
}

static void storm(int flags) {
    install(flags);
    alarms = 0;
    int bad = 0, rounds = 0;
    double began = seconds();
    arm(300, 300);
    while (seconds() - began < 0.7) {
        bad += round_();
        rounds++;
    }
    arm(0, 0);
    CHECK_EQ(bad, 0);
    CHECK(rounds > 10);
    CHECK(alarms > 50);
    // fork, exec and wait under the storm: wait may be interrupted, the child's start may not.
    arm(300, 300);
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0) {
            arm(0, 0);
            execl("/bin/true", "true", (char *)NULL);
            _exit(99);
        }
        CHECK(child > 0);
        CHECK_EQ(statusOf(child), 0);
    }
    arm(0, 0);
}

static void interrupted(void) {
    int ends[2];
    char byte;
    MUST(pipe(ends));
    install(0);
    arm(30000, 0);
    CHECK_ERRNO(read(ends[0], &byte, 1), EINTR);
    struct timespec wait = {0, 200000000}, left = {0, 0};
    double began = seconds();
    arm(50000, 0);
    CHECK_ERRNO(nanosleep(&wait, &left), EINTR);
    // What was slept and what is left make the whole, however loaded the machine is.
    double slept = seconds() - began, remaining = (double)left.tv_nsec / 1e9;
    CHECK(left.tv_sec == 0 && remaining > 0 && remaining < 0.19);
    CHECK(slept + remaining >= 0.1995);
    CHECK(slept + remaining < 0.26);
    // poll, epoll_wait and select are interrupted even with SA_RESTART (man 7 signal).
    install(SA_RESTART);
    struct pollfd p = {ends[0], POLLIN, 0};
    arm(30000, 0);
    CHECK_ERRNO(poll(&p, 1, 1000), EINTR);
    int epoll = (int)CHECK_OK(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
    arm(30000, 0);
    CHECK_ERRNO(epoll_wait(epoll, &event, 1, 1000), EINTR);
    arm(30000, 0);
    left = (struct timespec){0, 0};
    CHECK_ERRNO(nanosleep(&wait, &left), EINTR);
    CHECK(left.tv_nsec > 0 && left.tv_nsec < 190000000);
    // read of a pipe is restarted, and gets what comes after the signal.
    alarms = 0;
    pid_t child = fork();
    if (child == 0) {
        sleepMilliseconds(120);
        _exit(write(ends[1], "z", 1) != 1);
    }
    arm(30000, 0);
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_EQ(byte, 'z');
    CHECK_EQ(alarms, 1);
    CHECK_EXITS_OK(child);
    child = fork();
    if (child == 0) {
        sleepMilliseconds(100);
        _exit(0);
    }
    arm(30000, 0);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(alarms, 2);
    close(ends[0]);
    close(ends[1]);
    close(epoll);
}

static void stopsAreInvisible(void) {
    // A stop and a continue restart a sleep without a trace: no EINTR, and the whole time is slept.
    pid_t child = fork();
    if (child == 0) {
        struct timespec wait = {0, 300000000};
        double began = seconds();
        CHECK_OK(nanosleep(&wait, NULL));
        CHECK(seconds() - began >= 0.295);
        _exit(0);
    }
    for (int i = 0; i < 4; i++) {
        sleepMilliseconds(30);
        kill(child, SIGSTOP);
        sleepMilliseconds(10);
        kill(child, SIGCONT);
    }
    CHECK_EXITS_OK(child);
}

static volatile sig_atomic_t got[65];
static void count(int number, siginfo_t *info, void *context) {
    (void)context;
    got[number] += info->si_pid == getpid() || info->si_code == SI_KERNEL ? 1 : 100;
}

static void delivery(void) {
    struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    sigaction(SIGRTMIN + 3, &action, NULL);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ(got[SIGUSR1], 1);
    // SIGTRAP is the guest's own, not the tracer's.
    CHECK_OK(raise(SIGTRAP));
    CHECK_EQ(got[SIGTRAP], 1);
    __asm__ volatile("int3");
    CHECK_EQ(got[SIGTRAP], 2);
    sigset_t mask, old, pending;
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN + 3);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, &old);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(kill(getpid(), SIGRTMIN + 3));
        CHECK_OK(kill(getpid(), SIGUSR1));
    }
    CHECK_OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1));
    CHECK_EQ(got[SIGUSR1], 1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK_EQ(got[SIGRTMIN + 3], 5);
    CHECK_EQ(got[SIGUSR1], 2);
    IN_CHILD(signal(SIGSEGV, SIG_IGN); CHECK_OK(raise(SIGSEGV)));
    pid_t child = fork();
    if (child == 0) {
        *(volatile int *)8 = 1;
        _exit(0);
    }
    CHECK_EQ(statusOf(child) & 0x7f, SIGSEGV);
    child = fork();
    if (child == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    CHECK_EQ(statusOf(child), SIGTERM);
}

// A signal that is ignored wakes no thread: not the end of a child, nor one sent by hand.
static void ignored(void) {
    int epoll = (int)CHECK_OK(epoll_create1(0)), pipe[2];
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_OK(pipe2(pipe, 0));
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe[0], &event));
    pid_t child = fork();
    if (child == 0) {
        sleepMilliseconds(30);
        kill(getppid(), SIGWINCH);
        _exit(0);
    }
    CHECK_EQ(epoll_wait(epoll, &event, 1, 150), 0);
    CHECK_EXITS_OK(child);
    signal(SIGUSR1, SIG_IGN);
    child = fork();
    if (child == 0) {
        sleepMilliseconds(30);
        _exit(kill(getppid(), SIGUSR1) != 0);
    }
    CHECK_EQ(epoll_wait(epoll, &event, 1, 150), 0);
    CHECK_EXITS_OK(child);
    signal(SIGUSR1, SIG_DFL);
    close(epoll);
    close(pipe[0]);
    close(pipe[1]);
}

static void scenario(void) {
    ignored();
    storm(0);
    storm(SA_RESTART);
    interrupted();
    stopsAreInvisible();
    delivery();
}

SCENARIO("signals_restart", prepare, scenario)
