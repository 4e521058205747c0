// Operations on open files and on their content.
#include "operations.h"
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

// A device node of the tree can be named and moved but not opened (EACCES, as on a nodev mount), where the kernel says
// ENXIO for want of a driver.
static int opened(int at, const char *path, int fd) {
    struct stat s;
    int number = errno;
    if (fd == -1 && (number == ENXIO || number == EACCES) && fstatat(at, path, &s, 0) == 0 && (S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode))) {
        say(" = device");
        return -1;
    }
    errno = number;
    return (int)result(fd);
}
void op_open_(void) {
    static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
    static const int extra[] = {O_CREAT, O_CREAT,  O_CREAT, O_CREAT,  O_CREAT,     O_CREAT,    O_EXCL,
                                O_TRUNC, O_APPEND, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_NOATIME};
    // O_NONBLOCK always: a FIFO that no other process holds would end the run.
    int i = slotToOpen(), flags = modes[below(4)] | O_NONBLOCK, n = (int)below(4);
    while (n--) flags |= extra[below(sizeof extra / sizeof *extra)];
    struct Place p = place();
    mode_t mode = chance(75) ? 0664 : (mode_t)below(01000);
    say(" %x %o", flags, mode);
    if (flags & O_CREAT) remember(p.path);
    int fd = opened(p.at, p.path, openat(p.at, p.path, flags, mode));
    if (fd >= 0) {
        keep(i, fd);
        sayDescriptor(fd);
    }
}
void op_creat_(void) {
    int i = slotToOpen();
    struct Place p = place();
    remember(p.path);
    int fd = opened(p.at, p.path, openat(p.at, p.path, O_CREAT | O_WRONLY | O_TRUNC | O_NONBLOCK, 0644));
    if (fd >= 0) {
        keep(i, fd);
        sayDescriptor(fd);
    }
}
void op_opath(void) {
    int i = slot(), flags = O_PATH | (chance(50) ? O_NOFOLLOW : 0) | (chance(20) ? O_DIRECTORY : 0);
    struct Place p = place();
    say(" %x", flags);
    int fd = (int)result(openat(p.at, p.path, flags));
    if (fd >= 0) {
        keep(i, fd);
        sayDescriptor(fd);
    }
}
void op_opendir_(void) {
    int i = slotToOpen();
    struct Place p = place();
    if (chance(40)) strcpy(p.path, ".");
    say(" (%s)", p.path[0] == '.' && !p.path[1] ? "." : "path");
    int fd = (int)result(openat(p.at, p.path, O_RDONLY | O_DIRECTORY));
    if (fd >= 0) {
        keep(i, fd);
        sayDescriptor(fd);
    }
}
void op_read_(void) {
    char buffer[10000];
    int i = slot();
    size_t size = length();
    long got = amount(read(slots[i], buffer, size));
    if (got > 0) say(" %llx", (unsigned long long)hash(buffer, (size_t)got));
}
void op_pread_(void) {
    char buffer[10000];
    int i = slot();
    size_t size = length();
    long got = amount(pread(slots[i], buffer, size, offset()));
    if (got > 0) say(" %llx", (unsigned long long)hash(buffer, (size_t)got));
}
void op_write_(void) {
    int i = slot();
    size_t size = length();
    amount(write(slots[i], fill(size), size));
    sayDescriptor(slots[i]);
}
void op_pwrite_(void) {
    int i = slot();
    size_t size = length();
    const char *bytes = fill(size);
    amount(pwrite(slots[i], bytes, size, offset()));
    sayDescriptor(slots[i]);
}
void op_lseek_(void) {
    struct stat s;
    int i = slot(), whence = (int)below(3);
    off_t to = offset();
    // A directory's positions are the file system's own.
    if (fstat(slots[i], &s) == 0 && S_ISDIR(s.st_mode)) {
        say(" directory");
        return;
    }
    say(" %lld %d", (long long)to, whence);
    if (!isPath(i)) amount(lseek(slots[i], to, whence));
}
void op_ftruncate_(void) {
    int i = slot();
    off_t to = offset();
    say(" %lld", (long long)to);
    // Whether a truncation to the size that the file has moves the times is the file system's own affair.
    if (!isPath(i) && result(ftruncate(slots[i], to)) == 0) futimens(slots[i], NULL);
    sayDescriptor(slots[i]);
}
void op_truncate_(void) {
    // There is no truncateat: from the working directory only.
    struct Place p = {.at = AT_FDCWD};
    makePath(p.path);
    say(" ");
    sayName(p.path);
    if (result(truncate(p.path, offset())) == 0) utimensat(AT_FDCWD, p.path, NULL, 0);
    sayPath(p.at, p.path);
}
void op_tmpfile_(void) {
    int i = slot();
    struct Place p = place();
    int fd = (int)result(openat(p.at, p.path, O_TMPFILE | O_RDWR | (chance(20) ? O_EXCL : 0), 0640));
    if (fd < 0) return;
    keep(i, fd);
    if (write(fd, "temporary", 9) != 9) say(" short");
    if (chance(60)) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        struct Place to = place();
        result(linkat(AT_FDCWD, link, to.at, to.path, AT_SYMLINK_FOLLOW));
        sayPath(to.at, to.path);
    }
    sayDescriptor(fd);
}
void op_fallocate_(void) {
    static const int modes[] = {0, 1 /* KEEP_SIZE */, 3 /* PUNCH_HOLE | KEEP_SIZE */, 2};
    int i = slot(), mode = modes[below(4)];
    off_t from = offset();
    off_t size = (off_t)length();
    say(" %d %lld %lld", mode, (long long)from, (long long)size);
    if (!isPath(i)) result(fallocate(slots[i], mode, from, size));
    sayDescriptor(slots[i]);
}
void op_dup_(void) {
    int i = slot(), j = slot();
    int fd = (int)result(fcntl(slots[i], F_DUPFD_CLOEXEC, 0));
    if (fd >= 0) keep(j, fd);
}
void op_close_(void) {
    int i = slot();
    result(slots[i] < 0 ? (errno = EBADF, -1) : close(slots[i]));
    slots[i] = -1;
}
void op_sendfile_(void) {
    int i = slot(), j = slot();
    off_t from = offset();
    size_t size = length();
    struct stat a, b;
    // From a file into itself the bytes depend on how many pages the kernel moves at a time, which differs between
    // file systems (seed 1117 showed it for ext4 and tmpfs).
    if (fstat(slots[i], &a) == 0 && fstat(slots[j], &b) == 0 && a.st_ino == b.st_ino) {
        say(" itself");
        return;
    }
    amount(sendfile(slots[i], slots[j], &from, size));
    sayDescriptor(slots[i]);
}
void op_copyRange(void) {
    int i = slot(), j = slot();
    off_t from = offset(), to = offset();
    size_t size = length();
    if (isPath(i) || isPath(j)) return;
    // Between a lower file and one of the upper the kernel finds two file systems (README, what is not there yet); a file
    // that is open for writing is the upper's.
    int flags = fcntl(slots[i], F_GETFL);
    if (flags >= 0 && (flags & O_ACCMODE) != O_RDWR) {
        say(" lower");
        return;
    }
    amount(copy_file_range(slots[i], &from, slots[j], &to, size, 0));
    sayDescriptor(slots[j]);
}
void op_flock_(void) {
    static const int kinds[] = {LOCK_SH, LOCK_EX, LOCK_UN};
    int i = slot(), kind = kinds[below(3)];
    say(" %d", kind);
    if (!isPath(i)) result(flock(slots[i], kind | LOCK_NB));
}
void op_fsync_(void) {
    int i = slot();
    if (!isPath(i)) result(chance(50) ? fsync(slots[i]) : fdatasync(slots[i]));
}
void op_setfl(void) {
    int i = slot();
    if (isPath(i)) return;
    result(fcntl(slots[i], F_SETFL, O_NONBLOCK | (chance(50) ? O_APPEND : 0)));
    int flags = fcntl(slots[i], F_GETFL);
    if (flags >= 0) say(" %x", flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH));
}
void op_reopen(void) {
    int i = slot(), j = slot();
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", slots[i]);
    if (slots[i] < 0) {
        say(" none");
        return;
    }
    int fd = opened(AT_FDCWD, link, open(link, (chance(50) ? O_RDONLY : O_RDWR) | O_NONBLOCK));
    if (fd >= 0) {
        keep(j, fd);
        sayDescriptor(fd);
    }
}
void op_openat2_(void) {
    static const uint64_t resolves[] = {0,
                                        0,
                                        RESOLVE_BENEATH,
                                        RESOLVE_IN_ROOT,
                                        RESOLVE_NO_SYMLINKS,
                                        RESOLVE_NO_MAGICLINKS,
                                        RESOLVE_NO_XDEV,
                                        RESOLVE_BENEATH | RESOLVE_IN_ROOT,
                                        0x40,
                                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    static const uint64_t flags[] = {O_RDONLY,           O_RDWR,
                                     O_CREAT | O_RDWR,   O_PATH,
                                     O_PATH | O_CREAT,   O_DIRECTORY,
                                     O_TMPFILE | O_RDWR, O_RDONLY | O_NOFOLLOW,
                                     0x100000000ull,     O_CREAT | O_DIRECTORY};
    int i = slotToOpen();
    struct {
        struct open_how how;
        uint64_t beyond;
    } request = {.how = {.resolve = resolves[below(10)], .flags = flags[below(10)]}};
    if (request.how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) request.how.mode = chance(90) ? below(01000) : below(0200000);
    else if (chance(5)) request.how.mode = 0644;
    request.how.flags |= O_NONBLOCK * !(request.how.flags & O_PATH);
    request.beyond = chance(4);
    size_t size = chance(90) ? sizeof request.how : chance(50) ? sizeof request : 16;
    struct Place p = place();
    // `..` from the root of the test leads to what differs from place to place.
    say(" %llx %llo %llx %zu", (unsigned long long)request.how.flags, (unsigned long long)request.how.mode, (unsigned long long)request.how.resolve, size);
    if (request.how.flags & O_CREAT) remember(p.path);
    int fd = opened(p.at, p.path, (int)syscall(SYS_openat2, p.at, p.path, &request, size));
    if (fd >= 0) {
        keep(i, fd);
        sayDescriptor(fd);
    }
}
// Record locks: of the open file description between slots, of the process between processes.
void op_lock(void) {
    static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK, F_WRLCK};
    static const int commands[] = {F_OFD_SETLK, F_OFD_GETLK, F_SETLK, F_GETLK};
    int i = slot(), command = commands[below(4)];
    struct flock lock = {.l_type = types[below(4)], .l_whence = SEEK_SET, .l_start = offset(), .l_len = (off_t)length()};
    say(" %d %d %lld %lld", command, lock.l_type, (long long)lock.l_start, (long long)lock.l_len);
    struct stat s;
    // Whether a FIFO or a device can be locked is not what is compared.
    if (fstat(slots[i], &s) == 0 && !S_ISREG(s.st_mode)) return;
    if (isPath(i)) return;
    if (result(fcntl(slots[i], command, &lock)) == 0 && (command == F_OFD_GETLK || command == F_GETLK)) {
        say(" %d", lock.l_type);
        if (lock.l_type != F_UNLCK) say(" %lld %lld", (long long)lock.l_start, (long long)lock.l_len);
    }
}
// What /proc says of an open file's name follows renames, and an unlinked one says so.
void op_procLink(void) {
    char link[64], target[4096];
    int i = slot();
    snprintf(link, sizeof link, "/proc/self/fd/%d", slots[i]);
    struct stat s;
    // Of a file that has or had several names /proc shows the one it was opened by, and we one that led to it.
    if (fstat(slots[i], &s) != 0 || !S_ISDIR(s.st_mode)) {
        say(" none");
        return;
    }
    ssize_t got = readlink(link, target, sizeof target - 1);
    if (got < 0) {
        result(-1);
        return;
    }
    target[got] = 0;
    size_t prefix = strlen(rootPath);
    char *tail = strstr(target, " (deleted)");
    // The name of a file that never had one holds its number.
    if (strstr(target, "/#") || strncmp(target, rootPath, prefix)) {
        say(" other%s", tail ? " deleted" : "");
        return;
    }
    say(" ");
    sayName(target + prefix);
}
void op_readv_(void) {
    char first[50], second[5000];
    struct iovec parts[2] = {{first, sizeof first}, {second, sizeof second}};
    int i = slot();
    long got = amount(preadv(slots[i], parts, 2, offset()));
    if (got > (long)sizeof first) say(" %llx", (unsigned long long)hash(second, (size_t)got - sizeof first));
}
void op_writev_(void) {
    int i = slot();
    const char *bytes = fill(6000);
    struct iovec parts[2] = {{(void *)bytes, 300}, {(void *)(bytes + 1000), 4096}};
    // RWF_APPEND writes at the end, whatever the offset says.
    amount(pwritev2(slots[i], parts, 2, offset(), chance(40) ? 0x10 : 0));
    sayDescriptor(slots[i]);
}
// A file held open while its name moves, is replaced, and goes.
void op_renameOpen(void) {
    int i = slotToOpen();
    struct Place a = place(), b = place();
    remember(b.path);
    int fd = openat(a.at, a.path, O_RDWR | O_NONBLOCK);
    if (fd < 0) fd = openat(a.at, a.path, O_RDONLY | O_NONBLOCK);
    if (opened(a.at, a.path, fd) >= 0) say(" held");
    result(renameat(a.at, a.path, b.at, b.path));
    if (fd < 0) return;
    say(" %zd", write(fd, "moved", 5));
    sayDescriptor(fd);
    if (chance(50)) {
        say(" unlink");
        result(unlinkat(b.at, b.path, 0));
        say(" %zd", write(fd, "gone", 4));
        sayDescriptor(fd);
    }
    keep(i, fd);
}
void op_exclusive(void) {
    int i = slotToOpen();
    struct Place p = place();
    remember(p.path);
    int fd = (int)result(openat(p.at, p.path, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0666));
    if (fd >= 0) {
        keep(i, fd);
        sayDescriptor(fd);
    }
}
