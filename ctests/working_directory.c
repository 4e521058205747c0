// The working directory: after rename, after rmdir, through fchdir, in children; and chroot, when root.
#include "harness.h"

static void prepare(void) {
    MUST(mkdir("a", 0755));
    MUST(mkdir("a/b", 0755));
    MUST(mkdir("gone", 0755));
    writeFile("a/b/f", "x");
    MUST(mkdir("jail", 0755));
    MUST(mkdir("jail/in", 0755));
    writeFile("jail/in/f", "jailed");
    MUST(symlink("/in/f", "jail/absolute"));
    MUST(symlink("../../../../../in/f", "jail/up"));
    MUST(mkdir("no-search", 0600));
}

static bool at(const char *relative) {
    char wanted[PATH_MAX + 64], now[PATH_MAX];
    snprintf(wanted, sizeof wanted, "%s%s%s", scratch, *relative ? "/" : "", relative);
    if (!getcwd(now, sizeof now)) return false;
    if (strcmp(now, wanted)) printf("  (at %s, wanted %s)\n", now, wanted);
    return strcmp(now, wanted) == 0;
}

static void changing(void) {
    char buffer[PATH_MAX];
    CHECK(at(""));
    CHECK_OK(chdir("a/b"));
    CHECK(at("a/b"));
    CHECK_EQ(syscall(SYS_getcwd, buffer, sizeof buffer), strlen(scratch) + 5);
    CHECK_ERRNO(syscall(SYS_getcwd, buffer, strlen(scratch) + 4), ERANGE);
    CHECK_ERRNO(syscall(SYS_getcwd, (void *)8, 4096), EFAULT);
    // A rename of an ancestor shows at once, in a child too.
    CHECK_OK(rename("../../a", "../../moved"));
    CHECK(at("moved/b"));
    IN_CHILD(CHECK(at("moved/b")); CHECK_OK(chdir("..")));
    CHECK(at("moved/b"));
    CHECK(exists("f"));
    CHECK_OK(chdir(".."));
    CHECK(at("moved"));
    CHECK_OK(chdir(".."));
    CHECK_OK(rename("moved", "a"));

    CHECK_OK(chdir("gone"));
    int old = (int)CHECK_OK(open(".", O_RDONLY | O_DIRECTORY));
    CHECK_OK(rmdir("../gone"));
    CHECK_ERRNO(syscall(SYS_getcwd, buffer, sizeof buffer), ENOENT);
    CHECK_ERRNO(open("x", O_CREAT | O_WRONLY, 0600), ENOENT);
    CHECK_ERRNO(mkdir("x", 0700), ENOENT);
    struct stat s;
    CHECK_OK(stat(".", &s));
    CHECK_EQ(s.st_nlink, 0);
    // `..` of a removed directory still leads out.
    CHECK_OK(stat("../a", &s));
    CHECK_OK(chdir(".."));
    CHECK(at(""));
    CHECK_OK(fchdir(old));
    CHECK_ERRNO(syscall(SYS_getcwd, buffer, sizeof buffer), ENOENT);
    CHECK_OK(chdir(scratch));
    close(old);

    int fd = (int)CHECK_OK(open("a/b/f", O_RDONLY));
    CHECK_ERRNO(fchdir(fd), ENOTDIR);
    CHECK_ERRNO(fchdir(99), EBADF);
    close(fd);
    CHECK_ERRNO(chdir("missing"), ENOENT);
    CHECK_ERRNO(chdir("a/b/f"), ENOTDIR);
    if (!isRoot()) CHECK_ERRNO(chdir("no-search"), EACCES);
    else IN_CHILD(become(NOBODY); CHECK_ERRNO(chdir("no-search"), EACCES));
    CHECK_STR(linkTarget("/proc/self/cwd"), scratch);
}

// Deeper than PATH_MAX: there is no name for it, whatever the buffer, but it can be used and left.
static void tooDeep(void) {
    char name[201], buffer[3 * PATH_MAX];
    memset(name, 'd', 200);
    name[200] = 0;
    for (int i = 0; i < 22; i++) {
        MUST(mkdir(name, 0700));
        MUST(chdir(name));
    }
    CHECK_ERRNO(syscall(SYS_getcwd, buffer, sizeof buffer), ENAMETOOLONG);
    CHECK_ERRNO(syscall(SYS_getcwd, buffer, 10), ENAMETOOLONG);
    CHECK_ERRNO(readlink("/proc/self/cwd", buffer, sizeof buffer), ENAMETOOLONG);
    writeFile("f", "deep");
    int fd = (int)CHECK_OK(open("f", O_RDONLY));
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    CHECK_ERRNO(readlink(link, buffer, sizeof buffer), ENAMETOOLONG);
    CHECK_STR(readFile(link), "deep");
    close(fd);
    CHECK_OK(unlink("f"));
    for (int i = 0; i < 22; i++) {
        MUST(chdir(".."));
        MUST(rmdir(name));
    }
    CHECK(at(""));
}

static void jailed(void) {
    int outside = (int)CHECK_OK(open(".", O_RDONLY | O_DIRECTORY));
    int self = (int)CHECK_OK(open("/proc/self", O_RDONLY | O_DIRECTORY));
    CHECK_OK(chroot("jail"));
    char buffer[PATH_MAX];
    // Links of /proc name it as if there were no jail.
    ssize_t length = CHECK_OK(readlinkat(self, "cwd", buffer, sizeof buffer - 1));
    buffer[length < 0 ? 0 : length] = 0;
    CHECK_STR(buffer, scratch);
    // chroot leaves the working directory where it was: outside.
    CHECK(syscall(SYS_getcwd, buffer, sizeof buffer) > 0);
    CHECK(strncmp(buffer, "(unreachable)", 13) == 0);
    CHECK(exists("a/b/f"));
    CHECK_OK(chdir("/"));
    CHECK(syscall(SYS_getcwd, buffer, sizeof buffer) == 2);
    CHECK_STR(readFile("/in/f"), "jailed");
    CHECK_STR(readFile("/absolute"), "jailed");
    CHECK_STR(readFile("/up"), "jailed");
    CHECK_STR(readFile("/../../in/f"), "jailed");
    CHECK(!exists("/a"));
    CHECK_ERRNO(open("/proc/self/status", O_RDONLY), ENOENT);
    CHECK_OK(faccessat(outside, "a/b/f", F_OK, 0));
    writeFile("/in/new", "made in jail");
    IN_CHILD(CHECK_STR(readFile("/in/new"), "made in jail"));
    CHECK_ERRNO(chroot("/in/f"), ENOTDIR);
    CHECK_ERRNO(chroot("/missing"), ENOENT);
    become(NOBODY);
    CHECK_ERRNO(chroot("/in"), EPERM);
}

static void scenario(void) {
    changing();
    tooDeep();
    if (isRoot()) {
        IN_CHILD(jailed());
        CHECK_STR(readFile("jail/in/new"), "made in jail");
    } else {
        CHECK_ERRNO(chroot("jail"), EPERM);
        SKIP_PART("chroot needs root");
    }
}

SCENARIO("working_directory", prepare, scenario)
