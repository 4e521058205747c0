// Which errno wins where permissions come in: permission against existence, type, emptiness, bad descriptors and flags, for
// each operation that changes or opens something. Run by nobody (root becomes it) over files that are root's, or by an
// ordinary user over directories that are shut to him.
#include "harness.h"
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/xattr.h>

static void prepare(void) {
    MUST(chmod(".", 0777));
    MUST(mkdir("shut", 0755));
    writeFile("shut/file", "x");
    MUST(mkdir("shut/dir", 0755));
    MUST(mkdir("fixed", 0755));
    writeFile("fixed/file", "x");
    MUST(mkdir("fixed/empty", 0755));
    MUST(mkdir("fixed/full", 0755));
    writeFile("fixed/full/leaf", "x");
    MUST(symlink("file", "fixed/link"));
    MUST(symlink("../shut/file", "fixed/into"));
    MUST(mkdir("sticky", 01777));
    MUST(chmod("sticky", 01777));
    writeFile("sticky/file", "x");
    MUST(chmod("sticky/file", 0666));
    MUST(mkdir("sticky/dir", 0777));
    MUST(chmod("sticky/dir", 0777));
    MUST(mkdir("open", 0777));
    MUST(chmod("open", 0777));
    writeFile("open/file", "x");
    MUST(chmod("open/file", 0600));
    MUST(mkdir("open/dir", 0700));
    writeFile("secret", "x");
    MUST(chmod("secret", 0));
    MUST(chmod("shut", 0));
    MUST(chmod("fixed", 0555));
}

static long openat2_(int at, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return syscall(SYS_openat2, at, path, &how, sizeof how);
}

// A directory that may not be searched hides whether, and of what kind, there is something in it.
static void shutDirectory(void) {
    struct stat s;
    char buffer[16];
    CHECK_ERRNO(stat("shut/file", &s), EACCES);
    CHECK_ERRNO(stat("shut/missing", &s), EACCES);
    CHECK_ERRNO(stat("shut/file/x", &s), EACCES);
    CHECK_OK(stat("shut", &s));
    CHECK_ERRNO(stat("shut/", &s) + stat("shut/.", &s), EACCES);
    CHECK_ERRNO(open("shut", O_RDONLY), EACCES);
    CHECK_OK(open("shut", O_PATH));
    CHECK_ERRNO(open("shut/file", O_PATH), EACCES);
    CHECK_ERRNO(open("shut", O_RDWR), EISDIR);
    CHECK_ERRNO(open("shut", O_CREAT | O_RDWR, 0600), EISDIR);
    CHECK_ERRNO(open("shut/new", O_CREAT | O_EXCL | O_RDWR, 0600), EACCES);
    CHECK_ERRNO(chdir("shut"), EACCES);
    CHECK_ERRNO(mkdir("shut/dir", 0700), EACCES);
    CHECK_ERRNO(rmdir("shut/dir"), EACCES);
    CHECK_ERRNO(unlink("shut/missing"), EACCES);
    CHECK_ERRNO(rename("shut/file", "open/x"), EACCES);
    CHECK_ERRNO(rename("open/missing", "shut/x"), EACCES);
    CHECK_ERRNO(link("shut/file", "open/x"), EACCES);
    CHECK_ERRNO(link("missing", "shut/x"), ENOENT);
    CHECK_ERRNO(symlink("", "shut/x"), ENOENT);
    CHECK_ERRNO(symlink("x", "shut/x"), EACCES);
    CHECK_ERRNO(readlink("shut/x", buffer, sizeof buffer), EACCES);
    CHECK_ERRNO(readlink("shut/x", buffer, 0), EINVAL);
    CHECK_ERRNO(access("shut/missing", F_OK), EACCES);
    CHECK_ERRNO(access("shut", R_OK), EACCES);
    CHECK_OK(access("shut", F_OK));
    CHECK_ERRNO(truncate("shut/missing", 0), EACCES);
    CHECK_ERRNO(truncate("shut/missing", -1), EINVAL);
    CHECK_ERRNO(chmod("shut/missing", 0600), EACCES);
    CHECK_ERRNO(utimensat(AT_FDCWD, "shut/missing", NULL, 0), EACCES);
    CHECK_ERRNO(getxattr("shut/missing", "user.x", buffer, 1), EACCES);
    CHECK_ERRNO(mknod("shut/x", S_IFDIR | 0600, 0), EPERM);
    CHECK_ERRNO(mknod("shut/x", S_IFIFO | 0600, 0), EACCES);
    CHECK_ERRNO(openat2_(AT_FDCWD, "shut/file", 0, 0600, 0), EINVAL);
    CHECK_ERRNO(openat2_(AT_FDCWD, "shut/file", 0, 0, 0), EACCES);
}

// A directory that may not be written: what exists says EEXIST first, and what cannot be so has its errno before EACCES.
static void fixedDirectory(bool owner) {
    struct timespec times[2] = {{1, 0}, {2, 0}};
    CHECK_ERRNO(mkdir("fixed/file", 0700), EEXIST);
    CHECK_ERRNO(mkdir("fixed/new", 0700), EACCES);
    CHECK_ERRNO(mkdir("fixed/file/x", 0700), ENOTDIR);
    CHECK_ERRNO(mknod("fixed/file", S_IFIFO | 0600, 0), EEXIST);
    CHECK_ERRNO(mknod("fixed/new", S_IFIFO | 0600, 0), EACCES);
    CHECK_ERRNO(mknod("fixed/new", S_IFBLK | 0600, 1), EACCES);
    CHECK_ERRNO(mknod("open/new", S_IFBLK | 0600, 1), EPERM);
    CHECK_ERRNO(symlink("x", "fixed/file"), EEXIST);
    CHECK_ERRNO(symlink("x", "fixed/new"), EACCES);
    CHECK_ERRNO(symlink("x", "fixed/new/"), ENOENT);
    CHECK_ERRNO(link("open/missing", "fixed/new"), ENOENT);
    CHECK_ERRNO(link("fixed/full", "fixed/file"), EEXIST);
    CHECK_ERRNO(unlink("fixed/missing"), ENOENT);
    CHECK_ERRNO(unlink("fixed/file"), EACCES);
    CHECK_ERRNO(unlink("fixed/full"), EACCES);
    CHECK_ERRNO(rmdir("fixed/missing"), ENOENT);
    CHECK_ERRNO(rmdir("fixed/file"), EACCES);
    CHECK_ERRNO(rmdir("fixed/full"), EACCES);
    CHECK_ERRNO(rmdir("fixed/full/."), EINVAL);
    CHECK_ERRNO(rmdir("fixed/full/.."), ENOTEMPTY);
    CHECK_ERRNO(rename("fixed/missing", "fixed/new"), ENOENT);
    CHECK_ERRNO(rename("fixed/file", "fixed/new"), EACCES);
    CHECK_ERRNO(rename("fixed/file", "fixed/full"), EACCES);
    CHECK_ERRNO(rename("fixed/full", "fixed/full/x"), EINVAL);
    CHECK_ERRNO(rename("fixed/full", "fixed/file"), EACCES);
    CHECK_ERRNO(rename("fixed/full/leaf", "fixed/full"), ENOTEMPTY);
    CHECK_OK(rename("fixed/file", "fixed/file"));
    CHECK_ERRNO(renameat2(AT_FDCWD, "fixed/file", AT_FDCWD, "fixed/full", RENAME_NOREPLACE), EEXIST);
    CHECK_ERRNO(renameat2(AT_FDCWD, "fixed/file", AT_FDCWD, "fixed/new", RENAME_EXCHANGE), ENOENT);
    CHECK_ERRNO(renameat2(AT_FDCWD, "fixed/file", AT_FDCWD, "fixed/full", RENAME_EXCHANGE), EACCES);
    CHECK_ERRNO(open("fixed/new", O_CREAT | O_RDWR, 0600), EACCES);
    CHECK_ERRNO(open("fixed/file", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    CHECK_OK(open("fixed/file", O_CREAT | O_RDONLY, 0600));
    CHECK_ERRNO(open("fixed/new/", O_CREAT | O_RDWR, 0600), EISDIR);
    CHECK_ERRNO(open("fixed", O_TMPFILE | O_RDWR, 0600), EACCES);
    CHECK_ERRNO(open("fixed", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    CHECK_ERRNO(open("fixed/file", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
    CHECK_ERRNO(open("fixed/link", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERRNO(open("fixed/link", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
    CHECK_ERRNO(open("fixed/into", O_RDONLY), EACCES);
    CHECK_ERRNO(openat2_(AT_FDCWD, "fixed/into", 0, 0, RESOLVE_NO_SYMLINKS), ELOOP);
    if (owner) return;
    CHECK_ERRNO(open("fixed/file", O_RDWR), EACCES);
    CHECK_ERRNO(open("fixed/file", O_RDWR | O_DIRECTORY), ENOTDIR);
    CHECK_ERRNO(open("fixed/file", O_RDONLY | O_TRUNC), EACCES);
    CHECK_ERRNO(open("fixed/file", O_RDONLY | O_NOATIME), EPERM);
    CHECK_ERRNO(open("secret", O_RDONLY | O_NOATIME), EACCES);
    CHECK_ERRNO(truncate("fixed/file", 0), EACCES);
    CHECK_ERRNO(truncate("fixed/full", 0), EISDIR);
    CHECK_ERRNO(chmod("fixed/file", 0600), EPERM);
    CHECK_ERRNO(chown("fixed/file", 0, -1), EPERM);
    CHECK_OK(chown("fixed/file", -1, -1));
    CHECK_ERRNO(utimensat(AT_FDCWD, "fixed/file", times, 0), EPERM);
    CHECK_ERRNO(utimensat(AT_FDCWD, "fixed/file", NULL, 0), EACCES);
    CHECK_ERRNO(setxattr("fixed/file", "user.x", "v", 1, 0), EACCES);
    CHECK_ERRNO(setxattr("fixed/file", "trusted.x", "v", 1, 0), EPERM);
    CHECK_ERRNO(setxattr("fixed/file", "security.x", "v", 1, 0), EPERM);
    CHECK_ERRNO(setxattr("fixed/file", "system.posix_acl_access", "v", 1, 0), EINVAL);
    CHECK_ERRNO(setxattr("fixed/file", "system.posix_acl_access", "\1\0\0\0", 4, 0), EOPNOTSUPP);
    CHECK_ERRNO(setxattr("fixed/file", "system.posix_acl_access", "\2\0\0\0", 4, 0), EPERM);
    CHECK_OK(removexattr("fixed/file", "system.posix_acl_default"));
    CHECK_ERRNO(removexattr("fixed/full", "system.posix_acl_default"), EPERM);
    CHECK_ERRNO(removexattr("fixed/file", "user.none"), EACCES);
    CHECK_ERRNO(removexattr("fixed/file", "nonamespace"), EACCES);
    CHECK_ERRNO(getxattr("secret", "user.none", NULL, 0), EACCES);
    CHECK_ERRNO(getxattr("secret", "trusted.none", NULL, 0), ENODATA);
    CHECK_ERRNO(link("secret", "open/x"), EPERM);
    CHECK_ERRNO(link("secret", "fixed/x"), EPERM);
    CHECK_ERRNO(link("fixed/full", "fixed/x"), EPERM);
}

static void stickyDirectory(void) {
    CHECK_ERRNO(unlink("sticky/file"), EPERM);
    CHECK_ERRNO(unlink("sticky/dir"), EPERM);
    CHECK_ERRNO(rmdir("sticky/dir"), EPERM);
    CHECK_ERRNO(rmdir("sticky/file"), EPERM);
    CHECK_ERRNO(unlink("sticky/missing"), ENOENT);
    CHECK_ERRNO(rename("sticky/file", "sticky/new"), EPERM);
    CHECK_ERRNO(rename("sticky/file", "sticky/dir"), EPERM);
    CHECK_OK(mkdir("sticky/mine", 0700));
    CHECK_ERRNO(rename("sticky/mine", "sticky/dir"), EPERM);
    CHECK_ERRNO(rename("sticky/mine", "sticky/file"), EPERM);
    CHECK_OK(rename("sticky/mine", "sticky/moved"));
    CHECK_OK(rmdir("sticky/moved"));
    // Somebody else's directory, ours to write in but not to move: its `..` would have to be written.
    CHECK_ERRNO(rename("open/dir", "sticky/dir2"), EACCES);
    CHECK_OK(rename("open/dir", "open/dir2"));
    CHECK_OK(unlink("open/file"));
}

static void descriptors(void) {
    int reading = (int)CHECK_OK(open("fixed/file", O_RDONLY)), directory = (int)CHECK_OK(open("fixed", O_RDONLY));
    int pipes[2];
    char buffer[16];
    CHECK_OK(pipe(pipes));
    CHECK_ERRNO(write(reading, "x", 1), EBADF);
    CHECK_ERRNO(ftruncate(reading, 0), EINVAL);
    CHECK_ERRNO(ftruncate(99, 0), EBADF);
    CHECK_ERRNO(ftruncate(reading, -1), EINVAL);
    CHECK_ERRNO(ftruncate(99, -1), EINVAL);
    CHECK_ERRNO(fallocate(reading, 0, 0, 1), EBADF);
    CHECK_ERRNO(fallocate(reading, 0, 0, 0), EINVAL);
    CHECK_ERRNO(fallocate(99, 0, -1, 0), EBADF);
    CHECK_ERRNO(read(directory, buffer, 1), EISDIR);
    CHECK_ERRNO(syscall(SYS_getdents64, reading, buffer, sizeof buffer), ENOTDIR);
    CHECK_ERRNO(syscall(SYS_getdents64, directory, buffer, 1), EINVAL);
    CHECK_ERRNO(syscall(SYS_getdents64, directory, (void *)8, 4096), EFAULT);
    CHECK_ERRNO(lseek(pipes[0], 0, SEEK_SET), ESPIPE);
    CHECK_ERRNO(lseek(reading, -1, SEEK_SET), EINVAL);
    CHECK_ERRNO(lseek(reading, 0, 99), EINVAL);
    CHECK_ERRNO(lseek(reading, 100, SEEK_DATA), ENXIO);
    CHECK_ERRNO(copy_file_range(reading, NULL, reading, NULL, 1, 0), EBADF);
    CHECK_ERRNO(copy_file_range(reading, NULL, directory, NULL, 1, 1), EINVAL);
    CHECK_ERRNO(fchdir(reading), ENOTDIR);
    CHECK_ERRNO(openat(reading, "x", O_RDONLY), ENOTDIR);
    CHECK_ERRNO(openat(reading, "", O_RDONLY), ENOENT);
    CHECK_ERRNO(unlinkat(reading, "/", 0), EISDIR);
    CHECK_ERRNO(mkdirat(99, "/", 0700), EEXIST);
    CHECK_ERRNO(mkdirat(99, "", 0700), ENOENT);
    CHECK_ERRNO(mknodat(99, "x", S_IFLNK | 0600, 0), EINVAL);
    CHECK_ERRNO(symlinkat("", 99, "x"), ENOENT);
    CHECK_ERRNO(symlinkat("x", 99, "x"), EBADF);
    CHECK_ERRNO(renameat(99, "x", 98, ""), EBADF);
    CHECK_ERRNO(renameat(AT_FDCWD, "", 98, "x"), ENOENT);
    CHECK_ERRNO(linkat(AT_FDCWD, "missing", 98, "x", 0), ENOENT);
    CHECK_ERRNO(linkat(AT_FDCWD, "fixed/file", 98, "x", 0), EBADF);
    CHECK_ERRNO(faccessat(99, "x", 8, 0), EINVAL);
    CHECK_ERRNO(syscall(439, 99, "x", 0, 0x8000), EINVAL);
    CHECK_ERRNO(fchmodat(99, "/missing", 0600, 0), ENOENT);
    CHECK_ERRNO(syscall(452, 99, "x", 0600, 0x8000), EINVAL);
    CHECK_ERRNO(fchownat(99, "x", 0, 0, 0), EBADF);
    CHECK_ERRNO(syscall(SYS_statx, 99, "x", 0x10000, 0, (void *)8), EINVAL);
    CHECK_ERRNO(readlinkat(99, "x", buffer, 0), EINVAL);
    CHECK_ERRNO(readlinkat(reading, "", buffer, sizeof buffer), ENOENT);
    CHECK_ERRNO(readlinkat(AT_FDCWD, "", buffer, sizeof buffer), ENOENT);
    CHECK_ERRNO(readlinkat(-1, "", buffer, sizeof buffer), EBADF);
    CHECK_ERRNO(readlinkat(AT_FDCWD, "fixed/file", buffer, sizeof buffer), EINVAL);
    CHECK_ERRNO(syscall(SYS_readlinkat, AT_FDCWD, "fixed/link", (void *)8, 4), EFAULT);
    CHECK_ERRNO(mkdir((void *)8, 0700), EFAULT);
    CHECK_ERRNO(rename("missing", (void *)8), EFAULT);
    CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "x", (void *)8, 24), EFAULT);
    CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "x", (void *)8, 23), EINVAL);
    CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "x", (void *)8, 8192), E2BIG);
    CHECK_ERRNO(fsetxattr(99, "user.x", "v", 1, 8), EINVAL);
    CHECK_ERRNO(fsetxattr(99, "user.x", "v", 1, 0), EBADF);
    CHECK_ERRNO(flock(99, LOCK_SH), EBADF);
    CHECK_ERRNO(flock(reading, 77), EINVAL);
    close(reading);
    close(directory);
    close(pipes[0]);
    close(pipes[1]);
}

// In a directory that has been removed nothing is looked up any more, so nothing is forbidden either.
static void removedDirectory(void) {
    CHECK_OK(mkdir("open/gone", 0555));
    int gone = (int)CHECK_OK(open("open/gone", O_RDONLY | O_DIRECTORY));
    struct stat s;
    CHECK_ERRNO(stat("open/gone/x", &s), ENOENT);
    CHECK_OK(rmdir("open/gone"));
    CHECK_ERRNO(renameat(AT_FDCWD, "fixed/file", gone, "x"), ENOENT);
    CHECK_ERRNO(renameat2(AT_FDCWD, "fixed/file", gone, "x", RENAME_EXCHANGE), ENOENT);
    CHECK_ERRNO(renameat(AT_FDCWD, "fixed/full", gone, "x/"), ENOENT);
    CHECK_ERRNO(linkat(AT_FDCWD, "fixed/file", gone, "x", 0), ENOENT);
    CHECK_ERRNO(linkat(AT_FDCWD, "/dev/null", gone, "x", 0), ENOENT);
    CHECK_ERRNO(mkdirat(gone, "x", 0700), ENOENT);
    CHECK_ERRNO(mknodat(gone, "x", S_IFBLK | 0600, 1), ENOENT);
    CHECK_ERRNO(symlinkat("x", gone, "x"), ENOENT);
    CHECK_ERRNO(openat(gone, "x", O_CREAT | O_RDWR, 0600), ENOENT);
    close(gone);
}

static void everything(bool owner) {
    removedDirectory();
    shutDirectory();
    fixedDirectory(owner);
    if (!owner) stickyDirectory();
    descriptors();
}

static void scenario(void) {
    if (isRoot()) IN_CHILD(become(NOBODY); everything(false));
    else everything(true);
    CHECK_STR(readFile("fixed/full/leaf"), "x");
}

SCENARIO("errno_permissions", prepare, scenario)
