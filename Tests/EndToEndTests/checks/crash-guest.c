// The guest of crash-points.sh and upper-directory.sh: `crash-guest COMMAND ARG... [, COMMAND ARG...]` does calls, one for each command;
// `crash-guest list` shows everything below / that a program can see and promises hold for (`list numbers`: with the inode
// numbers of what was born in the upper); `crash-guest busy SEED` changes the tree at random until it is killed.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static int problems, allNumbers;
static struct {
    ino_t number;
    unsigned links, names;
    char path[300];
} seen[20000];
static int seenCount;

static void problem(const char *path, const char *what) {
    printf("PROBLEM %s: %s: %s\n", path, what, strerror(errno));
    problems++;
}

static int byName(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static uint64_t hashOf(const char *path) {
    uint64_t hash = 0xcbf29ce484222325;
    int f = open(path, O_RDONLY | O_NONBLOCK);
    if (f < 0) {
        if (errno != EACCES) problem(path, "open");
        return 1;
    }
    unsigned char buffer[65536];
    ssize_t n;
    while ((n = read(f, buffer, sizeof buffer)) > 0)
        for (ssize_t i = 0; i < n; i++) hash = (hash ^ buffer[i]) * 0x100000001b3;
    if (n < 0) problem(path, "read");
    close(f);
    return hash;
}

static void list(const char *path) {
    struct stat s;
    if (lstat(path, &s) < 0) {
        problem(path, "lstat");
        return;
    }
    // What was born in the upper has another number in each upper.
    char number[32], time[32], more[5000] = "";
    if (s.st_ino >> 40 & 1 && !allNumbers) strcpy(number, "born");
    else sprintf(number, "%lu", s.st_ino);
    if (s.st_mtime > 1500000000 || S_ISDIR(s.st_mode)) strcpy(time, "now");
    else sprintf(time, "%ld", s.st_mtime);
    if (S_ISREG(s.st_mode)) sprintf(more, "%lx", hashOf(path));
    if (S_ISLNK(s.st_mode) && readlink(path, more, sizeof more - 1) < 0) problem(path, "readlink");
    printf("%s %o %u:%u %ld %lu %x:%x %s %s %s", path, s.st_mode, s.st_uid, s.st_gid, S_ISDIR(s.st_mode) ? 0 : s.st_size, s.st_nlink, major(s.st_rdev),
           minor(s.st_rdev), number, time, more);
    char names[4096];
    ssize_t n = llistxattr(path, names, sizeof names);
    for (ssize_t i = 0; i < n; i += strlen(names + i) + 1) {
        unsigned char value[4096];
        ssize_t length = lgetxattr(path, names + i, value, sizeof value);
        printf(" %s=", names + i);
        for (ssize_t j = 0; j < length; j++) printf("%02x", value[j]);
    }
    printf("\n");
    if (!S_ISDIR(s.st_mode)) {
        int i = 0;
        while (i < seenCount && seen[i].number != s.st_ino) i++;
        if (i == seenCount && seenCount < 20000) {
            seen[i].number = s.st_ino;
            seen[i].links = s.st_nlink;
            snprintf(seen[i].path, 300, "%s", path);
            seenCount++;
        }
        seen[i].names++;
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, byName);
    if (count < 0) {
        problem(path, "scandir");
        return;
    }
    unsigned directories = 0;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        char child[5000];
        snprintf(child, sizeof child, "%s/%s", strcmp(path, "/") == 0 ? "" : path, name);
        struct stat c;
        if (lstat(child, &c) < 0) {
            problem(child, "listed, but");
            continue;
        }
        if (S_ISDIR(c.st_mode)) directories++;
        if (strcmp(child, "/proc") == 0 || strcmp(child, "/dev") == 0 || strcmp(child, "/sys") == 0) continue;
        if (c.st_ino != entries[i]->d_ino) {
            errno = 0;
            problem(child, "d_ino is not st_ino");
        }
        if (entries[i]->d_type != DT_UNKNOWN && (mode_t)DTTOIF(entries[i]->d_type) != (c.st_mode & S_IFMT)) {
            errno = 0;
            problem(child, "d_type");
        }
        list(child);
    }
    // On the host, directories of btrfs have one link.
    if (s.st_nlink != 2 + directories && s.st_nlink != 1) {
        errno = 0;
        problem(path, "directory's link count");
    }
}

static int finishList(void) {
    errno = 0;
    for (int i = 0; i < seenCount; i++)
        if (seen[i].links != seen[i].names) problem(seen[i].path, "link count is not the number of names");
    return problems ? 3 : 0;
}

static int filled(int f, const char *text) { return f < 0 || write(f, text, strlen(text)) < 0 || close(f) < 0 ? -1 : 0; }

static int aclOf(const char *path, int group) {
    // Version 2; owner rwx, user 77 r-x, group as given, mask rwx, others none.
    unsigned char acl[] = {2, 0,   0,   0,   1,   0,    7, 0, 255, 255, 255, 255, 2,   0,    5, 0, 77, 0,   0,   0,   4,  0, (unsigned char)group,
                           0, 255, 255, 255, 255, 0x10, 0, 7, 0,   255, 255, 255, 255, 0x20, 0, 0, 0,  255, 255, 255, 255};
    return setxattr(path, "system.posix_acl_access", acl, sizeof acl, 0);
}

static int linkNameless(const char *path) {
    char name[64];
    int f = open(".", O_TMPFILE | O_RDWR, 0640);
    if (f < 0 || write(f, "nameless", 8) != 8) return -1;
    sprintf(name, "/proc/self/fd/%d", f);
    return linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

// Deletes all files of a directory but one, in the order of its listing; each must be gone for every call.
static int deleteAll(const char *directory, int expected) {
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort), deleted = 0;
    for (int i = 0; i < count; i++) {
        char path[600];
        struct stat s;
        if (entries[i]->d_name[0] == '.' || strcmp(entries[i]->d_name, "kept") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        if (unlink(path) < 0) return -1;
        if (lstat(path, &s) == 0 || errno != ENOENT) {
            errno = EEXIST;
            return -1;
        }
        deleted++;
    }
    errno = ERANGE;
    return deleted == expected && scandir(directory, &entries, NULL, NULL) == 3 ? 0 : -1;
}

static int command(char **a) {
    const char *c = a[0], *x = a[1], *y = x ? a[2] : NULL;
    static const struct timespec times[2] = {{981173106, 0}, {981173106, 7}};
#define IS(word) (strcmp(c, word) == 0)
    if (IS("chmod")) return fchmodat(AT_FDCWD, y, strtol(x, NULL, 8), 0);
    if (IS("chown")) return fchownat(AT_FDCWD, y, atoi(x), atoi(x), AT_SYMLINK_NOFOLLOW);
    if (IS("utimes")) return utimensat(AT_FDCWD, x, times, AT_SYMLINK_NOFOLLOW);
    if (IS("write")) return filled(open(x, O_WRONLY | O_CREAT | O_TRUNC, 0644), y);
    if (IS("append")) return filled(open(x, O_WRONLY | O_APPEND), y);
    if (IS("create")) return open(x, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (IS("openwrite")) return open(x, O_RDWR);
    if (IS("opentrunc")) return open(x, O_WRONLY | O_TRUNC);
    if (IS("truncate")) return truncate(y, atoi(x));
    if (IS("setxattr")) return lsetxattr(x, y, "value", 5, 0);
    if (IS("removexattr")) return lremovexattr(x, y);
    if (IS("setacl")) return aclOf(x, 5);
    if (IS("mkdir")) return mkdir(x, 0755);
    if (IS("symlink")) return symlink(x, y);
    if (IS("mkfifo")) return mkfifo(x, 0640);
    if (IS("mknod")) return mknod(x, S_IFCHR | 0640, makedev(1, 3));
    if (IS("unlink")) return unlink(x);
    if (IS("rmdir")) return rmdir(x);
    if (IS("deleteall")) return deleteAll(x, atoi(y));
    if (IS("rename")) return rename(x, y);
    if (IS("exchange")) return renameat2(AT_FDCWD, x, AT_FDCWD, y, RENAME_EXCHANGE);
    if (IS("renamewhiteout")) return renameat2(AT_FDCWD, x, AT_FDCWD, y, RENAME_WHITEOUT);
    if (IS("link")) return linkat(AT_FDCWD, x, AT_FDCWD, y, 0);
    if (IS("tmpfile")) return linkNameless(x);
    errno = ENOSYS;
    return -1;
}

// Names that collide, in directories that do too.
static char *randomPath(char *path) {
    static const char *directories[] = {"", "d/", "d/sub/", "whited/", "ov/", "new/", "new/new/", "e/"};
    static const char *names[] = {"f", "l1", "l2", "l3", "x", "y", "s", "p", "d", "sub", "new", "e", "u", "m1", "m2", "a"};
    int longName = random() % 12 == 0;
    sprintf(path, "%s%s", directories[random() % 8], names[random() % 16]);
    if (longName) {
        size_t n = strlen(path), start = strrchr(path, '/') ? (size_t)(strrchr(path, '/') - path) + 1 : 0;
        memset(path + n, 'n', 255 - (n - start));
        path[start + 255] = 0;
    }
    return path;
}

static int busy(unsigned seed) {
    srandom(seed);
    for (unsigned long round = 0;; round++) {
        char x[600], y[600];
        randomPath(x);
        randomPath(y);
        int f;
        switch (random() % 22) {
            case 0:
                mkdir(x, 0755);
                break;
            case 1:
            case 2:
                if ((f = open(x, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644)) >= 0) {
                    if (write(f, x, random() % 20) < 0) return 1;
                    close(f);
                }
                break;
            case 3:
            case 4:
                unlink(x);
                break;
            case 5:
            case 6:
                rmdir(x);
                break;
            case 7:
            case 8:
            case 9:
                rename(x, y);
                break;
            case 10:
                renameat2(AT_FDCWD, x, AT_FDCWD, y, RENAME_EXCHANGE);
                break;
            case 11:
                renameat2(AT_FDCWD, x, AT_FDCWD, y, RENAME_WHITEOUT);
                break;
            case 12:
            case 13:
                linkat(AT_FDCWD, x, AT_FDCWD, y, 0);
                break;
            case 14:
                symlink(y, x);
                break;
            case 15:
                fchmodat(AT_FDCWD, x, 0700 | random() % 64 | (random() % 4 ? 0 : 04000), 0);
                break;
            case 16:
                fchownat(AT_FDCWD, x, random() % 9, random() % 9, AT_SYMLINK_NOFOLLOW);
                break;
            case 17:
                lsetxattr(x, random() % 2 ? "user.one" : "user.two", y, random() % 200, 0);
                break;
            case 18:
                truncate(x, random() % 100);
                break;
            case 19:
                mkfifo(x, 0644);
                break;
            case 20:
                linkNameless(x);
                break;
            case 21:
                aclOf(x, random() % 8);
                break;
        }
        if (round == 20 && write(1, "busy\n", 5) != 5) return 1;
    }
}

int main(int argc, char **argv) {
    if (chdir("/") < 0) return 1;
    umask(022);
    if (argc > 2 && strcmp(argv[1], "busy") == 0) return busy(atoi(argv[2]));
    for (int i = 1; i < argc; i++) {
        char *words[8] = {0};
        int count = 0;
        while (i < argc && strcmp(argv[i], ",") != 0 && count < 7) words[count++] = argv[i++];
        if (count == 0) continue;
        if (strcmp(words[0], "list") == 0) {
            allNumbers = words[1] != NULL;
            list("/");
            return finishList();
        }
        if (command(words) < 0) {
            fprintf(stderr, "%s %s: %s\n", words[0], words[1] ? words[1] : "", strerror(errno));
            return 2;
        }
    }
    return 0;
}
