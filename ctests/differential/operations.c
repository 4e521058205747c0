// The operations of the random differential test.
#include "differential.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
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
    X(child) X(sendfile_) X(copyRange) X(flock_) X(fsync_) X(setfl) X(reopen)

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
    int fd = (int)result(openat(p.at, p.path, flags, mode));
    if (fd >= 0) { keep(i, fd); sayDescriptor(fd); }
}
static void op_creat_(void) {
    int i = slotToOpen();
    struct Place p = place();
    remember(p.path);
    int fd = (int)result(openat(p.at, p.path, O_CREAT | O_WRONLY | O_TRUNC | O_NONBLOCK, 0644));
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
    if (!isPath(i)) result(ftruncate(slots[i], to));
    sayDescriptor(slots[i]);
}
static void op_truncate_(void) {
    // There is no truncateat: from the working directory only.
    struct Place p = {.at = AT_FDCWD};
    makePath(p.path);
    say(" ");
    sayName(p.path);
    result(truncate(p.path, offset()));
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
    result(renameat2(a.at, a.path, b.at, b.path, flag));
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
static mode_t someMode(void) { return chance(60) ? 0755 : (mode_t)below(010000); }
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
static void op_child(void) {
    // Another process does something: with the same open descriptions, and its own working directory and umask after it.
    next();
    flushLine();
    pid_t child = fork();
    if (child == 0) {
        state ^= 0x5555;
        say("  child");
        for (int i = 1 + (int)below(3); i; i--) step(1);
        _exit(0);
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
    int fd = (int)result(open(link, (chance(50) ? O_RDONLY : O_RDWR) | O_NONBLOCK));
    if (fd >= 0) { keep(j, fd); sayDescriptor(fd); }
}

#define ENTRY(name) {#name, op_##name},
static const struct { const char *name; void (*run)(void); } operations[] = {OPERATIONS(ENTRY)};

void prepareOperations(void) {
    struct sigaction action = {.sa_handler = onBus};
    sigaction(SIGBUS, &action, NULL);
}

void step(int depth) {
    unsigned i;
    do i = below(sizeof operations / sizeof *operations);
    while (depth && operations[i].run == op_child);
    // The working directory may have been carried above the root of the test by somebody's rename.
    say(" %s", operations[i].name);
    errno = 0;
    operations[i].run();
    flushLine();
}
