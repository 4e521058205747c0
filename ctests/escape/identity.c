// Being somebody else: what only root may read, set-id programs, capabilities, user namespaces. The sandbox's root has power
// over the virtual tree and over nothing else, and the caller's own rights bound what may be read.
#define CLASS "identity"
#include "attack.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

#define ROOT_ONLY NOT_BY_ROOT | NATIVE_ROOT
ATTACK(fake_root_reads, leak, ROOT_ONLY, "root inside opens a file that only the host's root may read") { leakPath(in("/lower/root-only")); }
ATTACK(fake_root_chmod, leak, ROOT_ONLY, "chmod and chown of it first") {
    say("chmod", chmod(in("/lower/root-only"), 0666)), leakPath(in("/lower/root-only")), say("chown", chown(in("/lower/root-only"), 65534, 65534)),
        leakPath(in("/lower/root-only"));
}
ATTACK(fake_root_moves, leak, ROOT_ONLY, "rename, link and a symlink to it, then read") {
    say("link", link(in("/lower/root-only"), in("/tmp/linked"))), leakPath(in("/tmp/linked")), say("rename", rename(in("/lower/root-only"), in("/tmp/moved"))),
        leakPath(in("/tmp/moved"));
}
ATTACK(fake_root_truncates, change, ROOT_ONLY, "truncate, append and O_TRUNC of it") {
    say("truncate", truncate(in("/lower/root-only"), 3)), deface(open(in("/lower/root-only"), O_RDWR)),
        say("O_TRUNC", open(in("/lower/root-only"), O_RDONLY | O_TRUNC));
}
ATTACK(fake_root_executes, leak, ROOT_ONLY, "its bytes by exec, as a script's interpreter line and by mmap of an O_PATH descriptor") {
    char text[64];
    int fd = open(in("/lower/root-only"), O_PATH);
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd), leakPath(text);
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p != MAP_FAILED) leak(p, 64);
    leakFile(fd);
}
ATTACK(acl_of_guest, leak, ROOT_ONLY, "an ACL that lets everybody read it") {
    unsigned char acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 6, 0, 255, 255, 255, 255, 32, 0, 6, 0, 255, 255, 255, 255};
    say("setxattr", setxattr(in("/lower/root-only"), "system.posix_acl_access", acl, sizeof acl, 0)), leakPath(in("/lower/root-only"));
}
static void asSetId(const char *path) {
    pid_t child = forked();
    if (child == 0) {
        char *const arguments[] = {"x", NULL};
        setenv("ESCAPE_READER", in("/lower/root-only"), 1);
        execv(path, arguments);
        _exit(1);
    }
    waitpid(child, NULL, 0);
}
ATTACK(set_id_program, leak, NOT_BY_ROOT | NO_FAKE_ROOT, "a set-user-id program of root's in the lower layer, which reads it") { asSetId(in("/bin/set-id")); }
ATTACK(set_id_with_fake_root, leak, NOT_BY_ROOT, "the same with root inside, and as a script and by descriptor") {
    asSetId(in("/bin/set-id"));
    char text[64];
    snprintf(text, sizeof text, "/proc/self/fd/%d", open(in("/bin/set-id"), O_PATH)), asSetId(text);
}
ATTACK(set_id_made, leak, ROOT_ONLY, "a set-user-id copy of ourselves that root inside makes") {
    char page[65536];
    int from = open("/proc/self/exe", O_RDONLY), to = open(in("/tmp/copy"), O_WRONLY | O_CREAT, 0755);
    for (ssize_t got; (got = read(from, page, sizeof page)) > 0;)
        if (write(to, page, (size_t)got) != got) break;
    say("chown", fchown(to, 0, 0)), say("fchmod", fchmod(to, 04755)), close(to), asSetId(in("/tmp/copy"));
}
ATTACK(capabilities_taken, leak, ROOT_ONLY, "capset, ambient capabilities, keepcaps and securebits") {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};
    say("keepcaps", prctl(PR_SET_KEEPCAPS, 1)), say("securebits", prctl(PR_SET_SECUREBITS, 0)), say("capset", syscall(SYS_capset, &header, data));
    for (int i = 0; i < 41; i++) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
    leakPath(in("/lower/root-only"));
}
ATTACK(ids_changed, leak, ROOT_ONLY, "setuid, setresuid, setgroups, setfsuid to root and to the file's owner") {
    say("setresuid", setresuid(1, 1, 0)), leakPath(in("/lower/root-only")), say("setuid", setuid(0)), say("setfsuid", setfsuid(0)),
        say("setgroups", setgroups(1, &(gid_t){0})), say("setresuid", setresuid(0, 0, 0)), leakPath(in("/lower/root-only"));
}
ATTACK(user_namespace, leak, ROOT_ONLY, "unshare and clone of a user namespace, with a map to root") {
    pid_t child = forked();
    if (child == 0) {
        say("unshare", syscall(SYS_unshare, 0x10000000));
        int fd = open("/proc/self/uid_map", O_WRONLY);
        ssize_t w = write(fd, "0 0 1", 5);
        (void)w;
        leakPath(in("/lower/root-only"));
        _exit(0);
    }
    waitpid(child, NULL, 0);
    leakPath(in("/lower/root-only"));
}
ATTACK(xattrs_of_power, change, 0, "security.* and trusted.* attributes on a shown file, and overlay's own; natively user.*") {
    const char *names[] = {
        "security.capability",     "trusted.x", "security.selinux", "trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.whiteout",
        "user.vedette.attributes", "user.y"};
    const char *files[] = {"/lower/victim", "/ro/victim"};
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < 8; i++) say(names[i], setxattr(in(files[f]), names[i], "\1\0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
}
ATTACK(overlay_marks, leak, TWO_RUNS, "attributes by which a later run would redirect to what is hidden; natively the hidden file itself") {
    const char *names[] = {"trusted.overlay.redirect", "user.overlay.redirect", "user.overlay.origin", "trusted.overlay.origin",
                           "user.vedette.attributes",  "user.vedette.origin",   "user.overlay.opaque"};
    if (knowsNumber("PHASE") == 1) {
        mkdir(in("/tmp/d"), 0777);
        for (int i = 0; i < 7; i++)
            say(names[i], setxattr(in("/tmp/d"), names[i], i < 5 ? "/keep/in/hide" : "y", i < 5 ? 13 : 1, 0)),
                setxattr(in("/tmp"), names[i], "../../outside", 13, 0);
    }
    leakPath(in("/tmp/d/secret")), leakPath(in("/tmp/secret"));
    if (!inside) leakPath(in("/hide/secret"));
}
ATTACK(work_area, leak, TWO_RUNS, "names by which the upper keeps its own work, opened, made and linked to what is outside; natively the outside itself") {
    const char *names[] = {"/.vedette", "/work", "/.work", "/#work", "/../work", "/..", "/.wh.lower", "/.wh..wh..opq"};
    for (int i = 0; i < 8; i++) {
        say(names[i], mkdir(in(names[i]), 0777));
        char text[512];
        snprintf(text, sizeof text, "%s/link", names[i]);
        say("symlink", symlink(out(""), in(text)));
        snprintf(text, sizeof text, "%s/link/secret", names[i]);
        leakPath(in(text));
    }
    if (!inside) leakPath(out("secret"));
}
