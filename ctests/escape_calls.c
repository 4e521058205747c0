// System calls that would reach past the sandbox: every one is refused, none kills a guest that only asks. Those that end
// the guest on purpose (the 32-bit entry) are tried in a child. Only inside has this a meaning.
#include "harness.h"
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define X32 0x40000000

static bool refused(long result) { return result == -1 && (errno == EPERM || errno == ENOSYS || errno == EACCES); }

#define CHECK_REFUSED(call)                                                                                                                     \
    do {                                                                                                                                        \
        errno = 0;                                                                                                                              \
        long result_ = (call);                                                                                                                  \
        harnessCheck(__LINE__, NULL, refused(result_), "%s gave %ld (%s), expected EPERM, EACCES or ENOSYS", #call, result_, errnoName(errno)); \
    } while (0)

static void table(void) {
    char handle[64] = {0}, buffer[4096];
    ((unsigned *)handle)[0] = 8;
    int mountId;
    CHECK_REFUSED(syscall(SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY));
    CHECK(syscall(SYS_name_to_handle_at, AT_FDCWD, "/", handle, &mountId, 0) == -1);
    CHECK_REFUSED(syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), 0, 0));
    CHECK_REFUSED(syscall(SYS_io_uring_setup, 4, buffer));
    CHECK_REFUSED(syscall(SYS_bpf, 0, buffer, 64));
    CHECK_REFUSED(syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0));
    CHECK_REFUSED(syscall(SYS_userfaultfd, 0));
    CHECK_REFUSED(syscall(SYS_keyctl, 0, -3, 0));
    CHECK_REFUSED(syscall(SYS_add_key, "user", "n", "p", 1, -3));
    CHECK_REFUSED(syscall(SYS_request_key, "user", "n", NULL, -3));
    CHECK_REFUSED(mount("none", "/tmp", "tmpfs", 0, NULL));
    CHECK_REFUSED(umount2("/proc", MNT_DETACH));
    CHECK_REFUSED(syscall(SYS_pivot_root, "/tmp", "/tmp"));
    CHECK_REFUSED(syscall(428 /* open_tree */, AT_FDCWD, "/", 1));
    CHECK_REFUSED(syscall(429 /* move_mount */, AT_FDCWD, "/", AT_FDCWD, "/tmp", 0));
    CHECK_REFUSED(syscall(430 /* fsopen */, "tmpfs", 0));
    CHECK_REFUSED(syscall(442 /* mount_setattr */, AT_FDCWD, "/", 0, buffer, 32));
    CHECK_REFUSED(syscall(SYS_swapon, "/tmp/x", 0));
    CHECK_REFUSED(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x12345, NULL));
    CHECK_REFUSED(syscall(SYS_init_module, buffer, 16, ""));
    CHECK_REFUSED(syscall(SYS_finit_module, 0, "", 0));
    CHECK_REFUSED(syscall(SYS_kexec_load, 0, 0, NULL, 0));
    CHECK_REFUSED(syscall(SYS_acct, "/tmp/x"));
    CHECK_REFUSED(syscall(SYS_quotactl, 0x800002, "/dev/x", 0, buffer));
    CHECK_REFUSED(syscall(SYS_iopl, 3));
    // Arguments that could do nothing even if the call came through: a hole must cost a failed check, not the machine.
    CHECK_REFUSED(syscall(SYS_settimeofday, &(long[2]){0, 5000000}, NULL));
    CHECK_REFUSED(syscall(SYS_kcmp, getppid(), getpid(), 0, 0, 0));
    CHECK_REFUSED(syscall(SYS_lookup_dcookie, 0, buffer, 64));
    CHECK_REFUSED(syscall(SYS_setns, 0, 0));
    // Numbers that do not exist, and the x32 table, whose calls would be compared with the wrong names.
    CHECK_ERRNO(syscall(9999), ENOSYS);
    CHECK_ERRNO(syscall(X32 | SYS_getpid), ENOSYS);
    CHECK_ERRNO(syscall(X32 | SYS_open, "/etc/passwd", O_RDONLY), ENOSYS);
    CHECK_ERRNO(syscall(X32 | 520 /* x32 execve */, "/bin/true", NULL, NULL), ENOSYS);
    CHECK_ERRNO(syscall(-1), ENOSYS);
}

static void otherProcesses(void) {
    char byte = 0;
    struct iovec local = {&byte, 1}, remote = {&byte, 1};
    pid_t parent = getppid();
    if (parent > 0) {
        CHECK(process_vm_readv(parent, &local, 1, &remote, 1, 0) == -1);
        CHECK(process_vm_writev(parent, &local, 1, &remote, 1, 0) == -1);
    }
    CHECK(process_vm_readv(1, &local, 1, &remote, 1, 0) == -1 || getpid() == 1);
    // The runner on the host: either no such process, or no right to it.
    const char *host = getenv("VEDETTE_HOST_PID");
    CHECK(host != NULL);
    if (host) {
        CHECK(kill(atoi(host), 0) == -1);
        CHECK(process_vm_readv(atoi(host), &local, 1, &remote, 1, 0) == -1);
        CHECK(syscall(SYS_prlimit64, atoi(host), 7, NULL, &(long[2]){0}) == -1);
    }
    int process = (int)syscall(SYS_pidfd_open, 1, 0);
    if (process >= 0 && getpid() != 1) {
        CHECK(syscall(SYS_pidfd_getfd, process, 0, 0) == -1);
        close(process);
    } else {
        CHECK(process >= 0 || errno == EPERM || errno == ESRCH || errno == ENOSYS);
    }
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self >= 0) CHECK_REFUSED(syscall(SYS_pidfd_getfd, self, 0, 0));
}

static void thirtyTwoBitEntry(void) {
    pid_t child = fork();
    if (child == 0) {
        long result;
        // getpid by its 32-bit number. If it answers, the filter has a hole as wide as the 32-bit table.
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
        _exit(result == getpid() ? 0 : 1);
    }
    int status = statusOf(child);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
}

static socklen_t abstractAddress(struct sockaddr_un *a, const char *name) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "%s", name ? name : "");
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1));
}

static void sockets(void) {
    // The abstract names of the host and of the sandbox never meet: run.sh keeps one listener on the host for this.
    struct sockaddr_un a;
    socklen_t length = abstractAddress(&a, getenv("VEDETTE_HOST_SOCKET"));
    CHECK(length > 3);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&a, length) == -1 && (errno == ECONNREFUSED || errno == EPERM || errno == EACCES));
    close(fd);
    CHECK(socket(AF_PACKET, SOCK_RAW, 0) == -1);
    CHECK(socket(40 /* AF_VSOCK */, SOCK_STREAM, 0) == -1);
    CHECK(socket(AF_NETLINK, SOCK_RAW, 9 /* NETLINK_AUDIT */) == -1);
}

static void terminals(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0);
    if (master < 0) return;
    char byte = 'x', name[64];
    unlockpt(master);
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    int slave = (int)CHECK_OK(open(name, O_RDWR | O_NOCTTY));
    CHECK_REFUSED(ioctl(slave, TIOCSTI, &byte));
    CHECK_REFUSED(ioctl(slave, TIOCLINUX, &byte));
    // The kernel compares 32 bits of a command; a filter that compares 64 lets this one through (CVE-2019-7303).
    CHECK_REFUSED(syscall(SYS_ioctl, slave, 0x100000000ul | TIOCSTI, &byte));
    // What is not on the list of commands is unknown to this terminal.
    CHECK_ERRNO(ioctl(slave, TIOCSETD, &(int){2}), ENOTTY);
}

static void scenario(void) {
    table();
    otherProcesses();
    thirtyTwoBitEntry();
    sockets();
    terminals();
    // Still here, still served.
    CHECK(exists("/"));
}

// On the host: listens on an abstract name until it is killed, for the check above, and at a path, for escape_race.
static int listenOnHost(const char *name, const char *path) {
    struct sockaddr_un a;
    socklen_t length = abstractAddress(&a, name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, length) != 0 || listen(fd, 8) != 0) return 1;
    struct sockaddr_un named = {.sun_family = AF_UNIX};
    strncpy(named.sun_path, path, sizeof named.sun_path - 1);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(other, (struct sockaddr *)&named, sizeof named) != 0 || listen(other, 8) != 0) return 1;
    printf("listening\n");
    fflush(stdout);
    alarm(600);
    while (pause() == -1) {}
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "--listen") == 0) return listenOnHost(argv[2], argv[3]);
    return harnessMain(argc, argv, "escape_calls", NULL, scenario, true);
}
