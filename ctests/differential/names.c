// Operations on names: what they are made, moved, listed and removed by.
#include "operations.h"
#include <sys/socket.h>
#include <sys/un.h>

void op_mkdir_(void) {
    struct Place p = place();
    mode_t mode = chance(70) ? 0755 : (mode_t)below(010000);
    say(" %o", mode);
    remember(p.path);
    result(mkdirat(p.at, p.path, mode));
    sayPath(p.at, p.path);
}
void op_rmdir_(void) {
    struct Place p = place();
    result(unlinkat(p.at, p.path, AT_REMOVEDIR));
}
void op_unlink_(void) {
    struct Place p = place();
    result(unlinkat(p.at, p.path, 0));
}
void op_rename_(void) {
    struct Place a = place(), b = place();
    remember(b.path);
    result(renameat(a.at, a.path, b.at, b.path));
    sayPath(a.at, a.path);
    sayPath(b.at, b.path);
}
void op_renameat2_(void) {
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
void op_link_(void) {
    struct Place a = place(), b = place();
    remember(b.path);
    result(linkat(a.at, a.path, b.at, b.path, 0));
    sayPath(b.at, b.path);
}
void op_linkat_(void) {
    struct Place a = place(), b = place();
    result(linkat(a.at, a.path, b.at, b.path, AT_SYMLINK_FOLLOW));
    sayPath(b.at, b.path);
}
void op_symlink_(void) {
    char target[2048];
    makePath(target);
    say(" ");
    sayName(target);
    struct Place p = place();
    remember(p.path);
    result(symlinkat(target, p.at, p.path));
    sayPath(p.at, p.path);
}
void op_readlink_(void) {
    char target[4096] = "";
    struct Place p = place();
    long got = amount(readlinkat(p.at, p.path, target, 1 + below(300)));
    if (got > 0) {
        say(" ");
        sayName(target);
    }
}
static void list(void (*show)(int)) {
    struct Place p = place();
    int fd = openat(p.at, p.path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        result(-1);
        return;
    }
    show(fd);
    close(fd);
}
void op_getdents_(void) { list(sayEntries); }
void op_rewinddir_(void) {
    int i = slot();
    struct stat s;
    if (fstat(slots[i], &s) == -1 || !S_ISDIR(s.st_mode)) {
        say(" no directory");
        return;
    }
    if (lseek(slots[i], 0, SEEK_SET) == -1) {
        result(-1);
        return;
    }
    sayEntries(slots[i]);
    // Where a directory ends is the file system's own affair, and read(2) of a position near 2^63 fails before EISDIR.
    lseek(slots[i], 0, SEEK_SET);
}
void op_mkfifo_(void) {
    struct Place p = place();
    result(mkfifoat(p.at, p.path, 0644));
    sayPath(p.at, p.path);
}
void op_mknod_(void) {
    struct Place p = place();
    result(mknodat(p.at, p.path, S_IFREG | 0640, 0));
    sayPath(p.at, p.path);
}
// linkat of a descriptor: by its empty path (which takes a capability) or through /proc.
void op_linkDescriptor(void) {
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
void op_mkdirs(void) {
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
void op_special(void) {
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
void op_bindSocket(void) {
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
void op_seekdir_(void) {
    int i = slot();
    struct stat s;
    if (fstat(slots[i], &s) == -1 || !S_ISDIR(s.st_mode) || isPath(i)) {
        say(" no directory");
        return;
    }
    sayTail(slots[i]);
    lseek(slots[i], 0, SEEK_SET);
}
void op_tail(void) { list(sayTail); }
