// Operations on attributes: status, modes, owners, times, extended attributes, access control lists.
#include "operations.h"

// A native write by somebody who gave root up after the open does not clear set-id bits that stand in our records: even
// seeds have other users and no set-id bits, odd ones the reverse. DIFFERENTIAL_NO_SETGID: over an ordinary user's host
// directory as upper a native write does not clear set-group-ID (README, what is not there yet).
static mode_t someMode(void) {
    mode_t mode = chance(60) ? 0755 : (mode_t)below(010000);
    return pinning ? mode & 01777 : getenv("DIFFERENTIAL_NO_SETGID") ? mode & 05777 : mode;
}
void op_chmod_(void) {
    struct Place p = place();
    mode_t mode = someMode();
    say(" %o", mode);
    result(fchmodat(p.at, p.path, mode, 0));
    sayPath(p.at, p.path);
}
void op_fchmod_(void) {
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
void op_chown_(void) {
    struct Place p = place();
    uid_t u = someId(), g = someId();
    say(" %d %d", (int)u, (int)g);
    result(fchownat(p.at, p.path, u, g, 0));
    sayPath(p.at, p.path);
}
void op_lchown_(void) {
    struct Place p = place();
    uid_t u = someId(), g = someId();
    say(" %d %d", (int)u, (int)g);
    result(fchownat(p.at, p.path, u, g, AT_SYMLINK_NOFOLLOW));
    sayPath(p.at, p.path);
}
void op_fchown_(void) {
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
void op_utimensat_(void) {
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
void op_futimens_(void) {
    struct timespec times[2];
    struct stat s;
    int i = slot();
    someTimes(times);
    if (result(futimens(slots[i], times)) == 0 && fstat(slots[i], &s) == 0) say(" a%lld", (long long)s.st_atim.tv_sec);
}
void op_access_(void) {
    struct Place p = place();
    int mode = (int)below(8), flags = chance(30) ? AT_EACCESS : 0;
    say(" %d %x", mode, flags);
    result(faccessat(p.at, p.path, mode, flags));
}
void op_stat_(void) {
    struct stat s;
    struct Place p = place();
    if (result(fstatat(p.at, p.path, &s, 0)) == 0) sayStat(&s);
}
void op_lstat_(void) {
    struct Place p = place();
    sayPath(p.at, p.path);
}
void op_fstat_(void) { sayDescriptor(slots[slot()]); }
void op_statx_(void) {
    struct statx x;
    struct Place p = place();
    if (result(statx(p.at, p.path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x)) == 0)
        say(" %x %o n%u s%lld", x.stx_mask & STATX_BASIC_STATS, x.stx_mode, x.stx_nlink, S_ISDIR(x.stx_mode) ? 0 : (long long)x.stx_size);
}
static const char *attribute(void) {
    static const char *const names[] = {"user.a", "user.b", "user.long-name", "user.", "plain", "user.a"};
    const char *name = names[below(6)];
    say(" %s", name);
    return name;
}
// The path calls for attributes have no directory argument.
static void here(char *path) {
    makePath(path);
    say(" ");
    sayName(path);
}
void op_setxattr_(void) {
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
void op_fsetxattr_(void) {
    int i = slot();
    const char *name = attribute();
    const char *value = fill(60);
    result(fsetxattr(slots[i], name, value, below(60), 0));
    sayDescriptor(slots[i]);
}
void op_getxattr_(void) {
    char path[2048], value[64];
    here(path);
    const char *name = attribute();
    long got = amount(getxattr(path, name, value, chance(80) ? 64 : below(20)));
    if (got > 0 && got <= 64) say(" %llx", (unsigned long long)got);
}
void op_listxattr_(void) {
    char path[2048];
    here(path);
    sayAttributes(-1, path);
}
void op_removexattr_(void) {
    char path[2048];
    here(path);
    const char *name = attribute();
    result(removexattr(path, name));
}
void op_fchmodat2_(void) {
    struct Place p = place();
    mode_t mode = someMode();
    int flags = chance(60) ? AT_SYMLINK_NOFOLLOW : chance(50) ? 0 : AT_EMPTY_PATH;
    say(" %o %x", mode, flags);
    // A symlink's mode is kept by some file systems and refused by others.
    struct stat s;
    if (flags == AT_SYMLINK_NOFOLLOW && fstatat(p.at, p.path, &s, flags) == 0 && S_ISLNK(s.st_mode)) {
        say(" symlink");
        return;
    }
    result(syscall(452 /* fchmodat2 */, p.at, p.path, mode, flags));
    sayPath(p.at, p.path);
}
void op_emptyPath(void) {
    struct stat s;
    struct timespec times[2] = {{77, 7}, {88, 8}};
    int i = slot();
    switch (below(5)) {
        case 0:
            say(" stat");
            if (result(fstatat(slots[i], "", &s, AT_EMPTY_PATH)) == 0) sayStat(&s);
            break;
        case 1:
            say(" chown");
            result(fchownat(slots[i], "", someId(), someId(), AT_EMPTY_PATH));
            sayDescriptor(slots[i]);
            break;
        case 2:
            say(" times");
            result(syscall(SYS_utimensat, slots[i], "", times, AT_EMPTY_PATH));
            sayDescriptor(slots[i]);
            break;
        case 3:
            say(" access");
            result(syscall(439 /* faccessat2 */, slots[i], "", (int)below(8), AT_EMPTY_PATH));
            break;
        case 4:
            say(" chmod");
            result(syscall(452, slots[i], "", someMode(), AT_EMPTY_PATH));
            sayDescriptor(slots[i]);
            break;
    }
}
// A list that is right as often as not: the kernel's own format (linux/posix_acl_xattr.h).
struct AclEntry {
    uint16_t tag, permissions;
    uint32_t id;
};
static size_t makeAcl(void *to) {
    struct {
        uint32_t version;
        struct AclEntry entries[8];
    } *list = to;
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
void op_setAcl(void) {
    char path[2048], list[128];
    here(path);
    const char *name = aclName();
    size_t size = chance(95) ? makeAcl(list) : 0;
    say(" %llx %zu", (unsigned long long)hash(list, size), size);
    result(chance(80) ? setxattr(path, name, list, size, 0) : lsetxattr(path, name, list, size, (int)below(3)));
    sayPath(AT_FDCWD, path);
    sayAttributes(-1, path);
}
void op_fsetAcl(void) {
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
void op_getAcl(void) {
    char path[2048], list[256] = "";
    here(path);
    long got = amount(getxattr(path, aclName(), list, chance(85) ? sizeof list : below(40)));
    if (got > 0 && got <= (long)sizeof list) say(" %llx", (unsigned long long)hash(list, (size_t)got));
}
void op_removeAcl(void) {
    char path[2048];
    here(path);
    result(removexattr(path, aclName()));
    sayPath(AT_FDCWD, path);
}
// Times long ago, so that later steps show which of them move a time.
void op_age(void) {
    struct Place p = place();
    struct timespec times[2] = {{1000, 1}, {2000, 2}};
    result(utimensat(p.at, p.path, times, AT_SYMLINK_NOFOLLOW));
    sayPath(p.at, p.path);
}
void op_nowTimes(void) {
    struct Place p = place();
    struct timespec times[2] = {{0, chance(50) ? UTIME_NOW : UTIME_OMIT}, {0, chance(50) ? UTIME_NOW : UTIME_OMIT}};
    result(utimensat(p.at, p.path, chance(30) ? NULL : times, 0));
    sayPath(p.at, p.path);
}
void op_statxAll(void) {
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
