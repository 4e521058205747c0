// The operations of the random differential test.
#include "differential.h"
#include <grp.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#define MAPS 6

static struct { char *at; size_t length; off_t offset; bool writable; int fd; } maps[MAPS];

static sigjmp_buf faulted;
static void onBus(int number) { siglongjmp(faulted, number); }
// MARK: - The operations

#define OPERATIONS(X)                                                                                                     \
    X(open_) X(open_) X(open_) X(open_) X(creat_) X(opath) X(opendir_) X(opendir_) X(read_) X(write_) X(write_) X(pread_) X(pwrite_) X(lseek_)     \
    X(ftruncate_) X(truncate_) X(mkdir_) X(mkdir_) X(mkdir_) X(rmdir_) X(unlink_) X(unlink_) X(rename_) X(rename_) X(renameat2_)     \
    X(link_) X(link_) X(linkat_) X(symlink_) X(symlink_) X(readlink_) X(chmod_) X(fchmod_) X(chown_) X(fchown_) X(lchown_) X(utimensat_)        \
    X(futimens_) X(access_) X(stat_) X(lstat_) X(fstat_) X(statx_) X(getdents_) X(rewinddir_) X(rewinddir_) X(chdir_) X(fchdir_)         \
    X(home) X(getcwd_) X(umask_) X(setxattr_) X(fsetxattr_) X(getxattr_) X(listxattr_) X(removexattr_) X(mkfifo_)          \
    X(mknod_) X(tmpfile_) X(fallocate_) X(open_) X(open_) X(link_) X(map_) X(map_) X(map_) X(mapRead) X(mapRead) X(mapWrite) X(msync_) X(dup_) X(munmap_) X(close_)   \
    X(child) X(sendfile_) X(copyRange) X(flock_) X(fsync_) X(setfl) X(reopen)                                             \
    X(openat2_) X(openat2_) X(fchmodat2_) X(emptyPath) X(linkDescriptor) X(mkdirs) X(special) X(special) X(bindSocket)     \
    X(setAcl) X(setAcl) X(getAcl) X(removeAcl) X(fsetAcl) X(seekdir_) X(seekdir_) X(tail) X(lock) X(lock) X(procLink)       \
    X(readv_) X(writev_) X(age) X(age) X(pass) X(asOther) X(asOther) X(renameOpen) X(exclusive) X(nowTimes) X(statxAll)

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

static void op_open_(void) {
    static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
    static const int extra[] = {O_CREAT, O_CREAT, O_CREAT, O_CREAT, O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND,
                                O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_NOATIME};
    // O_NONBLOCK always: a FIFO that nobody else holds would end the run.
    int i = slotToOpen(), flags = modes[below(4)] | O_NONBLOCK, n = (int)below(4);
    while (n--) flags |= extra[below(sizeof extra / sizeof *extra)];
    struct Place p = place();
    mode_t mode = chance(75) ? 0664 : (mode_t)below(01000);
    say(" %x %o", flags, mode);
    if (flags & O_CREAT) remember(p.path);
    int fd = opened(p.at, p.path, openat(p.at, p.path, flags, mode));
    if (fd >= 0) { keep(i, fd); sayDescriptor(fd); }
}
static void op_creat_(void) {
    int i = slotToOpen();
    struct Place p = place();
    remember(p.path);
    int fd = opened(p.at, p.path, openat(p.at, p.path, O_CREAT | O_WRONLY | O_TRUNC | O_NONBLOCK, 0644));
    if (fd >= 0) { keep(i, fd); sayDescriptor(fd); }
}
static void op_opath(void) {
    int i = slot(), flags = O_PATH | (chance(50) ? O_NOFOLLOW : 0) | (chance(20) ? O_DIRECTORY : 0);
    struct Place p = place();
    say(" %x", flags);
    int fd = (int)result(openat(p.at, p.path, flags));
    if (fd >= 0) { keep(i, fd); sayDescriptor(fd); }
}
static void op_opendir_(void) {
    int i = slotToOpen();
    struct Place p = place();
    if (chance(40)) strcpy(p.path, ".");
    say(" (%s)", p.path[0] == '.' && !p.path[1] ? "." : "path");
    int fd = (int)result(openat(p.at, p.path, O_RDONLY | O_DIRECTORY));
    if (fd >= 0) { keep(i, fd); sayDescriptor(fd); }
}
static void op_read_(void) {
    char buffer[10000];
    int i = slot();
    size_t size = length();
    long got = amount(read(slots[i], buffer, size));
    if (got > 0) say(" %llx", (unsigned long long)hash(buffer, (size_t)got));
}
static void op_pread_(void) {
    char buffer[10000];
    int i = slot();
    size_t size = length();
    long got = amount(pread(slots[i], buffer, size, offset()));
    if (got > 0) say(" %llx", (unsigned long long)hash(buffer, (size_t)got));
}
static void op_write_(void) {
    int i = slot();
    size_t size = length();
    amount(write(slots[i], fill(size), size));
    sayDescriptor(slots[i]);
}
static void op_pwrite_(void) {
    int i = slot();
    size_t size = length();
    const char *bytes = fill(size);
    amount(pwrite(slots[i], bytes, size, offset()));
    sayDescriptor(slots[i]);
}
static void op_lseek_(void) {
    struct stat s;
    int i = slot(), whence = (int)below(3);
    off_t to = offset();
    // A directory's positions are the file system's own.
    if (fstat(slots[i], &s) == 0 && S_ISDIR(s.st_mode)) { say(" directory"); return; }
    say(" %lld %d", (long long)to, whence);
    if (!isPath(i)) amount(lseek(slots[i], to, whence));
}
static void op_ftruncate_(void) {
    int i = slot();
    off_t to = offset();
    say(" %lld", (long long)to);
    // Whether a truncation to the size that the file has moves the times is the file system's own affair.
    if (!isPath(i) && result(ftruncate(slots[i], to)) == 0) futimens(slots[i], NULL);
    sayDescriptor(slots[i]);
}
static void op_truncate_(void) {
    // There is no truncateat: from the working directory only.
    struct Place p = {.at = AT_FDCWD};
    makePath(p.path);
    say(" ");
    sayName(p.path);
    if (result(truncate(p.path, offset())) == 0) utimensat(AT_FDCWD, p.path, NULL, 0);
    sayPath(p.at, p.path);
}
static void op_mkdir_(void) {
    struct Place p = place();
    mode_t mode = chance(70) ? 0755 : (mode_t)below(010000);
    say(" %o", mode);
    remember(p.path);
    result(mkdirat(p.at, p.path, mode));
    sayPath(p.at, p.path);
}
static void op_rmdir_(void) { struct Place p = place(); result(unlinkat(p.at, p.path, AT_REMOVEDIR)); }
static void op_unlink_(void) { struct Place p = place(); result(unlinkat(p.at, p.path, 0)); }
static void op_rename_(void) {
    struct Place a = place(), b = place();
    remember(b.path);
    result(renameat(a.at, a.path, b.at, b.path));
    sayPath(a.at, a.path);
    sayPath(b.at, b.path);
}
static void op_renameat2_(void) {
    static const unsigned flags[] = {RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, RENAME_WHITEOUT, 3, 6};
    unsigned flag = flags[below(6)];
    struct Place a = place(), b = place();
    say(" %x", flag);
    if (result(renameat2(a.at, a.path, b.at, b.path, flag)) != 0 && flag & RENAME_WHITEOUT) {
        // ext4 puts the whiteout there before it looks whether the target is empty, and takes it back: the times have moved.
        char parent[2048];
        size_t end = strlen(a.path);
        strcpy(parent, a.path);
        while (end && parent[end - 1] == '/') end--;
        while (end && parent[end - 1] != '/') end--;
        strcpy(parent + end, ".");
        int number = errno;
        utimensat(a.at, parent, NULL, 0);
        errno = number;
    }
    sayPath(a.at, a.path);
    sayPath(b.at, b.path);
}
static void op_link_(void) {
    struct Place a = place(), b = place();
    remember(b.path);
    result(linkat(a.at, a.path, b.at, b.path, 0));
    sayPath(b.at, b.path);
}
static void op_linkat_(void) {
    struct Place a = place(), b = place();
    result(linkat(a.at, a.path, b.at, b.path, AT_SYMLINK_FOLLOW));
    sayPath(b.at, b.path);
}
static void op_symlink_(void) {
    char target[2048];
    makePath(target);
    say(" ");
    sayName(target);
    struct Place p = place();
    remember(p.path);
    result(symlinkat(target, p.at, p.path));
    sayPath(p.at, p.path);
}
static void op_readlink_(void) {
    char target[4096] = "";
    struct Place p = place();
    long got = amount(readlinkat(p.at, p.path, target, 1 + below(300)));
    if (got > 0) { say(" "); sayName(target); }
}
// A native write by somebody who gave root up after the open does not clear set-id bits that stand in our records: even
// seeds have other users and no set-id bits, odd ones the reverse. DIFFERENTIAL_NO_SETGID: over an ordinary user's host
// directory as upper a native write does not clear set-group-ID (README, what is not there yet).
static mode_t someMode(void) {
    mode_t mode = chance(60) ? 0755 : (mode_t)below(010000);
    return pinning ? mode & 01777 : getenv("DIFFERENTIAL_NO_SETGID") ? mode & 05777 : mode;
}
static void op_chmod_(void) {
    struct Place p = place();
    mode_t mode = someMode();
    say(" %o", mode);
    result(fchmodat(p.at, p.path, mode, 0));
    sayPath(p.at, p.path);
}
static void op_fchmod_(void) {
    int i = slot();
    mode_t mode = someMode();
    say(" %o", mode);
    result(fchmod(slots[i], mode));
    sayDescriptor(slots[i]);
}
static uid_t someId(void) {
    static const uid_t ids[] = {0, 1000, 65534, (uid_t)-1};
    return ids[below(4)];
}
static void op_chown_(void) {
    struct Place p = place();
    uid_t u = someId(), g = someId();
    say(" %d %d", (int)u, (int)g);
    result(fchownat(p.at, p.path, u, g, 0));
    sayPath(p.at, p.path);
}
static void op_lchown_(void) {
    struct Place p = place();
    uid_t u = someId(), g = someId();
    say(" %d %d", (int)u, (int)g);
    result(fchownat(p.at, p.path, u, g, AT_SYMLINK_NOFOLLOW));
    sayPath(p.at, p.path);
}
static void op_fchown_(void) {
    int i = slot();
    uid_t u = someId(), g = someId();
    say(" %d %d", (int)u, (int)g);
    result(fchown(slots[i], u, g));
    sayDescriptor(slots[i]);
}
static void someTimes(struct timespec *times) {
    for (int i = 0; i < 2; i++) times[i] = (struct timespec){(time_t)below(2000000000), (long)below(1000000000)};
    if (chance(25)) times[1].tv_nsec = UTIME_OMIT;
    if (chance(10)) times[0].tv_nsec = 1000000000;
}
static void op_utimensat_(void) {
    struct timespec times[2];
    struct stat s;
    struct Place p = place();
    someTimes(times);
    int flags = chance(50) ? AT_SYMLINK_NOFOLLOW : 0;
    say(" %x", flags);
    if (result(utimensat(p.at, p.path, times, flags)) == 0 && fstatat(p.at, p.path, &s, flags) == 0) {
        say(" a%lld.%ld", (long long)s.st_atim.tv_sec, s.st_atim.tv_nsec);
        if (times[1].tv_nsec != UTIME_OMIT) say(" m%lld.%ld", (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    }
}
static void op_futimens_(void) {
    struct timespec times[2];
    struct stat s;
    int i = slot();
    someTimes(times);
    if (result(futimens(slots[i], times)) == 0 && fstat(slots[i], &s) == 0) say(" a%lld", (long long)s.st_atim.tv_sec);
}
static void op_access_(void) {
    struct Place p = place();
    int mode = (int)below(8), flags = chance(30) ? AT_EACCESS : 0;
    say(" %d %x", mode, flags);
    result(faccessat(p.at, p.path, mode, flags));
}
static void op_stat_(void) {
    struct stat s;
    struct Place p = place();
    if (result(fstatat(p.at, p.path, &s, 0)) == 0) sayStat(&s);
}
static void op_lstat_(void) { struct Place p = place(); sayPath(p.at, p.path); }
static void op_fstat_(void) { sayDescriptor(slots[slot()]); }
static void op_statx_(void) {
    struct statx x;
    struct Place p = place();
    if (result(statx(p.at, p.path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x)) == 0)
        say(" %x %o n%u s%lld", x.stx_mask & STATX_BASIC_STATS, x.stx_mode, x.stx_nlink,
            S_ISDIR(x.stx_mode) ? 0 : (long long)x.stx_size);
}
static void op_getdents_(void) {
    struct Place p = place();
    int fd = openat(p.at, p.path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) { result(-1); return; }
    sayEntries(fd);
    close(fd);
}
static void op_rewinddir_(void) {
    int i = slot();
    struct stat s;
    if (fstat(slots[i], &s) == -1 || !S_ISDIR(s.st_mode)) { say(" no directory"); return; }
    if (lseek(slots[i], 0, SEEK_SET) == -1) { result(-1); return; }
    sayEntries(slots[i]);
    // Where a directory ends is the file system's own affair, and read(2) of a position near 2^63 fails before EISDIR.
    lseek(slots[i], 0, SEEK_SET);
}
void goHome(void) {
    // A chmod through `.` or `..` may have shut the root against its owner, who is not always root.
    if (fchdir(rootFd) != 0 && (fchmod(rootFd, 0755) != 0 || fchdir(rootFd) != 0)) _exit(4);
}
static void sayWorkingDirectory(void) {
    char path[4096];
    errno = 0;
    if (syscall(SYS_getcwd, path, sizeof path) < 0) { say(" [%s]", errorName(errno)); return; }
    size_t prefix = strlen(rootPath);
    if (strncmp(path, rootPath, prefix) || (path[prefix] && path[prefix] != '/')) {
        // Symlinks and `..` led above the root of the test: what is there differs from place to place.
        say(" outside");
        goHome();
        return;
    }
    say(" ");
    sayName(path + prefix);
}
static void op_chdir_(void) {
    char path[2048];
    makePath(path);
    say(" ");
    sayName(path);
    if (result(chdir(path)) == 0) sayWorkingDirectory();
}
static void op_fchdir_(void) { if (result(fchdir(slots[slot()])) == 0) sayWorkingDirectory(); }
static void op_home(void) { goHome(); }
static void op_getcwd_(void) { sayWorkingDirectory(); }
static void op_umask_(void) {
    mode_t mask = chance(85) ? 022 : (mode_t)below(01000);
    say(" %o = %o", mask, umask(mask));
}
static const char *attribute(void) {
    static const char *const names[] = {"user.a", "user.b", "user.long-name", "user.", "plain", "user.a"};
    const char *name = names[below(6)];
    say(" %s", name);
    return name;
}
// The path calls for attributes have no directory argument.
static void here(char *path) { makePath(path); say(" "); sayName(path); }
static void op_setxattr_(void) {
    char path[2048];
    here(path);
    const char *name = attribute();
    size_t size = below(60);
    const char *value = fill(60);
    int flags = (int)below(4);
    say(" %zu %d", size, flags);
    result(chance(50) ? lsetxattr(path, name, value, size, flags) : setxattr(path, name, value, size, flags));
    sayPath(AT_FDCWD, path);
}
static void op_fsetxattr_(void) {
    int i = slot();
    const char *name = attribute();
    const char *value = fill(60);
    result(fsetxattr(slots[i], name, value, below(60), 0));
    sayDescriptor(slots[i]);
}
static void op_getxattr_(void) {
    char path[2048], value[64];
    here(path);
    const char *name = attribute();
    long got = amount(getxattr(path, name, value, chance(80) ? 64 : below(20)));
    if (got > 0 && got <= 64) say(" %llx", (unsigned long long)got);
}
static void op_listxattr_(void) { char path[2048]; here(path); sayAttributes(-1, path); }
static void op_removexattr_(void) {
    char path[2048];
    here(path);
    const char *name = attribute();
    result(removexattr(path, name));
}
static void op_mkfifo_(void) { struct Place p = place(); result(mkfifoat(p.at, p.path, 0644)); sayPath(p.at, p.path); }
static void op_mknod_(void) {
    struct Place p = place();
    result(mknodat(p.at, p.path, S_IFREG | 0640, 0));
    sayPath(p.at, p.path);
}
static void op_tmpfile_(void) {
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
static void op_fallocate_(void) {
    static const int modes[] = {0, 1 /* KEEP_SIZE */, 3 /* PUNCH_HOLE | KEEP_SIZE */, 2};
    int i = slot(), mode = modes[below(4)];
    off_t from = offset();
    off_t size = (off_t)length();
    say(" %d %lld %lld", mode, (long long)from, (long long)size);
    if (!isPath(i)) result(fallocate(slots[i], mode, from, size));
    sayDescriptor(slots[i]);
}
static void dropMap(int m) {
    if (!maps[m].at) return;
    munmap(maps[m].at, maps[m].length);
    if (maps[m].fd >= 0) close(maps[m].fd);
    maps[m].at = NULL;
}
static void op_map_(void) {
    int i = slot(), m = (int)below(MAPS);
    int flags = chance(60) ? MAP_SHARED : MAP_PRIVATE, protection = chance(50) ? PROT_READ : PROT_READ | PROT_WRITE;
    off_t from = chance(70) ? 0 : PAGE;
    say(" -> %d %d %d %lld", m, flags, protection, (long long)from);
    char *at = mmap(NULL, 3 * PAGE, protection, flags, slots[i], from);
    if (result(at == MAP_FAILED ? -1 : 0) != 0) return;
    dropMap(m);
    maps[m].at = at;
    maps[m].length = 3 * PAGE;
    maps[m].offset = from;
    maps[m].writable = protection & PROT_WRITE;
    // A writer needs the size; a reader does without, so that mappings outlive their last descriptor.
    maps[m].fd = maps[m].writable ? fcntl(slots[i], F_DUPFD_CLOEXEC, 0) : -1;
}
static void op_mapRead(void) {
    int m = (int)below(MAPS);
    unsigned at = below(3) * PAGE + below(2) * 2048;
    say(" %d %u", m, at);
    if (!maps[m].at) { say(" none"); return; }
    if (sigsetjmp(faulted, 1)) { say(" = SIGBUS"); return; }
    say(" = %llx", (unsigned long long)hash(maps[m].at + at, 256));
}
static void op_mapWrite(void) {
    int m = (int)below(MAPS);
    unsigned at = below(3) * PAGE + below(4000), size = 1 + below(90);
    say(" %d %u %u", m, at, size);
    const char *bytes = fill(90);
    struct stat s;
    if (!maps[m].at || !maps[m].writable || fstat(maps[m].fd, &s) != 0) { say(" none"); return; }
    // Bytes beyond the end of the file in its last page are nobody's; what becomes of them is not defined.
    if (maps[m].offset + at + size > s.st_size) { say(" beyond"); return; }
    if (sigsetjmp(faulted, 1)) { say(" = SIGBUS"); return; }
    memcpy(maps[m].at + at, bytes, size);
    // When a write to a mapping moves the times is the file system's own affair (tmpfs: never).
    futimens(maps[m].fd, NULL);
    say(" = ok");
}
static void op_msync_(void) {
    int m = (int)below(MAPS);
    say(" %d", m);
    if (maps[m].at) result(msync(maps[m].at, maps[m].length, MS_SYNC));
}
static void op_munmap_(void) { int m = (int)below(MAPS); say(" %d", m); dropMap(m); }
static void op_dup_(void) {
    int i = slot(), j = slot();
    int fd = (int)result(fcntl(slots[i], F_DUPFD_CLOEXEC, 0));
    if (fd >= 0) keep(j, fd);
}
static void op_close_(void) {
    int i = slot();
    result(slots[i] < 0 ? (errno = EBADF, -1) : close(slots[i]));
    slots[i] = -1;
}
// A few steps of a child, which ends with them. Each draws from its own part of the sequence.
static void steps(uint64_t from, unsigned most) {
    state = from;
    for (unsigned i = 1 + below(most); i; i--) {
        state = from + i * 104729;
        step(1);
    }
    _exit(0);
}
static void op_child(void) {
    // Another process does something: with the same open descriptions, and its own working directory and umask after it.
    next();
    flushLine();
    pid_t child = fork();
    if (child == 0) {
        say("  child");
        steps(state ^ 0x5555, 3);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    say("  status %d", status);
}
static void op_sendfile_(void) {
    int i = slot(), j = slot();
    off_t from = offset();
    size_t size = length();
    struct stat a, b;
    // From a file into itself the bytes depend on how many pages the kernel moves at a time, which differs between
    // file systems (seed 1117 showed it for ext4 and tmpfs).
    if (fstat(slots[i], &a) == 0 && fstat(slots[j], &b) == 0 && a.st_ino == b.st_ino) { say(" itself"); return; }
    amount(sendfile(slots[i], slots[j], &from, size));
    sayDescriptor(slots[i]);
}
static void op_copyRange(void) {
    int i = slot(), j = slot();
    off_t from = offset(), to = offset();
    size_t size = length();
    if (isPath(i) || isPath(j)) return;
    // Between a lower file and one of the upper the kernel finds two file systems (README, what is not there yet); a file
    // that is open for writing is the upper's.
    int flags = fcntl(slots[i], F_GETFL);
    if (flags >= 0 && (flags & O_ACCMODE) != O_RDWR) { say(" lower"); return; }
    amount(copy_file_range(slots[i], &from, slots[j], &to, size, 0));
    sayDescriptor(slots[j]);
}
static void op_flock_(void) {
    static const int kinds[] = {LOCK_SH, LOCK_EX, LOCK_UN};
    int i = slot(), kind = kinds[below(3)];
    say(" %d", kind);
    if (!isPath(i)) result(flock(slots[i], kind | LOCK_NB));
}
static void op_fsync_(void) { int i = slot(); if (!isPath(i)) result(chance(50) ? fsync(slots[i]) : fdatasync(slots[i])); }
static void op_setfl(void) {
    int i = slot();
    if (isPath(i)) return;
    result(fcntl(slots[i], F_SETFL, O_NONBLOCK | (chance(50) ? O_APPEND : 0)));
    int flags = fcntl(slots[i], F_GETFL);
    if (flags >= 0) say(" %x", flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH));
}
static void op_reopen(void) {
    int i = slot(), j = slot();
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", slots[i]);
    if (slots[i] < 0) { say(" none"); return; }
    int fd = opened(AT_FDCWD, link, open(link, (chance(50) ? O_RDONLY : O_RDWR) | O_NONBLOCK));
    if (fd >= 0) { keep(j, fd); sayDescriptor(fd); }
}

static void op_openat2_(void) {
    static const uint64_t resolves[] = {0, 0, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS,
                                        RESOLVE_NO_XDEV, RESOLVE_BENEATH | RESOLVE_IN_ROOT, 0x40, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    static const uint64_t flags[] = {O_RDONLY, O_RDWR, O_CREAT | O_RDWR, O_PATH, O_PATH | O_CREAT, O_DIRECTORY, O_TMPFILE | O_RDWR,
                                     O_RDONLY | O_NOFOLLOW, 0x100000000ull, O_CREAT | O_DIRECTORY};
    int i = slotToOpen();
    struct { struct open_how how; uint64_t beyond; } request = {.how = {.resolve = resolves[below(10)], .flags = flags[below(10)]}};
    if (request.how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) request.how.mode = chance(90) ? below(01000) : below(0200000);
    else if (chance(5)) request.how.mode = 0644;
    request.how.flags |= O_NONBLOCK * !(request.how.flags & O_PATH);
    request.beyond = chance(4);
    size_t size = chance(90) ? sizeof request.how : chance(50) ? sizeof request : 16;
    struct Place p = place();
    // `..` from the root of the test leads to what differs from place to place.
    say(" %llx %llo %llx %zu", (unsigned long long)request.how.flags, (unsigned long long)request.how.mode,
        (unsigned long long)request.how.resolve, size);
    if (request.how.flags & O_CREAT) remember(p.path);
    int fd = opened(p.at, p.path, (int)syscall(SYS_openat2, p.at, p.path, &request, size));
    if (fd >= 0) { keep(i, fd); sayDescriptor(fd); }
}
static void op_fchmodat2_(void) {
    struct Place p = place();
    mode_t mode = someMode();
    int flags = chance(60) ? AT_SYMLINK_NOFOLLOW : chance(50) ? 0 : AT_EMPTY_PATH;
    say(" %o %x", mode, flags);
    // A symlink's mode is kept by some file systems and refused by others.
    struct stat s;
    if (flags == AT_SYMLINK_NOFOLLOW && fstatat(p.at, p.path, &s, flags) == 0 && S_ISLNK(s.st_mode)) { say(" symlink"); return; }
    result(syscall(452 /* fchmodat2 */, p.at, p.path, mode, flags));
    sayPath(p.at, p.path);
}
static void op_emptyPath(void) {
    struct stat s;
    struct timespec times[2] = {{77, 7}, {88, 8}};
    int i = slot();
    switch (below(5)) {
    case 0: say(" stat"); if (result(fstatat(slots[i], "", &s, AT_EMPTY_PATH)) == 0) sayStat(&s); break;
    case 1: say(" chown"); result(fchownat(slots[i], "", someId(), someId(), AT_EMPTY_PATH)); sayDescriptor(slots[i]); break;
    case 2: say(" times"); result(syscall(SYS_utimensat, slots[i], "", times, AT_EMPTY_PATH)); sayDescriptor(slots[i]); break;
    case 3: say(" access"); result(syscall(439 /* faccessat2 */, slots[i], "", (int)below(8), AT_EMPTY_PATH)); break;
    case 4: say(" chmod"); result(syscall(452, slots[i], "", someMode(), AT_EMPTY_PATH)); sayDescriptor(slots[i]); break;
    }
}
// linkat of a descriptor: by its empty path (which takes a capability) or through /proc.
static void op_linkDescriptor(void) {
    int i = slot();
    // The empty path takes CAP_DAC_READ_SEARCH or the opener's very credentials; whose those are is not known to us
    // of a descriptor that was inherited or passed.
    bool empty = chance(50) && geteuid() == 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", slots[i]);
    struct Place p = place();
    remember(p.path);
    say(" %s", empty ? "empty" : "proc");
    result(empty ? linkat(slots[i], "", p.at, p.path, AT_EMPTY_PATH) : linkat(AT_FDCWD, link, p.at, p.path, AT_SYMLINK_FOLLOW));
    sayPath(p.at, p.path);
}
// A chain of directories as deep as the sequence says.
static void op_mkdirs(void) {
    char path[200] = "";
    unsigned depth = 1 + below(40), made = 0;
    for (unsigned i = 0; i < depth; i++) {
        strcat(path, i ? "/z" : "z");
        made += mkdir(path, 0755) == 0;
    }
    say(" %u = %u", depth, made);
    if (chance(15)) remember("z/z/z");
    sayPath(AT_FDCWD, path);
}
static void op_special(void) {
    static const mode_t types[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, 0};
    mode_t mode = types[below(8)] | (mode_t)below(01000);
    // Later steps open these nodes and write to them, natively as root: no driver has such a number. 0:0 is the whiteout of
    // kernel overlays: a node like any other here.
    dev_t device = chance(30) ? 0 : makedev(3000 + below(300), below(300));
    struct Place p = place();
    say(" %o %u:%u", mode, major(device), minor(device));
    remember(p.path);
    result(mknodat(p.at, p.path, mode, device));
    sayPath(p.at, p.path);
}
static void op_bindSocket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[2048];
    makePath(path);
    if (strlen(path) >= sizeof address.sun_path) path[3] = 0;
    strcpy(address.sun_path, path);
    say(" ");
    sayName(path);
    // An empty name makes an abstract one.
    if (!*path) return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    result(bind(fd, (struct sockaddr *)&address, sizeof address));
    if (fd >= 0) close(fd);
    sayPath(AT_FDCWD, path);
}
// A list that is right as often as not: the kernel's own format (linux/posix_acl_xattr.h).
struct AclEntry { uint16_t tag, permissions; uint32_t id; };
static size_t makeAcl(void *to) {
    struct { uint32_t version; struct AclEntry entries[8]; } *list = to;
    int count = 0;
    list->version = chance(96) ? 2 : 1;
    bool named = chance(70), masked = named || chance(30);
    list->entries[count++] = (struct AclEntry){1, (uint16_t)below(8), ~0u};
    if (named && chance(70)) list->entries[count++] = (struct AclEntry){2, (uint16_t)below(8), 1000};
    if (named && chance(30)) list->entries[count++] = (struct AclEntry){2, (uint16_t)below(8), 65534};
    list->entries[count++] = (struct AclEntry){4, (uint16_t)below(8), ~0u};
    if (named && chance(50)) list->entries[count++] = (struct AclEntry){8, (uint16_t)below(8), chance(50) ? 1000 : 0};
    if (masked && chance(95)) list->entries[count++] = (struct AclEntry){16, (uint16_t)below(8), ~0u};
    if (chance(96)) list->entries[count++] = (struct AclEntry){32, (uint16_t)below(chance(97) ? 8 : 16), ~0u};
    if (chance(4)) list->entries[below((unsigned)count)] = (struct AclEntry){(uint16_t)below(40), 7, ~0u};
    return 4 + (size_t)count * sizeof(struct AclEntry) - (chance(3) ? 1 : 0);
}
static const char *aclName(void) {
    const char *name = chance(50) ? "system.posix_acl_access" : "system.posix_acl_default";
    say(" %s", name + 17);
    return name;
}
static void op_setAcl(void) {
    char path[2048], list[128];
    here(path);
    const char *name = aclName();
    size_t size = chance(95) ? makeAcl(list) : 0;
    say(" %llx %zu", (unsigned long long)hash(list, size), size);
    result(chance(80) ? setxattr(path, name, list, size, 0) : lsetxattr(path, name, list, size, (int)below(3)));
    sayPath(AT_FDCWD, path);
    sayAttributes(-1, path);
}
static void op_fsetAcl(void) {
    char list[128];
    int i = slot();
    const char *name = aclName();
    size_t size = makeAcl(list);
    result(fsetxattr(slots[i], name, list, size, 0));
    sayDescriptor(slots[i]);
    // What the upper could not hold itself goes with the last name (OverflowStore.swift), open or not.
    struct stat s;
    if (fstat(slots[i], &s) == 0 && s.st_nlink && !isPath(i)) sayAttributes(slots[i], NULL);
}
static void op_getAcl(void) {
    char path[2048], list[256] = "";
    here(path);
    long got = amount(getxattr(path, aclName(), list, chance(85) ? sizeof list : below(40)));
    if (got > 0 && got <= (long)sizeof list) say(" %llx", (unsigned long long)hash(list, (size_t)got));
}
static void op_removeAcl(void) {
    char path[2048];
    here(path);
    result(removexattr(path, aclName()));
    sayPath(AT_FDCWD, path);
}
static void op_seekdir_(void) {
    int i = slot();
    struct stat s;
    if (fstat(slots[i], &s) == -1 || !S_ISDIR(s.st_mode) || isPath(i)) { say(" no directory"); return; }
    sayTail(slots[i]);
    lseek(slots[i], 0, SEEK_SET);
}
static void op_tail(void) {
    struct Place p = place();
    int fd = openat(p.at, p.path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) { result(-1); return; }
    sayTail(fd);
    close(fd);
}
// Record locks: of the open file description between slots, of the process between processes.
static void op_lock(void) {
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
static void op_procLink(void) {
    char link[64], target[4096];
    int i = slot();
    snprintf(link, sizeof link, "/proc/self/fd/%d", slots[i]);
    struct stat s;
    // Of a file that has or had several names /proc tells the one it was opened by, and we one that led to it.
    if (fstat(slots[i], &s) != 0 || !S_ISDIR(s.st_mode)) { say(" none"); return; }
    ssize_t got = readlink(link, target, sizeof target - 1);
    if (got < 0) { result(-1); return; }
    target[got] = 0;
    size_t prefix = strlen(rootPath);
    char *tail = strstr(target, " (deleted)");
    // The name of a file that never had one holds its number.
    if (strstr(target, "/#") || strncmp(target, rootPath, prefix)) { say(" other%s", tail ? " deleted" : ""); return; }
    say(" ");
    sayName(target + prefix);
}
static void op_readv_(void) {
    char first[50], second[5000];
    struct iovec parts[2] = {{first, sizeof first}, {second, sizeof second}};
    int i = slot();
    long got = amount(preadv(slots[i], parts, 2, offset()));
    if (got > (long)sizeof first) say(" %llx", (unsigned long long)hash(second, (size_t)got - sizeof first));
}
static void op_writev_(void) {
    int i = slot();
    const char *bytes = fill(6000);
    struct iovec parts[2] = {{(void *)bytes, 300}, {(void *)(bytes + 1000), 4096}};
    // RWF_APPEND writes at the end, whatever the offset says.
    amount(pwritev2(slots[i], parts, 2, offset(), chance(40) ? 0x10 : 0));
    sayDescriptor(slots[i]);
}
// Times long ago, so that later steps show which of them move a time.
static void op_age(void) {
    struct Place p = place();
    struct timespec times[2] = {{1000, 1}, {2000, 2}};
    result(utimensat(p.at, p.path, times, AT_SYMLINK_NOFOLLOW));
    sayPath(p.at, p.path);
}
static void op_nowTimes(void) {
    struct Place p = place();
    struct timespec times[2] = {{0, chance(50) ? UTIME_NOW : UTIME_OMIT}, {0, chance(50) ? UTIME_NOW : UTIME_OMIT}};
    result(utimensat(p.at, p.path, chance(30) ? NULL : times, 0));
    sayPath(p.at, p.path);
}
static void op_pass(void) {
    int i = slot(), peer = (int)below(2);
    say(" p%d", peer + 1);
    if (slots[i] < 0 || channel >= 0) { say(" none"); return; }
    flushLine();
    say("  %s", sendDescriptor(peer, slots[i]) ? "passed" : "not passed");
}
// A child that is somebody else for a few steps; only root can be.
static void op_asOther(void) {
    static const uid_t ids[] = {1000, 65534, 1000, 2000};
    uid_t user = ids[below(4)], group = ids[below(4)], other = ids[below(4)];
    say(" %u %u %u", user, group, other);
    if (!pinning) { say(" none"); return; }
    flushLine();
    uint64_t continued = next();
    pid_t child = fork();
    if (child == 0) {
        say("  other");
        if (setgroups(1, &other) == 0 && setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0) say(" became");
        steps(continued, 5);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    say("  status %d", status);
}
// A file held open while its name moves, is replaced, and goes.
static void op_renameOpen(void) {
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
    if (chance(50)) { say(" unlink"); result(unlinkat(b.at, b.path, 0)); say(" %zd", write(fd, "gone", 4)); sayDescriptor(fd); }
    keep(i, fd);
}
static void op_exclusive(void) {
    int i = slotToOpen();
    struct Place p = place();
    remember(p.path);
    int fd = (int)result(openat(p.at, p.path, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0666));
    if (fd >= 0) { keep(i, fd); sayDescriptor(fd); }
}
static void op_statxAll(void) {
    struct statx x, root;
    struct Place p = place();
    int flags = chance(50) ? AT_SYMLINK_NOFOLLOW : 0;
    say(" %x", flags);
    if (result(statx(p.at, p.path, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &x)) != 0) return;
    statx(rootFd, "", AT_EMPTY_PATH, STATX_MNT_ID, &root);
    say(" %x %o n%u mount:%d root:%d", x.stx_mask & STATX_BASIC_STATS, x.stx_mode, x.stx_nlink, x.stx_mnt_id == root.stx_mnt_id,
        !!(x.stx_attributes & STATX_ATTR_MOUNT_ROOT));
    struct timespec born = {x.stx_btime.tv_sec, x.stx_btime.tv_nsec};
    if (x.stx_mask & STATX_BTIME) sayTime("b", &born);
    else say(" no birth");
}

#define ENTRY(name) {#name, op_##name},
static const struct { const char *name; void (*run)(void); } operations[] = {OPERATIONS(ENTRY)};

void prepareOperations(void) {
    struct sigaction action = {.sa_handler = onBus};
    sigaction(SIGBUS, &action, NULL);
}

void printOperations(void) {
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        size_t before = 0;
        while (operations[before].run != operations[i].run) before++;
        if (before == i) puts(operations[i].name);
    }
}

void step(int depth) {
    unsigned i;
    do i = below(sizeof operations / sizeof *operations);
    while (depth && (operations[i].run == op_child || operations[i].run == op_asOther || operations[i].run == op_pass));
    // The working directory may have been carried above the root of the test by somebody's rename.
    say(" %s", operations[i].name);
    errno = 0;
    operations[i].run();
    flushLine();
}
