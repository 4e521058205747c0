// Numbers at the ends of their types in every kind of argument: addresses, lengths, offsets, times, counts, sizes, ids and
// descriptors. The kernel's answer is the same wherever it is asked; each case runs in a child, so that a death is seen, and
// at the end everything is still served.
#include "harness.h"
#include <elf.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define PAGE 4096L
#define LAST_PAGE 0xfffffffffffff000UL

static const int64_t ends[] = {0,        1,     -1,   INT32_MAX, INT32_MIN, 1L << 31, UINT32_MAX, 1L << 32, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1,
                               1L << 62, -4096, 4095, 4096};
#define EACH_END(name) for (size_t name##_ = 0; name##_ < sizeof ends / sizeof *ends; name##_++)
#define END(name) ends[name##_]

// A program whose only segment has that offset in the file.
static void writeProgram(const char *path, uint64_t offset, uint64_t fileSize) {
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segment;
    } image = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_EXEC,
                   .e_machine = EM_X86_64,
                   .e_version = 1,
                   .e_entry = 0x400000,
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 1},
        .segment =
            {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = offset, .p_vaddr = 0x400000, .p_filesz = fileSize, .p_memsz = fileSize, .p_align = 4096},
    };
    int fd = (int)MUST(open(path, O_CREAT | O_WRONLY, 0755));
    MUST(write(fd, &image, sizeof image) == sizeof image ? 0 : -1);
    close(fd);
}

static void prepare(void) {
    char pages[3 * PAGE];
    memset(pages, 'a', sizeof pages);
    const char *const names[] = {"mapped", "locked", "changed"};
    for (int i = 0; i < 3; i++) {
        int fd = (int)MUST(open(names[i], O_CREAT | O_WRONLY, 0666));
        MUST(write(fd, pages, sizeof pages) == sizeof pages ? 0 : -1);
        MUST(fchmod(fd, 0666));
        close(fd);
    }
    MUST(mkdir("dir", 0777));
    MUST(chmod("dir", 0777));
    writeFile("dir/a", "");
    writeFile("dir/b", "");
    MUST(symlink("mapped", "link"));
    writeProgram("last-offset", LAST_PAGE, PAGE);
    writeProgram("largest-file", 0x7ffffffffffff000UL, PAGE);
    writeProgram("longest-segment", 0, 1UL << 62);
    MUST(chmod(".", 0777));
}

static int lower;

static long mapAt(unsigned long address, unsigned long length, int flags, unsigned long offset) {
    return (long)syscall(SYS_mmap, address, length, PROT_READ, flags, lower, offset);
}

static void mappings(void) {
    const int kinds[] = {MAP_SHARED, MAP_PRIVATE};
    for (int i = 0; i < 2; i++) {
        int fixed = kinds[i] | MAP_FIXED;
        IN_CHILD(CHECK_ERRNO(mapAt(LAST_PAGE, 2, fixed, 0), ENOMEM));
        IN_CHILD(CHECK_ERRNO(mapAt(LAST_PAGE, PAGE, fixed, 0), ENOMEM));
        IN_CHILD(CHECK_ERRNO(mapAt(LAST_PAGE - PAGE, 2 * PAGE, fixed, 0), ENOMEM));
        IN_CHILD(CHECK_ERRNO(mapAt(1UL << 63, PAGE, fixed, 0), ENOMEM));
        IN_CHILD(CHECK_ERRNO(mapAt((1UL << 40) + 1, PAGE, fixed, 0), EINVAL));
        IN_CHILD(CHECK_ERRNO(mapAt(0, 0, kinds[i], 0), EINVAL));
        IN_CHILD(CHECK_ERRNO(mapAt(0, UINT64_MAX, kinds[i], 0), ENOMEM));
        IN_CHILD(CHECK_ERRNO(mapAt(0, 1UL << 63, kinds[i], 0), ENOMEM));
        IN_CHILD(CHECK_ERRNO(mapAt(0, PAGE, kinds[i], 1), EINVAL));
        IN_CHILD(CHECK_ERRNO(mapAt(0, PAGE, kinds[i], UINT64_MAX), EINVAL));
        IN_CHILD(CHECK_ERRNO(mapAt(0, 2 * PAGE, kinds[i], LAST_PAGE), EOVERFLOW));
        IN_CHILD(CHECK(mapAt(0, PAGE, kinds[i], 0) > 0));
        EACH_END(address) EACH_END(length) EACH_END(offset) {
            // What is asked for here may be given; what matters is that an answer comes.
            if (END(offset) & 4095 || END(length) == 0) continue;
            IN_CHILD(mapAt((unsigned long)END(address) & ~4095UL, (unsigned long)END(length), kinds[i] | (END(address) < 0 ? MAP_FIXED : 0),
                           (unsigned long)END(offset)));
        }
    }
}

// The listing that a directory has whatever was done to its times and offsets.
static int listed(int fd) {
    char buffer[4096];
    int count = 0;
    CHECK_OK(lseek(fd, 0, SEEK_SET));
    for (long got; (got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0;)
        for (long at = 0; at < got; at += *(unsigned short *)(buffer + at + 16)) count++;
    return count;
}

static void timesOf(const char *path) {
    EACH_END(seconds) {
        struct timespec both[2] = {{END(seconds), 999999999}, {END(seconds), 0}};
        struct timespec access[2] = {{END(seconds), 5}, {0, 0}};
        IN_CHILD({
            CHECK_OK(utimensat(AT_FDCWD, path, both, AT_SYMLINK_NOFOLLOW));
            struct stat s = statOf(path);
            // A file system may end sooner: the kernel takes the nearest time that it has.
            CHECK(s.st_atim.tv_sec == both[0].tv_sec || (both[0].tv_sec < 0 ? s.st_atim.tv_sec > both[0].tv_sec : s.st_atim.tv_sec < both[0].tv_sec));
            CHECK_OK(utimensat(AT_FDCWD, path, access, AT_SYMLINK_NOFOLLOW));
            struct statx x;
            CHECK_OK(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_ALL, &x));
            CHECK(x.stx_atime.tv_nsec < 1000000000);
            if (S_ISDIR(s.st_mode)) {
                int fd = (int)CHECK_OK(open(path, O_RDONLY | O_DIRECTORY));
                listed(fd);
            } else if (S_ISLNK(s.st_mode)) {
                char target[16];
                CHECK_OK(readlink(path, target, sizeof target));
            } else {
                char byte;
                int fd = (int)CHECK_OK(open(path, O_RDONLY));
                CHECK_OK(read(fd, &byte, 1));
            }
            CHECK_OK(lstat(path, &s));
        });
        if (END(seconds) == 0 || END(seconds) == 1 || END(seconds) == 4095 || END(seconds) == 4096) continue;
        if (END(seconds) >= 0 && END(seconds) < 1000000000) continue;
        if (END(seconds) == UTIME_NOW || END(seconds) == UTIME_OMIT) continue;
        struct timespec wrong[2] = {{0, 0}, {0, END(seconds)}};
        struct timeval wrongToo[2] = {{0, 0}, {0, END(seconds)}};
        IN_CHILD(CHECK_ERRNO(utimensat(AT_FDCWD, path, wrong, AT_SYMLINK_NOFOLLOW), EINVAL));
        IN_CHILD(CHECK_ERRNO(syscall(SYS_utimes, path, wrongToo), EINVAL));
    }
}

static void times(void) {
    MUST(mkdir("new-dir", 0755));
    writeFile("new-dir/file", "content");
    MUST(symlink("file", "new-dir/link"));
    timesOf("new-dir");
    timesOf("new-dir/file");
    timesOf("new-dir/link");
    CHECK_EQ(listed((int)CHECK_OK(open("new-dir", O_RDONLY))), 4);
}

// How many entries the directory has; 0 for a file, -1 for a directory whose entries come and go.
static void offsetsOf(const char *path, int entries) {
    int fd = (int)CHECK_OK(open(path, O_RDONLY));
    EACH_END(offset) {
        IN_CHILD({
            long set = lseek(fd, END(offset), SEEK_SET);
            if (END(offset) < 0) CHECK(set == -1 && errno == EINVAL);
            char buffer[4096];
            if (set >= 0) {
                if (entries) CHECK_OK(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
                else CHECK_OK(read(fd, buffer, sizeof buffer));
            }
            // Beyond the largest offset, from any but the first.
            if (set > 0 && lseek(fd, 0, SEEK_CUR) > 0) CHECK(lseek(fd, INT64_MAX, SEEK_CUR) == -1);
        });
    }
    if (entries > 0) CHECK_EQ(listed(fd), entries);
    close(fd);
}

static void sizes(void) {
    int fd = (int)CHECK_OK(open("sized", O_CREAT | O_RDWR, 0644));
    EACH_END(size) {
        IN_CHILD({
            // How large a file may be is the file system's: it is done, or refused as too large.
            if (END(size) < 0) {
                CHECK_ERRNO(truncate("sized", END(size)), EINVAL);
                CHECK_ERRNO(ftruncate(fd, END(size)), EINVAL);
                CHECK_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, END(size), 1), EINVAL);
                CHECK_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, END(size)), EINVAL);
            } else {
                CHECK(truncate("sized", END(size)) == 0 || errno == EFBIG || errno == EINVAL);
                struct stat s = statOf("sized");
                CHECK(s.st_size == END(size) || s.st_size >= 0);
                int other = (int)CHECK_OK(open("sized", O_RDONLY));
                CHECK_EQ(fstatOf(other).st_size, s.st_size);
            }
        });
    }
    IN_CHILD(CHECK_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, INT64_MAX, INT64_MAX), EFBIG));
    IN_CHILD(CHECK_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 0), EINVAL));
    CHECK_OK(ftruncate(fd, 0));
    close(fd);
    // A lower file, which is copied up for it.
    IN_CHILD(CHECK(truncate("changed", INT64_MAX) == 0 || errno == EFBIG || errno == EINVAL));
    IN_CHILD(CHECK_ERRNO(truncate("changed", INT64_MIN), EINVAL));
    CHECK_OK(truncate("changed", 1));
}

static void counts(void) {
    char buffer[4096];
    struct iovec one = {buffer, 1};
    IN_CHILD(CHECK_ERRNO(syscall(SYS_readv, lower, &one, -1), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_readv, lower, &one, 1025), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_readv, lower, &one, INT_MIN), EINVAL));
    IN_CHILD(CHECK_ERRNO(preadv(lower, &one, 1, -1), EINVAL));
    IN_CHILD(CHECK_ERRNO(preadv(lower, &one, 1, INT64_MIN), EINVAL));
    struct iovec negative = {buffer, SIZE_MAX};
    IN_CHILD(CHECK_ERRNO(syscall(SYS_readv, lower, &negative, 1), EINVAL));
    IN_CHILD(CHECK_ERRNO(pread(lower, buffer, 1, -1), EINVAL));
    IN_CHILD(CHECK_ERRNO(pread(lower, buffer, 2, INT64_MAX), EINVAL));
    int directory = (int)CHECK_OK(open("dir", O_RDONLY));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_getdents64, directory, buffer, 0), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_getdents64, directory, buffer, 1), EINVAL));
    const long negative32[] = {1L << 31, UINT32_MAX, 1L << 32, INT64_MIN, -1};
    for (int i = 0; i < 5; i++) IN_CHILD(CHECK_ERRNO(syscall(SYS_getdents64, directory, buffer, negative32[i]), EINVAL));
    IN_CHILD(CHECK(syscall(SYS_getdents64, directory, buffer, INT32_MAX) > 0));
    close(directory);
    IN_CHILD(CHECK_ERRNO(syscall(SYS_readlink, "link", buffer, 0), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_readlink, "link", buffer, -1), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_readlink, "link", buffer, INT_MIN), EINVAL));
    IN_CHILD(CHECK_EQ(syscall(SYS_readlink, "link", buffer, INT_MAX), 6));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_getcwd, buffer, 0), ERANGE));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_getcwd, buffer, 1), ERANGE));
    IN_CHILD(CHECK(syscall(SYS_getcwd, buffer, UINT64_MAX) > 1));
    struct pollfd none = {-1, 0, 0};
    IN_CHILD(CHECK_ERRNO(syscall(SYS_poll, &none, UINT32_MAX, 0), EINVAL));
    IN_CHILD(CHECK_ERRNO(select(-1, NULL, NULL, NULL, &(struct timeval){0, 0}), EINVAL));
    IN_CHILD(CHECK_ERRNO(select(INT_MIN, NULL, NULL, NULL, &(struct timeval){0, 0}), EINVAL));
    int epoll = (int)CHECK_OK(epoll_create1(0));
    struct epoll_event event;
    const int wrong[] = {0, -1, INT_MIN, INT_MAX};
    for (int i = 0; i < 4; i++) IN_CHILD(CHECK_ERRNO(syscall(SYS_epoll_wait, epoll, &event, wrong[i], 0), EINVAL));
    close(epoll);
    struct open_how how = {.flags = O_RDONLY};
    const size_t howSizes[] = {0, 1, 23}, tooLarge[] = {4097, INT_MAX, SIZE_MAX};
    for (int i = 0; i < 3; i++) {
        IN_CHILD(CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "mapped", &how, howSizes[i]), EINVAL));
        IN_CHILD(CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "mapped", &how, tooLarge[i]), E2BIG));
    }
    EACH_END(word) {
        struct open_how wrongHow = {.flags = (uint64_t)END(word) << 32, .mode = 0, .resolve = 0};
        if (wrongHow.flags) IN_CHILD(CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "mapped", &wrongHow, sizeof how), EINVAL));
        struct open_how wrongMode = {.flags = O_RDONLY, .mode = (uint64_t)END(word)};
        if (END(word)) IN_CHILD(CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "mapped", &wrongMode, sizeof how), EINVAL));
    }
    struct statx x;
    IN_CHILD(CHECK_ERRNO(statx(AT_FDCWD, "mapped", 0, 0x80000000, &x), EINVAL));
    IN_CHILD(CHECK_ERRNO(statx(AT_FDCWD, "mapped", -1, STATX_ALL, &x), EINVAL));
}

static void attributes(void) {
    char value[8] = "value";
    char name[400] = "user.";
    memset(name + 5, 'n', 300);
    if (setxattr("changed", "user.a", value, 5, 0) < 0) {
        SKIP_PART("this file system has no user attributes: %s", errnoName(errno));
        return;
    }
    const size_t large[] = {65537, INT_MAX, 1L << 31, UINT32_MAX, 1UL << 63, SIZE_MAX};
    for (int i = 0; i < 6; i++) {
        IN_CHILD(CHECK_ERRNO(syscall(SYS_setxattr, "changed", "user.b", value, large[i], 0), E2BIG));
        IN_CHILD(CHECK_EQ(syscall(SYS_getxattr, "changed", "user.a", value, large[i]), 5));
        IN_CHILD({
            char list[4096];
            CHECK(syscall(SYS_listxattr, "changed", list, large[i]) >= 7);
        });
    }
    IN_CHILD(CHECK_ERRNO(setxattr("changed", name, value, 5, 0), ERANGE));
    IN_CHILD(CHECK_ERRNO(setxattr("changed", "user.b", value, 5, -1), EINVAL));
    IN_CHILD(CHECK_ERRNO(getxattr("changed", "user.a", value, 1), ERANGE));
}

static void descriptors(void) {
    const int numbers[] = {-1, INT_MAX, INT_MIN, INT_MAX - 1, 1 << 30};
    struct stat s;
    for (int i = 0; i < 5; i++) {
        int fd = numbers[i];
        IN_CHILD({
            CHECK_ERRNO(fstat(fd, &s), EBADF);
            CHECK_ERRNO(syscall(SYS_openat, fd, "mapped", O_RDONLY), EBADF);
            CHECK_ERRNO(fchmod(fd, 0600), EBADF);
            CHECK_ERRNO(fchown(fd, -1, -1), EBADF);
            CHECK_ERRNO(fchdir(fd), EBADF);
            CHECK_ERRNO(syscall(SYS_getdents64, fd, &s, sizeof s), EBADF);
            CHECK_ERRNO(fcntl(fd, F_GETFL), EBADF);
            CHECK_ERRNO(fgetxattr(fd, "user.a", NULL, 0), EBADF);
            CHECK_ERRNO(inotify_rm_watch(fd, 1), EBADF);
            CHECK_ERRNO(connect(fd, (struct sockaddr *)&s, 16), EBADF);
            CHECK_ERRNO(syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_SHARED, fd, 0), EBADF);
        });
    }
    int watcher = (int)CHECK_OK(inotify_init1(0));
    EACH_END(watch) if (END(watch)) IN_CHILD(CHECK_ERRNO(inotify_rm_watch(watcher, (int)END(watch)), EINVAL));
    IN_CHILD(CHECK_ERRNO(inotify_init1(-1), EINVAL));
    close(watcher);
}

static void identities(void) {
    gid_t groups[4];
    IN_CHILD(CHECK_ERRNO(syscall(SYS_getgroups, -1, groups), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_getgroups, INT_MIN, groups), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_setgroups, 65537, groups), isRoot() ? EINVAL : EPERM));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_setgroups, -1, groups), isRoot() ? EINVAL : EPERM));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_setuid, -1), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_kill, INT_MIN, 0), ESRCH));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_kill, INT_MAX, 0), ESRCH));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_kill, -INT_MAX, 0), ESRCH));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_tkill, INT_MIN, 0), EINVAL));
    IN_CHILD(CHECK_ERRNO(syscall(SYS_getpgid, INT_MAX), ESRCH));
}

static void sockets(void) {
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "no-such-socket"};
    int fd = (int)CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
    const unsigned lengths[] = {0, 1, 111, INT_MAX, INT_MIN, UINT32_MAX};
    for (int i = 0; i < 6; i++) {
        IN_CHILD(CHECK_ERRNO(syscall(SYS_bind, fd, &name, lengths[i]), EINVAL));
        IN_CHILD(CHECK_ERRNO(syscall(SYS_connect, fd, &name, lengths[i]), EINVAL));
    }
    int negative = -1;
    IN_CHILD(CHECK_ERRNO(syscall(SYS_getsockname, fd, &name, &negative), EINVAL));
    // A wait of 2^63 seconds for a peer that is not there.
    struct timeval forever = {INT64_MAX, 999999};
    IN_CHILD({
        CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof forever));
        CHECK_ERRNO(connect(fd, (struct sockaddr *)&name, sizeof name), ENOENT);
    });
    close(fd);
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct iovec one = {"x", 1};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = SIZE_MAX};
    IN_CHILD(CHECK_ERRNO(sendmsg(pair[0], &message, 0), EMSGSIZE));
    union {
        struct cmsghdr header;
        char bytes[64];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    EACH_END(length) {
        if (END(length) >= 0 && END(length) <= 4096) continue;
        message = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        control.header.cmsg_len = (size_t)END(length);
        IN_CHILD(CHECK_ERRNO(sendmsg(pair[0], &message, MSG_DONTWAIT), EINVAL));
        message.msg_controllen = (size_t)END(length);
        if ((size_t)END(length) > INT_MAX) IN_CHILD(CHECK_ERRNO(sendmsg(pair[0], &message, MSG_DONTWAIT), ENOBUFS));
    }
    close(pair[0]);
    close(pair[1]);
}

static void locks(void) {
    int fd = (int)CHECK_OK(open("locked", O_RDONLY));
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = INT64_MAX, .l_len = 2};
    IN_CHILD(CHECK_ERRNO(fcntl(fd, F_SETLK, &lock), EOVERFLOW));
    lock = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = INT64_MIN};
    IN_CHILD(CHECK_ERRNO(fcntl(fd, F_SETLK, &lock), EINVAL));
    // All but the last byte there can be, and that one; they go along when the file is copied up.
    lock = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = INT64_MAX};
    CHECK_OK(fcntl(fd, F_OFD_SETLK, &lock));
    int other = (int)CHECK_OK(open("locked", O_RDWR));
    CHECK_EQ(pwrite(other, "x", 1, 0), 1);
    lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = INT64_MAX - 1, .l_len = 1};
    CHECK_ERRNO(fcntl(other, F_OFD_SETLK, &lock), EAGAIN);
    close(fd);
    CHECK_OK(fcntl(other, F_OFD_SETLK, &lock));
    close(other);
}

static void programs(void) {
    const char *const names[] = {"last-offset", "largest-file", "longest-segment"};
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            execl(names[i], names[i], NULL);
            _exit(1);
        }
        // The old image is gone when the kernel sees that the new one cannot be mapped.
        int status = statusOf(child);
        CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGKILL));
    }
}

static void scenario(void) {
    lower = (int)CHECK_OK(open("mapped", O_RDONLY));
    mappings();
    times();
    offsetsOf("dir", 4);
    offsetsOf("new-dir", 4);
    offsetsOf("/proc/self/fd", -1);
    offsetsOf("mapped", 0);
    sizes();
    counts();
    attributes();
    descriptors();
    identities();
    sockets();
    locks();
    programs();
    // Everything is still served.
    writeFile("after", "content");
    CHECK_STR(readFile("after"), "content");
    CHECK_EQ(listed((int)CHECK_OK(open("dir", O_RDONLY))), 4);
}

SCENARIO("extreme_values", prepare, scenario)
