// POSIX access lists (acl(5)): the raw attributes, the mode that goes with them, inheritance, and who gets what.
#include "harness.h"
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#define ALICE 1000
#define BOB 1001
#define CREW 2000

struct List {
    uint32_t version;
    struct posix_acl_xattr_entry entries[12];
};
static struct List list;
static int count;

static void begin(void) {
    list.version = POSIX_ACL_XATTR_VERSION;
    count = 0;
}
static void add(int tag, int permissions, unsigned id) { list.entries[count++] = (struct posix_acl_xattr_entry){(uint16_t)tag, (uint16_t)permissions, id}; }
static size_t size(void) { return sizeof list.version + (size_t)count * sizeof *list.entries; }
#define NONE ((unsigned)ACL_UNDEFINED_ID)
#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

// u::rwx, u:alice:USER, g::GROUP, g:crew:CREW_, m::MASK, o::OTHER
static void full(int user, int group, int crew, int mask, int other) {
    begin();
    add(ACL_USER_OBJ, 7, NONE);
    add(ACL_USER, user, ALICE);
    add(ACL_GROUP_OBJ, group, NONE);
    add(ACL_GROUP, crew, CREW);
    add(ACL_MASK, mask, NONE);
    add(ACL_OTHER, other, NONE);
}

// The list as text: `u7 u1000:4 g0 m4 o0`.
static const char *text(const char *path, const char *name) {
    static char out[4][256];
    static int next;
    char *to = out[next++ % 4];
    struct List got;
    ssize_t length = getxattr(path, name, &got, sizeof got);
    if (length < 0) {
        snprintf(to, 256, "%s", errnoName(errno));
        return to;
    }
    *to = 0;
    for (size_t i = 0; i < ((size_t)length - 4) / sizeof *got.entries; i++) {
        struct posix_acl_xattr_entry *e = &got.entries[i];
        const char *kind = e->e_tag == ACL_USER_OBJ || e->e_tag == ACL_USER     ? "u"
                           : e->e_tag == ACL_GROUP_OBJ || e->e_tag == ACL_GROUP ? "g"
                           : e->e_tag == ACL_MASK                               ? "m"
                                                                                : "o";
        char id[16] = "";
        if (e->e_id != NONE) snprintf(id, sizeof id, "%u:", e->e_id);
        snprintf(to + strlen(to), 256 - strlen(to), "%s%s%s%u", *to ? " " : "", kind, id, e->e_perm);
    }
    return to;
}

static bool supported(void) {
    full(4, 0, 0, 4, 0);
    bool yes = setxattr("file", ACCESS, &list, size(), 0) == 0;
    removexattr("file", ACCESS);
    chmod("file", 0644);
    return yes;
}

static void prepare(void) {
    MUST(chmod(".", 0777));
    writeFile("file", "content");
    writeFile("lower", "content");
    MUST(mkdir("dir", 0755));
    MUST(mkdir("lowerdir", 0755));
    MUST(symlink("file", "link"));
    if (!supported()) return;
    full(6, 4, 0, 6, 0);
    MUST(setxattr("lower", ACCESS, &list, size(), 0));
    full(7, 5, 0, 7, 0);
    MUST(setxattr("lowerdir", DEFAULT, &list, size(), 0));
}

static void form(void) {
    full(4, 5, 6, 7, 1);
    CHECK_OK(setxattr("file", ACCESS, &list, size(), 0));
    CHECK_STR(text("file", ACCESS), "u7 u1000:4 g5 g2000:6 m7 o1");
    CHECK_EQ(statOf("file").st_mode & 07777, 0771);
    // The mask is the mode's group, and chmod changes it, not the group's own entry.
    CHECK_OK(chmod("file", 0640));
    CHECK_STR(text("file", ACCESS), "u6 u1000:4 g5 g2000:6 m4 o0");
    CHECK_ERRNO(setxattr("file", ACCESS, &list, size() - 1, 0), EINVAL);
    CHECK_ERRNO(setxattr("file", ACCESS, &list, 3, 0), EINVAL);
    CHECK_ERRNO(setxattr("file", DEFAULT, &list, size(), 0), EACCES);
    CHECK_OK(setxattr("file", DEFAULT, &list, 4, 0));
    CHECK_ERRNO(lsetxattr("link", ACCESS, &list, size(), 0), EOPNOTSUPP);
    list.version = 1;
    CHECK_ERRNO(setxattr("file", ACCESS, &list, size(), 0), EOPNOTSUPP);
    // XATTR_CREATE and XATTR_REPLACE mean nothing for lists.
    full(4, 5, 6, 7, 1);
    CHECK_OK(setxattr("file", ACCESS, &list, size(), XATTR_CREATE));
    CHECK_OK(setxattr("dir", ACCESS, &list, size(), XATTR_REPLACE));
    CHECK_OK(removexattr("dir", ACCESS));
    // Ids of unnamed entries are not kept; named ones may stand in any order.
    begin();
    add(ACL_USER_OBJ, 6, 7);
    add(ACL_USER, 1, BOB);
    add(ACL_USER, 2, ALICE);
    add(ACL_GROUP_OBJ, 4, 7);
    add(ACL_MASK, 7, 7);
    add(ACL_OTHER, 0, 7);
    CHECK_OK(setxattr("file", ACCESS, &list, size(), 0));
    CHECK_STR(text("file", ACCESS), "u6 u1001:1 u1000:2 g4 m7 o0");
    list.entries[4].e_tag = ACL_OTHER;
    CHECK_ERRNO(setxattr("file", ACCESS, &list, size(), 0), EINVAL);
    begin();
    add(ACL_USER_OBJ, 6, NONE);
    add(ACL_USER, 6, ALICE);
    add(ACL_GROUP_OBJ, 4, NONE);
    add(ACL_OTHER, 0, NONE);
    CHECK_ERRNO(setxattr("file", ACCESS, &list, size(), 0), EINVAL);
    begin();
    add(ACL_USER_OBJ, 8, NONE);
    add(ACL_GROUP_OBJ, 4, NONE);
    add(ACL_OTHER, 0, NONE);
    CHECK_ERRNO(setxattr("file", ACCESS, &list, size(), 0), EINVAL);
    // A list that says no more than a mode becomes one.
    list.entries[0].e_perm = 6;
    CHECK_OK(setxattr("file", ACCESS, &list, size(), 0));
    CHECK_STR(text("file", ACCESS), "ENODATA");
    CHECK_EQ(statOf("file").st_mode & 07777, 0640);
    // Removing leaves the mode, mask and all; there need be none.
    full(4, 0, 6, 6, 0);
    CHECK_OK(setxattr("file", ACCESS, &list, size(), 0));
    CHECK_OK(removexattr("file", ACCESS));
    CHECK_OK(removexattr("file", ACCESS));
    CHECK_EQ(statOf("file").st_mode & 07777, 0760);
    CHECK_OK(setxattr("file", ACCESS, NULL, 0, 0));
}

static void inheritance(void) {
    CHECK_OK(chmod("dir", 0755));
    full(7, 5, 7, 7, 0);
    CHECK_OK(setxattr("dir", DEFAULT, &list, size(), 0));
    CHECK_STR(text("dir", DEFAULT), "u7 u1000:7 g5 g2000:7 m7 o0");
    CHECK_STR(text("dir", ACCESS), "ENODATA");
    CHECK_EQ(statOf("dir").st_mode & 07777, 0755);
    // The umask does not count where there is a default list.
    umask(077);
    int fd = (int)CHECK_OK(open("dir/file", O_CREAT | O_RDWR, 0666));
    close(fd);
    CHECK_STR(text("dir/file", ACCESS), "u6 u1000:7 g5 g2000:7 m6 o0");
    CHECK_STR(text("dir/file", DEFAULT), "ENODATA");
    CHECK_EQ(statOf("dir/file").st_mode & 07777, 0660);
    CHECK_OK(mkdir("dir/sub", 0750));
    CHECK_STR(text("dir/sub", ACCESS), "u7 u1000:7 g5 g2000:7 m5 o0");
    CHECK_STR(text("dir/sub", DEFAULT), "u7 u1000:7 g5 g2000:7 m7 o0");
    CHECK_OK(mkfifo("dir/sub/fifo", 0622));
    CHECK_EQ(statOf("dir/sub/fifo").st_mode & 07777, 0620);
    CHECK_OK(symlink("x", "dir/sub/link"));
    CHECK_EQ(statOf("dir/sub/link").st_mode & 07777, 0777);
    CHECK_OK(link("file", "dir/sub/linked"));
    CHECK_STR(text("dir/sub/linked", ACCESS), "ENODATA");
    fd = (int)CHECK_OK(open("dir/sub", O_TMPFILE | O_RDWR, 0644));
    CHECK_EQ(fstatOf(fd).st_mode & 07777, 0640);
    close(fd);
    // In a lower directory too, before and after it is copied up.
    fd = (int)CHECK_OK(open("lowerdir/file", O_CREAT | O_RDWR, 0666));
    close(fd);
    CHECK_STR(text("lowerdir/file", ACCESS), "u6 u1000:7 g5 g2000:0 m6 o0");
    CHECK_OK(rename("lowerdir", "moved"));
    CHECK_OK(mkdir("moved/sub", 0777));
    CHECK_STR(text("moved/sub", DEFAULT), "u7 u1000:7 g5 g2000:0 m7 o0");
    // Without one the umask counts again.
    CHECK_OK(removexattr("moved", DEFAULT));
    CHECK_OK(mkdir("moved/plain", 0777));
    CHECK_EQ(statOf("moved/plain").st_mode & 07777, 0700);
    CHECK_STR(text("moved/plain", DEFAULT), "ENODATA");
    umask(022);
    // A minimal default list gives a mode and no list.
    begin();
    add(ACL_USER_OBJ, 7, NONE);
    add(ACL_GROUP_OBJ, 1, NONE);
    add(ACL_OTHER, 4, NONE);
    CHECK_OK(setxattr("moved", DEFAULT, &list, size(), 0));
    CHECK_OK(mkdir("moved/minimal", 0777));
    CHECK_EQ(statOf("moved/minimal").st_mode & 07777, 0714);
    CHECK_STR(text("moved/minimal", ACCESS), "ENODATA");
    CHECK_STR(text("moved/minimal", DEFAULT), "u7 g1 o4");
}

// Copy-up copies the list too.
static void copyUp(void) {
    CHECK_STR(text("lower", ACCESS), "u7 u1000:6 g4 g2000:0 m6 o0");
    int fd = (int)CHECK_OK(open("lower", O_RDWR));
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
    CHECK_STR(text("lower", ACCESS), "u7 u1000:6 g4 g2000:0 m6 o0");
    CHECK_EQ(statOf("lower").st_mode & 07777, 0760);
    CHECK_OK(chmod("lower", 0700));
    CHECK_STR(text("lower", ACCESS), "u7 u1000:6 g4 g2000:0 m0 o0");
}

static bool can(uid_t user, gid_t group, gid_t extra, int mode) {
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(extra ? 1 : 0, &extra) || setresgid(group, group, group) || setresuid(user, user, user)) _exit(2);
        _exit(faccessat(AT_FDCWD, "checked", mode, AT_EACCESS) == 0 ? 0 : 1);
    }
    int status = statusOf(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return status == 0;
}

// Each class of entry, and the mask over all but owner and other.
static void whoMay(void) {
    writeFile("checked", "x");
    CHECK_OK(chown("checked", 50, 60));
    full(6, 4, 2, 7, 1);
    CHECK_OK(setxattr("checked", ACCESS, &list, size(), 0));
    CHECK(can(50, 99, 0, R_OK | W_OK | X_OK));
    CHECK(can(ALICE, 99, 0, R_OK | W_OK));
    CHECK(!can(ALICE, 99, 0, X_OK));
    // A named user's entry is the last word, whatever groups he is in.
    CHECK(!can(ALICE, 60, CREW, X_OK));
    CHECK(can(BOB, 60, 0, R_OK));
    CHECK(!can(BOB, 60, 0, W_OK));
    CHECK(can(BOB, CREW, 0, W_OK));
    CHECK(can(BOB, 60, CREW, R_OK));
    CHECK(can(BOB, 60, CREW, W_OK));
    // One entry must grant it all.
    CHECK(!can(BOB, 60, CREW, R_OK | W_OK));
    CHECK(!can(BOB, 60, 0, X_OK));
    CHECK(can(BOB, 99, 0, X_OK));
    CHECK(!can(BOB, 99, 0, R_OK));
    full(6, 4, 2, 4, 1);
    CHECK_OK(setxattr("checked", ACCESS, &list, size(), 0));
    CHECK(can(ALICE, 99, 0, R_OK));
    CHECK(!can(ALICE, 99, 0, W_OK));
    CHECK(!can(BOB, CREW, 0, W_OK));
    CHECK(can(50, 99, 0, W_OK));
    // An empty mask: the list is not asked at all, group and other bits are.
    full(6, 4, 2, 0, 4);
    CHECK_OK(setxattr("checked", ACCESS, &list, size(), 0));
    CHECK(can(ALICE, 99, 0, R_OK));
    CHECK(!can(BOB, 60, 0, R_OK));
    // Who may change it: the owner and CAP_FOWNER.
    CHECK_OK(chmod(".", 0777));
    IN_CHILD(become(ALICE); CHECK_ERRNO(setxattr("checked", ACCESS, &list, size(), 0), EPERM); CHECK_ERRNO(removexattr("checked", ACCESS), EPERM);
             CHECK(getxattr("checked", ACCESS, NULL, 0) > 0));
    IN_CHILD(become(50); CHECK_OK(removexattr("checked", ACCESS)));
    // Somebody who is not in the group loses set-group-ID by it.
    CHECK_OK(chmod("checked", 02755));
    IN_CHILD(become(50); CHECK_OK(setxattr("checked", ACCESS, &list, size(), 0)));
    CHECK_EQ(statOf("checked").st_mode & 07000, 0);
}

static void scenario(void) {
    if (!supported()) SKIP_ALL("no access lists on this file system");
    form();
    inheritance();
    copyUp();
    if (isRoot()) whoMay();
    else SKIP_PART("other users take root");
}

SCENARIO("acl", prepare, scenario)
