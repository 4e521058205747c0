// A process of the host that attacks go for. It has secrets in its memory, environment, arguments and descriptors, serves the
// host's sockets, counts what reaches it (signals, connections, messages), and says its whole state when the referee asks.
#include "referee.h"
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static volatile sig_atomic_t received[65];
static void count(int number) { received[number]++; }

static int contacts[LISTENERS_END - LISTENER_TCP];

static void serve(int index, const struct secrets *secrets) {
    static const enum place banners[] = {TCP_BANNER, UDP_BANNER, ABSTRACT_BANNER, DATAGRAM_BANNER, OUTSIDE_SOCKET, LOWER_SOCKET, BIND_SOCKET};
    const char *banner = secrets->text[banners[index]];
    int fd = LISTENER_TCP + index;
    contacts[index]++;
    if (fd == LISTENER_UDP || fd == LISTENER_DATAGRAM) {
        char buffer[256];
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        ssize_t got = recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
        if (got >= 0 && length > sizeof(sa_family_t)) sendto(fd, banner, strlen(banner), MSG_DONTWAIT, (struct sockaddr *)&from, length);
        return;
    }
    int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (peer < 0) return;
    send(peer, banner, strlen(banner), MSG_NOSIGNAL);
    close(peer);
}

static void printLimits(FILE *to) {
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit limit = {0, 0};
        getrlimit(i, &limit);
        fprintf(to, " %llx/%llx", (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
}

// One line, the same before and after unless somebody reached us.
static void report(int to) {
    char *text = NULL;
    size_t size = 0;
    FILE *line = open_memstream(&text, &size);
    fprintf(line, "victim: signals");
    for (int i = 1; i < 65; i++)
        if (received[i]) fprintf(line, " %d*%d", i, (int)received[i]);
    fprintf(line, "; contacts");
    for (int i = 0; i < LISTENERS_END - LISTENER_TCP; i++) fprintf(line, " %d", contacts[i]);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    int pending = 0;
    ioctl(VICTIM_PIPE, FIONREAD, &pending);
    fprintf(
        line,
        "; nice %d; cpus %d; policy %d; io %ld; group %d; session %d; parent %d; pipe %d; at %lld %lld; flags %x; memory %.40s; slack %d; dumpable %d; limits",
        getpriority(PRIO_PROCESS, 0), CPU_COUNT(&cpus), sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0), getpgid(0) - getpid(), getsid(0) - getpid(),
        getppid() > 0, pending, (long long)lseek(VICTIM_MEMFD, 0, SEEK_CUR), (long long)lseek(VICTIM_FILE, 0, SEEK_CUR), fcntl(VICTIM_CANARY, F_GETFL),
        (char *)VICTIM_ADDRESS, prctl(PR_GET_TIMERSLACK), prctl(PR_GET_DUMPABLE));
    printLimits(line);
    char memfd[64] = "";
    ssize_t got = pread(VICTIM_MEMFD, memfd, sizeof memfd - 1, 0);
    memfd[got > 0 ? got : 0] = 0;
    fprintf(line, "; memfd %s\n", memfd);
    fclose(line);
    ssize_t written = write(to, text, size);
    (void)written;
    free(text);
}

int victimMain(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 1);
    struct secrets secrets;
    if (read(CONTROL_FD, &secrets, sizeof secrets) != (ssize_t)sizeof secrets) return 1;
    for (int i = 1; i < 65; i++) signal(i, count);
    char *page = mmap((void *)VICTIM_ADDRESS, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (page == MAP_FAILED) return 1;
    strcpy(page, secrets.text[VICTIM_MEMORY_SECRET]);
    int ends[2], memfd = memfd_create("victim", 0);
    if (memfd < 0 || pipe(ends) != 0) return 1;
    ssize_t written = write(ends[1], secrets.text[PIPE_SECRET], 24);
    written += write(memfd, secrets.text[MEMFD_SECRET], 24);
    (void)written;
    if (dup2(ends[0], VICTIM_PIPE) < 0 || dup2(memfd, VICTIM_MEMFD) < 0) return 1;
    report(CONTROL_FD);
    for (;;) {
        struct pollfd fds[1 + LISTENERS_END - LISTENER_TCP] = {{CONTROL_FD, POLLIN, 0}};
        for (int i = 0; i < LISTENERS_END - LISTENER_TCP; i++) fds[i + 1] = (struct pollfd){LISTENER_TCP + i, POLLIN, 0};
        if (poll(fds, 1 + LISTENERS_END - LISTENER_TCP, -1) <= 0) continue;
        for (int i = 0; i < LISTENERS_END - LISTENER_TCP; i++)
            if (fds[i + 1].revents & POLLIN) serve(i, &secrets);
        if (fds[0].revents) {
            char byte;
            ssize_t got = read(CONTROL_FD, &byte, 1);
            if (got == 0 || (got < 0 && errno != EINTR)) return 0;
            if (got == 1) report(CONTROL_FD);
        }
    }
}
