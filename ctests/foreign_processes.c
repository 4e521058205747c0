// A process that does not exist: every call that takes a process's number says so. Inside a sandbox the same holds for
// each process of the host, to the very error: nothing distinguishes one that is there from one that is not.
#include "harness.h"
#include <linux/netlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void prepare(void) {}

#define CLOCK_OF(pid) ((clockid_t)(~(unsigned)(pid) << 3 | 2))

// Asks in all ways for one process; the errors go into `seen`.
static int ask(pid_t pid, int *seen) {
    int count = 0;
    long words[64];
    size_t length;
    void *head;
    timer_t timer;
    struct timespec now = {0, 1};
    siginfo_t information = {.si_code = SI_QUEUE};
    struct {
        int type;
        pid_t pid;
    } owner = {1 /* F_OWNER_PID */, pid};
    int ends[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
#define ASK(call) (errno = 0, seen[count++] = (long)(call) == -1 ? errno : 0)
    ASK(kill(pid, 0));
    ASK(kill(-pid, 0));
    ASK(syscall(SYS_tkill, pid, 0));
    ASK(syscall(SYS_tgkill, pid, pid, 0));
    ASK(syscall(SYS_rt_sigqueueinfo, pid, 0, &information));
    ASK(syscall(SYS_rt_tgsigqueueinfo, pid, pid, 0, &information));
    ASK(syscall(434 /* pidfd_open */, pid, 0));
    ASK(syscall(434, pid, 0200 /* PIDFD_THREAD */));
    ASK(syscall(SYS_prlimit64, pid, 7, NULL, words));
    ASK(syscall(SYS_getpgid, pid));
    ASK(syscall(SYS_getsid, pid));
    ASK(setpgid(pid, 0));
    ASK(setpgid(0, pid));
    ASK(syscall(SYS_getpriority, PRIO_PROCESS, pid));
    ASK(syscall(SYS_getpriority, PRIO_PGRP, pid));
    ASK(syscall(SYS_setpriority, PRIO_PROCESS, pid, 19));
    ASK(syscall(SYS_ioprio_get, 1, pid));
    ASK(syscall(SYS_ioprio_get, 2, pid));
    ASK(syscall(SYS_ioprio_set, 1, pid, 0));
    ASK(syscall(SYS_sched_getparam, pid, words));
    ASK(syscall(SYS_sched_setparam, pid, words));
    ASK(syscall(SYS_sched_getscheduler, pid));
    ASK(syscall(SYS_sched_setscheduler, pid, 0, (int[]){0}));
    ASK(syscall(SYS_sched_rr_get_interval, pid, &now));
    memset(words, 0, sizeof words);
    ASK(syscall(SYS_sched_getattr, pid, words, 48, 0));
    memset(words, 0, sizeof words);
    ((unsigned *)words)[0] = 48;
    ASK(syscall(SYS_sched_setattr, pid, words, 0));
    ASK(syscall(SYS_sched_getaffinity, pid, sizeof words, words));
    ASK(syscall(SYS_sched_setaffinity, pid, sizeof words, words));
    ASK(syscall(SYS_get_robust_list, pid, &head, &length));
    ASK(syscall(SYS_clock_gettime, CLOCK_OF(pid), &now));
    ASK(syscall(SYS_clock_getres, CLOCK_OF(pid), &now));
    ASK(syscall(SYS_timer_create, CLOCK_OF(pid), NULL, &timer));
    ASK(syscall(SYS_clock_nanosleep, CLOCK_OF(pid), 0, &(struct timespec){0, 1}, NULL));
    ASK(fcntl(ends[0], F_SETOWN, pid));
    ASK(fcntl(ends[0], 15 /* F_SETOWN_EX */, &owner));
    ASK(ioctl(ends[0], 0x8902 /* SIOCSPGRP */, &pid));
    ASK(ioctl(ends[0], 0x8901 /* FIOSETOWN */, &pid));
    ASK(syscall(SYS_process_vm_readv, pid, &(struct iovec){words, 8}, 1, &(struct iovec){words, 8}, 1, 0));
    ASK(syscall(SYS_kcmp, pid, pid, 0, 0, 0));
    ASK(syscall(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0));
    ASK(syscall(SYS_migrate_pages, pid, 0, NULL, NULL));
    ASK(syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, pid, 0, 0));
    ASK(prctl(0x59616d61 /* PR_SET_PTRACER */, pid, 0, 0, 0));
    ASK(prctl(62 /* PR_SCHED_CORE */, 0, pid, 0, words));
    ASK(waitid(P_PID, (id_t)pid, &information, WEXITED | WNOHANG));
    // On a terminal of one's own.
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        int slave = -1;
        if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0) slave = open(ptsname(master), O_RDWR);
        if (slave >= 0) ioctl(slave, TIOCSCTTY, 0);
        errno = 0;
        _exit(slave < 0 ? 200 : ioctl(slave, TIOCSPGRP, &pid) == -1 ? errno : 0);
    }
    seen[count++] = WEXITSTATUS(statusOf(child));
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", pid);
    ASK(access(path, F_OK));
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    ASK(open(path, O_RDONLY));
    close(ends[0]), close(ends[1]);
    if (master >= 0) close(master);
    return count;
}

static void scenario(void) {
    int absent[80], present[80];
    // Above the highest that there can be.
    int count = ask(4194303, absent);
    for (int i = 0; i < count; i++) CHECK(absent[i] != 0);
    if (isInside()) {
        const char *host = getenv("VEDETTE_HOST_PID");
        CHECK(host != NULL);
        // Process 1 is a guest's own where there is a pid namespace.
        bool isBound = getppid() <= 1;
        pid_t others[2] = {host ? atoi(host) : 0, 1};
        for (int o = 0; o < 2; o++) {
            if (o == 1 && isBound) continue;
            CHECK_EQ(ask(others[o], present), count);
            for (int i = 0; i < count; i++)
                harnessCheck(__LINE__, NULL, present[i] == absent[i], "call %d: %s of process %d, %s of none", i, errnoName(present[i]), others[o],
                             errnoName(absent[i]));
        }
        // Of a network without a namespace nothing is shown: here there is either one or no such socket.
        if (!isBound) CHECK_ERRNO(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), EAFNOSUPPORT);
        for (int family = 1; family < 32; family++) CHECK(socket(AF_NETLINK, SOCK_RAW, family) == -1);
        CHECK_ERRNO(syscall(435 /* clone3 */, NULL, 0), ENOSYS);
    }
    // One's own processes can be asked for all the same.
    pid_t child = fork();
    if (child == 0) pause(), _exit(0);
    struct timespec time;
    cpu_set_t set;
    struct sched_param parameters;
    CHECK_OK(kill(child, 0));
    CHECK_EQ(getpgid(child), getpgrp());
    CHECK_OK(clock_gettime(CLOCK_OF(child), &time));
    CHECK_OK(clock_getres(CLOCK_OF(child), &time));
    CHECK_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time));
    CHECK_OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time));
    CHECK_OK(sched_getaffinity(child, sizeof set, &set));
    CHECK_OK(sched_getparam(child, &parameters));
    CHECK_EQ(sched_getscheduler(child), SCHED_OTHER);
    CHECK_OK(syscall(SYS_ioprio_get, 1, child));
    CHECK_OK(syscall(SYS_ioprio_get, 2, 0));
    CHECK_OK(setpriority(PRIO_PROCESS, child, 10));
    CHECK_EQ(getpriority(PRIO_PROCESS, child), 10);
    CHECK_OK(setpgid(child, child));
    CHECK_EQ(getpriority(PRIO_PGRP, child), 10);
    CHECK(syscall(SYS_getpriority, PRIO_PGRP, 0) > 0 && syscall(SYS_getpriority, PRIO_USER, 0) > 0);
    CHECK_OK(kill(-child, SIGKILL));
    statusOf(child);
    // A terminal's foreground group of one's own session.
    IN_CHILD({
        CHECK_OK(setsid());
        int master = (int)CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
        CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
        int slave = (int)CHECK_OK(open(ptsname(master), O_RDWR));
        ioctl(slave, TIOCSCTTY, 0);
        pid_t member = fork();
        if (member == 0) pause(), _exit(0);
        CHECK_OK(setpgid(member, member));
        CHECK_OK(tcsetpgrp(slave, member));
        CHECK_EQ(tcgetpgrp(slave), member);
        kill(member, SIGKILL);
        statusOf(member);
    });

    // Pairs of sockets.
    int ends[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    CHECK_ERRNO(socketpair(AF_INET, SOCK_STREAM, 0, ends), EOPNOTSUPP);
    CHECK_ERRNO(socketpair(AF_NETLINK, SOCK_RAW, 0, ends), EOPNOTSUPP);
    CHECK_ERRNO(socketpair(99, SOCK_STREAM, 0, ends), EAFNOSUPPORT);
    if (isInside()) CHECK_ERRNO(socketpair(30 /* AF_TIPC */, SOCK_STREAM, 0, ends), EAFNOSUPPORT);

    // A child that no tracer would see, with and without company; a sibling ends like a child.
    if (isInside()) {
        CHECK_ERRNO(syscall(SYS_clone, 0x800000 /* CLONE_UNTRACED */ | SIGCHLD, NULL, NULL, NULL, 0), EPERM);
        CHECK_ERRNO(syscall(SYS_clone, 0x802000 /* and CLONE_PTRACE */ | SIGCHLD, NULL, NULL, NULL, 0), EPERM);
        CHECK_ERRNO(syscall(SYS_clone, 0x800000ul | SIGCHLD | 1ul << 40, NULL, NULL, NULL, 0), EPERM);
    }
    pid_t traced = (pid_t)syscall(SYS_clone, 0x2000 /* CLONE_PTRACE */ | SIGCHLD, NULL, NULL, NULL, 0);
    // A child like any other: its calls are served.
    if (traced == 0) _exit(access("/proc/self/stat", F_OK) == 0 ? 0 : 1);
    CHECK_EXITS_OK(traced);
    IN_CHILD({
        pid_t sibling = (pid_t)syscall(SYS_clone, 0x8000 /* CLONE_PARENT */ | SIGCHLD, NULL, NULL, NULL, 0);
        if (sibling == 0) _exit(access("/proc/self/stat", F_OK) == 0 ? 0 : 1);
        CHECK(sibling > 0);
        CHECK_ERRNO(waitpid(sibling, NULL, 0), ECHILD);
    });
    int status;
    while (waitpid(-1, &status, 0) > 0) CHECK_EQ(status, 0);
}

SCENARIO("foreign_processes", prepare, scenario)
