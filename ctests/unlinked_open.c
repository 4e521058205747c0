// A file or directory without a name lives as long as somebody holds it: lower, changed, new, across fork and dup.
#include "harness.h"
#include <sys/xattr.h>

static void prepare(void) {
    writeFile("lower", "lower bytes");
    writeFile("changed", "before");
    writeFile("written-after", "before");
    MUST(mkdir("dir", 0755));
    writeFile("replaced", "old");
}

static void readsAs(int fd, const char *text) {
    char buffer[64] = "";
    CHECK_EQ(pread(fd, buffer, sizeof buffer - 1, 0), strlen(text));
    CHECK_STR(buffer, text);
}

static void scenario(void) {
    int lower = (int)CHECK_OK(open("lower", O_RDONLY));
    CHECK_OK(unlink("lower"));
    CHECK_EQ(fstatOf(lower).st_nlink, 0);
    readsAs(lower, "lower bytes");
    CHECK_OK(fchmod(lower, 0600));
    CHECK_EQ(fstatOf(lower).st_mode & 07777, 0600);
    readsAs(lower, "lower bytes");
    CHECK(!exists("lower"));

    // Change first, then remove: the reader from before must see the change and outlive the name.
    int reader = (int)CHECK_OK(open("changed", O_RDONLY)), writer = (int)CHECK_OK(open("changed", O_RDWR));
    CHECK_EQ(pwrite(writer, "AFTER!", 6, 0), 6);
    CHECK_OK(unlink("changed"));
    readsAs(reader, "AFTER!");
    CHECK_EQ(fstatOf(reader).st_ino, fstatOf(writer).st_ino);
    close(writer);
    readsAs(reader, "AFTER!");

    // Remove first, then write through a descriptor opened for writing before.
    reader = (int)CHECK_OK(open("written-after", O_RDONLY));
    writer = (int)CHECK_OK(open("written-after", O_RDWR));
    CHECK_OK(unlink("written-after"));
    CHECK_EQ(pwrite(writer, "later!", 6, 0), 6);
    readsAs(reader, "later!");
    CHECK_OK(ftruncate(writer, 3));
    CHECK_EQ(fstatOf(reader).st_size, 3);
    // A magic link still reaches it, and says that it is gone.
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", writer);
    const char *target = linkTarget(path);
    CHECK(target && strstr(target, "written-after (deleted)"));
    int again = (int)CHECK_OK(open(path, O_RDONLY));
    readsAs(again, "lat");
    close(again);
    CHECK_ERRNO(linkat(AT_FDCWD, path, AT_FDCWD, "back", AT_SYMLINK_FOLLOW), ENOENT);

    // A child keeps it when the parent lets go.
    int ends[2];
    MUST(pipe(ends));
    pid_t child = fork();
    if (child == 0) {
        char go;
        close(ends[1]);
        CHECK_EQ(read(ends[0], &go, 1), 0);
        readsAs(lower, "lower bytes");
        _exit(0);
    }
    close(lower);
    close(ends[0]);
    close(ends[1]);
    CHECK_EXITS_OK(child);

    int held = (int)CHECK_OK(open("replaced", O_RDONLY));
    writeFile("new", "new");
    CHECK_OK(rename("new", "replaced"));
    readsAs(held, "old");
    CHECK_EQ(fstatOf(held).st_nlink, 0);
    CHECK(fstatOf(held).st_ino != statOf("replaced").st_ino);

    int directory = (int)CHECK_OK(open("dir", O_RDONLY | O_DIRECTORY));
    CHECK_OK(rmdir("dir"));
    CHECK_EQ(fstatOf(directory).st_nlink, 0);
    CHECK_ERRNO(mkdirat(directory, "x", 0700), ENOENT);
    CHECK_ERRNO(symlinkat("x", directory, "y"), ENOENT);
    CHECK_ERRNO(renameat(AT_FDCWD, "replaced", directory, "y"), ENOENT);
    struct stat s;
    CHECK_OK(fstatat(directory, ".", &s, 0));
    CHECK_EQ(s.st_ino, fstatOf(directory).st_ino);
    CHECK_OK(fchmod(directory, 0705));
    CHECK_EQ(fstatOf(directory).st_mode & 07777, 0705);
    CHECK_EQ(fstatOf(directory).st_nlink, 0);
    CHECK_OK(mkdir("dir", 0700));
    CHECK(statOf("dir").st_ino != s.st_ino);
    if (fsetxattr(directory, "user.late", "value", 5, 0) == 0) {
        char value[8] = "";
        CHECK_EQ(fgetxattr(directory, "user.late", value, sizeof value), 5);
        CHECK_OK(fremovexattr(directory, "user.late"));
    } else {
        CHECK_EQ(errno, EOPNOTSUPP);
    }
    CHECK_OK(futimens(directory, (struct timespec[]){{5, 6}, {7, 8}}));
    CHECK_EQ(fstatOf(directory).st_mtim.tv_sec, 7);
    CHECK_EQ(statOf("dir").st_mode & 07777, 0700);
    CHECK_ERRNO(openat(directory, "z", O_CREAT | O_RDWR, 0600), ENOENT);
}

SCENARIO("unlinked_open", prepare, scenario)
