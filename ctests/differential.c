// The random differential test: a seeded sequence of file operations, one log line per step, the whole tree at the end.
// The same seed is run on a real file system and inside a sandbox, and the logs are compared: `differential.sh`.
//
//   differential SEED COUNT DIR [--log]     without --log only a digest of the log is printed
//   differential prepare DIR LAYER          makes a population below DIR: LAYER 0 alone, or 1, 2, 3 over one another
//
// Nothing in the log may depend on where it runs: no descriptor or inode numbers, no sizes of directories, no order of
// readdir, no clock. Inodes are named by the held descriptors that are the same inode and, for even seeds, by the order in
// which they were first seen; each such inode is pinned by a descriptor, for a file system may use a freed number again.
// Odd seeds pin nothing, so that both lifetimes are tried.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SLOTS 10
#define MAPS 6
#define PAGE 4096
#define PINS 300
#define DEPTH 10 // directories above the root of the test, so that `..` and symlinks do not lead out of DIR

static uint64_t state;
static bool logging, pinning;
static int slots[SLOTS], rootFd;
static char rootPath[4096];
static uint64_t digest = 1469598103934665603ull;
static struct { char *at; size_t length; off_t offset; bool writable; int fd; } maps[MAPS];
static struct { dev_t dev; ino_t ino; int fd; } pins[PINS];
static int pinCount;

static uint64_t next(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
static unsigned below(unsigned n) { return (unsigned)(next() % n); }
static bool chance(unsigned percent) { return below(100) < percent; }

// MARK: - The log

static char line[16384];
static size_t used;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(line + used, sizeof line - used - 2, format, arguments);
    va_end(arguments);
    used += (size_t)added;
    if (used > sizeof line - 2) used = sizeof line - 2;
}

static void sayName(const char *name) {
    for (; *name; name++) {
        // The long name is one letter repeated: its length and letter are enough.
        if (strlen(name) > 60) { say("%c*%zu", *name, strlen(name)); return; }
        if (*name > ' ' && *name < 127) say("%c", *name);
        else say("\\%02x", (unsigned char)*name);
    }
}

static void flushLine(void) {
    line[used++] = '\n';
    for (size_t i = 0; i < used; i++) digest = (digest ^ (unsigned char)line[i]) * 1099511628211ull;
    if (logging && write(1, line, used) != (ssize_t)used) _exit(3);
    used = 0;
}

static const char *errorName(int number) {
    const char *name = strerrorname_np(number);
    return name ? name : "?";
}

static long result(long value) {
    int number = errno;
    if (value == -1) say(" = -%s", errorName(number));
    else say(" = ok");
    return value;
}

static long amount(long value) {
    if (value == -1) return result(value);
    say(" = %ld", value);
    return value;
}

static uint64_t hash(const void *bytes, size_t size) {
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < size; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * 1099511628211ull;
    return h & 0xffffffff;
}

// MARK: - What is compared of an inode

static void sayIdentity(const struct stat *s, int at, const char *path) {
    struct stat held;
    say(" same:");
    for (int i = 0; i < SLOTS; i++)
        if (slots[i] >= 0 && fstat(slots[i], &held) == 0 && held.st_ino == s->st_ino && held.st_dev == s->st_dev) say("%d", i);
    if (!pinning) return;
    for (int i = 0; i < pinCount; i++)
        if (pins[i].ino == s->st_ino && pins[i].dev == s->st_dev) { say(" #%d", i); return; }
    if (pinCount == PINS) return;
    char link[64];
    if (!path) snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    int fd = path ? openat(at, path, O_PATH | O_NOFOLLOW | O_CLOEXEC) : open(link, O_PATH | O_CLOEXEC);
    if (fd < 0) return;
    say(" #%d", pinCount);
    pins[pinCount].dev = s->st_dev;
    pins[pinCount].ino = s->st_ino;
    pins[pinCount++].fd = fd;
}

static char typeOf(mode_t mode) {
    return S_ISREG(mode) ? 'f' : S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISFIFO(mode) ? 'p' : S_ISCHR(mode) ? 'c' : '?';
}

static void sayStat(const struct stat *s) {
    say(" %c%04o n%lu u%u g%u", typeOf(s->st_mode), s->st_mode & 07777, (unsigned long)s->st_nlink, s->st_uid, s->st_gid);
    if (!S_ISDIR(s->st_mode)) say(" s%lld", (long long)s->st_size);
}

static void sayPath(int at, const char *path) {
    struct stat s;
    if (fstatat(at, path, &s, AT_SYMLINK_NOFOLLOW) == -1) { say(" [%s]", errorName(errno)); return; }
    sayStat(&s);
    // With a slash at its end a path is resolved through a symlink; the pin's O_NOFOLLOW is not.
    sayIdentity(&s, at, path);
}

static void sayDescriptor(int fd) {
    struct stat s;
    if (fstat(fd, &s) == -1) { say(" [%s]", errorName(errno)); return; }
    sayStat(&s);
    sayIdentity(&s, fd, NULL);
}

// MARK: - Arguments

static char longName[256];

static const char *component(void) {
    static const char *const pool[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", ".wh.a", "n\n", "a", "b", "c"};
    return chance(3) ? longName : pool[below(sizeof pool / sizeof *pool)];
}

// Paths that some step has tried to create, whether or not it could: later steps go back to them, so that most operations
// find something, and what they find does not depend on how earlier steps ended.
static char recent[24][2048];
static unsigned recentCount;
static void remember(const char *path) {
    // Deep ones multiply by themselves and then exist nowhere.
    int slashes = 0;
    for (const char *at = path; *at; at++) slashes += *at == '/';
    if (*path && slashes < 3) snprintf(recent[recentCount++ % 24], sizeof *recent, "%s", path);
}

static void makePath(char *path) {
    if (recentCount && chance(50)) {
        strcpy(path, recent[below(recentCount < 24 ? recentCount : 24)]);
        if (chance(20) && strlen(path) < 1000) {
            strcat(path, "/");
            strcat(path, component());
        }
        return;
    }
    int parts = 1 + (int)(chance(25) ? below(3) : 0);
    bool up = chance(4);
    path[0] = 0;
    if (chance(3)) strcat(path, "./");
    for (int i = 0; i < parts; i++) {
        if (i) strcat(path, "/");
        strcat(path, up && i == parts - 1 ? ".." : component());
    }
    if (chance(4)) strcat(path, "/");
    if (chance(1)) path[0] = 0;
}

// The directory a path starts from: mostly the working directory, sometimes whatever a slot holds.
static int makePlace(void) {
    if (!chance(12)) return AT_FDCWD;
    int slot = (int)below(SLOTS);
    say(" @%d", slot);
    return slots[slot];
}

struct Place { int at; char path[2048]; };
static struct Place place(void) {
    struct Place p;
    p.at = makePlace();
    makePath(p.path);
    say(" ");
    sayName(p.path);
    return p;
}

static int lastOpened;
static int slot(void) {
    int i = chance(40) ? lastOpened : (int)below(SLOTS);
    say(" %d", i);
    return i;
}

// The native calls on an O_PATH descriptor: Vedette's stands for one and answers some of them otherwise
// (expected-differences.txt, open_flags/truncate-of-path-descriptor).
static bool isPath(int i) {
    int flags = fcntl(slots[i], F_GETFL);
    if (flags < 0 || !(flags & O_PATH)) return false;
    say(" path");
    return true;
}

// Chosen by the sequence, not by the outcome, like the recent paths.
static int slotToOpen(void) {
    lastOpened = (int)below(SLOTS);
    say(" %d", lastOpened);
    return lastOpened;
}

static void keep(int i, int fd) {
    if (slots[i] >= 0) close(slots[i]);
    slots[i] = fd;
}

static const char *fill(size_t size) {
    static char bytes[65536];
    unsigned char first = (unsigned char)next();
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(first + i * 7 + (i >> 8));
    return bytes;
}

static off_t offset(void) {
    static const off_t often[] = {0, 0, 1, 5, 4095, 4096, 4097, 8192, 12000};
    return often[below(sizeof often / sizeof *often)];
}
static size_t length(void) {
    static const size_t often[] = {0, 1, 7, 100, 4096, 5000, 9000};
    return often[below(sizeof often / sizeof *often)];
}

static sigjmp_buf faulted;
static void onBus(int number) { siglongjmp(faulted, number); }

// MARK: - Directories, extended attributes

static int byName(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sayEntries(int fd) {
    struct Entry { uint64_t ino; int64_t offset; unsigned short length; unsigned char type; char name[]; };
    static char *names[4096];
    char buffer[2048];
    int count = 0, unequal = 0;
    long got;
    size_t size = 300 + below(1700);
    while ((got = syscall(SYS_getdents64, fd, buffer, size)) > 0)
        for (char *at = buffer; at < buffer + got && count < 4096; at += ((struct Entry *)at)->length) {
            struct Entry *entry = (struct Entry *)at;
            struct stat s;
            if (strcmp(entry->name, "..") && fstatat(fd, entry->name, &s, AT_SYMLINK_NOFOLLOW) == 0)
                unequal += s.st_ino != entry->ino || (entry->type != DT_UNKNOWN && entry->type != IFTODT(s.st_mode));
            if (asprintf(&names[count], "%s", entry->name) > 0) count++;
        }
    if (got < 0) { say(" = -%s", errorName(errno)); return; }
    qsort(names, (size_t)count, sizeof *names, byName);
    say(" = %d unequal:%d", count, unequal);
    for (int i = 0; i < count; i++) {
        say(" ");
        sayName(names[i]);
        free(names[i]);
    }
}

static void sayAttributes(int fd, const char *path) {
    char list[4096], value[256], *names[128];
    int count = 0;
    ssize_t size = path ? llistxattr(path, list, sizeof list) : flistxattr(fd, list, sizeof list);
    if (size < 0) { say(" x[%s]", errorName(errno)); return; }
    // What is not user.* may be the host's own business (security labels).
    for (char *at = list; at < list + size && count < 128; at += strlen(at) + 1)
        if (strncmp(at, "user.", 5) == 0) names[count++] = at;
    qsort(names, (size_t)count, sizeof *names, byName);
    for (int i = 0; i < count; i++) {
        ssize_t got = path ? lgetxattr(path, names[i], value, sizeof value) : fgetxattr(fd, names[i], value, sizeof value);
        say(" %s:%zd:%llx", names[i], got, got >= 0 ? (unsigned long long)hash(value, (size_t)got) : 0);
    }
}

// MARK: - The operations

#define OPERATIONS(X)                                                                                                     \
    X(open_) X(open_) X(open_) X(open_) X(creat_) X(opath) X(opendir_) X(opendir_) X(read_) X(write_) X(write_) X(pread_) X(pwrite_) X(lseek_)     \
    X(ftruncate_) X(truncate_) X(mkdir_) X(mkdir_) X(mkdir_) X(rmdir_) X(unlink_) X(unlink_) X(rename_) X(rename_) X(renameat2_)     \
    X(link_) X(link_) X(linkat_) X(symlink_) X(symlink_) X(readlink_) X(chmod_) X(fchmod_) X(chown_) X(fchown_) X(lchown_) X(utimensat_)        \
    X(futimens_) X(access_) X(stat_) X(lstat_) X(fstat_) X(statx_) X(getdents_) X(rewinddir_) X(rewinddir_) X(chdir_) X(fchdir_)         \
    X(home) X(getcwd_) X(umask_) X(setxattr_) X(fsetxattr_) X(getxattr_) X(listxattr_) X(removexattr_) X(mkfifo_)          \
    X(mknod_) X(tmpfile_) X(fallocate_) X(open_) X(open_) X(link_) X(map_) X(map_) X(map_) X(mapRead) X(mapRead) X(mapWrite) X(msync_) X(dup_) X(munmap_) X(close_)   \
    X(child) X(sendfile_) X(copyRange) X(flock_) X(fsync_) X(setfl) X(reopen)

static void step(int depth);

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
static void goHome(void) {
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

static void step(int depth) {
    unsigned i;
    do i = below(sizeof operations / sizeof *operations);
    while (depth && operations[i].run == op_child);
    // The working directory may have been carried above the root of the test by somebody's rename.
    say(" %s", operations[i].name);
    errno = 0;
    operations[i].run();
    flushLine();
}

// MARK: - The tree at the end

static ino_t dumped[20000];
static int dumpedCount;

static void dump(int parent, const char *name, int level) {
    struct stat s;
    if (fstatat(parent, name, &s, AT_SYMLINK_NOFOLLOW) == -1) return;
    say("%*s", level * 2, "");
    sayName(name);
    sayStat(&s);
    int ordinal = 0;
    while (ordinal < dumpedCount && dumped[ordinal] != s.st_ino) ordinal++;
    if (ordinal == dumpedCount && dumpedCount < 20000) dumped[dumpedCount++] = s.st_ino;
    say(" #%d", ordinal);
    if (S_ISLNK(s.st_mode)) {
        char target[4096] = "";
        if (readlinkat(parent, name, target, sizeof target - 1) >= 0) { say(" -> "); sayName(target); }
    }
    int fd = S_ISREG(s.st_mode) || S_ISDIR(s.st_mode) ? openat(parent, name, O_RDONLY | O_NOFOLLOW) : -1;
    if (fd < 0) {
        if (S_ISREG(s.st_mode) || S_ISDIR(s.st_mode)) say(" [%s]", errorName(errno));
        flushLine();
        return;
    }
    sayAttributes(fd, NULL);
    if (S_ISREG(s.st_mode)) {
        uint64_t h = 0;
        char buffer[8192];
        ssize_t got;
        while ((got = read(fd, buffer, sizeof buffer)) > 0) h = h * 31 + hash(buffer, (size_t)got);
        say(" %llx", (unsigned long long)h);
        flushLine();
        close(fd);
        return;
    }
    flushLine();
    DIR *directory = fdopendir(fd);
    char **names = calloc(20000, sizeof *names);
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)) && count < 20000)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) names[count++] = strdup(entry->d_name);
    qsort(names, (size_t)count, sizeof *names, byName);
    for (int i = 0; i < count; i++) {
        if (level < 200) dump(fd, names[i], level + 1);
        free(names[i]);
    }
    free(names);
    closedir(directory);
}

// MARK: - Populations

static struct { char path[600]; bool directory; } made[400];
static int madeCount;

static int madeHere(const char *path) {
    for (int i = 0; i < madeCount; i++)
        if (strcmp(made[i].path, path) == 0) return made[i].directory ? 2 : 1;
    return 0;
}
static void note(const char *path, bool directory) {
    if (madeCount == 400) return;
    snprintf(made[madeCount].path, sizeof made->path, "%s", path);
    made[madeCount++].directory = directory;
}
static void removeTree(int parent, const char *name) {
    if (unlinkat(parent, name, 0) == 0) return;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return;
    DIR *directory = fdopendir(fd);
    struct dirent *entry;
    while ((entry = readdir(directory)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) removeTree(fd, entry->d_name);
    closedir(directory);
    unlinkat(parent, name, AT_REMOVEDIR);
}
static void must(long value, const char *what) {
    if (value == -1) { perror(what); exit(2); }
}

// Makes a directory of this layer: over an older layer's directory it merges and brings its own mode, over anything else
// it stands alone, exactly as layers do. Laid over one another in one directory, the populations make the merged view.
static bool makeDirectory(const char *path, mode_t mode) {
    struct stat s;
    int before = madeHere(path);
    if (before) return before == 2;
    if (lstat(path, &s) == 0 && !S_ISDIR(s.st_mode)) removeTree(AT_FDCWD, path);
    if (mkdir(path, 0755) == -1 && errno != EEXIST) must(-1, path);
    must(chmod(path, mode), path);
    note(path, true);
    return true;
}

static void populate(int layer) {
    state = 1000 + (uint64_t)layer;
    char linked[32] = "";
    for (int i = 0; i < 70; i++) {
        char path[2048] = "";
        int parts = 1 + (int)below(3);
        bool possible = true;
        for (int part = 0; part < parts; part++) {
            const char *name = component();
            if (part) strcat(path, "/");
            strcat(path, name);
            if (part < parts - 1 && possible) possible = makeDirectory(path, 0755);
        }
        unsigned kind = below(10);
        size_t size = below(20000);
        if (!possible || madeHere(path)) continue;
        if (kind < 3) {
            makeDirectory(path, 0750 | (mode_t)(below(2) * 5));
            continue;
        }
        if (kind < 9) {
            removeTree(AT_FDCWD, path);
            note(path, false);
        }
        if (kind < 7) {
            int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
            must(fd, path);
            must(write(fd, fill(size), size) == (ssize_t)size ? 0 : -1, path);
            if (kind == 3 && fsetxattr(fd, "user.a", "lower", 5, 0) == -1 && errno != EOPNOTSUPP) must(-1, path);
            close(fd);
        } else if (kind == 7) {
            must(symlink(component(), path), path);
        } else if (kind == 8) {
            must(mkfifo(path, 0640), path);
        } else {
            // Hard links bear names that no other layer has: in a stack of layers a hidden name still counts in st_nlink.
            char name[32];
            snprintf(name, sizeof name, "link-%d-%d", layer, i);
            if (*linked) must(link(linked, name), name);
            else must(mknod(name, S_IFREG | 0644, 0), name);
            snprintf(linked, sizeof linked, "%s", name);
        }
    }
}

static void enterRoot(const char *directory) {
    must(chdir(directory), directory);
    for (int i = 0; i < DEPTH; i++) {
        if (mkdir("s", 0755) == -1 && errno != EEXIST) must(-1, "s");
        must(chdir("s"), "s");
    }
}

int main(int argc, char **argv) {
    memset(longName, 'L', 255);
    umask(022);
    if (argc == 4 && strcmp(argv[1], "prepare") == 0) {
        enterRoot(argv[2]);
        populate(atoi(argv[3]));
        return 0;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: differential SEED COUNT DIR [--log] | differential prepare DIR LAYER\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[1], NULL, 10);
    long count = atol(argv[2]);
    logging = argc > 4 && strcmp(argv[4], "--log") == 0;
    pinning = seed % 2 == 0;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    enterRoot(argv[3]);
    if (!getcwd(rootPath, sizeof rootPath)) return 2;
    must(rootFd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "root");
    struct sigaction action = {.sa_handler = onBus};
    sigaction(SIGBUS, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < SLOTS; i++) slots[i] = -1;
    for (long i = 0; i < count; i++) {
        // Each step draws from its own part of the sequence: a different outcome of one step cannot shift the next ones.
        state = seed * 1000003 + (uint64_t)i * 7919;
        say("%ld", i);
        step(0);
    }
    umask(022);
    goHome();
    for (int i = 0; i < SLOTS; i++) {
        say("slot %d", i);
        if (slots[i] >= 0) sayDescriptor(slots[i]);
        flushLine();
    }
    say("tree");
    flushLine();
    dump(AT_FDCWD, ".", 0);
    printf("%s %ld steps, digest %016llx\n", argv[1], count, (unsigned long long)digest);
    return 0;
}
