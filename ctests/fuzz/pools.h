// What the arguments of the fuzzers are drawn from: memory of every kind, files, descriptors, and numbers at their edges.
// Made once by the parent; a worker is a fork of it and spoils its own copy.
#ifndef FUZZ_POOLS_H
#define FUZZ_POOLS_H

#include "calls.h"
#include "inside.h"
#include <dirent.h>
#include <poll.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

#define PAGE 4096ul

// MARK: - Memory

static char *good;      // readable and writable, this process's own
static char *busy;      // shared by all threads and changed all the time
static char *edge;      // the first byte behind the last page that there is
static char *readOnly;  // strings lie here too
static char *noAccess, *writeOnly;
static char *mapped;  // a shared mapping of a file of one page, two pages long: the second gives SIGBUS
#define GOOD (64 * PAGE)
#define BUSY (4 * PAGE)

// With a page behind it that stops a call which is given too large a size.
static inline char *pages(size_t size, int protection, int flags) {
    char *made = mmap(NULL, size + PAGE, protection, flags | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED || mprotect(made + size, PAGE, PROT_NONE) != 0) {
        perror("fuzz: mmap");
        exit(2);
    }
    return made;
}

static inline void makeMemory(void) {
    good = pages(GOOD, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    busy = pages(BUSY, PROT_READ | PROT_WRITE, MAP_SHARED);
    edge = pages(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE) + PAGE;
    munmap(edge, 2 * PAGE);
    readOnly = pages(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    for (size_t i = 0; i < PAGE / 8; i++) memcpy(readOnly + i * 8, "file\0\0\0\0", 8);
    mprotect(readOnly, PAGE, PROT_READ);
    noAccess = pages(PAGE, PROT_NONE, MAP_PRIVATE);
    writeOnly = pages(PAGE, PROT_WRITE, MAP_PRIVATE);
    int fd = open("mapped", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    mapped = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, PAGE) == 0) mapped = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) mapped = noAccess;
    close(fd);
}

// MARK: - Numbers

static const uint64_t extremes[] = {
    0,
    1,
    2,
    3,
    7,
    8,
    255,
    256,
    4095,
    4096,
    4097,
    65535,
    65536,
    (1u << 20) + 1,
    1u << 28,
    INT32_MAX - 1u,
    INT32_MAX,
    (uint64_t)INT32_MAX + 1,
    UINT32_MAX - 1u,
    UINT32_MAX,
    (uint64_t)UINT32_MAX + 1,
    (uint64_t)UINT32_MAX + 2,
    1ull << 40,
    (1ull << 47) - PAGE,
    1ull << 47,
    (1ull << 53) + 1,
    INT64_MAX - 4095,
    INT64_MAX - 1,
    INT64_MAX,
    1ull << 63,
    (1ull << 63) + 1,
    (uint64_t)-2,
    (uint64_t)-1,
    (uint64_t)-4095,
    (uint64_t)-4096,
    (uint64_t)-4097,
    (uint64_t)-65536,
    (uint64_t)INT32_MIN,
    999999999,
    1000000000,
    0x3fffffff,
    0x3ffffffe,
};
#define EXTREMES (sizeof extremes / sizeof extremes[0])

// Addresses that are no buffers of ours. The vdso is last: a guest may write there what the supervisor lets it run.
static uint64_t oddAddresses[40];
static size_t oddCount;

static inline void collectAddresses(void) {
    const uint64_t fixed[] = {
        0,
        1,
        8,
        PAGE,
        0x10000,
        (uint64_t)edge,
        (uint64_t)edge - 1,
        (uint64_t)edge - 4,
        (uint64_t)edge - 7,
        (uint64_t)edge - 8,
        (uint64_t)edge - 16,
        (uint64_t)edge - 24,
        (uint64_t)edge - 144,
        (uint64_t)readOnly,
        (uint64_t)readOnly + PAGE - 3,
        (uint64_t)noAccess,
        (uint64_t)writeOnly,
        (uint64_t)mapped,
        (uint64_t)mapped + PAGE - 2,
        (uint64_t)mapped + PAGE,
        0x7ffffffff000,
        0x7fffffffefff,
        0x7fffffffffff,
        0x800000000000,
        0xffff800000000000,
        0xffffffff80000000,
        0xffffffffff600000,
        (uint64_t)-PAGE,
        (uint64_t)-8,
        (uint64_t)-1,
        0x8000000000000000,
        0x7fffffffffffffff,
        (uint64_t)&collectAddresses,
    };
    memcpy(oddAddresses, fixed, sizeof fixed);
    oddCount = sizeof fixed / sizeof fixed[0];
    uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
    if (vdso && !avoidsVDSO) {
        oddAddresses[oddCount++] = vdso;
        oddAddresses[oddCount++] = vdso + 0x800;
        oddAddresses[oddCount++] = vdso + PAGE;
    }
}

// MARK: - Names

static const char *const names[] = {
    "file",
    "new",
    "dir",
    "dir/file",
    "dir/new",
    "link",
    "dir/link",
    "loop",
    "lower",
    "lower/file",
    "lower/dir",
    "lower/dir/deep",
    "lower/link",
    "lower/gone",
    "lower/pair",
    "fifo",
    "sock",
    "mapped",
    "nosuch",
    "nosuch/x",
    "file/x",
    ".",
    "..",
    "../..",
    "/",
    "//",
    "",
    "dir/",
    "file/",
    "dir/.",
    "dir/..",
    "dir/../dir/../file",
    "link/",
    "/proc/self/fd/0",
    "/proc/self/fd/3",
    "/proc/self/fd/4",
    "/proc/self/fd/5",
    "/proc/self/fd/9",
    "/proc/self/exe",
    "/proc/self/cwd",
    "/proc/self/cwd/file",
    "/proc/self/root",
    "/proc/self/maps",
    "/proc/self/mem",
    "/proc/self/environ",
    "/proc/self/status",
    "/proc/self/task",
    "/proc/thread-self/fd",
    "/proc/self/fdinfo/3",
    "/proc/self/ns/user",
    "/proc/1",
    "/proc/1/fd",
    "/proc/1/mem",
    "/proc/2/status",
    "/proc/99999",
    "/proc/self/fd",
    "/proc/sys/kernel/pid_max",
    "/proc/mounts",
    "/proc/self/mountinfo",
    "/proc/self/uid_map",
    "/proc/self/comm",
    "/proc/self/oom_score_adj",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/pts/0",
    "/dev/stdin",
    "/dev/fd/0",
    "/dev/shm",
    "/dev/shm/x",
    "/dev/random",
    "/tmp",
    "/etc/passwd",
    "/bind",
    "/bind/file",
    "/bind/new",
    "/bind/dir",
    "/shown",
    "/shown/file",
    "/shown/dir",
    "/tmpfs",
    "/tmpfs/new",
    "/tmpfs/file",
    "/tmpfs/dir",
    "/dev/shm/new",
    "/bin/fuzz",
    "\xff\xfe",
    "na me\n",
    "dir/\x01",
    "a/a/a/a/a/a/a/a/a/a/a/a",
    "lower/script",
    "lower/elf",
};
#define NAMES (sizeof names / sizeof names[0])
static char name255[256], name256[257], path4095[4097], path4096[4098];

static inline void fillNames(void) {
    memset(name255, 'n', 255);
    memset(name256, 'n', 256);
    for (int i = 0; i < 4095; i++) path4095[i] = i % 2 ? '/' : '.';
    for (int i = 0; i < 4096; i++) path4096[i] = i % 2 ? '/' : '.';
}

static const char *const xattrs[] = {
    "user.a",
    "user.b",
    "user.overlay.whiteout.file",
    "user.vedette.attributes",
    "user.overlay.redirect",
    "trusted.overlay.opaque",
    "trusted.x",
    "security.capability",
    "security.selinux",
    "system.posix_acl_access",
    "system.posix_acl_default",
    "user.",
    "user",
    "",
    ".",
    "nosuch.x",
};
#define XATTRS (sizeof xattrs / sizeof xattrs[0])

// The kinds of file system that a file may be in: the upper layer, a lower one, memory, a writable bind. Each has a file,
// a directory, and a name that is free.
struct Ground {
    const char *file, *directory, *free;
};
static const struct Ground grounds[] = {
    {"file", "dir", "new"},
    {"lower/file", "lower/dir", "lower/new"},
    {"/tmpfs/file", "/tmpfs/dir", "/tmpfs/new"},
    {"/bind/file", "/bind/dir", "/bind/new"},
};
#define GROUNDS (sizeof grounds / sizeof grounds[0])

// Also mends it: everything may have been taken away.
static inline void mendGround(const struct Ground *ground) {
    struct stat found;
    umask(022);
    if (lstat(ground->file, &found) != 0 || !S_ISREG(found.st_mode)) {
        rmdir(ground->file);
        unlink(ground->file);
        int fd = open(ground->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd >= 0 && write(fd, "content of a file\n", 18) != 18) {}
        close(fd);
    }
    if (lstat(ground->directory, &found) != 0 || !S_ISDIR(found.st_mode)) {
        unlink(ground->directory);
        mkdir(ground->directory, 0755);
    }
    if (lstat(ground->free, &found) == 0) {
        unlink(ground->free);
        rmdir(ground->free);
    }
}

static inline void mendFiles(void) {
    struct stat found;
    for (size_t i = 0; i < GROUNDS; i++) mendGround(&grounds[i]);
    if (lstat("link", &found) != 0 && symlink("file", "link") != 0) {}
}

static inline void makeFiles(void) {
    mendFiles();
    if (symlink("loop", "loop") != 0 || symlink("..", "dir/link") != 0 || mkfifo("fifo", 0644) != 0) {}
    int fd = open("dir/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (ftruncate(fd, 100000) != 0) {}
    close(fd);
}

// MARK: - Descriptors

static int pool[64];
static size_t poolCount, processSlot, groundSlot;

static inline void keep(int fd) {
    if (fd >= 0 && poolCount < 64) pool[poolCount++] = fd;
}

static inline void makeDescriptors(void) {
    int pair[2];
    keep(0);
    keep(open("lower/file", O_RDONLY));
    keep(open("lower/file", O_PATH));
    keep(open("lower/pair", O_RDWR));
    keep(open("file", O_RDWR));
    keep(open("file", O_RDONLY | O_APPEND));
    keep(open("file", O_WRONLY | O_APPEND));
    keep(open("dir", O_RDONLY | O_DIRECTORY));
    keep(open("lower/dir", O_RDONLY | O_DIRECTORY));
    keep(open(".", O_PATH | O_DIRECTORY));
    keep(open("/", O_RDONLY));
    keep(open("link", O_PATH | O_NOFOLLOW));
    keep(open(".", O_TMPFILE | O_RDWR, 0600));
    keep(open("fifo", O_RDWR | O_NONBLOCK));
    keep(open("/proc/self/status", O_RDONLY));
    keep(open("/proc/self/fd", O_RDONLY));
    keep(open("/proc/self/exe", O_RDONLY));
    keep(open("/proc", O_RDONLY));
    keep(open("/dev/null", O_RDWR));
    keep(open("/dev/zero", O_RDWR));
    keep(open("/dev", O_RDONLY));
    keep(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    keep(open("/bind/file", O_RDWR));
    keep(open("/bind", O_RDONLY));
    keep(open("/shown/file", O_RDONLY));
    keep(open("/shown", O_RDONLY));
    keep(open("/tmpfs", O_RDONLY));
    keep(open("dir", O_PATH));
    keep(inotify_init1(IN_NONBLOCK));
    keep(epoll_create1(0));
    keep(eventfd(0, EFD_NONBLOCK));
    keep((int)syscall(SYS_memfd_create, "memory", 2u /* MFD_ALLOW_SEALING */));
    keep(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    processSlot = poolCount;
    keep((int)syscall(SYS_pidfd_open, getpid(), 0));
    keep(socket(AF_UNIX, SOCK_STREAM, 0));
    keep(socket(AF_INET, SOCK_STREAM, 0));
    keep(socket(AF_NETLINK, SOCK_RAW, 0));
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) keep(pair[0]), keep(pair[1]);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0) keep(pair[0]), keep(pair[1]);
    if (pipe2(pair, O_NONBLOCK) == 0) keep(pair[0]), keep(pair[1]);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "sock"};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) == 0) listen(listener, 2);
    keep(listener);
    groundSlot = poolCount;
    for (size_t i = 0; i < GROUNDS; i++) keep(open(grounds[i].file, i == 1 ? O_RDONLY : O_RDWR));
    // A lower file whose name is gone.
    keep(open("lower/gone", O_RDWR));
    unlink("lower/gone");
}

// The parent's own process descriptor becomes the worker's.
static inline void changeProcess(void) {
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (fd < 0) return;
    dup2(fd, pool[processSlot]);
    close(fd);
}

// MARK: - Structures

// The valid form of each kind of structure, at `at`; returns how many 4-byte words of it mean something.
static inline unsigned fillStructure(char kind, char *at) {
    uint64_t *word = (uint64_t *)at;
    memset(at, 0, 256);
    static char data[256] = "content";
    switch (kind) {
        case 't':
        case 'T':
            word[0] = 1000000000;
            word[1] = 500;
            word[2] = 1000000001;
            word[3] = 600;
            return kind == 't' ? 8 : 4;
        case 'h':
            word[0] = O_RDWR;
            return 6;
        case 'c':
            word[0] = 0;
            word[4] = SIGCHLD;
            return 22;
        case 'v':
            for (int i = 0; i < 3; i++) word[2 * i] = (uint64_t)(good + 9000 + 16 * i), word[2 * i + 1] = 16;
            return 12;
        case 'X':
            word[0] = (uint64_t)data;
            word[1] = 8;
            return 4;
        case 'O':
        case 'A':
            word[0] = kind == 'A' ? 128 : 4;
            return 2;
        case 'a': {
            struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "sock"};
            memcpy(at, &name, sizeof name);
            return 4;
        }
        case 'M': {
            // A struct msghdr (mmsghdr begins with one) with a name, data and a control message behind it.
            struct msghdr *message = (struct msghdr *)at;
            struct iovec *vector = (struct iovec *)(at + 128);
            *vector = (struct iovec){data, 16};
            message->msg_iov = vector;
            message->msg_iovlen = 1;
            struct cmsghdr *control = (struct cmsghdr *)(at + 160);
            *control = (struct cmsghdr){CMSG_LEN(8), SOL_SOCKET, SCM_RIGHTS};
            int sent[2] = {pool[1], pool[4]};
            memcpy(CMSG_DATA(control), sent, sizeof sent);
            message->msg_control = control;
            message->msg_controllen = CMSG_SPACE(8);
            return 48;
        }
        default:
            return 16;
    }
}

// Does this letter stand for a pointer to a structure that has a valid form?
static inline bool isStructure(char kind) { return kind && strchr("tThcvXOAaMs", kind) != NULL; }

#endif
