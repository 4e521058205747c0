// One st_dev for the tree; st_ino of a lower file and directory the same before and after every kind of copy-up and
// rename; st_nlink of directories counts their subdirectories.
#include "harness.h"

static const char *const names[] = {"write", "truncate", "chmod", "utimens", "link", "rename", "open-trunc", "fchmod"};
#define COUNT (int)(sizeof names / sizeof *names)

static void prepare(void) {
    MUST(mkdir("d", 0755));
    MUST(mkdir("d/s1", 0755));
    MUST(mkdir("d/s2", 0755));
    for (int i = 0; i < COUNT; i++) {
        char path[64];
        snprintf(path, sizeof path, "d/%s", names[i]);
        writeFile(path, "bytes");
    }
    MUST(symlink("write", "d/symlink"));
    MUST(mkfifo("d/fifo", 0600));
}

static void change(int i, const char *path) {
    struct timespec times[2] = {{1, 0}, {2, 0}};
    int fd;
    switch (i) {
        case 0:
            fd = (int)CHECK_OK(open(path, O_WRONLY));
            CHECK_EQ(write(fd, "x", 1), 1);
            close(fd);
            break;
        case 1:
            CHECK_OK(truncate(path, 2));
            break;
        case 2:
            CHECK_OK(chmod(path, 0600));
            break;
        case 3:
            CHECK_OK(utimensat(AT_FDCWD, path, times, 0));
            break;
        case 4:
            CHECK_OK(link(path, "d/linked"));
            break;
        case 5:
            CHECK_OK(rename(path, "d/renamed"));
            CHECK_OK(rename("d/renamed", path));
            break;
        case 6:
            fd = (int)CHECK_OK(open(path, O_WRONLY | O_TRUNC));
            close(fd);
            break;
        case 7:
            fd = (int)CHECK_OK(open(path, O_RDWR));
            CHECK_OK(fchmod(fd, 0640));
            close(fd);
            break;
    }
}

static void scenario(void) {
    struct stat d = statOf("d");
    CHECK_EQ(d.st_nlink, 4);
    for (int i = 0; i < COUNT; i++) {
        char path[64];
        snprintf(path, sizeof path, "d/%s", names[i]);
        int held = (int)CHECK_OK(open(path, O_RDONLY));
        struct stat before = statOf(path), after;
        CHECK_EQ(before.st_dev, d.st_dev);
        change(i, path);
        after = statOf(path);
        CHECK_EQ(after.st_ino, before.st_ino);
        CHECK_EQ(after.st_dev, before.st_dev);
        CHECK_EQ(fstatOf(held).st_ino, before.st_ino);
        CHECK_EQ(fstatOf(held).st_dev, before.st_dev);
        CHECK_EQ(fstatOf(held).st_size, after.st_size);
        CHECK_EQ(fstatOf(held).st_mode, after.st_mode);
        close(held);
    }
    CHECK_EQ(statOf("d").st_ino, d.st_ino);

    struct stat link = statOf("d/symlink"), fifo = statOf("d/fifo"), s1 = statOf("d/s1");
    CHECK_OK(rename("d/symlink", "link"));
    CHECK_EQ(statOf("link").st_ino, link.st_ino);
    CHECK_OK(chmod("d/fifo", 0644));
    CHECK_EQ(statOf("d/fifo").st_ino, fifo.st_ino);
    CHECK_OK(chmod("d/s1", 0700));
    CHECK_EQ(statOf("d/s1").st_ino, s1.st_ino);
    CHECK_OK(rename("d/s1", "s1"));
    CHECK_EQ(statOf("s1").st_ino, s1.st_ino);
    CHECK_EQ(statOf("d").st_nlink, 3);
    CHECK_OK(mkdir("d/s3", 0700));
    CHECK_EQ(statOf("d").st_nlink, 4);
    CHECK_EQ(statOf("d/s3").st_dev, d.st_dev);
    CHECK_OK(rmdir("d/s2"));
    CHECK_OK(rmdir("d/s3"));
    CHECK_EQ(statOf("d").st_nlink, 2);

    // No two live files share a number, whichever layer they come from.
    ino_t all[64];
    int count = 0;
    for (int i = 0; i < 40; i++) {
        char path[64];
        snprintf(path, sizeof path, "new-%d", i);
        writeFile(path, "");
        all[count++] = statOf(path).st_ino;
    }
    for (int i = 0; i < COUNT; i++) {
        char path[64];
        snprintf(path, sizeof path, "d/%s", names[i]);
        all[count++] = statOf(path).st_ino;
    }
    int equal = 0;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++) equal += all[i] == all[j];
    CHECK_EQ(equal, 0);
}

SCENARIO("inode_identity", prepare, scenario)
