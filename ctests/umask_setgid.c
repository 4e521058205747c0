// What a new file gets: mode through the umask, group from a setgid directory, and who loses a setgid bit.
#include "harness.h"

static void prepare(void) {
    MUST(mkdir("plain", 0755));
    MUST(mkdir("sgid", 0755));
    if (isRoot()) MUST(chown("sgid", 0, 3000));
    MUST(chmod("sgid", 02775));
}

static mode_t modeOf(const char *path) { return statOf(path).st_mode & 07777; }

static void scenario(void) {
    static const mode_t masks[] = {0, 022, 027, 077, 0777, 0111};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        umask(masks[i]);
        int fd = (int)CHECK_OK(open("plain/f", O_CREAT | O_EXCL | O_WRONLY, 0666));
        close(fd);
        CHECK_EQ(modeOf("plain/f"), 0666 & ~masks[i]);
        CHECK_OK(mkdir("plain/d", 0777));
        CHECK_EQ(modeOf("plain/d"), 0777 & ~masks[i]);
        CHECK_OK(mknod("plain/p", S_IFIFO | 0666, 0));
        CHECK_EQ(modeOf("plain/p"), 0666 & ~masks[i]);
        CHECK_OK(mknod("plain/r", S_IFREG | 0666, 0));
        CHECK_EQ(modeOf("plain/r"), 0666 & ~masks[i]);
        CHECK_OK(symlink("x", "plain/l"));
        CHECK_EQ(modeOf("plain/l"), 0777);
        CHECK_OK(chmod("plain/f", 0666));
        CHECK_EQ(modeOf("plain/f"), 0666);
        CHECK_OK(unlink("plain/f"));
        CHECK_OK(unlink("plain/p"));
        CHECK_OK(unlink("plain/r"));
        CHECK_OK(unlink("plain/l"));
        CHECK_OK(rmdir("plain/d"));
    }
    CHECK_EQ(umask(022), 0111);
    CHECK_EQ(umask(0177777), 022);
    CHECK_EQ(umask(022), 0777);

    // mkdir takes the sticky bit but neither of the set-id bits from its argument.
    CHECK_OK(mkdir("plain/s", 07777));
    CHECK_EQ(modeOf("plain/s"), 01755);

    gid_t inherited = statOf("sgid").st_gid;
    CHECK_OK(mkdir("sgid/d", 0755));
    CHECK_EQ(modeOf("sgid/d"), 02755);
    CHECK_EQ(statOf("sgid/d").st_gid, inherited);
    CHECK_OK(mkdir("sgid/d/e", 0700));
    CHECK_EQ(modeOf("sgid/d/e"), 02700);
    int fd = (int)CHECK_OK(open("sgid/f", O_CREAT | O_WRONLY, 0644));
    CHECK_EQ(fstatOf(fd).st_gid, inherited);
    CHECK_EQ(fstatOf(fd).st_mode & 07777, 0644);
    close(fd);
    CHECK_OK(symlink("x", "sgid/l"));
    CHECK_EQ(statOf("sgid/l").st_gid, inherited);
    CHECK_OK(rename("sgid/d", "plain/moved"));
    CHECK_EQ(modeOf("plain/moved"), 02755);

    if (!isRoot()) {
        SKIP_PART("losing a setgid bit to a foreign group needs root");
        return;
    }
    IN_CHILD({
        // A member of no such group must not make a setgid file in a setgid directory (CVE-2018-13405).
        CHECK_OK(chmod("sgid", 02777));
        become(NOBODY);
        int made = (int)CHECK_OK(open("sgid/bad", O_CREAT | O_EXCL | O_RDWR, 02777));
        CHECK_EQ(fstatOf(made).st_gid, inherited);
        CHECK_EQ(fstatOf(made).st_mode & S_ISGID, 0);
        // chmod by an owner outside the file's group drops the bit and says nothing.
        CHECK_OK(fchmod(made, 02755));
        CHECK_EQ(fstatOf(made).st_mode & 07777, 0755);
    });
}

SCENARIO("umask_setgid", prepare, scenario)
