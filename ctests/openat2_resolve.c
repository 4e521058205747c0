// openat2(2): RESOLVE_* flags, the strictness of its argument block, and its size rules.
#include "harness.h"
#include <linux/openat2.h>

static void prepare(void) {
    MUST(mkdir("root", 0755));
    MUST(mkdir("root/sub", 0755));
    writeFile("root/file", "inside");
    writeFile("outside", "outside");
    MUST(symlink("../outside", "root/up"));
    MUST(symlink("/file", "root/absolute"));
    MUST(symlink("file", "root/plain"));
    MUST(symlink("sub/..", "root/dots"));
}

static long openat2(int at, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return syscall(SYS_openat2, at, path, &how, sizeof how);
}

static void scenario(void) {
    int root = (int)CHECK_OK(open("root", O_PATH | O_DIRECTORY));
    char buffer[16] = "";
    long fd = CHECK_OK(openat2(root, "file", O_RDONLY | O_CLOEXEC, 0, 0));
    CHECK_EQ(read((int)fd, buffer, 15), 6);
    CHECK_STR(buffer, "inside");
    CHECK_EQ(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
    close((int)fd);
    CHECK_OK(openat2(root, "up", O_RDONLY, 0, 0));

    CHECK_ERRNO(openat2(root, "..", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
    CHECK_ERRNO(openat2(root, "/file", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
    CHECK_ERRNO(openat2(root, "up", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
    CHECK_ERRNO(openat2(root, "absolute", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
    CHECK_OK(openat2(root, "sub/../file", O_RDONLY, 0, RESOLVE_BENEATH));
    CHECK_OK(openat2(root, "plain", O_RDONLY, 0, RESOLVE_BENEATH));

    // RESOLVE_IN_ROOT: the directory is `/` for this one call.
    CHECK_OK(openat2(root, "absolute", O_RDONLY, 0, RESOLVE_IN_ROOT));
    CHECK_OK(openat2(root, "/file", O_RDONLY, 0, RESOLVE_IN_ROOT));
    fd = CHECK_OK(openat2(root, "../../..", O_RDONLY, 0, RESOLVE_IN_ROOT));
    CHECK_EQ(fstatOf((int)fd).st_ino, statOf("root").st_ino);
    CHECK_ERRNO(openat2(root, "up", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);

    CHECK_ERRNO(openat2(root, "plain", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
    CHECK_ERRNO(openat2(root, "dots/file", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
    fd = CHECK_OK(openat2(root, "plain", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
    CHECK(S_ISLNK(fstatOf((int)fd).st_mode));
    CHECK_ERRNO(openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
    CHECK_OK(openat2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, 0));
    CHECK_ERRNO(openat2(AT_FDCWD, "/proc/version", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
    CHECK_OK(openat2(root, "file", O_RDONLY, 0, RESOLVE_NO_XDEV));
    CHECK_ERRNO(openat2(root, "new", O_CREAT | O_RDWR, 0600, RESOLVE_CACHED), EAGAIN);

    CHECK_ERRNO(openat2(root, "file", O_RDONLY, 0600, 0), EINVAL);
    CHECK_ERRNO(openat2(root, "new", O_CREAT | O_RDWR, 010000, 0), EINVAL);
    CHECK_ERRNO(openat2(root, "file", 1ull << 40, 0, 0), EINVAL);
    CHECK_ERRNO(openat2(root, "file", O_RDONLY, 0, 0x100), EINVAL);
    CHECK_ERRNO(openat2(root, "file", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
    CHECK_ERRNO(openat2(root, "file", O_PATH | O_RDWR, 0, 0), EINVAL);
    CHECK_OK(openat2(root, "made", O_CREAT | O_EXCL | O_RDWR, 0640, RESOLVE_BENEATH));
    CHECK_EQ(statOf("root/made").st_mode & 07777, 0640);

    struct {
        struct open_how how;
        uint64_t more;
    } larger = {.how = {.flags = O_RDONLY}};
    CHECK_OK(syscall(SYS_openat2, root, "file", &larger, sizeof larger));
    larger.more = 1;
    CHECK_ERRNO(syscall(SYS_openat2, root, "file", &larger, sizeof larger), E2BIG);
    CHECK_ERRNO(syscall(SYS_openat2, root, "file", &larger, sizeof(struct open_how) - 1), EINVAL);
    CHECK_ERRNO(syscall(SYS_openat2, root, "file", &larger, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_openat2, root, "file", &larger, 4097), E2BIG);
    CHECK_ERRNO(syscall(SYS_openat2, root, "file", (void *)8, sizeof larger.how), EFAULT);
}

SCENARIO("openat2_resolve", prepare, scenario)
