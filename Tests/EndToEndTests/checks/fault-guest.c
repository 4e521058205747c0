// The guest of faults.sh: it makes served calls of many kinds while one call of the supervisor fails, and judges each result.
// A call may fail; what it may not do is give the kernel's own answer. Those are distinguished by names: in the guest's kernel
// root lie the two trampolines and nothing else (without namespaces the host's own root), so a canary that is found, or a file
// of the tree that is not there, or is read-only, comes from the kernel.
//
// fault-guest SCENARIO DIRECTORY SECRET : in DIRECTORY lie `lower`, `sub/one`; SECRET is a path that exists on the
// host and not inside. Prints `NATIVE what` for each such answer, and `done` at its end. The status is 0 if it came there.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *self, *secret;

static void say(const char *what, const char *name, int error) {
    char line[512];
    int length = snprintf(line, sizeof line, "NATIVE %s %s: %s\n", what, name, error ? strerror(error) : "found");
    if (write(1, line, (size_t)length) < 0) _exit(9);
}

// What is not in the tree must not be found; the errors of a failed call are as good as any.
static void absent(const char *what, const char *name, long result) {
    if (result >= 0) say(what, name, 0);
}

// What is in the tree, or can be made there, must not be missing, read-only or forbidden.
static long present(const char *what, const char *name, long result) {
    if (result < 0 && (errno == ENOENT || errno == EROFS || errno == EACCES || errno == ENOTDIR || errno == EXDEV)) say(what, name, errno);
    return result;
}

static void canaries(void) {
    const char *names[] = {"/__vdso_getcpu", "/LINUX_2.6", secret};
    for (int i = 0; i < 3; i++) {
        const char *name = names[i];
        struct stat status;
        char text[64];
        absent("stat", name, stat(name, &status));
        absent("lstat", name, lstat(name, &status));
        absent("access", name, syscall(SYS_faccessat, AT_FDCWD, name, F_OK));
        absent("statx", name, syscall(SYS_statx, AT_FDCWD, name, 0, 0x7ff, &(char[256]){0}));
        absent("open", name, open(name, O_RDONLY));
        absent("openat2", name, syscall(SYS_openat2, AT_FDCWD, name, &(uint64_t[3]){O_PATH, 0, 0}, 24));
        absent("readlink", name, readlink(name, text, sizeof text));
        absent("chmod", name, chmod(name, 0700));
        absent("truncate", name, truncate(name, 0));
        absent("rename", name, rename(name, "/fault-renamed"));
        absent("link", name, link(name, "/fault-linked"));
        absent("unlink", name, unlink(name));
        absent("statfs", name, syscall(SYS_statfs, name, &(char[256]){0}));
        absent("getxattr", name, syscall(SYS_getxattr, name, "user.x", NULL, 0));
        absent("chdir", name, chdir(name));
    }
    // Where the kernel has the guest's working directory.
    absent("open", "LINUX_2.6", open("LINUX_2.6", O_RDONLY));
    struct stat status;
    absent("stat", "__vdso_getcpu", stat("__vdso_getcpu", &status));
    if (!fork()) {
        execl("/__vdso_getcpu", "canary", NULL);
        _exit(0);
    }
    while (wait(NULL) > 0) {}
}

static void files(void) {
    struct stat status;
    char buffer[4096];
    present("stat", "lower", stat("lower", &status));
    present("stat", "sub/one", stat("sub/one", &status));
    int lower = (int)present("open", "lower", open("lower", O_RDONLY));
    if (lower >= 0) present("read", "lower", read(lower, buffer, sizeof buffer));
    int made = (int)present("create", "made", open("made", O_RDWR | O_CREAT | O_TRUNC, 0644));
    if (made >= 0) {
        if (write(made, "some bytes\n", 11) < 0 && errno == EROFS) say("write", "made", errno);
        present("fstat", "made", fstat(made, &status));
        present("fchmod", "made", fchmod(made, 0600));
        present("ftruncate", "made", ftruncate(made, 100));
        present("fchown", "made", fchown(made, (uid_t)-1, (gid_t)-1));
        present("futimens", "made", futimens(made, NULL));
        close(made);
        present("rename", "made", rename("made", "moved"));
        // Either of the two, as the rename went.
        if (stat("moved", &status) < 0 && errno == ENOENT && stat("made", &status) < 0 && errno == ENOENT) say("stat", "moved", ENOENT);
        link("moved", "linked");
        symlink("moved", "pointing");
        syscall(SYS_setxattr, "moved", "user.fault", "x", 1, 0);
        unlink("linked");
    }
    present("mkdir", "directory", mkdir("directory", 0755));
    (void)!mknod("directory/node", S_IFREG | 0600, 0);
    unlink("directory/node");
    rmdir("directory");
    present("chdir", "sub", chdir("sub"));
    if (getcwd(buffer, sizeof buffer) == NULL && errno == ENOENT) say("getcwd", "sub", errno);
    // What follows is named from there.
    if (chdir("..") < 0) return;
    int directory = (int)present("open", ".", open(".", O_RDONLY | O_DIRECTORY));
    if (directory >= 0) {
        for (int i = 0; i < 10 && syscall(SYS_getdents64, directory, buffer, sizeof buffer) > 0; i++) {}
        close(directory);
    }
    present("rename", "sub", rename("sub", "sub-moved"));
    unlink("lower-absent");
    int up = (int)present("open-rw", "lower", open("lower", O_RDWR));
    if (up >= 0) {
        if (pwrite(up, "UP", 2, 0) < 0 && errno == EROFS) say("pwrite", "lower", errno);
        close(up);
    }
    present("unlink", "lower", unlink("lower"));
}

static void *thread_stack[16384];
static int in_thread(void *argument) {
    struct stat status;
    (void)argument;
    stat("lower", &status);
    open("sub/one", O_RDONLY);
    return 0;
}

static void caught(int signal) { (void)signal; }

static void processes(void) {
    struct sigaction action = {.sa_handler = caught};
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            execl(self, self, "child", ".", secret, NULL);
            // The program is there: the kernel alone says that it is not.
            if (errno == ENOENT || errno == EACCES) say("execve", self, errno);
            _exit(8);
        }
        if (child > 0) kill(child, SIGUSR1);
        while (wait(NULL) > 0) {}
    }
    pid_t child = vfork();
    if (child == 0) {
        execl(self, self, "child", ".", secret, NULL);
        _exit(8);
    }
    while (wait(NULL) > 0) {}
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    clone(in_thread, thread_stack + 16000, flags, NULL);
    alarm(1);
    struct timespec moment = {0, 20000000};
    nanosleep(&moment, NULL);
    struct stat status;
    // A call of a guest that dies while it is served.
    child = fork();
    if (child == 0)
        for (;;) stat("lower", &status);
    moment.tv_nsec = 1000000;
    nanosleep(&moment, NULL);
    if (child > 0) kill(child, SIGKILL);
    while (wait(NULL) > 0) {}
    alarm(0);
}

// A lower file is mapped, held open and then written by another process: mappings and descriptors move.
static void mapping(void) {
    struct sigaction action = {.sa_handler = caught};
    sigaction(SIGALRM, &action, NULL);
    int file = (int)present("open", "lower", open("lower", O_RDONLY));
    if (file < 0) return;
    volatile char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) map = NULL;
    char first = map ? map[0] : 0;
    pid_t idle = fork();
    if (idle == 0) {
        alarm(3);
        for (;;) pause();
    }
    pid_t writer = fork();
    if (writer == 0) {
        int out = (int)present("open-rw", "lower", open("lower", O_RDWR));
        if (out < 0) _exit(1);
        if (pwrite(out, "Z", 1, 0) != 1) _exit(1);
        struct stat status;
        _exit(stat("sub/one", &status) < 0 ? 1 : 0);
    }
    int end = 0;
    if (writer > 0) waitpid(writer, &end, 0);
    (void)first;
    if (map) (void)map[0];
    if (idle > 0) kill(idle, SIGKILL);
    while (wait(NULL) > 0) {}
}

static void channels(void) {
    struct sigaction action = {.sa_handler = caught};
    sigaction(SIGALRM, &action, NULL);
    if (mkfifo("pipe", 0600) == 0) {
        pid_t writer = fork();
        if (writer == 0) {
            alarm(2);
            int end = open("pipe", O_WRONLY);
            if (end >= 0) (void)!write(end, "x", 1);
            _exit(0);
        }
        alarm(2);
        int end = open("pipe", O_RDONLY);
        char byte;
        if (end >= 0) (void)!read(end, &byte, 1);
        alarm(0);
        if (writer > 0) kill(writer, SIGKILL);
        while (wait(NULL) > 0) {}
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int one = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), two = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct stat status;
    if (one >= 0 && two >= 0 && bind(one, (struct sockaddr *)&address, sizeof address) == 0) {
        if (lstat("socket", &status) < 0 && errno == ENOENT) say("lstat", "socket", errno);
        listen(one, 1);
        connect(two, (struct sockaddr *)&address, sizeof address);
        socklen_t length = sizeof address;
        getsockname(one, (struct sockaddr *)&address, &length);
    }
    int notes = (int)syscall(SYS_inotify_init1, O_NONBLOCK);
    if (notes >= 0) {
        syscall(SYS_inotify_add_watch, notes, ".", 0xfff);
        int made = open("watched", O_CREAT | O_WRONLY, 0600);
        if (made >= 0) close(made);
        char events[512];
        (void)!read(notes, events, sizeof events);
    }
    int again = open("/proc/self/fd/1", O_WRONLY);
    if (again >= 0) close(again);
    char text[256];
    if (readlink("/proc/self/exe", text, sizeof text) < 0 && errno == ENOENT) say("readlink", "/proc/self/exe", errno);
    int null = (int)present("open", "/dev/null", open("/dev/null", O_RDWR));
    (void)null;
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    self = arguments[0];
    secret = arguments[3];
    const char *scenario = arguments[1];
    if (strcmp(scenario, "child") == 0) return 0;
    if (present("chdir", arguments[2], chdir(arguments[2])) < 0) return 3;
    if (strcmp(scenario, "canaries") == 0) canaries();
    if (strcmp(scenario, "files") == 0) files();
    if (strcmp(scenario, "processes") == 0) processes();
    if (strcmp(scenario, "mapping") == 0) mapping();
    if (strcmp(scenario, "channels") == 0) channels();
    return write(1, "done\n", 5) == 5 ? 0 : 4;
}
