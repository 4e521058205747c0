// Access times as a relatime mount keeps them (`man 8 mount`): a read moves the access time if it is not later than the
// change or modification time, or a day old; O_NOATIME and another read soon after do not.
#include "harness.h"
#include <dirent.h>
#include <sys/statvfs.h>

static void prepare(void) {
    writeFile("lower", "content");
    writeFile("quiet", "content");
    MUST(mkdir("dir", 0755));
    writeFile("dir/f", "");
    MUST(symlink("lower", "link"));
    struct timespec old[2] = {{1000000000, 5}, {1100000000, 6}};
    const char *const names[] = {"lower", "quiet", "dir", "link"};
    for (int i = 0; i < 4; i++) MUST(utimensat(AT_FDCWD, names[i], old, AT_SYMLINK_NOFOLLOW));
}

static bool isNow(struct timespec t) { return llabs((long long)t.tv_sec - (long long)time(NULL)) <= 5; }
static bool same(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

static void readOnce(const char *path, int flags) {
    char byte;
    int fd = (int)CHECK_OK(open(path, O_RDONLY | flags));
    CHECK_EQ(read(fd, &byte, 1), 1);
    close(fd);
}

static void reads(const char *path) {
    struct stat before = statOf(path);
    readOnce(path, O_NOATIME);
    CHECK_LABEL("no-access-time", same(statOf(path).st_atim, before.st_atim));
    readOnce(path, 0);
    CHECK(isNow(statOf(path).st_atim));
    CHECK(same(statOf(path).st_mtim, before.st_mtim));
    // Later than the change time now: the next read does not move it.
    struct stat after = statOf(path);
    sleepMilliseconds(20);
    readOnce(path, 0);
    CHECK(same(statOf(path).st_atim, after.st_atim));
}

static void scenario(void) {
    struct statvfs v;
    CHECK_OK(statvfs(".", &v));
    if (v.f_flag & ST_NOATIME || !(v.f_flag & ST_RELATIME)) SKIP_ALL("this file system is not mounted relatime");
    struct stat s = statOf("lower");
    CHECK_EQ(s.st_atim.tv_sec, 1000000000);
    CHECK_EQ(s.st_atim.tv_nsec, 5);
    // Opening is not reading.
    close((int)CHECK_OK(open("lower", O_RDONLY)));
    CHECK_EQ(statOf("lower").st_atim.tv_sec, 1000000000);
    char target[16];
    CHECK_OK(readlink("link", target, sizeof target));
    CHECK(isNow(statOf("link").st_atim));
    CHECK_EQ(statOf("link").st_mtim.tv_sec, 1100000000);
    DIR *directory = opendir("dir");
    CHECK(directory != NULL);
    while (directory && readdir(directory)) {}
    if (directory) closedir(directory);
    CHECK(isNow(statOf("dir").st_atim));
    CHECK_EQ(statOf("dir").st_mtim.tv_sec, 1100000000);
    readOnce("lower", 0);
    CHECK_LABEL("lower-read", isNow(statOf("lower").st_atim));
    CHECK_EQ(statOf("lower").st_mtim.tv_sec, 1100000000);
    // What was born in this run.
    writeFile("new", "content");
    struct timespec old[2] = {{1000000000, 5}, {1100000000, 6}};
    CHECK_OK(utimensat(AT_FDCWD, "new", old, 0));
    reads("new");
}

SCENARIO("relatime", prepare, scenario)
