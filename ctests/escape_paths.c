// Ways out of the virtual tree by name: each must fail, and fail as the documentation says. Only inside has this a meaning.
#include "harness.h"
#include <dirent.h>
#include <sys/mount.h>

// The host's own init and the runner that started us: neither is visible, for /proc shows the sandbox only.
static void hostProcesses(void) {
    char path[PATH_MAX];
    const char *runner = getenv("VEDETTE_HOST_PID");
    CHECK(runner != NULL);
    if (runner) {
        // The number may be one of our own by chance in a sandbox with process ids of its own; then it is not bash.
        snprintf(path, sizeof path, "/proc/%s/comm", runner);
        CHECK(strcmp(readFile(path), "run.sh\n") != 0);
    }
    // Everybody we can see is our own session's: a root link leads to our own root and nowhere else.
    struct stat own, s;
    CHECK_OK(stat("/", &own));
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    int foreign = 0, visible = 0;
    while (directory && (entry = readdir(directory))) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        visible++;
        snprintf(path, sizeof path, "/proc/%s/root", entry->d_name);
        if (stat(path, &s) == 0) foreign += s.st_dev != own.st_dev || s.st_ino != own.st_ino;
    }
    CHECK_EQ(foreign, 0);
    CHECK(visible >= 1 && visible < 8);
    if (directory) closedir(directory);
    for (int pid = 1; pid < 400; pid++) {
        snprintf(path, sizeof path, "/proc/%d/root/proc/1/root/.", pid);
        if (stat(path, &s) == 0) CHECK(s.st_ino == own.st_ino && s.st_dev == own.st_dev);
    }
}

static void magicLinks(void) {
    char path[PATH_MAX];
    struct stat own, s;
    CHECK_OK(stat("/", &own));
    CHECK_OK(stat("/proc/self/root", &s));
    CHECK_EQ(s.st_ino, own.st_ino);
    CHECK_OK(stat("/proc/self/root/..", &s));
    CHECK_EQ(s.st_ino, own.st_ino);
    // From every directory that a descriptor can name, `..` ends at our root.
    static const char *const from[] = {"/", "/proc", "/dev", "/proc/self", "/proc/self/fd", "/tmp", "/dev/pts", "/dev/shm", "."};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        int fd = open(from[i], O_RDONLY | O_DIRECTORY);
        if (fd < 0) continue;
        CHECK_OK(fstatat(fd, "../../../../../../../../../../../../../../..", &s, 0));
        CHECK_EQ(s.st_ino, own.st_ino);
        CHECK_EQ(s.st_dev, own.st_dev);
        // The descriptor that stands in for a directory is an empty one: not even the kernel's own view must show more.
        snprintf(path, sizeof path, "/proc/self/fd/%d/../../../../../../..", fd);
        CHECK_OK(stat(path, &s));
        CHECK_EQ(s.st_ino, own.st_ino);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const char *name = linkTarget(path);
        char real[PATH_MAX];
        CHECK(name && realpath(from[i], real) && strcmp(name, real) == 0);
        close(fd);
    }
    // /proc/self/map_files and /proc/self/exe open what the virtual tree has.
    struct stat exe, named;
    CHECK_OK(stat("/proc/self/exe", &exe));
    CHECK_OK(stat(selfPath, &named));
    CHECK_EQ(exe.st_ino, named.st_ino);
    CHECK_EQ(exe.st_dev, named.st_dev);
    int fd = (int)CHECK_OK(open("/proc/self/exe", O_RDONLY));
    CHECK_EQ(fstatOf(fd).st_ino, named.st_ino);
    close(fd);
    CHECK(open("/proc/self/mem", O_RDWR) == -1 || !"writing to /proc/self/mem could go round the page protections");
}

// A lower file must not be writable through any descriptor that the guest can get of it.
static void lowerDescriptors(void) {
    char path[64];
    int fd = (int)CHECK_OK(open("lower", O_RDONLY));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int write_ = open(path, O_RDWR);
    if (write_ >= 0) CHECK_EQ(write(write_, "UPPER", 5), 5);  // allowed: it is a copy-up, and run.sh compares the host
    CHECK_ERRNO(fchdir(fd), ENOTDIR);
    CHECK_OK(fchmod(fd, 0600));
    CHECK_OK(fchown(fd, geteuid(), getegid()));
    struct timespec times[2] = {{1, 0}, {2, 0}};
    CHECK_OK(futimens(fd, times));
    CHECK_EQ(fstatOf(fd).st_mode & 07777, 0600);
    CHECK(syscall(SYS_ioctl, fd, 0x40086602ul /* FS_IOC_SETFLAGS */, &(long){0x10}) == -1);
    CHECK(fallocate(fd, 0, 0, 1 << 20) == -1);
    close(fd);
}

static void prepare(void) { writeFile("lower", "lower"); }

static void symlinksOut(void) {
    struct stat own, s;
    CHECK_OK(stat("/", &own));
    CHECK_OK(symlink("/proc/1/root", "out"));
    if (stat("out", &s) == 0) CHECK(s.st_ino == own.st_ino && s.st_dev == own.st_dev);
    CHECK_OK(symlink("../../../../../../../../../../../../../../../..", "up"));
    CHECK_OK(stat("up", &s));
    CHECK_EQ(s.st_ino, own.st_ino);
    // A write through an absolute symlink changes the virtual file; the runner's manifest shows the host untouched.
    char target[PATH_MAX + 16];
    snprintf(target, sizeof target, "%s/lower", scratch);
    CHECK_OK(symlink(target, "absolute"));
    writeFile("absolute", "through a link");
    CHECK_STR(readFile("lower"), "through a link");
    CHECK(mount("none", ".", "tmpfs", 0, NULL) == -1);
}

static void scenario(void) {
    hostProcesses();
    magicLinks();
    lowerDescriptors();
    symlinksOut();
}

SCENARIO_INSIDE_ONLY("escape_paths", prepare, scenario)
