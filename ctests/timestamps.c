// Times: utimensat with NOW and OMIT, nanoseconds, symlinks, and which call moves which time.
#include "harness.h"

static void prepare(void) {
    writeFile("file", "0123456789");
    writeFile("exact", "x");
    MUST(mkdir("dir", 0755));
    writeFile("dir/f", "x");
    MUST(symlink("file", "link"));
    struct timespec old[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    MUST(utimensat(AT_FDCWD, "file", old, 0));
    MUST(utimensat(AT_FDCWD, "exact", old, 0));
    MUST(utimensat(AT_FDCWD, "link", old, AT_SYMLINK_NOFOLLOW));
    MUST(utimensat(AT_FDCWD, "dir", old, 0));
}

static bool same(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }
static bool later(struct timespec a, struct timespec b) { return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec); }

// The kernel's clock for file times ticks every few milliseconds.
static void tick(void) { sleepMilliseconds(12); }

static void explicitTimes(void) {
    struct stat s = statOf("file");
    CHECK_EQ(s.st_atim.tv_nsec, 123456789);
    CHECK_EQ(s.st_mtim.tv_nsec, 987654321);
    struct stat before = s;
    tick();
    struct timespec omitAccess[2] = {{0, UTIME_OMIT}, {1200000000, 1}};
    CHECK_OK(utimensat(AT_FDCWD, "file", omitAccess, 0));
    s = statOf("file");
    CHECK(same(s.st_atim, before.st_atim));
    CHECK_EQ(s.st_mtim.tv_sec, 1200000000);
    CHECK_EQ(s.st_mtim.tv_nsec, 1);
    CHECK(later(s.st_ctim, before.st_ctim));
    before = s;
    tick();
    struct timespec both[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    CHECK_OK(utimensat(AT_FDCWD, "file", both, 0));
    s = statOf("file");
    CHECK(same(s.st_ctim, before.st_ctim));
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
    CHECK_OK(utimensat(AT_FDCWD, "file", now, 0));
    s = statOf("file");
    CHECK(llabs((long long)s.st_atim.tv_sec - (long long)time(NULL)) <= 2);
    CHECK(same(s.st_mtim, before.st_mtim));
    struct timespec early[2] = {{0, 0}, {-1, 999999999}};
    CHECK_OK(utimensat(AT_FDCWD, "file", early, 0));
    s = statOf("file");
    CHECK_EQ(s.st_mtim.tv_sec, -1);
    CHECK_EQ(s.st_mtim.tv_nsec, 999999999);
    CHECK_EQ(s.st_atim.tv_sec, 0);
    struct timespec chosen[2] = {{5, 6}, {7, 8}};
    struct stat target = statOf("file");
    CHECK_EQ(statOf("link").st_mtim.tv_sec, 1100000000);
    CHECK_OK(utimensat(AT_FDCWD, "link", chosen, AT_SYMLINK_NOFOLLOW));
    CHECK_EQ(statOf("link").st_mtim.tv_sec, 7);
    CHECK(same(statOf("file").st_mtim, target.st_mtim));
    int fd = (int)CHECK_OK(open("file", O_RDONLY));
    CHECK_OK(futimens(fd, chosen));
    CHECK_EQ(fstatOf(fd).st_atim.tv_nsec, 6);
    CHECK_EQ(statOf("file").st_mtim.tv_nsec, 8);
    close(fd);
}

static void impliedTimes(void) {
    // A change of attributes moves ctime and nothing else, though it copies the file up.
    struct stat before = statOf("exact");
    tick();
    CHECK_OK(chmod("exact", 0600));
    struct stat s = statOf("exact");
    CHECK(same(s.st_mtim, before.st_mtim));
    CHECK(later(s.st_ctim, before.st_ctim));
    before = s;
    tick();
    CHECK_OK(link("exact", "exact2"));
    s = statOf("exact");
    CHECK(later(s.st_ctim, before.st_ctim));
    CHECK(same(s.st_mtim, before.st_mtim));
    before = s;
    tick();
    CHECK_OK(rename("exact2", "exact3"));
    CHECK(later(statOf("exact").st_ctim, before.st_ctim));
    before = statOf("exact");
    tick();
    int fd = (int)CHECK_OK(open("exact", O_RDWR));
    CHECK(same(fstatOf(fd).st_mtim, before.st_mtim));
    CHECK_EQ(write(fd, "y", 1), 1);
    s = fstatOf(fd);
    CHECK(later(s.st_mtim, before.st_mtim));
    CHECK(later(s.st_ctim, before.st_ctim));
    close(fd);
    CHECK(same(statOf("exact").st_mtim, s.st_mtim));
    before = statOf("exact");
    tick();
    CHECK_OK(truncate("exact", 1));
    // truncate to the same size still counts as a change (POSIX), ftruncate on Linux too.
    CHECK(later(statOf("exact").st_ctim, before.st_ctim));

    struct stat parent = statOf("dir");
    CHECK_EQ(parent.st_mtim.tv_sec, 1100000000);
    tick();
    CHECK_OK(mkdir("dir/sub", 0755));
    CHECK(later(statOf("dir").st_mtim, parent.st_mtim));
    parent = statOf("dir");
    tick();
    CHECK_OK(chmod("dir/f", 0600));
    CHECK(same(statOf("dir").st_mtim, parent.st_mtim));
    CHECK(same(statOf("dir").st_ctim, parent.st_ctim));
    CHECK_OK(unlink("dir/f"));
    CHECK(later(statOf("dir").st_mtim, parent.st_mtim));
    parent = statOf("dir");
    tick();
    CHECK_OK(rename("dir/sub", "moved"));
    CHECK(later(statOf("dir").st_mtim, parent.st_mtim));
    parent = statOf("dir");
    tick();
    CHECK_ERRNO(mkdir("dir", 0755), EEXIST);
    CHECK_ERRNO(rmdir("dir/missing"), ENOENT);
    CHECK(same(statOf("dir").st_mtim, parent.st_mtim));
}

static void scenario(void) {
    explicitTimes();
    impliedTimes();
}

SCENARIO("timestamps", prepare, scenario)
