// Which errno wins when a call has more than one thing wrong with it: one row per combination, as Linux orders them.
#include "harness.h"
#include <sys/statfs.h>
#include <sys/xattr.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

static char tooLong[300];

static void prepare(void) {
    MUST(mkdir("dir", 0755));
    MUST(mkdir("dir/full", 0755));
    MUST(mkdir("empty", 0755));
    writeFile("file", "x");
    writeFile("other", "y");
    writeFile("dir/full/leaf", "z");
    MUST(symlink("loop", "loop"));
    MUST(symlink("missing", "dangling"));
}

static void twoNames(void) {
    CHECK_ERRNO(rename("missing", "file"), ENOENT);
    CHECK_ERRNO(rename("missing", "file/x"), ENOTDIR);
    CHECK_ERRNO(rename("file/x", "missing/y"), ENOTDIR);
    CHECK_ERRNO(rename("missing/x", "file/y"), ENOENT);
    CHECK_ERRNO(rename("file", "dir"), EISDIR);
    CHECK_ERRNO(rename("dir", "file"), ENOTDIR);
    CHECK_ERRNO(rename("empty", "dir"), ENOTEMPTY);
    CHECK_ERRNO(rename("dir", "dir/full/x"), EINVAL);
    CHECK_ERRNO(rename("dir/full", "dir"), ENOTEMPTY);
    CHECK_ERRNO(rename("missing", "."), EBUSY);
    CHECK_ERRNO(rename(tooLong, "missing/x"), ENOENT);
    CHECK_ERRNO(rename("missing", tooLong), ENOENT);
    CHECK_ERRNO(rename("loop/x", "y"), ELOOP);
    CHECK_ERRNO(rename("", "file/x"), ENOENT);
    CHECK_OK(rename("file", "file"));
    CHECK_ERRNO(renameat2(AT_FDCWD, "missing", AT_FDCWD, "x", 0x80), EINVAL);
    CHECK_ERRNO(renameat2(99, "missing", AT_FDCWD, "x", 0x80), EINVAL);
    CHECK_ERRNO(renameat2(AT_FDCWD, "file", AT_FDCWD, "other", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
    CHECK_ERRNO(renameat2(AT_FDCWD, "missing", AT_FDCWD, "other", RENAME_NOREPLACE), ENOENT);
    CHECK_ERRNO(renameat2(AT_FDCWD, "dir", AT_FDCWD, "dir/full/leaf", RENAME_NOREPLACE), EEXIST);
    CHECK_ERRNO(renameat2(AT_FDCWD, "file", AT_FDCWD, "missing", RENAME_EXCHANGE), ENOENT);
    CHECK_ERRNO(renameat2(AT_FDCWD, "dir", AT_FDCWD, "dir/full", RENAME_EXCHANGE), EINVAL);
    CHECK_ERRNO(renameat2(AT_FDCWD, "dir/full", AT_FDCWD, "dir", RENAME_EXCHANGE), EINVAL);
    CHECK_ERRNO(renameat2(AT_FDCWD, "file", AT_FDCWD, "file", RENAME_NOREPLACE), EEXIST);
    CHECK_ERRNO(link("missing", "file"), ENOENT);
    CHECK_ERRNO(link("file", "other"), EEXIST);
    CHECK_ERRNO(link("dir", "new"), EPERM);
    CHECK_ERRNO(link("dir", "file"), EEXIST);
    CHECK_ERRNO(link("file", "missing/x"), ENOENT);
    CHECK_ERRNO(link("file", "file/x"), ENOTDIR);
    CHECK_ERRNO(link("file", tooLong), ENAMETOOLONG);
    CHECK_ERRNO(linkat(AT_FDCWD, "missing", AT_FDCWD, "new", 0x8000), EINVAL);
    CHECK_ERRNO(linkat(AT_FDCWD, "dangling", AT_FDCWD, "new", AT_SYMLINK_FOLLOW), ENOENT);
    CHECK_OK(linkat(AT_FDCWD, "dangling", AT_FDCWD, "linked-link", 0));
    CHECK(S_ISLNK(statOf("linked-link").st_mode));
    CHECK_ERRNO(symlink("x", "file"), EEXIST);
    CHECK_ERRNO(symlink("x", "file/y"), ENOTDIR);
    CHECK_ERRNO(symlink("x", "missing/y"), ENOENT);
    CHECK_ERRNO(symlink("", "file"), ENOENT);
}

static void oneName(void) {
    struct stat s;
    CHECK_ERRNO(mkdir("file", 0700), EEXIST);
    CHECK_ERRNO(mkdir("file/x", 0700), ENOTDIR);
    CHECK_ERRNO(mkdir("missing/x", 0700), ENOENT);
    CHECK_ERRNO(mkdir("loop", 0700), EEXIST);
    CHECK_ERRNO(mkdir("loop/x", 0700), ELOOP);
    CHECK_ERRNO(mknod("file", S_IFREG | 0600, 0), EEXIST);
    CHECK_ERRNO(mknod("new", S_IFDIR | 0600, 0), EPERM);
    CHECK_ERRNO(mknod("new", 0170000 | 0600, 0), EINVAL);
    CHECK_ERRNO(mknod("missing/x", S_IFDIR | 0600, 0), EPERM);
    CHECK_ERRNO(rmdir("file"), ENOTDIR);
    CHECK_ERRNO(rmdir("dir"), ENOTEMPTY);
    CHECK_ERRNO(rmdir("missing"), ENOENT);
    CHECK_ERRNO(rmdir("loop"), ENOTDIR);
    CHECK_ERRNO(unlink("dir"), EISDIR);
    CHECK_ERRNO(unlink("missing"), ENOENT);
    CHECK_ERRNO(unlink("file/x"), ENOTDIR);
    CHECK_ERRNO(unlinkat(AT_FDCWD, "missing", 0x4000), EINVAL);
    CHECK_ERRNO(unlinkat(99, "missing", 0x4000), EINVAL);
    CHECK_ERRNO(unlinkat(99, "missing", 0), EBADF);
    CHECK_ERRNO(open("missing/x", O_CREAT | O_RDWR, 0600), ENOENT);
    CHECK_ERRNO(open("file/x", O_CREAT | O_RDWR, 0600), ENOTDIR);
    CHECK_ERRNO(open("dir", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    CHECK_ERRNO(open("file", O_CREAT | O_EXCL | O_DIRECTORY, 0600), EINVAL);
    CHECK_ERRNO(open("loop", O_NOFOLLOW | O_CREAT | O_RDWR, 0600), ELOOP);
    CHECK_ERRNO(open(tooLong, O_RDONLY), ENAMETOOLONG);
    CHECK_ERRNO(openat(99, "file", O_RDONLY), EBADF);
    CHECK_ERRNO(truncate("dir", 0), EISDIR);
    CHECK_ERRNO(truncate("missing", -1), EINVAL);
    CHECK_ERRNO(truncate("missing", 0), ENOENT);
    CHECK_ERRNO(truncate("file/x", 0), ENOTDIR);
    CHECK_ERRNO(access("missing", 8), EINVAL);
    CHECK_ERRNO(access("file/x", F_OK), ENOTDIR);
    CHECK_ERRNO(faccessat(99, "file", F_OK, 0), EBADF);
    CHECK_ERRNO(chdir("file"), ENOTDIR);
    CHECK_ERRNO(chdir("loop"), ELOOP);
    CHECK_ERRNO(chmod("missing", 0600), ENOENT);
    CHECK_ERRNO(fchmodat(AT_FDCWD, "file/x", 0600, 0), ENOTDIR);
    CHECK_ERRNO(fchownat(AT_FDCWD, "missing", -1, -1, 0x8000), EINVAL);
    CHECK_ERRNO(lchown("missing", -1, -1), ENOENT);
    CHECK_ERRNO(stat("file/x", &s), ENOTDIR);
    CHECK_ERRNO(stat("missing/x", &s), ENOENT);
    CHECK_ERRNO(stat("loop/x", &s), ELOOP);
    struct timespec bad[2] = {{0, 1000000000}, {0, 0}};
    CHECK_ERRNO(utimensat(AT_FDCWD, "missing", bad, 0), ENOENT);
    CHECK_ERRNO(utimensat(AT_FDCWD, "file", bad, 0), EINVAL);
    CHECK_ERRNO(utimensat(AT_FDCWD, "missing", NULL, 0), ENOENT);
    CHECK_ERRNO(utimensat(AT_FDCWD, "missing", NULL, 0x8000), EINVAL);
    CHECK_ERRNO(setxattr("missing", "nonamespace", "v", 1, 0), ENOENT);
    CHECK_ERRNO(setxattr("missing", "user.x", "v", 1, 0x10), EINVAL);
    CHECK_ERRNO(setxattr("file", "", "v", 1, 0), ERANGE);
    CHECK_ERRNO(setxattr("file", "nonamespace", "v", 1, 0), EOPNOTSUPP);
    CHECK_ERRNO(syscall(SYS_setxattr, "file", "user.x", tooLong, 65537, 0), E2BIG);
    CHECK_ERRNO(statfs("missing", (void *)8), ENOENT);
    CHECK_ERRNO(syscall(SYS_getcwd, scratch, 1), ERANGE);
}

static void scenario(void) {
    memset(tooLong, 'x', 256);
    twoNames();
    oneName();
    CHECK_STR(readFile("file"), "x");
    CHECK_STR(readFile("other"), "y");
    CHECK_STR(readFile("dir/full/leaf"), "z");
}

SCENARIO("errno_precedence", prepare, scenario)
