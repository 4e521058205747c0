// What a guest holds when it starts: descriptors 0, 1 and 2 and nothing else, nothing of the supervisor's, no capability
// that counts on the host, no_new_privs set. Only inside has this a meaning.
#include "harness.h"
#include <dirent.h>
#include <sys/prctl.h>

static int held(char *names, size_t size) {
    int count = 0;
    names[0] = 0;
    // By asking for each number: a list in /proc is made by the one who is being examined.
    for (int fd = 0; fd < 65536; fd++) {
        if (fcntl(fd, F_GETFD) == -1) continue;
        count++;
        size_t length = strlen(names);
        snprintf(names + length, size - length, " %d", fd);
    }
    return count;
}

static void scenario(void) {
    char names[4096];
    int count = held(names, sizeof names);
    printf("  descriptors at start:%s\n", names);
    CHECK_EQ(count, 3);
    CHECK_STR(names, " 0 1 2");
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
    // As many after an exec as before, and after opening and closing everything kind there is.
    IN_CHILD({
        close(open("/", O_RDONLY));
        close(open("/proc/self/status", O_RDONLY));
        close(open("/dev/null", O_RDONLY));
        close(open("made", O_CREAT | O_RDWR, 0600));
        close(open("lower", O_RDWR));
        CHECK_EQ(held(names, sizeof names), 3);
        char program[PATH_MAX];
        snprintf(program, sizeof program, "test $(ls /proc/self/fd | wc -l) = 4");
        execl("/bin/sh", "sh", "-c", program, (char *)NULL);
        _exit(1);
    });
    // Listing agrees with asking.
    DIR *directory = opendir("/proc/self/fd");
    int listed = 0;
    while (directory && readdir(directory)) listed++;
    CHECK_EQ(listed, 2 + 3 + 1);
    if (directory) closedir(directory);
    // A setuid program gains nothing: AT_SECURE stays 0 and the effective id its own.
    CHECK(geteuid() == getuid());
    CHECK(open("/dev/mem", O_RDONLY) == -1);
    CHECK(open("/dev/kmsg", O_RDONLY) == -1);
    CHECK(open("/dev/vda", O_RDONLY) == -1);
    CHECK(open("/dev/loop0", O_RDONLY) == -1);
    CHECK(open("/proc/kcore", O_RDONLY) == -1);
    CHECK(open("/proc/sysrq-trigger", O_WRONLY) == -1);
    CHECK(open("/proc/sys/kernel/core_pattern", O_WRONLY) == -1);
    CHECK(open("/sys/kernel/uevent_helper", O_WRONLY) == -1);
    // A device node made inside is a name only; opening it never reaches a device of the host.
    if (mknod("disk", S_IFBLK | 0600, 0xfe00) == 0) CHECK(open("disk", O_RDONLY) == -1);
    if (mknod("memory", S_IFCHR | 0600, 0x101) == 0) CHECK(open("memory", O_RDONLY) == -1);
    CHECK_EQ(held(names, sizeof names), 3);
}

static void prepare(void) { writeFile("lower", "x"); }

SCENARIO_INSIDE_ONLY("escape_descriptors", prepare, scenario)
