// What the kernel itself takes for the mechanisms that a gate is made of, with nothing behind them: no sandbox can be faster.
//
//   yardstick stops [MILLISECONDS]   nanoseconds of a system call, one line each: `NAME NS`
//       stop-one-cpu, stop-two-cpus  SECCOMP_RET_TRACE: wait4, PTRACE_GET_SYSCALL_INFO, two PTRACE_POKEUSERs, PTRACE_CONT
//       descriptor-one-cpu, ...      SECCOMP_RET_USER_NOTIF: receive, SECCOMP_ADDFD_FLAG_SEND; with the close after it
//   yardstick filter COMMAND...      runs the command under a filter that allows everything by its number alone
#include "bench.h"
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void bind_to(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
}

// The two processors that are used, of those that we may use; the second is -1 if there is one only.
static int processors[2] = {-1, -1};

static void find_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) fail("sched_getaffinity");
    int found = 0;
    for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
        if (CPU_ISSET(i, &set)) processors[found++] = i;
}

static int filter(unsigned number, unsigned action, unsigned flags) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("PR_SET_NO_NEW_PRIVS");
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (result < 0) fail("seccomp");
    return (int)result;
}

// Makes the call again and again for `budget` nanoseconds; prints what one took.
static void repeat(const char *label, void (*call)(void), uint64_t budget) {
    for (int i = 0; i < 200; i++) call();
    double best = 1e18;
    for (int round = 0; round < 3; round++) {
        uint64_t begin = now(), end = begin, count = 0;
        while (end - begin < budget / 3) {
            for (int i = 0; i < 32; i++) call();
            count += 32;
            end = now();
        }
        double one = (double)(end - begin) / (double)count;
        if (one < best) best = one;
    }
    printf("%s %.1f\n", label, best);
    fflush(stdout);
}

static void parentCall(void) {
    if (syscall(SYS_getppid) != 4711) fail("the stopped call");
}

static void measureStop(const char *label, int tracer, int guest, uint64_t budget) {
    int go[2];
    if (pipe(go) != 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        char byte;
        bind_to(guest);
        if (read(go[0], &byte, 1) != 1) exit(1);
        filter(SYS_getppid, SECCOMP_RET_TRACE, 0);
        repeat(label, parentCall, budget);
        exit(0);
    }
    bind_to(tracer);
    if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) != 0) fail("PTRACE_SEIZE");
    if (write(go[1], "x", 1) != 1) fail("write");
    int status;
    while (waitpid(child, &status, __WALL) == child && !WIFEXITED(status) && !WIFSIGNALED(status)) {
        if (status >> 16 == PTRACE_EVENT_SECCOMP) {
            struct __ptrace_syscall_info info;
            ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
            ptrace(PTRACE_POKEUSER, child, 8 * ORIG_RAX, -1L);
            ptrace(PTRACE_POKEUSER, child, 8 * RAX, 4711L);
        }
        ptrace(PTRACE_CONT, child, 0, status >> 16 != 0 ? 0 : WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
    }
    close(go[0]);
    close(go[1]);
}

static void descriptorCall(void) {
    int file = (int)syscall(SYS_creat, "unused", 0);
    if (file < 0 || close(file) != 0) fail("the held call");
}

static void sendDescriptor(int socket, int descriptor) {
    char space[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    if (sendmsg(socket, &message, 0) != 1) fail("sendmsg");
}

static int receiveDescriptor(int socket) {
    char space[CMSG_SPACE(sizeof(int))], byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    if (recvmsg(socket, &message, 0) != 1 || CMSG_FIRSTHDR(&message) == NULL) fail("recvmsg");
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

static void measureDescriptor(const char *label, int worker, int guest, uint64_t budget) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) fail("socketpair");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        bind_to(guest);
        int listener = filter(SYS_creat, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
        sendDescriptor(pair[1], listener);
        close(listener);
        repeat(label, descriptorCall, budget);
        exit(0);
    }
    bind_to(worker);
    int listener = receiveDescriptor(pair[0]);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (file < 0) fail("/dev/null");
    // Linux 6.6: who is woken runs on the CPU of the one that wakes it.
    if (worker == guest) ioctl(listener, _IOW('!', 4, uint64_t), 1ul);
    for (;;) {
        struct seccomp_notif notification;
        memset(&notification, 0, sizeof notification);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) {
            struct pollfd poll_ = {.fd = listener};
            // Older kernels sleep in the receive when the other side is gone; a signal (SIGCHLD has a handler) ends that.
            if (errno == EINTR || (poll(&poll_, 1, 0) == 1 && (poll_.revents & POLLHUP))) break;
            continue;
        }
        struct seccomp_notif_addfd request = {.id = notification.id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = (unsigned)file};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &request);
    }
    int status;
    waitpid(child, &status, 0);
    close(listener);
    close(file);
}

static void nothing(int signal) { (void)signal; }

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "filter") == 0) {
        filter(1 << 29, SECCOMP_RET_ERRNO | ENOSYS, 0);
        execvp(argv[2], argv + 2);
        fail(argv[2]);
    }
    if (argc < 2 || strcmp(argv[1], "stops") != 0) {
        fprintf(stderr, "yardstick: see the head of yardstick.c\n");
        return 2;
    }
    uint64_t budget = (argc > 2 ? strtoull(argv[2], NULL, 10) : 200) * 1000000u;
    find_processors();
    measureStop("stop-one-cpu", processors[0], processors[0], budget);
    if (processors[1] >= 0) measureStop("stop-two-cpus", processors[0], processors[1], budget);
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGCHLD, &action, NULL);
    measureDescriptor("descriptor-one-cpu", processors[0], processors[0], budget);
    if (processors[1] >= 0) measureDescriptor("descriptor-two-cpus", processors[0], processors[1], budget);
    return 0;
}
