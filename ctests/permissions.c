// Permission checks with the guest's credentials: owner before group before other, search and write on directories,
// who may chmod, chown, utimes; what root may do and an ordinary user may not. Root forks children of other users.
#include "harness.h"

static void prepare(void) {
    MUST(mkdir("closed", 0755));
    writeFile("closed/in", "secret");
    MUST(chmod("closed", 0600));
    MUST(mkdir("nowrite", 0755));
    writeFile("nowrite/f", "x");
    MUST(chmod("nowrite", 0555));
    writeFile("none", "x");
    MUST(chmod("none", 0000));
    writeFile("owner-none", "x");
    MUST(chmod("owner-none", 0077));
    MUST(mkdir("mine", 0755));
    writeFile("mine/f", "x");
    MUST(mkdir("sticky", 0777));
    MUST(chmod("sticky", 01777));
    writeFile("sticky/theirs", "x");
    MUST(chmod("sticky/theirs", 0666));
    writeFile("group", "x");
    MUST(chmod("group", 0640));
    writeFile("noexec", "#!/bin/sh\n");
    writeFile("setid-read", "content");
    writeFile("setid-write", "content");
    writeFile("setid-truncate", "content");
    writeFile("setid-nobody", "content");
    writeFile("setid-open", "content");
    if (isRoot()) {
        MUST(chown("mine", 1000, 1000));
        MUST(chown("mine/f", 1000, 1000));
        MUST(chown("group", 0, 2000));
        MUST(chown("owner-none", 1000, 1000));
    }
}

// What holds for any user that is neither privileged nor concerned by group or other bits.
static void ownerWithoutPrivilege(const char *own) {
    char path[64];
    struct stat s;
    snprintf(path, sizeof path, "%s/mode", own);
    int fd = (int)CHECK_OK(open(path, O_CREAT | O_RDWR, 0600));
    close(fd);
    CHECK_OK(chmod(path, 0000));
    CHECK_ERRNO(open(path, O_RDONLY), EACCES);
    CHECK_ERRNO(open(path, O_WRONLY | O_TRUNC), EACCES);
    CHECK_ERRNO(access(path, R_OK), EACCES);
    CHECK_OK(access(path, F_OK));
    CHECK_OK(stat(path, &s));
    // The owner's bits decide for the owner, even where the group's or other's would grant more.
    CHECK_OK(chmod(path, 0077));
    CHECK_ERRNO(open(path, O_RDONLY), EACCES);
    CHECK_OK(chmod(path, 0200));
    CHECK_OK(truncate(path, 4));
    CHECK_ERRNO(open(path, O_RDWR), EACCES);
    CHECK_ERRNO(chown(path, 0, -1), EPERM);
    CHECK_ERRNO(chown(path, -1, 1), EPERM);
    CHECK_OK(chown(path, -1, -1));
    CHECK_OK(chown(path, geteuid(), getegid()));
    char directory[64], inner[80];
    snprintf(directory, sizeof directory, "%s/d", own);
    snprintf(inner, sizeof inner, "%s/x", directory);
    CHECK_OK(mkdir(directory, 0700));
    CHECK_OK(mkdir(inner, 0700));
    CHECK_OK(chmod(directory, 0500));
    CHECK_ERRNO(rmdir(inner), EACCES);
    CHECK_ERRNO(rename(inner, path), EACCES);
    CHECK_ERRNO(mkdir(inner, 0700), EEXIST);
    CHECK_OK(chmod(directory, 0600));
    CHECK_ERRNO(stat(inner, &s), EACCES);
    CHECK_ERRNO(chdir(directory), EACCES);
    fd = (int)CHECK_OK(open(directory, O_RDONLY));
    CHECK_ERRNO(openat(fd, "x", O_RDONLY), EACCES);
    close(fd);
    CHECK_OK(chmod(directory, 0300));
    CHECK_ERRNO(open(directory, O_RDONLY), EACCES);
    CHECK_OK(rmdir(inner));
    CHECK_OK(rmdir(directory));
    CHECK_ERRNO(chroot("."), EPERM);
}

static void stranger(void) {
    struct stat s;
    become(NOBODY);
    CHECK_ERRNO(stat("closed/in", &s), EACCES);
    CHECK_ERRNO(open("closed", O_RDONLY), EACCES);
    CHECK_ERRNO(open("closed/missing", O_CREAT | O_RDWR, 0600), EACCES);
    CHECK_OK(stat("closed", &s));
    CHECK_ERRNO(open("none", O_RDONLY), EACCES);
    CHECK_OK(open("owner-none", O_RDWR));
    CHECK_ERRNO(chmod("owner-none", 0777), EPERM);
    CHECK_ERRNO(unlink("nowrite/f"), EACCES);
    CHECK_ERRNO(unlink("nowrite/missing"), ENOENT);
    CHECK_ERRNO(unlink("sticky/theirs"), EPERM);
    CHECK_ERRNO(rename("sticky/theirs", "sticky/ours"), EPERM);
    int fd = (int)CHECK_OK(open("sticky/own", O_CREAT | O_RDWR, 0600));
    CHECK_EQ(fstatOf(fd).st_uid, NOBODY);
    CHECK_EQ(fstatOf(fd).st_gid, NOBODY);
    CHECK_ERRNO(rename("sticky/own", "sticky/theirs"), EPERM);
    CHECK_OK(rename("sticky/own", "sticky/own2"));
    CHECK_OK(unlink("sticky/own2"));
    CHECK_ERRNO(open("group", O_RDONLY), EACCES);
    CHECK_ERRNO(mkdir("here", 0700), EACCES);
    // A write bit lets anyone set the times to now; only the owner may choose them.
    CHECK_OK(utimensat(AT_FDCWD, "sticky/theirs", NULL, 0));
    struct timespec chosen[2] = {{1, 0}, {1, 0}};
    CHECK_ERRNO(utimensat(AT_FDCWD, "sticky/theirs", chosen, 0), EPERM);
    CHECK_ERRNO(utimensat(AT_FDCWD, "noexec", NULL, 0), EACCES);
    CHECK_ERRNO(mknod("sticky/dev", S_IFCHR | 0600, 0x103), EPERM);
    CHECK_OK(mknod("sticky/pipe", S_IFIFO | 0600, 0));
}

static void group(void) {
    gid_t member = 2000;
    CHECK_OK(setgroups(1, &member));
    CHECK_OK(setresgid(NOBODY, NOBODY, NOBODY));
    CHECK_OK(setresuid(NOBODY, NOBODY, NOBODY));
    CHECK_OK(open("group", O_RDONLY));
    CHECK_ERRNO(open("group", O_WRONLY), EACCES);
}

static void owner(void) {
    become(1000);
    CHECK_ERRNO(open("owner-none", O_RDONLY), EACCES);
    CHECK_OK(open("mine/f", O_RDWR));
    ownerWithoutPrivilege("mine");
}

static void setidBits(void) {
    CHECK_OK(chmod("mine/f", 06755));
    CHECK_EQ(statOf("mine/f").st_mode & 07777, 06755);
    // Anyone's chown clears both bits, root's too (man 2 chown).
    CHECK_OK(chown("mine/f", 1001, 1001));
    CHECK_EQ(statOf("mine/f").st_mode & 07777, 0755);
    CHECK_OK(chmod("mine/f", 06755));
    CHECK_OK(chmod("mine", 0777));
    CHECK_OK(chmod("mine/f", 06777));
    IN_CHILD(become(NOBODY); int fd = (int)CHECK_OK(open("mine/f", O_WRONLY)); CHECK_EQ(write(fd, "z", 1), 1));
    CHECK_EQ(statOf("mine/f").st_mode & 07777, 0777);
    // A truncation is a write: root's leaves the bits, whatever way it comes and whether or not the file is a lower's.
    const char *const ways[] = {"setid-read", "setid-write", "setid-truncate", "setid-nobody", "setid-open"};
    for (int i = 0; i < 5; i++) {
        CHECK_OK(chmod(ways[i], 06777));
        if (i == 0) close((int)CHECK_OK(open(ways[i], O_RDONLY | O_TRUNC)));
        if (i == 1) close((int)CHECK_OK(open(ways[i], O_WRONLY | O_TRUNC)));
        if (i == 2) CHECK_OK(truncate(ways[i], 1));
        if (i == 4) close((int)CHECK_OK(open(ways[i], O_RDWR)));
        CHECK_EQ(statOf(ways[i]).st_mode & 07777, 06777);
        if (i == 3) {
            IN_CHILD(become(NOBODY); close((int)CHECK_OK(open("setid-nobody", O_RDONLY | O_TRUNC))));
            CHECK_EQ(statOf(ways[i]).st_mode & 07777, 0777);
            CHECK_OK(chmod(ways[i], 06767));
            IN_CHILD(become(NOBODY); CHECK_OK(truncate("setid-nobody", 5)));
            // Nobody is not in the file's group: set-group-ID goes although the group may not execute.
            CHECK_EQ(statOf(ways[i]).st_mode & 07777, 0767);
        }
    }
}

static void scenario(void) {
    struct stat s;
    CHECK_ERRNO(access("noexec", X_OK), EACCES);
    if (!isRoot()) {
        SKIP_PART("checks between users need root; the owner's own are run");
        CHECK_ERRNO(stat("closed/in", &s), EACCES);
        CHECK_ERRNO(open("none", O_RDONLY), EACCES);
        CHECK_ERRNO(mkdir("nowrite/d", 0700), EACCES);
        CHECK_ERRNO(unlink("nowrite/f"), EACCES);
        ownerWithoutPrivilege("mine");
        return;
    }
    CHECK_OK(chmod(".", 0755));
    CHECK_OK(open("none", O_RDWR));
    CHECK_OK(stat("closed/in", &s));
    CHECK_OK(access("none", R_OK | W_OK));
    CHECK_OK(mkdir("nowrite/d", 0700));
    CHECK_OK(rmdir("nowrite/d"));
    IN_CHILD(stranger());
    IN_CHILD(group());
    IN_CHILD(owner());
    setidBits();
    // access(2) asks for the real ids, open for the effective (here: the file-system) ones.
    IN_CHILD(CHECK_OK(setresuid(0, NOBODY, 0)); CHECK_OK(access("none", R_OK)); CHECK_ERRNO(open("none", O_RDONLY), EACCES);
             CHECK_ERRNO(faccessat(AT_FDCWD, "none", R_OK, AT_EACCESS), EACCES));
    IN_CHILD(CHECK_OK(setresuid(NOBODY, 0, 0)); CHECK_ERRNO(access("none", R_OK), EACCES); CHECK_OK(open("none", O_RDONLY)));
}

SCENARIO("permissions", prepare, scenario)
