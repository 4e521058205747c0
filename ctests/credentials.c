// User and group ids: real, effective, saved and file-system ids, supplementary groups, capabilities, over fork and exec.
#include "harness.h"
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

static void ids(uid_t r, uid_t e, uid_t s) {
    uid_t real, effective, saved;
    CHECK_OK(getresuid(&real, &effective, &saved));
    CHECK_EQ(real, r);
    CHECK_EQ(effective, e);
    CHECK_EQ(saved, s);
    CHECK_EQ(getuid(), r);
    CHECK_EQ(geteuid(), e);
}

static void capabilities(uint64_t *effective, uint64_t *permitted) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    CHECK_OK(syscall(SYS_capget, &header, data));
    *effective = data[0].effective | (uint64_t)data[1].effective << 32;
    *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static const char *statusLine(const char *key) {
    static char line[256];
    const char *at = strstr(readFile("/proc/self/status"), key);
    if (!at) return "(missing)";
    size_t length = strcspn(at, "\n");
    snprintf(line, sizeof line, "%.*s", (int)length, at);
    return line;
}

static void anyUser(void) {
    uid_t uid = getuid();
    gid_t gid = getgid();
    char wanted[128];
    ids(uid, uid, uid);
    snprintf(wanted, sizeof wanted, "Uid:\t%u\t%u\t%u\t%u", uid, uid, uid, uid);
    CHECK_STR(statusLine("Uid:"), wanted);
    snprintf(wanted, sizeof wanted, "Gid:\t%u\t%u\t%u\t%u", gid, gid, gid, gid);
    CHECK_STR(statusLine("Gid:"), wanted);
    CHECK_OK(setuid(uid));
    CHECK_OK(setresuid(-1, -1, -1));
    CHECK_EQ(setfsuid(-1), uid);
    CHECK_ERRNO(syscall(SYS_getgroups, -1, NULL), EINVAL);
    CHECK_OK(getgroups(0, NULL));
    struct __user_cap_header_struct bad = {0x12345678, 0};
    struct __user_cap_data_struct data[2];
    CHECK_ERRNO(syscall(SYS_capget, &bad, data), EINVAL);
    CHECK_EQ(bad.version, _LINUX_CAPABILITY_VERSION_3);
    CHECK_ERRNO(prctl(PR_CAPBSET_READ, 200), EINVAL);
}

static void ordinary(void) {
    uint64_t effective, permitted;
    capabilities(&effective, &permitted);
    CHECK_EQ(effective, 0);
    CHECK_EQ(permitted, 0);
    CHECK_ERRNO(setuid(0), EPERM);
    CHECK_ERRNO(setgid(0), EPERM);
    CHECK_ERRNO(setresuid(0, -1, -1), EPERM);
    CHECK_ERRNO(setreuid(-1, 0), EPERM);
    CHECK_ERRNO(setgroups(0, NULL), EPERM);
    CHECK_EQ(setfsuid(0), geteuid());
    CHECK_EQ(setfsuid(-1), geteuid());
}

static void root(void) {
    uint64_t effective, permitted;
    capabilities(&effective, &permitted);
    CHECK(effective & 1 << CAP_DAC_OVERRIDE);
    CHECK(effective & 1 << CAP_CHOWN);
    IN_CHILD({
        // Down and up again by the saved id; the capabilities go and come with the effective one.
        CHECK_OK(seteuid(1000));
        ids(0, 1000, 0);
        capabilities(&effective, &permitted);
        CHECK_EQ(effective, 0);
        CHECK(permitted != 0);
        CHECK_ERRNO(chown("mine", 1, 1), EPERM);
        int fd = (int)CHECK_OK(open("open/by-1000", O_CREAT | O_WRONLY, 0600));
        CHECK_EQ(fstatOf(fd).st_uid, 1000);
        CHECK_OK(seteuid(0));
        ids(0, 0, 0);
        CHECK_OK(chown("mine", 0, 0));
        CHECK_OK(setreuid(1000, 2000));
        ids(1000, 2000, 2000);
        CHECK_OK(setresuid(2000, 1000, -1));
        ids(2000, 1000, 2000);
        CHECK_ERRNO(setuid(0), EPERM);
        CHECK_OK(setuid(2000));
        ids(2000, 2000, 2000);
        CHECK_ERRNO(seteuid(1000), EPERM);
    });
    IN_CHILD({
        CHECK_OK(setresgid(1000, 1000, 1000));
        CHECK_OK(setuid(1000));
        ids(1000, 1000, 1000);
        ordinary();
        IN_CHILD(ids(1000, 1000, 1000); CHECK_ERRNO(setuid(0), EPERM));
        execl("/bin/sh", "sh", "-c", "test $(id -u) = 1000 && test $(id -ru) = 1000", (char *)NULL);
        _exit(1);
    });
    IN_CHILD({
        // fsuid alone decides about files.
        CHECK_EQ(setfsuid(1000), 0);
        CHECK_EQ(setfsuid(-1), 1000);
        CHECK_EQ(geteuid(), 0);
        CHECK_ERRNO(open("mine", O_RDONLY), EACCES);
        int fd = (int)CHECK_OK(open("open/fs", O_CREAT | O_WRONLY, 0600));
        CHECK_EQ(fstatOf(fd).st_uid, 1000);
        setfsuid(0);
        CHECK_OK(open("mine", O_RDONLY));
    });
    IN_CHILD({
        gid_t groups[3] = {5, 6, 7}, got[8];
        CHECK_OK(setgroups(3, groups));
        CHECK_EQ(getgroups(8, got), 3);
        CHECK_EQ(got[2], 7);
        CHECK_ERRNO(getgroups(2, got), EINVAL);
        CHECK_STR(statusLine("Groups:"), "Groups:\t5 6 7 ");
        CHECK_OK(setresgid(10, 11, 12));
        gid_t r;
        gid_t e;
        gid_t s;
        CHECK_OK(getresgid(&r, &e, &s));
        CHECK_EQ(r * 10000 + e * 100 + s, 101112);
        CHECK_OK(setegid(12));
        CHECK_EQ(getegid(), 12);
        int fd = (int)CHECK_OK(open("open/g", O_CREAT | O_WRONLY, 0600));
        CHECK_EQ(fstatOf(fd).st_gid, 12);
        IN_CHILD(CHECK_EQ(getgroups(8, got), 3); CHECK_EQ(getegid(), 12));
        CHECK_ERRNO(setgroups(70000, got), EINVAL);
    });
    IN_CHILD({
        // Keeping capabilities over setuid is asked for, and the effective ones go all the same.
        CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
        CHECK_OK(setresuid(1000, 1000, 1000));
        capabilities(&effective, &permitted);
        CHECK_EQ(effective, 0);
        CHECK(permitted & 1 << CAP_DAC_OVERRIDE);
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2] = {{1 << CAP_DAC_OVERRIDE, 1 << CAP_DAC_OVERRIDE, 0}, {0, 0, 0}};
        CHECK_OK(syscall(SYS_capset, &header, data));
        CHECK_OK(open("mine", O_RDONLY));
        data[0].permitted = 1 << CAP_CHOWN;
        CHECK_ERRNO(syscall(SYS_capset, &header, data), EPERM);
    });
}

static void prepare(void) {
    writeFile("mine", "x");
    MUST(chmod("mine", 0600));
    MUST(mkdir("open", 0777));
    MUST(chmod("open", 0777));
}

static void scenario(void) {
    IN_CHILD(anyUser());
    if (isRoot()) {
        root();
    } else {
        SKIP_PART("changing ids needs root; what is refused is checked");
        ordinary();
    }
}

SCENARIO("credentials", prepare, scenario)
