// statmount(2) and listmount(2): the same mounts as /proc/self/mountinfo has;
// cachestat(2): of one's own files.
#include "harness.h"
#include <stddef.h>

#define SYS_cachestat_ 451
#define SYS_statmount_ 457
#define SYS_listmount_ 458
#define ROOT_MOUNT 0xffffffffffffffffULL
#define REVERSE 1
#define UNIQUE_ID 0x4000U  // STATX_MNT_ID_UNIQUE
enum { SB_BASIC = 1, MNT_BASIC = 2, MNT_ROOT = 8, MNT_POINT = 0x10, FS_TYPE = 0x20, SB_SOURCE = 0x200 };

struct Request {
    uint32_t size, spare;
    uint64_t mount, parameter;
};

struct Mount {  // struct statmount of linux/mount.h
    uint32_t size, options;
    uint64_t mask;
    uint32_t major, minor;
    uint64_t magic;
    uint32_t flags, type;
    uint64_t id, parent;
    uint32_t oldId, oldParent;
    uint64_t attributes, propagation, peers, master, from;
    uint32_t root, point;
    uint64_t space;
    uint32_t subtype, source;
    uint64_t rest[48];
    char strings[8192];
};
_Static_assert(offsetof(struct Mount, strings) == 512, "strings begin behind 512 bytes");

static long statMount(uint64_t mount, uint64_t mask, void *buffer, size_t size) {
    struct Request request = {sizeof request, 0, mount, mask};
    return syscall(SYS_statmount_, &request, buffer, size, 0);
}

static long listMounts(uint64_t mount, uint64_t last, uint64_t *ids, size_t count, unsigned flags) {
    struct Request request = {sizeof request, 0, mount, last};
    return syscall(SYS_listmount_, &request, ids, count, flags);
}

// Blanks, tabs, newlines and backslashes are octal in mountinfo.
static void unescape(char *text) {
    char *to = text;
    for (char *from = text; *from; from++) {
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
            from += 3;
        } else *to++ = *from;
    }
    *to = 0;
}

// A line of mountinfo against what the call says of the mount with that number.
static int compare(char *line, const uint64_t *ids, long count) {
    unsigned id, parent, deviceMajor, deviceMinor;
    static char root[4096], point[4096], options[4096], type[256], source[4096];
    char *dash = strstr(line, " - ");
    if (!dash || sscanf(line, "%u %u %u:%u %4095s %4095s %4095s", &id, &parent, &deviceMajor, &deviceMinor, root, point, options) != 7 ||
        sscanf(dash, " - %255s %4095s", type, source) != 2) {
        CHECK(!"a line of mountinfo that cannot be read");
        return 0;
    }
    unescape(root), unescape(point), unescape(source);
    for (long i = 0; i < count; i++) {
        static struct Mount mount;
        memset(&mount, 0xee, sizeof mount);
        uint64_t wanted = SB_BASIC | MNT_BASIC | MNT_ROOT | MNT_POINT | FS_TYPE | SB_SOURCE;
        CHECK_OK(statMount(ids[i], wanted, &mount, sizeof mount));
        if (mount.oldId != id) continue;
        CHECK_EQ(mount.mask & (wanted & ~(uint64_t)SB_SOURCE), wanted & ~(uint64_t)SB_SOURCE);
        CHECK_EQ(mount.id, ids[i]);
        CHECK_EQ(mount.oldParent, parent);
        CHECK_EQ(mount.major, deviceMajor);
        CHECK_EQ(mount.minor, deviceMinor);
        CHECK_EQ(mount.attributes & 1, strncmp(options, "ro", 2) == 0);
        CHECK_STR(mount.strings + mount.root, root);
        CHECK_STR(mount.strings + mount.point, point);
        // The type of a fuse file system has its subtype behind a dot there.
        CHECK(strncmp(mount.strings + mount.type, type, strlen(mount.strings + mount.type)) == 0);
        if (mount.mask & SB_SOURCE) CHECK_STR(mount.strings + mount.source, source);
        return 1;
    }
    harnessCheck(__LINE__, NULL, false, "mount %u at %s is in mountinfo and not in the list", id, point);
    return 0;
}

static void table(void) {
    static uint64_t ids[4096], reversed[4096];
    long count = CHECK_OK(listMounts(ROOT_MOUNT, 0, ids, 4096, 0));
    FILE *file = fopen("/proc/self/mountinfo", "r");
    CHECK(file != NULL);
    if (!file) return;
    static char line[16384];
    long lines = 0;
    while (fgets(line, sizeof line, file)) lines += compare(line, ids, count);
    fclose(file);
    CHECK_EQ(lines, count);
    for (long i = 1; i < count; i++) CHECK(ids[i - 1] < ids[i]);
    // In parts, and the other way round.
    CHECK_EQ(listMounts(ROOT_MOUNT, 0, reversed, 4096, REVERSE), count);
    for (long i = 0; i < count; i++) CHECK(reversed[i] == ids[count - 1 - i]);
    CHECK_EQ(listMounts(ROOT_MOUNT, 0, reversed, 1, 0), 1);
    CHECK_EQ(reversed[0], ids[0]);
    CHECK_EQ(listMounts(ROOT_MOUNT, ids[0], reversed, 4096, 0), count - 1);
    CHECK_EQ(listMounts(ROOT_MOUNT, ids[count - 1], reversed, 4096, 0), 0);
    // The mount of a file, by its number.
    struct statx status;
    CHECK_OK(syscall(SYS_statx, AT_FDCWD, "/proc", 0, UNIQUE_ID, &status));
    CHECK(status.stx_mask & UNIQUE_ID);
    static struct Mount mount;
    CHECK_OK(statMount(status.stx_mnt_id, MNT_POINT | FS_TYPE, &mount, sizeof mount));
    CHECK_STR(mount.strings + mount.point, "/proc");
    CHECK_STR(mount.strings + mount.type, "proc");
    CHECK_EQ(mount.mask, MNT_POINT | FS_TYPE);
    CHECK(mount.size > 512 && mount.size < 600);
}

static void errors(void) {
    static struct Mount mount;
    uint64_t ids[4], all[4096];
    CHECK_OK(listMounts(ROOT_MOUNT, 0, all, 4096, 0));
    struct Request request = {sizeof request, 0, all[0], MNT_BASIC};
    CHECK_ERRNO(syscall(SYS_statmount_, &request, &mount, sizeof mount, 1), EINVAL);
    CHECK_ERRNO(syscall(SYS_statmount_, NULL, &mount, sizeof mount, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_statmount_, &request, (void *)8, sizeof mount, 0), EFAULT);
    request.size = 16;
    CHECK_ERRNO(syscall(SYS_statmount_, &request, &mount, sizeof mount, 0), EINVAL);
    CHECK_ERRNO(statMount(5, MNT_BASIC, &mount, sizeof mount), EINVAL);
    CHECK_ERRNO(statMount(ROOT_MOUNT - 1, MNT_BASIC, &mount, sizeof mount), ENOENT);
    // Numbers alone may be cut off; strings may not.
    memset(&mount, 0xee, sizeof mount);
    CHECK_OK(statMount(all[0], MNT_BASIC, &mount, 48));
    CHECK(mount.size == 48 && mount.id == all[0] && mount.parent == 0xeeeeeeeeeeeeeeeeULL);
    CHECK_ERRNO(statMount(all[0], MNT_POINT, &mount, 512), EOVERFLOW);
    CHECK_ERRNO(statMount(all[0], MNT_POINT, &mount, 513), EOVERFLOW);
    CHECK_ERRNO(listMounts(ROOT_MOUNT, 0, ids, 4, 2), EINVAL);
    CHECK_ERRNO(listMounts(ROOT_MOUNT, 5, ids, 4, 0), EINVAL);
    CHECK_ERRNO(listMounts(ROOT_MOUNT - 1, 0, ids, 4, 0), ENOENT);
    CHECK_ERRNO(listMounts(ROOT_MOUNT, 0, ids, 1000001, 0), EOVERFLOW);
    CHECK_EQ(listMounts(ROOT_MOUNT, 0, ids, 0, 0), 0);
}

static void cache(void) {
    uint64_t range[2] = {0, 0}, statistics[5] = {9, 9, 9, 9, 9};
    int file = (int)CHECK_OK(open("own", O_RDWR | O_CREAT, 0644));
    static char page[4096];
    CHECK_EQ(write(file, page, sizeof page), (long)sizeof page);
    CHECK_OK(syscall(SYS_cachestat_, file, range, statistics, 0));
    CHECK_EQ(statistics[0], 1);
    CHECK_ERRNO(syscall(SYS_cachestat_, file, range, statistics, 1), EINVAL);
    CHECK_ERRNO(syscall(SYS_cachestat_, file, NULL, statistics, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_cachestat_, 999, range, statistics, 0), EBADF);
    int reference = (int)CHECK_OK(open("own", O_PATH));
    CHECK_ERRNO(syscall(SYS_cachestat_, reference, range, statistics, 0), EBADF);
    // Inside a lower file's cache is the host's.
    int lower = (int)CHECK_OK(open("lower", O_RDONLY));
    if (isInside()) CHECK_ERRNO(syscall(SYS_cachestat_, lower, range, statistics, 0), EPERM);
    else CHECK_OK(syscall(SYS_cachestat_, lower, range, statistics, 0));
    close(lower), close(reference), close(file);
}

static void prepare(void) { writeFile("lower", "0123456789"); }

static void scenario(void) {
    uint64_t id;
    if (listMounts(ROOT_MOUNT, 0, &id, 1, 0) == -1 && errno == ENOSYS) {
        if (isInside()) CHECK(!"listmount is served whatever the kernel has");
        else SKIP_PART("this kernel has no listmount (Linux 6.8)");
    } else {
        table();
        errors();
    }
    uint64_t range[2] = {0, 0}, statistics[5];
    if (syscall(SYS_cachestat_, 0, range, statistics, 0) == -1 && errno == ENOSYS) SKIP_PART("this kernel has no cachestat (Linux 6.5)");
    else cache();
}

SCENARIO("mount_table", prepare, scenario)
