// What is logged of inodes, directories and the whole tree, and the populations that lower layers are made of.
//
// Inodes are named by the held descriptors that are the same inode and, for even seeds, by the order in which they were
// first seen; each such inode is pinned by a descriptor, for a file system may use a freed number again. Odd seeds pin
// nothing, so that both lifetimes are tried.
#include "differential.h"

#define PINS 300

bool pinning;
static struct {
    dev_t dev;
    ino_t ino;
    int fd;
} pins[PINS];
static int pinCount;

// MARK: - What is compared of an inode

static void sayIdentity(const struct stat *s, int at, const char *path) {
    struct stat held;
    say(" same:");
    for (int i = 0; i < SLOTS; i++)
        if (slots[i] >= 0 && fstat(slots[i], &held) == 0 && held.st_ino == s->st_ino && held.st_dev == s->st_dev) say("%d", i);
    if (!pinning) return;
    for (int i = 0; i < pinCount; i++)
        if (pins[i].ino == s->st_ino && pins[i].dev == s->st_dev) {
            say(" #%d", i);
            return;
        }
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
    return S_ISREG(mode)    ? 'f'
           : S_ISDIR(mode)  ? 'd'
           : S_ISLNK(mode)  ? 'l'
           : S_ISFIFO(mode) ? 'p'
           : S_ISCHR(mode)  ? 'c'
           : S_ISBLK(mode)  ? 'b'
           : S_ISSOCK(mode) ? 's'
                            : '?';
}

// A time that some step has set stands there as it is; the clock's is `now`.
void sayTime(const char *name, const struct timespec *time) {
    struct timeval now;
    gettimeofday(&now, NULL);
    long long away = (long long)now.tv_sec - time->tv_sec;
    if (away > -3600 && away < 3600) say(" %snow", name);
    else say(" %s%lld.%ld", name, (long long)time->tv_sec, time->tv_nsec);
}

void sayStat(const struct stat *s) {
    say(" %c%04o n%lu u%u g%u", typeOf(s->st_mode), s->st_mode & 07777, (unsigned long)s->st_nlink, s->st_uid, s->st_gid);
    if (!S_ISDIR(s->st_mode)) say(" s%lld", (long long)s->st_size);
    if (S_ISCHR(s->st_mode) || S_ISBLK(s->st_mode)) say(" %u:%u", major(s->st_rdev), minor(s->st_rdev));
    sayTime("m", &s->st_mtim);
    sayTime("c", &s->st_ctim);
}

void sayPath(int at, const char *path) {
    struct stat s;
    if (fstatat(at, path, &s, AT_SYMLINK_NOFOLLOW) == -1) {
        say(" [%s]", errorName(errno));
        return;
    }
    sayStat(&s);
    // With a slash at its end a path is resolved through a symlink; the pin's O_NOFOLLOW is not.
    sayIdentity(&s, at, path);
}

void sayDescriptor(int fd) {
    struct stat s;
    if (fstat(fd, &s) == -1) {
        say(" [%s]", errorName(errno));
        return;
    }
    sayStat(&s);
    sayIdentity(&s, fd, NULL);
}
// MARK: - Directories, extended attributes

static int byName(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

struct Entry {
    uint64_t ino;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};
#define MOST 4096
struct Listing {
    int count, unequal;
    char *names[MOST];
    int64_t offsets[MOST];  // behind each entry
};

// Reads from where the directory stands, at most `calls` times. False for an error.
static bool readEntries(int fd, struct Listing *listing, size_t size, unsigned calls) {
    char buffer[2048];
    long got = 0;
    while (calls-- && (got = syscall(SYS_getdents64, fd, buffer, size)) > 0)
        for (char *at = buffer; at < buffer + got && listing->count < MOST; at += ((struct Entry *)at)->length) {
            struct Entry *entry = (struct Entry *)at;
            struct stat s;
            if (strcmp(entry->name, "..") && fstatat(fd, entry->name, &s, AT_SYMLINK_NOFOLLOW) == 0)
                listing->unequal += s.st_ino != entry->ino || (entry->type != DT_UNKNOWN && entry->type != IFTODT(s.st_mode));
            listing->offsets[listing->count] = entry->offset;
            if (asprintf(&listing->names[listing->count], "%s", entry->name) > 0) listing->count++;
        }
    return got >= 0;
}

static void forget(struct Listing *listing) {
    for (int i = 0; i < listing->count; i++) free(listing->names[i]);
    listing->count = listing->unequal = 0;
}

static int position(const struct Listing *listing, const char *name, int from) {
    for (int i = from; i < listing->count; i++)
        if (strcmp(listing->names[i], name) == 0) return i;
    return -1;
}

static struct Listing whole, part;

void sayEntries(int fd) {
    if (!readEntries(fd, &whole, 300 + below(1700), 100000)) say(" = -%s", errorName(errno));
    else {
        qsort(whole.names, (size_t)whole.count, sizeof *whole.names, byName);
        say(" = %d unequal:%d", whole.count, whole.unequal);
        for (int i = 0; i < whole.count; i++) {
            say(" ");
            sayName(whole.names[i]);
        }
    }
    forget(&whole);
}

// The order of entries is the file system's own; what holds on all of them is checked and logged: behind a position of
// telldir stand the entries that stood there, an entry that is there throughout is returned exactly once.
void sayTail(int fd) {
    int missing = 0, again = 0, wrong = 0;
    size_t size = 300 + below(900);
    unsigned calls = below(3), choice = below(1000), kind = below(4);
    if (lseek(fd, 0, SEEK_SET) != 0 || !readEntries(fd, &whole, size, 100000)) {
        say(" = -%s", errorName(errno));
        forget(&whole);
        return;
    }
    if (whole.count) {
        int from = (int)(choice % (unsigned)whole.count);
        lseek(fd, whole.offsets[from], SEEK_SET);
        readEntries(fd, &part, size, 100000);
        wrong += part.count != whole.count - from - 1;
        for (int i = 0; i < part.count && !wrong; i++) wrong += strcmp(part.names[i], whole.names[from + 1 + i]) != 0;
        forget(&part);
    }
    lseek(fd, 0, SEEK_SET);
    readEntries(fd, &part, size, calls);
    // One change in the middle of reading: of the entry that stands first, in the alphabet, behind a letter.
    char changed[256] = "", other[300] = "";
    for (int i = 0; i < whole.count; i++)
        if (strcmp(whole.names[i], ".") && strcmp(whole.names[i], "..") && whole.names[i][0] >= (char)('a' + choice % 10) &&
            (!*changed || strcmp(whole.names[i], changed) < 0))
            snprintf(changed, sizeof changed, "%s", whole.names[i]);
    snprintf(other, sizeof other, "new%u", choice);
    if (kind == 0) say(" unlink%s", unlinkat(fd, changed, 0) == 0 ? "" : errorName(errno));
    if (kind == 1) say(" rename%s", renameat(fd, changed, fd, other) == 0 ? "" : errorName(errno));
    if (kind == 2) say(" make%s", mkdirat(fd, other, 0755) == 0 ? "" : errorName(errno));
    if (kind == 3) say(" link%s", linkat(fd, changed, fd, other, 0) == 0 ? "" : errorName(errno));
    readEntries(fd, &part, size, 100000);
    for (int i = 0; i < whole.count; i++) {
        if (strcmp(whole.names[i], changed) == 0 || strcmp(whole.names[i], other) == 0) continue;
        int at = position(&part, whole.names[i], 0);
        missing += at < 0;
        again += at >= 0 && position(&part, whole.names[i], at + 1) >= 0;
    }
    say(" = %d missing:%d again:%d wrong:%d unequal:%d", whole.count, missing, again, wrong, whole.unequal);
    forget(&whole);
    forget(&part);
}

void sayAttributes(int fd, const char *path) {
    char list[4096], value[256], *names[128];
    int count = 0;
    ssize_t size = path ? llistxattr(path, list, sizeof list) : flistxattr(fd, list, sizeof list);
    if (size < 0) {
        say(" x[%s]", errorName(errno));
        return;
    }
    // What is not user.* may be the host's own business (security labels).
    for (char *at = list; at < list + size && count < 128; at += strlen(at) + 1)
        if (strncmp(at, "user.", 5) == 0 || strncmp(at, "system.posix_acl_", 17) == 0) names[count++] = at;
    qsort(names, (size_t)count, sizeof *names, byName);
    for (int i = 0; i < count; i++) {
        ssize_t got = path ? lgetxattr(path, names[i], value, sizeof value) : fgetxattr(fd, names[i], value, sizeof value);
        say(" %s:%zd:%llx", names[i], got, got >= 0 ? (unsigned long long)hash(value, (size_t)got) : 0);
    }
}

// MARK: - The tree at the end

static ino_t dumped[20000];
static int dumpedCount;

void dump(int parent, const char *name, int level) {
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
        if (readlinkat(parent, name, target, sizeof target - 1) >= 0) {
            say(" -> ");
            sayName(target);
        }
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

void dumpQuietly(long number) {
    uint64_t digest = 1469598103934665603ull;
    dumpedCount = 0;
    aside = &digest;
    dump(rootFd, ".", 0);
    aside = NULL;
    dumpedCount = 0;
    say("%ld tree %016llx", number, (unsigned long long)digest);
    flushLine();
}

// MARK: - Populations

static struct {
    char path[600];
    bool directory;
} made[400];
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
void must(long value, const char *what) {
    if (value == -1) {
        perror(what);
        exit(2);
    }
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

void populate(int layer) {
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
