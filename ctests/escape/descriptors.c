// Descriptors that a guest should not have, get or reach: left open by the caller, sockets and FIFOs that lie in a layer,
// descriptors of others.
#define CLASS "descriptor"
#include "attack.h"
#include <dirent.h>
#include <poll.h>
#include <sys/ioctl.h>

ATTACK(left_open, leak, LEAKY_PARENT, "each number from 3 to 4096: read, read through /proc/self/fd, walked from by openat") {
    for (int fd = 3; fd <= 4096; fd++) {
        if (fcntl(fd, F_GETFD) < 0) continue;
        char text[64];
        snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
        say(text, fd), leakFile(fd), leakPath(text);
        const char *names[] = {"secret", "inherited", "outside/secret", "../outside/secret", "../../outside/secret"};
        for (int i = 0; i < 5; i++) {
            int file = openat(fd, names[i], O_RDONLY);
            if (file >= 0) leakFile(file);
        }
    }
}
ATTACK(left_open_executed, leak, LEAKY_PARENT, "the same in a program that was executed by the guest") {
    for (int fd = 3; fd <= 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0) leakFile(fd);
    pid_t child = forked();
    if (child == 0) {
        char text[64];
        for (int fd = 3; fd <= 1024; fd++) {
            snprintf(text, sizeof text, "/dev/fd/%d", fd);
            int file = open(text, O_RDONLY | O_NONBLOCK);
            if (file >= 0) leakFile(file);
        }
        _exit(0);
    }
    waitpid(child, NULL, 0);
}
static void connectTo(const char *path) {
    struct sockaddr_un address;
    socklen_t length;
    // Two ways, for paths that are too long for an address.
    const char *slash = strrchr(path, '/');
    char directory[4096];
    snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
    if (chdir(directory) != 0) {
        say(directory, -1);
        return;
    }
    int fd = unixSocket(slash + 1, false, SOCK_STREAM, &address, &length);
    say(path, connect(fd, (struct sockaddr *)&address, length));
    poll(&(struct pollfd){fd, POLLIN, 0}, 1, 100), leakFile(fd);
}
ATTACK(socket_of_lower, leak, 0, "connect to a socket of the host's that lies in the root file system") { connectTo(in("/lower/socket")); }
ATTACK(socket_of_bind, leak, 0, "connect to a socket of the host's in a :ro bind") { connectTo(in("/ro/socket")); }
ATTACK(socket_outside, leak, 0, "connect to a socket of the host's outside of the root") {
    connectTo(out("socket"));
    if (chdir(in("/lower")) == 0) connectTo("../../outside/socket");
}
ATTACK(socket_by_symlink, leak, 0, "connect through a symlink that leads out") {
    connectTo(in("/lower/out/socket"));
    connectTo(in("/lower/absolute/socket"));
}
ATTACK(socket_linked, leak, 0, "connect to a host's socket under a name that the guest gave it by link and rename") {
    say("link", link(in("/lower/socket"), in("/tmp/linked"))), connectTo(in("/tmp/linked"));
    say("rename", rename(in("/lower/socket"), in("/tmp/renamed"))), connectTo(in("/tmp/renamed"));
}
ATTACK(socket_by_descriptor, leak, 0, "connect to /proc/self/fd/N of a socket's O_PATH descriptor") {
    const char *files[] = {"/lower/socket", "/ro/socket"};
    for (int i = 0; i < 2; i++) {
        char text[64];
        snprintf(text, sizeof text, "/proc/self/fd/%d", open(in(files[i]), O_PATH));
        connectTo(text);
    }
}
ATTACK(fifo_of_lower, leak, 0, "a FIFO of the lower layer, which a program of the host's writes to (here: the attack's helper natively, the victim's pipe)") {
    int fd = open(in("/lower/fifo"), O_RDWR | O_NONBLOCK);
    say("open", fd);
    char text[64];
    // Who could write into it natively is this process; what counts is whether it is the host's FIFO.
    snprintf(text, sizeof text, "/proc/%d/fd/%d", victim(), VICTIM_PIPE), leakPath(text);
}
static void descriptorsOf(int pid) {
    char text[96];
    const int numbers[] = {0, 3, 4, 5, 6, 7, 8, 9, 10, VICTIM_PIPE, VICTIM_MEMFD, VICTIM_FILE};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(text, sizeof text, "/proc/%d/fd/%d", pid, numbers[i]);
        leakPath(text);
    }
}
ATTACK(proc_fd_of_host, leak, 0, "/proc/PID/fd of the host's processes and of the supervisor") { hostPids(descriptorsOf); }
static void deface_(int pid) {
    char text[96];
    snprintf(text, sizeof text, "/proc/%d/fd/%d", pid, VICTIM_CANARY);
    deface(open(text, O_RDWR));
}
ATTACK(proc_fd_written, change, 0, "/proc/PID/fd of the host's processes, for writing") { hostPids(deface_); }
static void stolen(int pid) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0) {
        say("pidfd_open", -1);
        return;
    }
    for (int n = 0; n < 64; n++) {
        int fd = (int)syscall(SYS_pidfd_getfd, process, n, 0);
        if (fd >= 0) leakFile(fd);
    }
}
ATTACK(pidfd_getfd, leak, 0, "pidfd_getfd from each process of the host that is known") { hostPids(stolen); }
ATTACK(pidfd_of_proc, leak, 0, "a pidfd by opening /proc/PID, used with pidfd_getfd; natively by pidfd_open") {
    char text[64];
    snprintf(text, sizeof text, "/proc/%d", victim());
    int process = inside ? open(text, O_RDONLY | O_DIRECTORY) : (int)syscall(SYS_pidfd_open, victim(), 0);
    for (int n = VICTIM_PIPE; n <= VICTIM_FILE; n++) {
        int fd = (int)syscall(SYS_pidfd_getfd, process, n, 0);
        say("pidfd_getfd", fd);
        if (fd >= 0) leakFile(fd);
    }
}
ATTACK(rights_to_host, leak, 0, "descriptors sent by SCM_RIGHTS to a service of the host's, whose answer is read") {
    char name[64];
    struct sockaddr_un address;
    socklen_t length;
    snprintf(name, sizeof name, "%s-s", knows("NAME"));
    int fd = unixSocket(name, true, SOCK_STREAM, &address, &length), file = open(in("/lower/victim"), O_RDONLY);
    say("connect", connect(fd, (struct sockaddr *)&address, length)), say("send", sendDescriptors(fd, &file, 1));
    poll(&(struct pollfd){fd, POLLIN, 0}, 1, 100), leakFile(fd);
}
ATTACK(directory_placeholder, leak, 0, "a directory's own descriptor used for .., listed and walked from by calls that run natively") {
    const char *directories[] = {"/", "/lower", "/ro", "/tmp", "/hide"};
    for (int i = 0; i < 5; i++) {
        int fd = open(in(directories[i]), O_RDONLY | O_DIRECTORY);
        char entries[4096];
        for (int n = 0; n < 5; n++) {
            const char *names[] = {"..", "../..", "../outside/secret", "../../outside/secret", "secret"};
            int file = openat(fd, names[n], O_RDONLY);
            if (file >= 0) leakFile(file), syscall(SYS_getdents64, file, entries, sizeof entries);
        }
        leakPath(out("secret"));
        say("ioctl", ioctl(fd, 0x80086601 /* FS_IOC_GETFLAGS */, entries));
    }
}
