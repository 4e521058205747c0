// Extended attributes: sizes, flags, namespaces, lists; kept over copy-up, rename and link; the overlay's own unseen.
#include "harness.h"
#include <sys/xattr.h>

static bool supported(void) {
    writeFile("probe", "");
    bool yes = setxattr("probe", "user.probe", "1", 1, 0) == 0;
    unlink("probe");
    return yes;
}

static void prepare(void) {
    writeFile("file", "x");
    MUST(mkdir("dir", 0755));
    MUST(symlink("file", "link"));
    if (!supported()) return;
    MUST(setxattr("file", "user.kept", "lower value", 11, 0));
    MUST(setxattr("dir", "user.kept", "d", 1, 0));
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// The names of a list, sorted and joined by spaces; only those of the user namespace, for a host may add its own.
static const char *listed(const char *path) {
    static char out[4096];
    char buffer[4096], *names[64];
    int count = 0;
    ssize_t size = llistxattr(path, buffer, sizeof buffer);
    out[0] = 0;
    for (char *at = buffer; size > 0 && at < buffer + size; at += strlen(at) + 1)
        if (strncmp(at, "user.", 5) == 0) names[count++] = at;
    qsort(names, (size_t)count, sizeof *names, compare);
    for (int i = 0; i < count; i++) sprintf(out + strlen(out), "%s%s", i ? " " : "", names[i]);
    return out;
}

static void flagsAndSizes(void) {
    char value[64], *large = calloc(1, 70000);
    CHECK_OK(setxattr("file", "user.a", "one", 3, XATTR_CREATE));
    CHECK_ERRNO(setxattr("file", "user.a", "two", 3, XATTR_CREATE), EEXIST);
    CHECK_ERRNO(setxattr("file", "user.b", "two", 3, XATTR_REPLACE), ENODATA);
    CHECK_OK(setxattr("file", "user.a", "three", 5, XATTR_REPLACE));
    CHECK_ERRNO(setxattr("file", "user.a", "x", 1, 4), EINVAL);
    CHECK_EQ(getxattr("file", "user.a", NULL, 0), 5);
    CHECK_EQ(getxattr("file", "user.a", value, sizeof value), 5);
    CHECK(memcmp(value, "three", 5) == 0);
    CHECK_ERRNO(getxattr("file", "user.a", value, 4), ERANGE);
    CHECK_ERRNO(getxattr("file", "user.none", value, sizeof value), ENODATA);
    CHECK_OK(setxattr("file", "user.empty", "", 0, 0));
    CHECK_EQ(getxattr("file", "user.empty", value, sizeof value), 0);
    CHECK_ERRNO(listxattr("file", value, 3), ERANGE);
    CHECK(listxattr("file", NULL, 0) >= (ssize_t)sizeof "user.a" + (ssize_t)sizeof "user.empty");
    CHECK_STR(listed("file"), "user.a user.empty user.kept");
    CHECK_ERRNO(setxattr("file", "user.", "x", 1, 0), EINVAL);
    CHECK_ERRNO(setxattr("file", "plain", "x", 1, 0), EOPNOTSUPP);
    CHECK_ERRNO(getxattr("file", "plain", value, sizeof value), EOPNOTSUPP);
    char name[300] = "user.";
    memset(name + 5, 'n', 251);
    CHECK_ERRNO(setxattr("file", name, "x", 1, 0), ERANGE);
    name[255] = 0;
    CHECK_OK(setxattr("file", name, "x", 1, 0));
    CHECK_OK(removexattr("file", name));
    CHECK_ERRNO(setxattr("file", "user.big", large, 65537, 0), E2BIG);
    CHECK_OK(removexattr("file", "user.empty"));
    CHECK_ERRNO(removexattr("file", "user.empty"), ENODATA);
    CHECK_ERRNO(syscall(SYS_setxattr, "file", "user.f", (void *)8, 4, 0), EFAULT);
    free(large);
}

// The calls of Linux 6.13, which the C library has no names for.
enum { SETXATTRAT = 463, GETXATTRAT, LISTXATTRAT, REMOVEXATTRAT };
struct at {
    uint64_t value;
    uint32_t size, flags;
};

static void atCalls(void) {
    char value[64], names[256];
    int dir = (int)CHECK_OK(open("dir", O_RDONLY | O_DIRECTORY));
    struct at set = {(uintptr_t) "at", 2, 0}, get = {(uintptr_t)value, sizeof value, 0};
    if (syscall(GETXATTRAT, dir, "missing", 0, "user.x", &get, sizeof get) < 0 && errno == ENOSYS && !isInside()) {
        SKIP_PART("no *xattrat calls before Linux 6.13");
        close(dir);
        return;
    }
    CHECK_ERRNO(syscall(GETXATTRAT, dir, "missing", 0, "user.x", &get, sizeof get), ENOENT);
    writeFile("dir/at", "");
    MUST(symlink("at", "dir/link"));
    CHECK_OK(syscall(SETXATTRAT, dir, "at", 0, "user.at", &set, sizeof set));
    CHECK_EQ(syscall(GETXATTRAT, dir, "at", 0, "user.at", &get, sizeof get), 2);
    CHECK(memcmp(value, "at", 2) == 0);
    CHECK_EQ(syscall(GETXATTRAT, dir, "link", 0, "user.at", &get, sizeof get), 2);
    CHECK_ERRNO(syscall(GETXATTRAT, dir, "link", AT_SYMLINK_NOFOLLOW, "user.at", &get, sizeof get), ENODATA);
    CHECK_ERRNO(syscall(SETXATTRAT, dir, "link", AT_SYMLINK_NOFOLLOW, "user.at", &set, sizeof set), EPERM);
    CHECK_ERRNO(syscall(GETXATTRAT, dir, "at", 0x400, "user.at", &get, sizeof get), EINVAL);
    set.flags = XATTR_CREATE;
    CHECK_ERRNO(syscall(SETXATTRAT, dir, "at", 0, "user.at", &set, sizeof set), EEXIST);
    CHECK_ERRNO(syscall(SETXATTRAT, dir, "at", 0, "user.at", &set, 8), EINVAL);
    CHECK_ERRNO(syscall(SETXATTRAT, dir, "at", 0, "user.at", &set, 5000), E2BIG);
    struct {
        struct at known;
        uint64_t more;
    } longer = {set, 0};
    CHECK_ERRNO(syscall(SETXATTRAT, dir, "at", 0, "user.at", &longer, sizeof longer), EEXIST);
    longer.more = 1;
    CHECK_ERRNO(syscall(SETXATTRAT, dir, "at", 0, "user.at", &longer, sizeof longer), E2BIG);
    get.flags = 1;
    CHECK_ERRNO(syscall(GETXATTRAT, dir, "at", 0, "user.at", &get, sizeof get), EINVAL);
    get.flags = 0;
    get.size = 1;
    CHECK_ERRNO(syscall(GETXATTRAT, dir, "at", 0, "user.at", &get, sizeof get), ERANGE);
    get.size = 0;
    CHECK_EQ(syscall(GETXATTRAT, dir, "at", 0, "user.at", &get, sizeof get), 2);
    get.size = sizeof value;
    int fd = (int)CHECK_OK(open("dir/at", O_RDONLY));
    CHECK_EQ(syscall(GETXATTRAT, fd, "", AT_EMPTY_PATH, "user.at", &get, sizeof get), 2);
    CHECK_ERRNO(syscall(GETXATTRAT, fd, "", 0, "user.at", &get, sizeof get), ENOENT);
    CHECK_ERRNO(syscall(GETXATTRAT, 99, "", AT_EMPTY_PATH, "user.at", &get, sizeof get), EBADF);
    int path = (int)CHECK_OK(open("dir/at", O_PATH));
    CHECK_ERRNO(syscall(GETXATTRAT, path, "", AT_EMPTY_PATH, "user.at", &get, sizeof get), EBADF);
    close(path);
    CHECK(syscall(LISTXATTRAT, fd, "", AT_EMPTY_PATH, names, sizeof names) >= (long)sizeof "user.at");
    CHECK_ERRNO(syscall(LISTXATTRAT, dir, "at", 0, names, 2), ERANGE);
    CHECK_OK(syscall(REMOVEXATTRAT, dir, "at", 0, "user.at"));
    CHECK_ERRNO(syscall(REMOVEXATTRAT, dir, "at", 0, "user.at"), ENODATA);
    CHECK_ERRNO(syscall(REMOVEXATTRAT, dir, "at", 1, "user.at"), EINVAL);
    close(fd);
    close(dir);
    CHECK_OK(unlink("dir/link"));
    CHECK_OK(unlink("dir/at"));
}

static void scenario(void) {
    char value[64];
    if (!supported()) SKIP_ALL("no user.* attributes on this file system");
    CHECK_EQ(getxattr("file", "user.kept", value, sizeof value), 11);
    CHECK(memcmp(value, "lower value", 11) == 0);
    flagsAndSizes();
    atCalls();

    // user.* belongs to regular files and directories only.
    CHECK_ERRNO(lsetxattr("link", "user.x", "v", 1, 0), EPERM);
    CHECK_ERRNO(lgetxattr("link", "user.x", value, sizeof value), ENODATA);
    CHECK_OK(setxattr("link", "user.through", "v", 1, 0));
    CHECK_EQ(getxattr("file", "user.through", value, sizeof value), 1);
    CHECK_OK(mkfifo("fifo", 0600));
    CHECK_ERRNO(setxattr("fifo", "user.x", "v", 1, 0), EPERM);

    CHECK_EQ(getxattr("dir", "user.kept", value, sizeof value), 1);
    CHECK_OK(setxattr("dir", "user.second", "2", 1, 0));
    CHECK_STR(listed("dir"), "user.kept user.second");
    // Deleting names below must leave no mark that a guest could see, whatever the overlay keeps there.
    writeFile("dir/x", "");
    CHECK_OK(unlink("dir/x"));
    CHECK_STR(listed("dir"), "user.kept user.second");
    CHECK_OK(rename("dir", "moved"));
    CHECK_STR(listed("moved"), "user.kept user.second");
    CHECK_OK(link("file", "again"));
    CHECK_OK(removexattr("again", "user.kept"));
    CHECK_STR(listed("file"), "user.a user.through");
    int fd = (int)CHECK_OK(open("file", O_RDONLY));
    CHECK_OK(fsetxattr(fd, "user.fd", "v", 1, 0));
    CHECK_EQ(fgetxattr(fd, "user.fd", value, sizeof value), 1);
    CHECK_OK(fremovexattr(fd, "user.fd"));
    CHECK_OK(unlink("again"));
    CHECK_OK(unlink("file"));
    CHECK_EQ(fgetxattr(fd, "user.a", value, sizeof value), 5);
    close(fd);
    CHECK_ERRNO(fgetxattr(99, "user.a", value, 1), EBADF);

    if (isRoot()) {
        CHECK_OK(setxattr("moved", "trusted.mine", "t", 1, 0));
        CHECK_EQ(getxattr("moved", "trusted.mine", value, sizeof value), 1);
        IN_CHILD({
            become(NOBODY);
            CHECK_ERRNO(getxattr("moved", "trusted.mine", value, sizeof value), ENODATA);
            CHECK_ERRNO(setxattr("moved", "trusted.other", "t", 1, 0), EPERM);
            CHECK_ERRNO(setxattr("moved", "user.other", "t", 1, 0), EACCES);
            CHECK_EQ(getxattr("moved", "user.kept", value, sizeof value), 1);
        });
    } else {
        CHECK_ERRNO(setxattr("moved", "trusted.mine", "t", 1, 0), EPERM);
        CHECK_ERRNO(getxattr("moved", "trusted.mine", value, sizeof value), ENODATA);
        SKIP_PART("setting trusted.* needs root");
    }
}

SCENARIO("xattrs", prepare, scenario)
