// path_resolution(7): symlink limits, trailing slashes, `..`, empty paths, NAME_MAX and PATH_MAX, over lower files.
#include "harness.h"

static void prepare(void) {
    MUST(mkdir("low", 0755));
    MUST(mkdir("low/dir", 0755));
    MUST(mkdir("low/dir/sub", 0755));
    writeFile("low/file", "lower");
    writeFile("low/dir/sub/leaf", "leaf");
    MUST(symlink("file", "low/l1"));
    for (int i = 2; i <= 41; i++) {
        char target[32], name[32];
        snprintf(target, sizeof target, "l%d", i - 1);
        snprintf(name, sizeof name, "low/l%d", i);
        MUST(symlink(target, name));
    }
    MUST(symlink("b", "low/a"));
    MUST(symlink("a", "low/b"));
    MUST(symlink("dir", "low/sdir"));
    MUST(symlink("dir/sub", "low/ssub"));
    MUST(symlink("nowhere", "low/dangling"));
    MUST(symlink("made-through-link", "low/creates"));
}

static void symlinks(void) {
    struct stat s;
    CHECK_OK(stat("low/l40", &s));
    CHECK_ERRNO(stat("low/l41", &s), ELOOP);
    CHECK_OK(lstat("low/l41", &s));
    CHECK(S_ISLNK(s.st_mode));
    CHECK_ERRNO(stat("low/a", &s), ELOOP);
    CHECK_ERRNO(open("low/a", O_RDONLY), ELOOP);
    CHECK_ERRNO(open("low/a/x", O_RDONLY | O_CREAT, 0600), ELOOP);
    CHECK_ERRNO(chmod("low/a", 0600), ELOOP);
    CHECK_ERRNO(mkdir("low/a", 0700), EEXIST);
    CHECK_ERRNO(stat("low/dangling", &s), ENOENT);
    CHECK_ERRNO(mkdir("low/dangling", 0700), EEXIST);
    CHECK_ERRNO(open("low/dangling", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    int fd = (int)CHECK_OK(open("low/creates", O_CREAT | O_WRONLY, 0600));
    close(fd);
    CHECK(S_ISREG(statOf("low/made-through-link").st_mode));
    CHECK(S_ISLNK(statOf("low/creates").st_mode));
    char small[3];
    CHECK_EQ(readlink("low/sdir", small, sizeof small), 3);
    CHECK(memcmp(small, "dir", 3) == 0);
    CHECK_EQ(readlink("low/ssub", small, 2), 2);
    CHECK_ERRNO(readlink("low/sdir", small, 0), EINVAL);
    CHECK_ERRNO(readlink("low/file", small, sizeof small), EINVAL);
    CHECK_ERRNO(symlink("", "low/empty-target"), ENOENT);
    char target[PATH_MAX];
    memset(target, 't', sizeof target);
    target[4095] = 0;
    CHECK_OK(symlink(target, "low/long-target"));
    CHECK_EQ(statOf("low/long-target").st_size, 4095);
    CHECK_ERRNO(stat("low/long-target", &s), ENAMETOOLONG);
}

static void trailingSlashes(void) {
    struct stat s;
    CHECK_ERRNO(stat("low/file/", &s), ENOTDIR);
    CHECK_ERRNO(stat("low/file/.", &s), ENOTDIR);
    CHECK_ERRNO(stat("low/file/..", &s), ENOTDIR);
    CHECK_OK(stat("low/dir///", &s));
    CHECK_OK(lstat("low/sdir/", &s));
    CHECK(S_ISDIR(s.st_mode));
    CHECK_OK(lstat("low/sdir", &s));
    CHECK(S_ISLNK(s.st_mode));
    CHECK_OK(mkdir("low/new/", 0755));
    CHECK_ERRNO(mkdir("low/new/", 0755), EEXIST);
    CHECK_OK(rename("low/new/", "low/newer/"));
    CHECK_OK(rmdir("low/newer/"));
    CHECK_ERRNO(mkdir("low/dangling/", 0755), EEXIST);
    CHECK_ERRNO(open("low/newfile/", O_CREAT | O_WRONLY, 0600), EISDIR);
    CHECK_ERRNO(open("low/file/", O_RDONLY), ENOTDIR);
    CHECK_ERRNO(unlink("low/file/"), ENOTDIR);
    CHECK_ERRNO(unlink("low/dir/"), EISDIR);
    CHECK_ERRNO(unlink("low/sdir/"), ENOTDIR);
    CHECK_ERRNO(unlink("low/missing/"), ENOENT);
    CHECK_ERRNO(rmdir("low/sdir/"), ENOTDIR);
    CHECK_ERRNO(rename("low/file/", "low/x"), ENOTDIR);
    CHECK_ERRNO(rename("low/file", "low/x/"), ENOTDIR);
    CHECK_ERRNO(link("low/file", "low/x/"), ENOENT);
    CHECK_ERRNO(symlink("file", "low/x/"), ENOENT);
    CHECK_ERRNO(mknod("low/x/", S_IFIFO | 0600, 0), ENOENT);
    CHECK(!exists("low/x"));
}

static void dots(void) {
    struct stat a, b;
    CHECK_OK(stat("low/dir/sub/../..", &a));
    CHECK_OK(stat("low", &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_OK(stat("/..", &a));
    CHECK_OK(stat("/", &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    // `..` after a symlink is the parent of what it names, not of the symlink.
    CHECK_OK(stat("low/ssub/..", &a));
    CHECK_OK(stat("low/dir", &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_ERRNO(stat("low/missing/..", &a), ENOENT);
    CHECK_ERRNO(rmdir("low/dir/."), EINVAL);
    CHECK_ERRNO(rmdir("low/dir/sub/.."), ENOTEMPTY);
    CHECK_ERRNO(rmdir("."), EINVAL);
    CHECK_ERRNO(unlink("low/dir/."), EISDIR);
    CHECK_ERRNO(unlink("low/dir/.."), EISDIR);
    CHECK_ERRNO(mkdir("low/.", 0755), EEXIST);
    CHECK_ERRNO(mkdir("low/dir/..", 0755), EEXIST);
    CHECK_ERRNO(rename("low/dir/.", "low/y"), EBUSY);
    CHECK_ERRNO(rename("low/file", "low/dir/.."), EBUSY);
    CHECK_ERRNO(open("low/.", O_CREAT | O_WRONLY, 0600), EISDIR);
    CHECK_ERRNO(rmdir("/"), EBUSY);
    CHECK_ERRNO(mkdir("/", 0755), EEXIST);
}

static void lengths(void) {
    struct stat s;
    char name[300], path[PATH_MAX + 16];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    int fd = (int)CHECK_OK(open(name, O_CREAT | O_WRONLY, 0600));
    close(fd);
    CHECK_OK(stat(name, &s));
    CHECK_OK(unlink(name));
    name[255] = 'n';
    name[256] = 0;
    CHECK_ERRNO(open(name, O_CREAT | O_WRONLY, 0600), ENAMETOOLONG);
    CHECK_ERRNO(stat(name, &s), ENAMETOOLONG);
    CHECK_ERRNO(mkdir(name, 0700), ENAMETOOLONG);
    CHECK_ERRNO(rename("low/file", name), ENAMETOOLONG);
    CHECK_ERRNO(symlink("x", name), ENAMETOOLONG);
    CHECK_ERRNO(unlink(name), ENAMETOOLONG);
    for (int length = 4095; length <= 4096; length++) {
        memset(path, '/', sizeof path);
        memcpy(path + 0, "low", 3);
        memcpy(path + length - 4, "file", 4);
        path[length] = 0;
        if (length == 4095) CHECK_OK(stat(path, &s));
        else CHECK_ERRNO(stat(path, &s), ENAMETOOLONG);
    }
    // Names are bytes: a newline, a control character, invalid UTF-8.
    const char *odd[] = {"new\nline", "\x01\x7f", "\xff\xfe\x80", " ", "\\", "*"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CHECK_OK(mkdir(odd[i], 0700));
        CHECK(exists(odd[i]));
        CHECK_OK(rmdir(odd[i]));
    }
}

static void emptyPaths(void) {
    struct stat s, t;
    char buffer[8];
    CHECK_ERRNO(stat("", &s), ENOENT);
    CHECK_ERRNO(open("", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("", O_CREAT | O_WRONLY, 0600), ENOENT);
    CHECK_ERRNO(mkdir("", 0700), ENOENT);
    CHECK_ERRNO(unlink(""), ENOENT);
    CHECK_ERRNO(rename("", "x"), ENOENT);
    CHECK_ERRNO(rename("low/file", ""), ENOENT);
    CHECK_ERRNO(chdir(""), ENOENT);
    CHECK_ERRNO(readlink("", buffer, sizeof buffer), ENOENT);
    CHECK_ERRNO(access("", F_OK), ENOENT);
    int fd = (int)CHECK_OK(open("low/file", O_RDONLY));
    CHECK_OK(fstatat(fd, "", &s, AT_EMPTY_PATH));
    CHECK_OK(stat("low/file", &t));
    CHECK_EQ(s.st_ino, t.st_ino);
    CHECK_OK(fstatat(AT_FDCWD, "", &s, AT_EMPTY_PATH));
    CHECK(S_ISDIR(s.st_mode));
    CHECK_ERRNO(fstatat(fd, "", &s, 0), ENOENT);
    CHECK_ERRNO(fstatat(fd, "x", &s, 0), ENOTDIR);
    CHECK_ERRNO(fstatat(99, "x", &s, 0), EBADF);
    CHECK_OK(fstatat(99, "/", &s, 0));
    CHECK_ERRNO(fstatat(99, "", &s, AT_EMPTY_PATH), EBADF);
    CHECK_ERRNO(fstatat(AT_FDCWD, "low", &s, 0x40000000), EINVAL);
    CHECK_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, (char *)8, &s, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_open, (char *)8, O_RDONLY), EFAULT);
    CHECK_ERRNO(syscall(SYS_newfstatat, AT_FDCWD, "low", (void *)8, 0), EFAULT);
    CHECK_ERRNO(syscall(SYS_rename, "low/file", (char *)8), EFAULT);
    close(fd);
    // A path may end at the last byte of a page with nothing mapped behind it.
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(munmap(page + 4096, 4096));
    memcpy(page + 4096 - 9, "low/file", 9);
    CHECK_OK(stat(page + 4096 - 9, &s));
    memcpy(page + 4096 - 8, "low/file", 8);
    CHECK_ERRNO(syscall(SYS_stat, page + 4096 - 8, &s), EFAULT);
}

static void scenario(void) {
    symlinks();
    trailingSlashes();
    dots();
    lengths();
    emptyPaths();
}

SCENARIO("path_resolution", prepare, scenario)
